"""The loss as a GPU computes it, run by a CPU, against the loss as a CPU computes it."""

import pytest
import torch

from scenekit.fit.losses import PhotometricLoss
from scenekit.fit.losses_pixels import compare_by_pixels


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 7), (31, 43), (12, 70)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_it_agrees_with_the_loss_of_a_cpu(height, width, masked, weight):
    rng = torch.Generator().manual_seed(height)
    image = torch.rand(height, width, 3, generator=rng) * 1.2 - 0.1
    photo = torch.randint(0, 256, (height, width, 3), generator=rng, dtype=torch.uint8)
    mask = torch.rand(height, width, generator=rng) > 0.3 if masked else None
    if mask is not None:
        mask[0, 0] = True
    twin = PhotometricLoss(ssim_weight=weight)(image, photo, mask=mask)
    means, gradient = compare_by_pixels(image, photo, mask, weight)
    torch.testing.assert_close(means, twin.means, rtol=2e-5, atol=1e-7)
    assert (gradient - twin.gradient).norm() <= 2e-5 * twin.gradient.norm() + 1e-9
