"""Tests of scenekit.viewer.screen: outlines on the screen against a projection written down here, in float64."""

import numpy as np

from scenekit.cameras import look_at, pinhole
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.selection import parse_selection
from scenekit.splats import random_splats
from scenekit.viewer.screen import outlined, rectangle

CAMERA, T = pinhole(640, 480, 500, 500, 320, 240), look_at(np.array([0.2, -3.0, 1.0]), np.zeros(3))
STATE = SceneState(
    Node("", children=(Node("a", Pose((0.1, 0.2, 0.3)), splats=random_splats(3000, degree=0, extent=4.0)),))
)


def on_screen() -> tuple[np.ndarray, np.ndarray]:
    """Where on the screen, 0 to 1 each way, each Gaussian is, and whether it is in front of the camera."""
    means = STATE.node("/a").splats.means.double().numpy() + np.array([0.1, 0.2, 0.3])
    x, y, z = ((means - T[:3, 3]) @ T[:3, :3]).T
    return np.stack([(500 * x / z + 320) / 640, (500 * y / z + 240) / 480], 1), z > 0


def test_a_rectangle_means_what_projects_into_it_and_lies_in_front() -> None:
    seen, front = on_screen()
    expected = front & (seen >= [0.3, 0.2]).all(1) & (seen < [0.6, 0.9]).all(1)
    mask = outlined(rectangle((0.3, 0.2), (0.6, 0.9)), CAMERA, T).mask(STATE, "/a").numpy()
    assert expected.sum() > 100
    np.testing.assert_array_equal(mask, expected)


def test_a_lasso_means_what_projects_into_a_triangle() -> None:
    seen, front = on_screen()
    corners = np.array([[0.2, 0.2], [0.9, 0.3], [0.4, 0.8]])
    sides = zip(corners, np.roll(corners, -1, 0), strict=True)
    left = [np.sign((b - a)[0] * (seen - a)[:, 1] - (b - a)[1] * (seen - a)[:, 0]) for a, b in sides]
    expected = front & (np.abs(np.sum(left, 0)) == 3)
    mask = outlined(list(map(tuple, corners.tolist())), CAMERA, T).mask(STATE, "/a").numpy()
    assert expected.sum() > 100
    np.testing.assert_array_equal(mask, expected)


def test_what_was_drawn_is_a_text_that_the_command_line_reads() -> None:
    drawn = outlined(rectangle((0.3, 0.2), (0.6, 0.9)), CAMERA, T)
    assert (parse_selection(str(drawn)).mask(STATE, "/a") == drawn.mask(STATE, "/a")).all()
