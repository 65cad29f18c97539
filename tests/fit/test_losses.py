"""The fused loss kernels against `scenekit.evaluate.ssim` in float64 and autograd."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.evaluate import ssim
from scenekit.fit.losses import PhotometricLoss

SIZES = [(1, 1), (3, 7), (10, 11), (37, 64), (48, 65), (96, 129), (20, 257)]


def pair(height, width, seed=0):
    rng = torch.Generator().manual_seed(seed)
    image = torch.rand(height, width, 3, generator=rng) * 1.2 - 0.1
    photo = torch.randint(0, 256, (height, width, 3), generator=rng, dtype=torch.uint8)
    mask = torch.rand(height, width, generator=rng) > 0.3
    mask[0, 0] = True
    return image, photo, mask


def twin(image, photo, mask, weight):
    """The loss in plain torch, float64, and its gradient by autograd."""
    x, y = image.double().requires_grad_(), photo.double() / 255
    counts = torch.ones(image.shape[:2], dtype=torch.bool) if mask is None else mask
    l1 = (x - y).abs()[counts].mean()
    total = (1 - weight) * l1 + weight * (1 - ssim(x, y, mask=mask))
    total.backward()
    return total.item(), x.grad


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_loss_and_gradient_match_the_float64_twin(size, masked):
    image, photo, mask = pair(*size)
    mask = mask if masked else None
    loss = PhotometricLoss(ssim_weight=0.2)(image, photo, mask=mask)
    total, gradient = twin(image, photo, mask, 0.2)
    assert loss.total == pytest.approx(total, rel=1e-5)
    torch.testing.assert_close(loss.gradient.double(), gradient, rtol=1e-3, atol=1e-5 * gradient.abs().max().item())


def test_smooth_images_keep_their_precision():
    """Where variances are small SSIM is a quotient of small differences; the kernel must not lose them."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 60), torch.linspace(0, 1, 80), indexing="ij")
    photo = (255 * torch.stack([x, y, (x + y) / 2], -1)).to(torch.uint8)
    image = photo.float() / 255 + 0.01 * torch.sin(8 * x)[..., None]
    loss = PhotometricLoss(ssim_weight=1.0)(image, photo)
    total, gradient = twin(image, photo, None, 1.0)
    assert loss.total == pytest.approx(total, rel=1e-3)
    torch.testing.assert_close(loss.gradient.double(), gradient, rtol=1e-2, atol=1e-3 * gradient.abs().max().item())


def test_masked_pixels_get_no_gradient_and_their_render_does_not_matter():
    image, photo, mask = pair(30, 40)
    loss = PhotometricLoss()
    first = loss(image, photo, mask=mask)
    gradient = first.gradient.clone()
    image[~mask] = 123.0
    second = loss(image, photo, mask=mask)
    assert (gradient[~mask] == 0).all()
    assert second.total == first.total
    assert torch.equal(second.gradient, gradient)


def test_equal_images_have_no_loss_and_no_gradient():
    _, photo, _ = pair(24, 33)
    loss = PhotometricLoss()(photo.float() / 255, photo)
    assert loss.l1 == 0 and loss.mse == 0
    assert abs(loss.dssim) < 1e-6
    assert loss.gradient.abs().max() < 1e-6


def test_a_nan_pixel_reaches_the_total():
    image, photo, _ = pair(24, 33)
    image[5, 5, 1] = float("nan")
    loss = PhotometricLoss()(image, photo)
    assert loss.total != loss.total


def test_sizes_can_alternate_on_one_loss():
    loss = PhotometricLoss()
    for size in [(40, 50), (20, 25), (40, 50)]:
        image, photo, _ = pair(*size)
        assert loss(image, photo).total == PhotometricLoss()(image, photo).total


@pytest.mark.parametrize("wrong", ["size", "type", "mask", "empty mask"])
def test_wrong_arguments_are_named(wrong):
    image, photo, mask = pair(8, 9)
    arguments = {
        "size": (image, photo[1:], None),
        "type": (image, photo.float(), None),
        "mask": (image, photo, mask[1:]),
        "empty mask": (image, photo, mask & False),
    }[wrong]
    with pytest.raises(InputError):
        PhotometricLoss()(*arguments[:2], mask=arguments[2])
