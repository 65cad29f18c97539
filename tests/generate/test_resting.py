"""How things fall and stand, against closed forms."""

import math

import numpy as np
import pytest
import torch
import trimesh

from scenekit.generate.resting import GROUND, gaps, leaning, slope, stance
from scenekit.meshes import Mesh
from scenekit.scene import Node
from scenekit.validation.placed import Placed


def placed(solid: trimesh.Trimesh) -> Placed:
    mesh = Mesh(torch.from_numpy(solid.vertices).float(), torch.from_numpy(solid.faces.copy()).long())
    return Placed("/it", Node("it", mesh=mesh), np.eye(4))


def box(*size: float, at: tuple[float, float, float] = (0, 0, 0)) -> Placed:
    return placed(trimesh.creation.box(size, trimesh.transformations.translation_matrix(at)))


def ball(radius: float, at: tuple[float, float, float] = (0, 0, 0)) -> Placed:
    solid = trimesh.creation.icosphere(4, radius)
    solid.apply_translation(at)
    return placed(solid)


def test_a_ball_over_a_ball_falls_until_the_distance_of_their_centres_is_the_sum_of_radii() -> None:
    found = gaps(ball(0.1), np.array([0.05, 0, 1.0]), [ball(0.2)], ground=False)
    assert found.fall == pytest.approx(1.0 - math.sqrt(0.3**2 - 0.05**2), abs=1e-3)
    assert found.touched(1e-3) == {0}


def test_what_passes_by_others_falls_to_the_ground() -> None:
    found = gaps(box(0.1, 0.1, 0.1), np.array([0.5, 0, 1.0]), [box(0.2, 0.2, 0.2)], ground=True)
    assert found.fall == pytest.approx(0.95, abs=1e-6)
    assert found.touched(1e-3) == {GROUND}


def test_a_plate_much_wider_than_its_support_meets_it_too() -> None:
    found = gaps(box(1, 1, 0.02), np.array([0, 0, 1.0]), [box(0.01, 0.01, 0.3)], ground=True)
    assert found.fall == pytest.approx(1 - 0.01 - 0.15, abs=1e-6)


@pytest.mark.parametrize(("over", "stands"), [(0.0, True), (0.04, True), (0.047, True), (0.0495, False), (0.06, False)])
def test_a_box_over_an_edge_stands_as_long_as_its_centre_is_over_the_support(over: float, stands: bool) -> None:
    """The edge is 5 cm from the middle; leaning by 2° moves its centre, 5 cm above, by 1.7 mm."""
    found = gaps(box(0.1, 0.1, 0.1), np.array([over, 0, 0.5]), [box(0.1, 1, 0.2)], ground=True)
    assert (slope(found, np.array([over, 0]), 0.05) is not None) == stands


def test_a_plank_over_a_step_leans_by_the_height_over_the_distance() -> None:
    low, high = box(0.1, 0.2, 0.1, at=(-0.4, 0, 0.05)), box(0.1, 0.2, 0.12, at=(0.4, 0, 0.06))
    plank = box(1, 0.1, 0.02)
    found = gaps(plank, np.array([0, 0, 0.5]), [low, high], ground=True)
    lean = slope(found, np.zeros(2), 0.01)
    assert lean is not None
    # It touches the far edge of the low one, 45 cm to the left, and the near edge of the high one, 35 cm to the right.
    assert lean == pytest.approx([-0.02 / 0.8, 0], abs=1e-4)
    turned = leaning(lean) @ np.array([1.0, 0, 0])
    assert turned[2] / turned[0] == pytest.approx(-lean[0], rel=1e-6)


def test_a_ball_stands_on_a_level_and_not_on_a_slope() -> None:
    roof = placed(trimesh.creation.box((1, 1, 0.1), trimesh.transformations.rotation_matrix(0.3, [0, 1, 0])))
    for support, stands in ((box(1, 1, 0.1), True), (roof, False)):
        found = gaps(ball(0.05), np.array([0, 0, 0.6]), [support], ground=False)
        assert (slope(found, np.zeros(2), 0.05) is not None) == stands


def test_what_stands_is_left_as_it_is() -> None:
    assert np.array_equal(stance(box(0.1, 0.1, 0.3)), np.eye(3))
    assert math.acos(stance(ball(0.1))[2, 2]) < math.radians(3)  # from a corner of the polyhedron to a side


def test_a_cone_on_its_tip_lies_down_on_its_side() -> None:
    cone = trimesh.creation.cone(0.05, 0.2, sections=64)
    cone.apply_transform(trimesh.transformations.rotation_matrix(math.pi, [1, 0, 0]))
    R = stance(placed(cone))
    # From tip down to a side: half the opening angle short of a quarter turn.
    assert math.acos(R[2, 2]) == pytest.approx(math.pi / 2 - math.atan(0.05 / 0.2), abs=0.01)
    lowest = (cone.vertices @ R.T)[:, 2]
    assert np.count_nonzero(lowest < lowest.min() + 1e-6) >= 2


def test_a_leaning_box_is_set_upright() -> None:
    for degrees in (3, 20, 40):
        T = trimesh.transformations.rotation_matrix(math.radians(degrees), [1, 0, 0])
        R = stance(placed(trimesh.creation.box((0.1, 0.1, 0.1), T)))
        assert (R @ T[:3, :3])[2, 2] == pytest.approx(1, abs=1e-6)
