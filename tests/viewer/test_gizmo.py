"""Tests of scenekit.viewer.gizmo: what handles do is what one edit does. Dragging itself is in panels/test_edit.py."""

import numpy as np
import pytest

from scenekit.edits import Move, Rotate
from scenekit.poses import Pose
from scenekit.scene import Scene
from scenekit.viewer.gizmo import motion
from tests.edits.conftest import make_state, same_bits

START = Pose((0.3, -0.2, 0.5))
TURNED = Pose(START.position, tuple(np.array([0.8, 0.1, -0.5, 0.3]) / np.linalg.norm([0.8, 0.1, -0.5, 0.3])))  # type: ignore[arg-type]
MOVED = Pose((1.3, 0.4, 0.1))


@pytest.mark.parametrize(("end", "kind"), [(MOVED, Move), (TURNED, Rotate)])
@pytest.mark.parametrize("path", ["/room", "/room/mug", "/box"])
def test_one_edit_moves_a_node_by_the_matrix_of_the_handles(path, end, kind):
    state = make_state()
    (edit,) = motion(path, START, end)
    assert isinstance(edit, kind)
    T = end.matrix @ np.linalg.inv(START.matrix)
    scene = Scene(state).apply(edit)
    np.testing.assert_allclose(scene.state.pose(path).matrix, T @ state.pose(path).matrix, atol=1e-12)
    assert same_bits(scene.undo().state, state)


def test_turned_handles_count_from_how_they_were():
    (edit,) = motion("/box", TURNED, START)
    T = START.matrix @ np.linalg.inv(TURNED.matrix)
    np.testing.assert_allclose(
        edit.apply(make_state()).pose("/box").matrix, T @ make_state().pose("/box").matrix, atol=1e-12
    )


def test_handles_that_did_not_move_change_nothing():
    assert motion("/box", TURNED, TURNED) == ()
