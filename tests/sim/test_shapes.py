"""Shapes: a distance field is the distance of closed forms, and what has no inside is refused."""

import math

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.sim.shapes import DistanceField

VOXEL = 0.01


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(np.array(solid.vertices)).float(), torch.tensor(np.array(solid.faces)).long())


def test_the_field_of_a_torus_is_its_distance_everywhere_not_only_near_it() -> None:
    field = DistanceField.from_mesh(
        mesh_of(trimesh.creation.torus(0.1, 0.04, major_sections=64, minor_sections=48)), voxel=VOXEL, margin=0.08
    )
    points = np.random.default_rng(0).uniform(-0.15, 0.15, (2000, 3)) * [1, 1, 0.5]
    ring = np.hypot(points[:, 0], points[:, 1]) - 0.1
    wanted = np.hypot(ring, points[:, 2]) - 0.04
    ridge = wanted < -0.04 + VOXEL  # where the distance has a kink, which is cut off
    np.testing.assert_allclose(field.at(points), wanted, atol=0.5 * VOXEL)
    np.testing.assert_allclose(field.at(points)[~ridge], wanted[~ridge], atol=0.2 * VOXEL)
    assert field.at(np.array([[0.1, 0, 0]]))[0] == pytest.approx(-0.04, abs=0.5 * VOXEL), "the ridge in the middle"
    assert field.at(np.zeros((1, 3)))[0] == pytest.approx(0.06, abs=0.5 * VOXEL), "the hole"


def test_the_field_of_a_box_is_exact_at_its_nodes() -> None:
    box = trimesh.creation.box((0.1, 0.2, 0.15))
    field = DistanceField.from_mesh(mesh_of(box), voxel=0.02)
    nodes = np.argwhere(np.ones(field.values.shape))
    q = np.abs(nodes * 0.02 + field.origin) - [0.05, 0.1, 0.075]
    wanted = np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)
    np.testing.assert_allclose(field.values.ravel(), wanted, atol=1e-6)


def test_beyond_its_grid_a_field_is_no_less_than_at_its_border() -> None:
    field = DistanceField.from_mesh(mesh_of(trimesh.creation.icosphere(radius=0.1)), voxel=VOXEL)
    assert field.at(np.array([[5.0, 0, 0]]))[0] > 0.02


def test_a_mesh_with_holes_has_no_field() -> None:
    whole = mesh_of(trimesh.creation.box((0.1, 0.2, 0.3)))
    for mesh in (Mesh(whole.vertices, whole.faces[1:]), Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))):
        with pytest.raises(InputError, match="holes"):
            DistanceField.from_mesh(mesh, voxel=VOXEL)


@pytest.mark.parametrize("voxel", [1e-9, 1e-4, 0.0, -1.0, math.nan])
def test_a_grid_without_end_is_refused_before_it_is_made(voxel: float) -> None:
    with pytest.raises(InputError, match="voxel"):
        DistanceField.from_mesh(mesh_of(trimesh.creation.box((1.0, 1.0, 1.0))), voxel=voxel)


def test_a_mesh_that_is_not_finite_is_refused() -> None:
    whole = mesh_of(trimesh.creation.box((0.1, 0.2, 0.3)))
    vertices = whole.vertices.clone()
    vertices[0] = math.inf
    with pytest.raises(InputError):
        DistanceField.from_mesh(Mesh(vertices, whole.faces), voxel=VOXEL)
