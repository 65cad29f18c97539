"""Photos of one scene in exposures of their own."""

from dataclasses import replace

import pytest
import torch

from scenekit.fit import ADC, FitConfig, fit
from scenekit.fit.bilateral_grid import LEVELS, LUMA, BilateralGrid, sliced, variation
from scenekit.fit.exposure import exposed, held
from scenekit.fit.held_out import mean_psnr
from scenekit.fit.optimizer import Rates
from scenekit.splats import random_splats

STILL = ADC(start_at=1.0, reset_every=0)


@pytest.fixture(scope="module")
def gains(views):
    return 1 + torch.tensor([[0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.25, -0.25, 0.0]]).T * torch.tensor([[1.0, 0.8, 1.2]])


@pytest.fixture(scope="module")
def uneven(views, gains):
    """The photos, each in an exposure and white balance of its own."""
    return [
        replace(view, image=(view.image * gain).clamp(max=255).round().to(torch.uint8))
        for view, gain in zip(views, gains, strict=True)
    ]


def test_known_exposures_are_found_again(uneven, gains, start):
    start = replace(start, sh=start.sh[:, :1])  # colours that depend on the view could explain exposures of few photos
    config = FitConfig(steps=240, strategy=STILL)
    without = fit(uneven[1:], start, config, progress=False)
    result = fit(uneven[1:], start, replace(config, exposure="affine"), progress=False)
    grey = result.companions.exposure.maps @ torch.tensor([0.5, 0.5, 0.5, 1.0]) / 0.5
    assert (grey / grey.mean(0) - gains[1:] / gains[1:].mean(0)).abs().max() < 0.08
    before, after = (mean_psnr(r.splats, uneven[:1], matched=True) for r in (without, result))
    assert after > before + 2


def test_a_grid_learns_exposures_that_differ_over_the_photo(views, uneven, monkeypatch):
    """The splats are right and stay; only the grids learn, fast. Each photo also darkens towards its right."""
    monkeypatch.setattr(BilateralGrid, "rate", 0.01)
    truth = random_splats(60, degree=0, extent=0.7, scale=0.15, seed=3)
    fade = torch.linspace(1.4, 0.6, views[0].width)[:, None]
    photos = [replace(view, image=(view.image * fade).clamp(max=255).to(torch.uint8)) for view in uneven]
    still = Rates(means=0.0, quats=0.0, log_scales=0.0, logit_opacities=0.0, sh=0.0, sh_rest=0.0)
    psnr = {}
    for kind in ("none", "affine", "grid"):
        config = FitConfig(steps=300, strategy=STILL, coarse=(), rates=still, exposure=kind)
        psnr[kind] = fit(photos, truth, config, progress=False).history.records[-1].psnr
    assert psnr["none"] + 3 < psnr["affine"] < psnr["grid"] - 1


def test_light_beyond_white_counts_as_white_only_where_the_photo_is_saturated():
    image = torch.tensor([[[1.4, 0.5, 1.4]]])
    photo = torch.tensor([[[255, 255, 250]]], dtype=torch.uint8)
    assert held(image, photo).tolist() == [[[1.0, 0.5, pytest.approx(1.4)]]]


def test_maps_of_each_pixel_are_as_one_map_where_they_are_equal():
    generator = torch.Generator().manual_seed(0)
    image, one = torch.rand(5, 7, 3, generator=generator), torch.randn(3, 4, generator=generator)
    torch.testing.assert_close(exposed(image, one), exposed(image, one.expand(5, 7, 3, 4)))


def test_a_grid_is_interpolated_between_its_points():
    """A grid that is linear in place and brightness comes back as that linear function."""
    levels, rows, columns = LEVELS, 5, 4
    z, y, x = torch.meshgrid(*(torch.linspace(0, 1, k) for k in (levels, rows, columns)), indexing="ij")
    grid = (0.3 + x + 2 * y + 3 * z).expand(12, -1, -1, -1)
    image = torch.rand(6, 8, 3, generator=torch.Generator().manual_seed(0))
    across, down = (torch.arange(8) + 0.5) / 8, (torch.arange(6) + 0.5) / 6
    wanted = 0.3 + across + 2 * down[:, None] + 3 * image @ torch.tensor(LUMA)
    torch.testing.assert_close(sliced(grid, image), wanted[..., None, None].expand(-1, -1, 3, 4))


def test_variation_is_the_mean_square_of_steps():
    grid = torch.zeros(12, 2, 3, 4)
    grid[:, 1] = 0.5
    assert float(variation(grid)) == pytest.approx(0.25)
