"""What is behind the splats: a colour by direction."""

import math
from dataclasses import replace

import pytest
import torch

from scenekit.fit import ADC, FitConfig, fit
from scenekit.fit.held_out import drawn_at, mean_psnr
from scenekit.fit.sky import DEGREE, Sky, facing, sky_colors, spread
from scenekit.render.splats import rasterization
from scenekit.splats import merge, random_splats

STILL = ADC(start_at=1.0, reset_every=0)


@pytest.fixture(scope="module")
def colors():
    """Coefficients of a soft blue sky that is brighter in the east, positive everywhere."""
    coefficients = torch.zeros((DEGREE + 1) ** 2, 3)
    coefficients[0] = torch.tensor([0.3, 0.5, 0.8]) * math.sqrt(4 * math.pi)
    coefficients[1:4] = 0.1
    return coefficients


@pytest.fixture(scope="module")
def outdoors(views, colors):
    """The photos, with that sky behind what they show."""
    truth = random_splats(60, degree=0, extent=0.7, scale=0.15, seed=3)
    photos = []
    for view in views:
        _, alpha, _ = rasterization(
            *(truth.means, truth.quats, truth.scales, truth.opacities, None, view.viewmat[None]),
            *(view.K[None], view.width, view.height),
            render_mode="D",
        )
        sky = sky_colors(colors, view.rays @ view.viewmat[:3, :3])
        image = view.image / 255 + (1 - alpha[0]) * sky
        photos.append(replace(view, image=(255 * image).clamp(0, 255).round().to(torch.uint8)))
    return photos


def test_directions_are_evenly_spread():
    directions = spread(1000)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(1000))
    nearest = (directions @ directions.T - 2 * torch.eye(1000)).amax(1).clamp(max=1).arccos()
    typical = math.sqrt(4 * math.pi / 1000)
    assert nearest.min() > 0.6 * typical and nearest.max() < 1.1 * typical


def test_facing_takes_z_to_the_direction():
    from scenekit.render.splats_torch import rotations

    directions = spread(50)
    torch.testing.assert_close(rotations(facing(directions))[..., 2], directions, atol=1e-5, rtol=0)


def test_a_known_sky_is_found_and_looks_the_same_as_splats(outdoors, colors, start):
    config = FitConfig(steps=240, strategy=STILL)
    without = fit(outdoors[1:], start, config, progress=False)
    result = fit(outdoors[1:], start, replace(config, background="sky"), held_out=outdoors[:1], progress=False)
    whole = merge([result.splats, result.sky])
    before, after = mean_psnr(without.splats, outdoors[:1]), mean_psnr(whole, outdoors[:1])
    assert after > before + 3
    assert result.history.held_out[-1].psnr == pytest.approx(after)


def test_the_sphere_looks_like_the_sky_from_its_centre(views, colors):
    view = replace(views[0], viewmat=torch.eye(4))
    sky = Sky([view], torch.randn(100, 3, generator=torch.Generator().manual_seed(0)))
    sky.table[0] = colors
    drawn = drawn_at(sky.splats(1), view)
    error = (drawn - sky_colors(colors, view.rays)).abs()
    assert error.mean() < 0.005 and error.max() < 0.06  # at the corners, beyond which there is no sky


def test_the_sphere_is_only_where_photos_look(views):
    sky = Sky(views[:1], torch.randn(100, 3, generator=torch.Generator().manual_seed(0)))
    splats = sky.splats(2)
    assert 0 < len(splats) < 1000 and splats.sh_degree == 2
    ahead = (splats.means - sky.centre) @ views[0].viewmat[2, :3]
    assert (ahead > 0).all()
