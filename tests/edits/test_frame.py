"""Tests of scenekit.edits.frame: up by points of the floor. The other ways are in tests/validation/test_frame.py."""

import numpy as np
import pytest

from scenekit.cameras import rotation_from_quaternion
from scenekit.edits import Level
from scenekit.errors import InputError
from tests.edits.conftest import make_state

QUAT = np.array([0.7, 0.1, -0.6, 0.2]) / np.linalg.norm([0.7, 0.1, -0.6, 0.2])


def tilted(points: list[list[float]]) -> tuple[tuple[float, float, float], ...]:
    return tuple(map(tuple, (np.array(points) @ rotation_from_quaternion(QUAT).T + [0.3, -2.0, 1.0]).tolist()))  # type: ignore[misc]


FLOOR = tilted([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 3, 0]])
(ABOVE,), (BELOW,) = tilted([[0.2, 0.1, 1.5]]), tilted([[0.2, 0.1, -1.5]])


@pytest.mark.parametrize(("above", "sign"), [(ABOVE, 1.0), (BELOW, -1.0)])
def test_points_of_the_floor_become_level_with_what_is_above_them_up(above, sign):
    before = make_state()
    after = Level("points", points=FLOOR, above=above).apply(before)
    T = after.frame.T_world_source @ np.linalg.inv(before.frame.T_world_source)
    np.testing.assert_allclose(T[:3, :3] @ rotation_from_quaternion(QUAT)[:, 2], [0, 0, sign], atol=1e-12)
    np.testing.assert_allclose(after.pose("/box").matrix, T @ before.pose("/box").matrix, atol=1e-12)
    assert after.frame.up == "given"


def test_without_a_point_above_up_stays_nearer_to_up():
    normal = rotation_from_quaternion(QUAT)[:, 2]
    after = Level("points", points=FLOOR).apply(make_state())
    assert (after.frame.T_world_source[:3, :3] @ normal)[2] == pytest.approx(np.sign(normal[2]))


def test_the_spread_is_that_of_a_line_fitted_across_the_weaker_axis():
    z = [0.01, -0.02, 0.015, 0.0, -0.01, 0.02]
    points = [[x, y, h] for (x, y), h in zip([(x, y) for x in (-5, 0, 5) for y in (-1, 1)], z, strict=True)]
    after = Level("points", points=tuple(map(tuple, points))).apply(make_state())
    xy1 = np.array([[x, y, 1] for x, y, _ in points])
    _, residuals, *_ = np.linalg.lstsq(xy1, np.array(z), rcond=None)
    expected = np.sqrt(residuals[0] / 3 / np.sum(xy1[:, 1] ** 2))
    assert after.frame.up_spread == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("points", [(), FLOOR[:2], tilted([[0, 0, 0], [1, 0, 0], [2, 0, 0]]), (FLOOR[0],) * 3])
def test_points_that_span_no_plane_are_refused(points):
    with pytest.raises(InputError, match="three or more"):
        Level("points", points=points).apply(make_state())


def test_points_that_would_not_be_looked_at_are_refused():
    with pytest.raises(InputError, match="by points"):
        Level(points=FLOOR).apply(make_state())
