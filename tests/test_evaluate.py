"""Metrics: closed forms, SciPy's convolution as the other program, and what must not be compared."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

import scenekit.evaluate
from scenekit.cameras import Array, look_at
from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.evaluate import Scores, ViewScore, evaluate, pose_errors, psnr, ssim, ssim_map
from scenekit.render.splats import rasterization
from scenekit.splats import Splats, random_splats


def images(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=rng, dtype=torch.float64), torch.rand(shape, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("offset", [0.5, 0.1, 0.01])
def test_psnr_of_a_constant_offset_is_its_decibels(offset: float) -> None:
    target = torch.full((4, 5, 3), 0.3, dtype=torch.float64)
    assert float(psnr(target + offset, target)) == pytest.approx(-20 * math.log10(offset), abs=1e-12)


def test_psnr_of_equal_images_is_infinite_and_json_says_none() -> None:
    image, _ = images(4, 4, 3)
    assert float(psnr(image, image)) == math.inf
    assert Scores([ViewScore("a", math.inf, 1.0)]).as_dict()["psnr"] is None


def test_a_mask_leaves_out_exactly_its_false_pixels() -> None:
    image, target = images(6, 6, 3)
    mask = torch.zeros(6, 6, dtype=torch.bool)
    mask[:3] = True
    assert float(psnr(image, target, mask=mask)) == pytest.approx(float(psnr(image[:3], target[:3])), abs=1e-12)
    changed = image.clone()
    changed[3:] = 17.0
    assert float(psnr(changed, target, mask=mask)) == float(psnr(image, target, mask=mask))
    assert float(ssim(changed, target, mask=mask)) == float(ssim(image, target, mask=mask))


def test_an_all_true_mask_changes_nothing() -> None:
    image, target = images(20, 15, 3)
    everywhere = torch.ones(20, 15, dtype=torch.bool)
    for metric in (psnr, ssim):
        assert float(metric(image, target, mask=everywhere)) == pytest.approx(float(metric(image, target)), abs=1e-14)


def test_ssim_matches_its_definition_with_scipys_filters() -> None:
    """Wang et al. (2004), Eq. 13, in NumPy: SciPy's Gaussian cut at 5 px with zeros beyond the border."""
    image, target = images(23, 31, 3)

    def blur(x: np.ndarray) -> np.ndarray:
        return scipy.ndimage.gaussian_filter(x, 1.5, radius=5, mode="constant")

    for channel in range(3):
        x, y = image[..., channel].numpy(), target[..., channel].numpy()
        mx, my = blur(x), blur(y)
        vx, vy, c = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        expected = (2 * mx * my + 1e-4) * (2 * c + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
        np.testing.assert_allclose(ssim_map(image, target)[..., channel].numpy(), expected, rtol=1e-10)


def test_ssim_of_an_image_with_itself_is_one_and_the_measure_is_symmetric() -> None:
    image, target = images(16, 16, 3)
    assert float(ssim(image, image)) == pytest.approx(1.0, abs=1e-14)
    assert float(ssim(image, target)) == pytest.approx(float(ssim(target, image)), abs=1e-14)


def test_ssim_of_two_flat_images_is_the_luminance_term_away_from_the_border() -> None:
    a, b = 0.2, 0.7
    flat = ssim_map(torch.full((21, 21, 1), a, dtype=torch.float64), torch.full((21, 21, 1), b, dtype=torch.float64))
    assert float(flat[10, 10, 0]) == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), abs=1e-12)


def test_ssim_gradients_match_finite_differences() -> None:
    image, target = images(7, 6, 2)
    assert torch.autograd.gradcheck(lambda x: ssim(x, target), image.requires_grad_())


def test_float32_metrics_agree_with_their_float64_twins() -> None:
    image, target = images(64, 48, 3)
    for metric in (psnr, ssim):
        assert float(metric(image.float(), target.float())) == pytest.approx(float(metric(image, target)), rel=1e-5)


