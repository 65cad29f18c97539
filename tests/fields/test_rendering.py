"""Pictures and normals of a field that is known in closed form: a ball of constant density."""

import math

import numpy as np
import pytest
import torch

from scenekit.cameras import Camera
from scenekit.errors import InputError
from scenekit.fields.contraction import Region
from scenekit.fields.field import normals
from scenekit.fields.occupancy import OccupancyGrid, Stepping
from scenekit.fields.rendering import Look, camera_rays, render_field

CAMERA = Camera("PINHOLE", 33, 25, (30.0, 30.0, 16.5, 12.5))
POSE = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -3], [0, 0, 0, 1]])


class Ball:
    """Density sigma within radius 0.6, with a soft rim of width `soft` outside of it."""

    def __init__(self, sigma: float, soft: float = 0.0):
        self.region, self.sigma, self.soft = Region(), sigma, soft

    def density(self, x: torch.Tensor) -> torch.Tensor:
        beyond = x.norm(dim=-1) - 0.6
        if self.soft:
            return self.sigma * torch.sigmoid(-beyond / self.soft)
        return torch.where(beyond < 0, self.sigma, 0.0)

    def __call__(self, x: torch.Tensor, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.density(x), torch.tensor([0.2, 0.4, 0.8]).expand(len(x), 3)


def look(field: Ball, step: float = 0.004) -> Look:
    grid, stepping, rng = OccupancyGrid(field.region, 24, decay=1.0), Stepping(step), torch.Generator().manual_seed(0)
    for _ in range(100):
        grid.update(field.density, stepping, rng, everywhere=True)
    return Look(stepping, grid)


def test_opacity_is_that_of_the_chord() -> None:
    ball = Ball(1.5)
    frame = render_field(ball, CAMERA, POSE, look(ball), background=torch.tensor([1.0, 0.0, 0.0]))
    rays, _ = camera_rays(CAMERA, POSE)
    nearest = torch.linalg.cross(rays.origins, rays.directions).norm(dim=-1)
    chord = 2 * (0.36 - nearest**2).clamp(min=0).sqrt()
    alpha = 1 - (-1.5 * chord).exp()
    torch.testing.assert_close(frame.alpha.reshape(-1), alpha, atol=0.012, rtol=0)
    rgb = alpha[:, None] * torch.tensor([0.2, 0.4, 0.8]) + (1 - alpha[:, None]) * torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(frame.rgb.reshape(-1, 3), rgb, atol=0.012, rtol=0)


def test_depth_of_an_opaque_ball_is_along_the_axis() -> None:
    ball = Ball(2000.0)
    frame = render_field(ball, CAMERA, POSE, look(ball))
    rays, along = camera_rays(CAMERA, POSE)
    b = (rays.origins * rays.directions).sum(-1)
    inside = b * b - rays.origins.square().sum(-1) + 0.36
    wanted = ((-b - inside.clamp(min=0).sqrt()) * along)[inside > 0.02]
    torch.testing.assert_close(frame.depth.reshape(-1)[inside > 0.02], wanted, atol=0.006, rtol=0)
    assert float(frame.depth[0, 0]) == 0 and float(frame.alpha[12, 16]) > 0.999


@pytest.mark.parametrize("how", ["analytic", "finite"])
def test_normals_of_a_ball_point_outwards(how: str) -> None:
    x = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=-1) * 0.6
    found = normals(Ball(10.0, soft=0.05), x, how=how)
    torch.testing.assert_close(found, x / 0.6, atol=2e-3, rtol=0)


def test_finite_normals_have_a_gradient() -> None:
    x = torch.tensor([[0.5, 0.3, 0.1]], requires_grad=True)
    (gradient,) = torch.autograd.grad(normals(Ball(10.0, soft=0.05), x, how="finite")[0, 0], x)
    assert float(gradient.abs().max()) > 0.1


def test_rays_go_through_the_pixel_centres() -> None:
    rays, along = camera_rays(CAMERA, POSE)
    local = rays.directions / along[:, None]
    pixel = 30 * local.reshape(25, 33, 3)[3, 5, :2] + torch.tensor([16.5, 12.5])
    torch.testing.assert_close(pixel, torch.tensor([5.5, 3.5]))
    assert math.isclose(float(rays.directions.norm(dim=-1).mean()), 1.0, rel_tol=1e-6)
    with pytest.raises(InputError, match="T_world_cam"):
        camera_rays(CAMERA, np.eye(3))
