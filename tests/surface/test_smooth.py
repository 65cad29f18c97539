"""Smoothing: noise goes, volume and borders stay."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface.smooth import smoothed
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


BALL = mesh_of(trimesh.creation.icosphere(4, 0.5))


def rough(mesh: Mesh) -> Mesh:
    noise = torch.randn(len(mesh.vertices), 1, generator=torch.Generator().manual_seed(0))
    return replace(mesh, vertices=mesh.vertices * (1 + 0.01 * noise))


@pytest.mark.parametrize("steps", [1, 10, 50])
def test_noise_goes_and_the_volume_stays(steps: int) -> None:
    before, after = rough(BALL), smoothed(rough(BALL), steps)
    assert after.vertices.norm(dim=1).std() < (0.8 if steps == 1 else 0.5) * before.vertices.norm(dim=1).std()
    assert Surface(after).solid.volume == pytest.approx(Surface(before).solid.volume, rel=0.005)


def test_a_plane_stays_in_its_plane_and_a_straight_border_straight() -> None:
    x, y = np.meshgrid(np.arange(9.0), np.arange(9.0))
    vertices = torch.tensor(np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1), dtype=torch.float32)
    cell = np.array([[0, 1, 10], [0, 10, 9]])
    faces = torch.tensor(np.concatenate([cell + 9 * row + column for row in range(8) for column in range(8)]))
    after = smoothed(Mesh(vertices, faces), 20).vertices
    assert (after[:, 2] == 0).all()
    middle = (x.ravel() == 0) & (y.ravel() > 1) & (y.ravel() < 7)  # a corner is not straight
    assert after[middle, 0].abs().max() < 0.15
    inner = (x.ravel() > 0) & (x.ravel() < 8) & (y.ravel() > 0) & (y.ravel() < 8)
    assert (after[inner, :2] > 0).all() and (after[inner, :2] < 8).all()


def test_both_sides_of_a_seam_move_together() -> None:
    """A ball whose every face has vertices of its own."""
    ball = rough(BALL)
    torn = Mesh(ball.vertices[ball.faces].reshape(-1, 3), torch.arange(3 * len(ball.faces)).reshape(-1, 3))
    after = smoothed(torn, 5)
    assert Surface(after).is_closed
    assert torch.equal(after.vertices.reshape(-1, 3, 3), smoothed(ball, 5).vertices[ball.faces])


def test_no_steps_change_nothing() -> None:
    assert smoothed(BALL, 0) is BALL


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="steps"):
        smoothed(BALL, -1)
    broken = BALL.vertices.clone()
    broken[3] = torch.nan
    with pytest.raises(InputError, match="vertices"):
        smoothed(replace(BALL, vertices=broken), 1)
