"""A ball of known radius: its mesh, its level, its splats, and what is said where there is nothing."""

import math

import numpy as np
import pytest
import torch

from scenekit.cameras import Camera
from scenekit.errors import FitError, InputError
from scenekit.fields.contraction import Region
from scenekit.fields.extract import covering_level, field_mesh, field_splats, surface_colors
from scenekit.mass import mass_properties
from scenekit.render.splats import render


class Ball:
    """A soft ball: density falls from `most` by a factor e every `soft` metres of radius, and is most/e at 0.5."""

    def __init__(self, most: float = 2000.0, soft: float = 0.02):
        self.region, self.most, self.soft = Region((0.2, 0.0, 0.0), 1.0), most, soft

    def density(self, x: torch.Tensor) -> torch.Tensor:
        r = (x - x.new_tensor(self.region.middle)).norm(dim=-1)
        return self.most * torch.exp(-((r - 0.5) / self.soft + 1).clamp(min=0))

    def __call__(self, x: torch.Tensor, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        color = 0.5 + 0.4 * torch.nn.functional.normalize(x - x.new_tensor(self.region.middle), dim=-1)
        return self.density(x), color


def test_the_level_is_where_a_voxel_takes_half_of_the_light() -> None:
    ball = Ball()
    found = field_mesh(ball, voxels=64)
    assert found.remarks == [] and math.isclose(1 - math.exp(-found.level * 2 / 64), 0.5)
    radius = 0.5 + ball.soft * (math.log(ball.most / found.level) - 1)
    r = (found.mesh.vertices - torch.tensor(ball.region.middle)).norm(dim=-1)
    torch.testing.assert_close(r, torch.full_like(r, radius), atol=2e-3, rtol=0)
    color = 0.5 + 0.4 * (found.mesh.vertices - torch.tensor(ball.region.middle)) / r[:, None]
    torch.testing.assert_close(found.mesh.vertex_colors[:, :3] / 255, color, atol=0.01, rtol=0)


class HazyBall(Ball):
    """It is red, in a haze of blue."""

    def __call__(self, x: torch.Tensor, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inside = (x - x.new_tensor(self.region.middle)).norm(dim=-1) < 0.48
        return self.density(x), torch.where(inside[:, None], torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1]))


def test_colours_of_a_surface_are_those_below_its_haze() -> None:
    ball = HazyBall(most=20.0, soft=0.02)
    level = ball.density(torch.tensor([[0.2 + 0.54, 0.0, 0.0]])).item()
    points = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    colors = surface_colors(ball, 0.54 * points + torch.tensor(ball.region.middle), level)
    depth = torch.linspace(0, 3 * math.log(2) / level, 2001)
    density = ball.density(torch.stack([0.74 - depth, 0 * depth, 0 * depth], 1))[:-1]
    left = (-torch.cumsum(density * depth[1], 0)).exp()
    blue = (1 - left[int((0.06 / depth[1]).item())]) / (1 - left[-1])
    assert blue < 0.4
    torch.testing.assert_close(colors[:, 2], blue.expand(50), atol=0.08, rtol=0)


def test_the_covering_level_is_the_best_of_all() -> None:
    rng = torch.Generator().manual_seed(3)
    opacity = torch.rand(200, generator=rng)
    peaks = opacity + 0.5 * torch.rand(200, generator=rng)
    level, there = covering_level(peaks, opacity), opacity > 0.5

    def agreement(level: float) -> float:
        meets = peaks >= level
        return float((meets & there).sum() / (meets | there).sum())

    assert agreement(level) == max(agreement(float(peak)) for peak in peaks)
    with pytest.raises(FitError, match="opaque"):
        covering_level(peaks, opacity / 2)


def test_the_mesh_is_closed_and_turned_outwards() -> None:
    found = field_mesh(Ball(), voxels=48)
    r = float((found.mesh.vertices - torch.tensor([0.2, 0, 0])).norm(dim=-1).mean())
    assert math.isclose(float(mass_properties(found.mesh).volume), 4 / 3 * math.pi * r**3, rel_tol=0.02)


def test_a_thin_field_gives_a_mesh_and_a_remark() -> None:
    found = field_mesh(Ball(most=0.01), voxels=32)
    assert len(found.mesh.faces) > 100
    assert "half of the greatest" in found.remarks[0] and math.isclose(found.level, 0.005, rel_tol=1e-5)
    found = field_mesh(Ball(), voxels=32, level=1e9)
    assert len(found.mesh.faces) > 100 and len(found.remarks) == 1


def test_a_full_box_is_remarked() -> None:
    found = field_mesh(Ball(), voxels=16, low=(0.0, -0.2, -0.2), high=(0.4, 0.2, 0.2))
    assert any("too low" in remark for remark in found.remarks)


def test_an_empty_field_raises() -> None:
    with pytest.raises(FitError, match="something to see"):
        field_mesh(Ball(most=0.0), voxels=16)
    with pytest.raises(InputError, match="box"):
        field_mesh(Ball(), low=(1.0, 0, 0), high=(0.0, 1, 1))


def test_splats_lie_on_the_surface_and_look_like_it() -> None:
    ball = Ball()
    found = field_mesh(ball, voxels=48)
    splats = field_splats(ball, found, count=4000)
    r = (splats.means - torch.tensor([0.2, 0, 0])).norm(dim=-1)
    wanted = (found.mesh.vertices - torch.tensor([0.2, 0, 0])).norm(dim=-1).mean()
    torch.testing.assert_close(r, wanted.expand_as(r), atol=5e-3, rtol=0)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.stack([[-1.0, 0, 0], [0, 0, -1.0], [0, -1.0, 0]], 1), [0.2, 3.0, 0.0]
    frame = render(splats, Camera("PINHOLE", 32, 32, (40.0, 40.0, 16.0, 16.0)), T)
    assert float(frame.alpha[16, 16]) > 0.95 and float(frame.alpha[0, 0]) < 0.01
    torch.testing.assert_close(frame.rgb[16, 16], torch.tensor([0.5, 0.9, 0.5]), atol=0.08, rtol=0)