@pytest.mark.parametrize(
    ("image", "target", "mask"),
    [
        (torch.zeros(3, 4, 3), torch.zeros(4, 3, 3), None),
        (torch.zeros(3, 4), torch.zeros(3, 4), None),
        (torch.zeros(3, 4, 3), torch.zeros(3, 4, 3), torch.zeros(3, 4, dtype=torch.bool)),
        (torch.zeros(3, 4, 3), torch.zeros(3, 4, 3), torch.ones(4, 3, dtype=torch.bool)),
    ],
)
def test_what_cannot_be_compared_is_refused(image: Tensor, target: Tensor, mask: Tensor | None) -> None:
    with pytest.raises(InputError):
        psnr(image, target, mask=mask)


def view(name: str, value: int) -> View:
    image = torch.full((4, 6, 3), value, dtype=torch.uint8)
    return View(name, image, torch.eye(3), torch.eye(4))


def test_scores_are_means_over_views_of_per_view_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    def black(splats: Splats, views: Sequence[View], *, backend: str | None = None) -> Iterator[Tensor]:
        return iter([torch.zeros(4, 6, 3) for _ in views])

    monkeypatch.setattr(scenekit.evaluate, "renders", black)
    scores = evaluate(random_splats(1), [view("a", 255), view("b", 51)])
    assert [row.name for row in scores.views] == ["a", "b"]
    assert scores.psnr == pytest.approx((0.0 - 20 * math.log10(0.2)) / 2, abs=1e-5)


def test_no_views_is_an_error() -> None:
    with pytest.raises(InputError, match="held-out"):
        evaluate(random_splats(1), [])


def test_a_render_compared_with_itself_as_a_photo_is_limited_by_eight_bits_only() -> None:
    """Rounding to 1/255 is an error uniform in ±1/510: its MSE is 1/(12·255²), 58.9 dB."""
    splats = random_splats(200, degree=1, scale=0.1)
    K = torch.tensor([[40.0, 0, 24], [0, 44.0, 16], [0, 0, 1]])
    viewmat = torch.eye(4)
    viewmat[2, 3] = 3.0
    image, _, _ = rasterization(
        splats.means, splats.quats, splats.scales, splats.opacities, splats.sh, viewmat[None], K[None], 48, 32,
        sh_degree=1, backend="torch",
    )  # fmt: skip
    taken = View("a", (image[0].clamp(0, 1) * 255).round().to(torch.uint8), K, viewmat)
    assert evaluate(splats, [taken], backend="torch").psnr > 58


def poses(count: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return np.stack([look_at(rng.normal(size=3), rng.normal(size=3) * 0.1 + [0, 0, 5.0]) for _ in range(count)])


def test_cameras_that_differ_by_a_similarity_have_no_error() -> None:
    truth, T = poses(7), look_at(np.array([1.0, 2.0, 0.5]), np.zeros(3))
    moved = T @ truth
    moved[:, :3, 3] *= 0.4
    errors = pose_errors(moved, truth)
    np.testing.assert_allclose(errors.position, 0, atol=1e-9)
    np.testing.assert_allclose(errors.rotation, 0, atol=1e-7)
    assert errors.scale == pytest.approx(2.5)


def test_a_turned_camera_is_off_by_its_angle() -> None:
    truth = poses(6)
    turned, angle = truth.copy(), 0.03
    c, s = math.cos(angle), math.sin(angle)
    turned[2, :3, :3] = truth[2, :3, :3] @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    errors = pose_errors(turned, truth)
    np.testing.assert_allclose(errors.rotation, [0, 0, angle, 0, 0, 0], atol=1e-7)


def test_a_mirror_image_is_not_mistaken_for_a_rotation() -> None:
    truth = poses(8)
    mirrored = truth.copy()
    mirrored[:, 0, 3] *= -1
    assert pose_errors(mirrored, truth).position.max() > 0.1


@pytest.mark.parametrize(("estimated", "truth"), [(poses(4), poses(5)), (poses(2), poses(2)), (poses(1)[[0] * 4],) * 2])
def test_poses_that_determine_no_similarity_are_refused(estimated: Array, truth: Array) -> None:
    with pytest.raises(InputError, match="poses"):
        pose_errors(estimated, truth)
