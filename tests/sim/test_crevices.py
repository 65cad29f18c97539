"""Crevices: what a ball reaches of a solid's surface, and what it does not."""

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import Array
from scenekit.meshes import Mesh
from scenekit.sim.crevices import SurfacePoints, surface_points
from scenekit.surface.signed_distance import SignedDistance

COUNT = 4000


def seen(solid: trimesh.Trimesh, radius: float) -> SurfacePoints:
    mesh = Mesh(torch.tensor(np.array(solid.vertices)).float(), torch.tensor(np.array(solid.faces)).long())
    return surface_points(mesh, SignedDistance(mesh), radius=radius, count=COUNT)


def grooved(width: float) -> trimesh.Trimesh:
    """A cube with sides of 10 cm and a groove along y, 6 cm deep."""
    groove = trimesh.creation.box((width, 0.2, 0.06)).apply_translation((0, 0, 0.02))
    return trimesh.boolean.difference([trimesh.creation.box((0.1, 0.1, 0.1)), groove], engine="manifold")


def in_groove(points: Array, width: float) -> Array:
    """Those on its walls and bottom, not on the faces of the cube."""
    x, y, z = np.abs(points[:, 0]), np.abs(points[:, 1]), points[:, 2]
    return points[(x < width / 2 + 1e-5) & (y < 0.0499) & (z > -0.02) & (z < 0.0499)]


def test_a_ball_reaches_all_of_what_is_convex() -> None:
    for solid in (trimesh.creation.icosphere(subdivisions=4, radius=0.1), trimesh.creation.box((0.1, 0.2, 0.3))):
        points = seen(solid, 0.05)
        assert len(points.hidden) == 0
        assert len(points.reached) == COUNT + len(solid.vertices)


def test_the_walls_of_a_slit_are_hidden_and_the_faces_around_it_are_reached() -> None:
    width, radius = 0.004, 0.005
    points = seen(grooved(width), radius)
    assert len(in_groove(points.reached, width)) == 0
    assert len(in_groove(points.hidden, width)) > 0.1 * COUNT
    outside = points.hidden[np.abs(points.hidden[:, 0]) > width / 2 + 1e-5]
    assert len(outside) == 0


def test_a_groove_wider_than_the_ball_is_reached_but_for_its_corners() -> None:
    width, radius = 0.03, 0.005
    points = seen(grooved(width), radius)
    assert len(in_groove(points.reached, width)) > 0.1 * COUNT
    corner = np.hypot(np.abs(points.hidden[:, 0]) - width / 2, points.hidden[:, 2] + 0.01)
    assert corner.max() < radius, "only where walls meet the bottom"


@pytest.mark.parametrize("radius", [0.019, 0.021])
def test_a_round_hole_is_reached_by_a_ball_that_fits_into_it(radius: float) -> None:
    tube = trimesh.creation.annulus(r_min=0.02, r_max=0.04, height=0.1, sections=128)
    points = seen(tube, radius)
    wall = points.reached[np.hypot(points.reached[:, 0], points.reached[:, 1]) < 0.0201]
    middle = np.abs(wall[:, 2]) < 0.03
    assert middle.any() == (radius < 0.02)


def test_of_a_fine_mesh_only_some_vertices_are_looked_at() -> None:
    solid = trimesh.creation.icosphere(subdivisions=6, radius=0.1)
    points = seen(solid, 0.01)
    assert len(solid.vertices) > 10 * COUNT
    assert COUNT <= len(points.reached) + len(points.hidden) <= 2 * COUNT + COUNT // 2
