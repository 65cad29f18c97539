"""Lamps near cameras: what faces them is bright, what faces away has the light from everywhere only."""

import math

import torch
from torch import Tensor

from scenekit.generate.shading import AMBIENT, shaded
from scenekit.guidance.prior import Views
from tests.generate.conftest import seen_from

FRONT = seen_from(Views(torch.zeros(1), torch.zeros(1)), side=4)
BEHIND = torch.tensor([0.2, 0.4, 0.6])


def lit(normal: Tensor, seed: int, shading="textureless", alpha: float = 1.0) -> Tensor:
    """A picture of 4 × 4 with this normal everywhere, seen from the front, shape (3, 4, 4)."""
    image = alpha * torch.tensor([0.8, 0.4, 0.2])[None, :, None, None].expand(1, 3, 4, 4)
    normals = normal.float()[None, :, None, None].expand(1, 3, 4, 4)
    luck = torch.Generator().manual_seed(seed)
    return shaded(
        image, torch.full((1, 4, 4), alpha), normals, FRONT, shading=shading, background=BEHIND, generator=luck
    )[0]


def turned(angle: float) -> Tensor:
    """Away from the camera at −y by so much [rad]."""
    return torch.tensor([math.sin(angle), -math.cos(angle), 0.0])


def test_light_falls_off_as_a_surface_turns_from_the_camera_and_its_back_has_the_ambient():
    means = [torch.stack([lit(turned(angle), k) for k in range(200)]).mean() for angle in (0.0, 0.8, 1.6, math.pi)]
    assert means == sorted(means, reverse=True)
    darkest = min(float(lit(turned(math.pi), k).min()) for k in range(20))
    torch.testing.assert_close(darkest, AMBIENT, atol=1e-6, rtol=0)


def test_a_normal_says_its_way_alone():
    torch.testing.assert_close(lit(3 * turned(0.5), 1), lit(turned(0.5), 1))


def test_a_lamp_on_a_colour_is_that_on_white_times_the_colour():
    white, colored = lit(turned(0.4), 2), lit(turned(0.4), 2, "lambertian")
    torch.testing.assert_close(colored, white * torch.tensor([0.8, 0.4, 0.2])[:, None, None])


def test_what_shines_through_is_not_lit():
    for shading in ("albedo", "lambertian", "textureless"):
        nothing = lit(turned(0.0), 3, shading, alpha=0.0)
        torch.testing.assert_close(nothing, BEHIND[:, None, None].expand(3, 4, 4))
