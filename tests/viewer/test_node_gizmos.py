"""What handles show is what the edits of a drag do. Dragging itself is in panels/test_edit.py."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from scenekit.cameras import rotation_from_quaternion
from scenekit.edits import Move, Rotate, Scale
from scenekit.poses import Pose
from scenekit.scene import Node, Scene
from scenekit.viewer import Viewer, ViewerConfig
from scenekit.viewer.cameras import bounds
from scenekit.viewer.drawing import Held
from scenekit.viewer.node_gizmos import MoveGizmo, NodeGizmo, ScaleGizmo
from tests.edits.conftest import make_state, same_bits

START = Pose((0.3, -0.2, 0.5))
TURNED = Pose(START.position, tuple(np.array([0.8, 0.1, -0.5, 0.3]) / np.linalg.norm([0.8, 0.1, -0.5, 0.3])))  # type: ignore[arg-type]
MOVED = Pose((1.3, 0.4, 0.1))
BOTH = Pose(MOVED.position, TURNED.quat)


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    """A viewer of a scene with nodes below nodes."""
    with Viewer(Scene(make_state()), ViewerConfig(port=0, open=False)) as made:
        yield made


def gizmo(viewer: Viewer, kind: type[NodeGizmo]) -> NodeGizmo:
    """Handles of a kind."""
    return kind(viewer.server, viewer.session, viewer.drawing)  # type: ignore[call-arg]


def held(viewer: Viewer, start: Pose, end: Pose, path: str = "/box") -> Held:
    """What a drag of the handles that move and turn means."""
    return gizmo(viewer, MoveGizmo).held(path, start, end)


@pytest.mark.parametrize(("end", "kinds"), [(MOVED, [Move]), (TURNED, [Rotate]), (BOTH, [Rotate, Move])])
@pytest.mark.parametrize("path", ["/room", "/room/mug", "/box"])
def test_the_edits_of_a_drag_move_a_node_by_the_matrix_of_the_handles(viewer: Viewer, path, end, kinds) -> None:
    state, drag = make_state(), held(viewer, START, end, path)
    assert [type(edit) for edit in drag.edits] == kinds
    T = end.matrix @ np.linalg.inv(START.matrix)
    scene = Scene(state).apply(*drag.edits)
    np.testing.assert_allclose(drag.T, T, atol=1e-12)
    np.testing.assert_allclose(scene.state.pose(path).matrix, T @ state.pose(path).matrix, atol=1e-12)
    assert same_bits(scene.undo(len(kinds)).state, state)


def test_turned_handles_count_from_how_they_were(viewer: Viewer) -> None:
    (edit,) = held(viewer, TURNED, START).edits
    T = START.matrix @ np.linalg.inv(TURNED.matrix)
    np.testing.assert_allclose(
        edit.apply(make_state()).pose("/box").matrix, T @ make_state().pose("/box").matrix, atol=1e-12
    )


def test_handles_that_did_not_move_change_nothing(viewer: Viewer) -> None:
    assert held(viewer, TURNED, TURNED).edits == ()
    scale = gizmo(viewer, ScaleGizmo)
    start = scale.at(make_state(), "/box")
    assert scale.held("/box", start, start).edits == ()


@pytest.mark.parametrize("path", ["/room", "/room/mug", "/box"])
def test_the_arrow_scales_about_the_middle_as_far_as_it_is_drawn(viewer: Viewer, path) -> None:
    state, scale = make_state(), gizmo(viewer, ScaleGizmo)
    low, high = bounds(state, path)
    middle, start = (low + high) / 2, scale.at(state, path)
    np.testing.assert_allclose(start.position, high)
    arrow = rotation_from_quaternion(np.array(start.quat))[:, 0]
    np.testing.assert_allclose(arrow, (high - middle) / np.linalg.norm(high - middle))
    (edit,) = scale.held(path, start, Pose(tuple(middle + 1.7 * (high - middle)), start.quat)).edits
    assert isinstance(edit, Scale) and edit.by == pytest.approx(1.7) and edit.about == pytest.approx(tuple(middle))


def test_an_arrow_that_is_drawn_past_the_middle_makes_a_hundredth(viewer: Viewer) -> None:
    scale = gizmo(viewer, ScaleGizmo)
    start = scale.at(make_state(), "/box")
    (edit,) = scale.held("/box", start, Pose(tuple(-10 * np.array(start.position)), start.quat)).edits
    assert isinstance(edit, Scale) and edit.by == 0.01


@pytest.mark.parametrize("path", ["/room", "/room/mug", "/box"])
@pytest.mark.parametrize("kind", [MoveGizmo, ScaleGizmo])
def test_what_browsers_draw_is_where_the_edits_would_put_it(viewer: Viewer, kind, path) -> None:
    handles, drawing, state = gizmo(viewer, kind), viewer.drawing, viewer.session.shown.state
    sizes, start = _sizes(viewer), handles.at(state, path)
    end = BOTH if kind is MoveGizmo else Pose(tuple(1.2 * np.array(start.position)), start.quat)
    drawing.hold(handles.held(path, start, end))
    would, factors = drawing.current.state, {name: size / sizes[name] for name, size in _sizes(viewer).items()}
    for where, node in state.walk("/"):
        shown = np.eye(4)
        for name in [name for name in drawing.frames if name != "/" and f"{where}/".startswith(f"{name}/")]:
            frame = drawing.frames[name]
            local = np.eye(4)
            local[:3, :3], local[:3, 3] = rotation_from_quaternion(np.asarray(frame.wxyz)), frame.position
            shown = shown @ local
        (factor,) = {round(factor, 9) for (at, _), factor in factors.items() if at == where} or {1.0}
        for was, now in zip(_points(node), _points(would.node(where)), strict=True):
            expected = now @ would.pose(where).matrix[:3, :3].T + would.pose(where).position
            np.testing.assert_allclose(factor * was @ shown[:3, :3].T + shown[:3, 3], expected, atol=1e-5)
    drawing.draw(drawing.shown, drawing.shown)
    assert drawing.held is None and drawing.current is drawing.shown and _sizes(viewer) == sizes


def test_nobody_waits_for_who_changes_the_scene(viewer: Viewer) -> None:
    drag = held(viewer, START, MOVED)
    with viewer.session.lock:
        thread = threading.Thread(target=viewer.drawing.hold, args=(drag,))
        thread.start()
        thread.join(10.0)
        assert not thread.is_alive() and viewer.drawing.held is None


def _sizes(viewer: Viewer) -> dict[tuple[str, str], float]:
    """The scale of all that is drawn, by path and name."""
    paths = list(viewer.drawing.frames)
    return {(path, handle.name): handle.scale for path in paths for handle in viewer.drawing._handles(path)}


def _points(node: Node) -> list[np.ndarray]:
    """Centres and vertices, in the node's frame."""
    parts = (node.splats and node.splats.means, node.mesh and node.mesh.vertices)
    return [part.double().numpy() for part in parts if part is not None]
