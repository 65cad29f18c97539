"""Pushes: the velocities that nodes start a simulation with, typed or dragged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import viser

from scenekit.body import Vector
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.scene import Node, SceneState
from scenekit.selection.base import positions
from scenekit.viewer.panels.controls import button, by_hand, set_value
from scenekit.viewer.session import Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

COLOR = (255, 140, 0)
"""Of handles and arrows."""

NOTHING = ("none",)
"""Choice of nodes where there are none."""


class PushPanel:
    """Controls and arrows. A drag from a to b gives the velocity strength · (b − a).

    Args:
        viewer: Whose nodes are pushed.
    """

    def __init__(self, viewer: Viewer):
        self.velocities: dict[str, Vector] = {}
        """Of each node that is pushed, by path [m/s]."""
        self._viewer, self._handles = viewer, list[viser.BoxHandle]()
        self._arrows: dict[str, viser.ArrowsHandle] = {}
        gui = viewer.server.gui
        self.node = gui.add_dropdown("Push", _pushable(viewer.session.shown.state) or NOTHING)
        self.velocity = gui.add_vector3("by [m/s]", (0.5, 0.0, 0.0), step=0.01)
        self.add = button(gui, "Add push", self._add)
        self.dragging = gui.add_checkbox("Push by dragging", False, hint="Drag the boxes around things.")
        self.strength = gui.add_number("Strength [m/s per m]", 4.0, min=0.1, max=100.0, step=0.1, visible=False)
        self.list = gui.add_markdown("", visible=False)
        self.clear = button(gui, "Clear pushes", lambda event: self._set({}), visible=False)
        self.dragging.on_update(by_hand(lambda event: self._handle(viewer.session.shown)))
        viewer.session.on_change(self._follow)

    def drag(self, path: str, start: Vector, end: Vector) -> None:
        """A node was dragged from one point to another [m]."""
        x, y, z = (float(self.strength.value) * (np.array(end) - np.array(start))).tolist()
        self._set(self.velocities | {path: (x, y, z)})

    def _add(self, event: Any) -> None:
        path, (x, y, z) = self.node.value, self.velocity.value
        if path not in _pushable(self._viewer.session.shown.state):
            raise InputError("push", got=str(path), wanted="a node with splats or a mesh")
        self._set(self.velocities | {path: (float(x), float(y), float(z))})

    def _set(self, velocities: dict[str, Vector]) -> None:
        """Take these, list and draw them."""
        state = self._viewer.session.shown.state
        self.velocities = {path: v for path, v in velocities.items() if path in state}
        self.list.content = "\n".join(
            f"- `{path}` at {np.linalg.norm(v):.2f} m/s: ({', '.join(f'{x:.2f}' for x in v)})"
            for path, v in self.velocities.items()
        )
        self.list.visible = self.clear.visible = bool(self.velocities)
        for path in [path for path in self._arrows if path not in self.velocities]:
            self._arrows.pop(path).remove()
        for path, v in self.velocities.items():
            start = state.pose(path).matrix @ [*middle_and_size(state.node(path))[0], 1.0]
            self._arrow(path, start[:3], start[:3] + np.array(v) / float(self.strength.value))

    def _arrow(self, path: str, start: Array, end: Array) -> None:
        length = float(np.linalg.norm(end - start))
        self._arrows[path] = self._viewer.server.scene.add_arrows(
            f"/pushes{path}/.arrow",
            np.array([[start, end]]),
            COLOR,
            shaft_radius=0.02 * length,
            head_radius=0.05 * length,
            head_length=0.15 * length,
        )

    def _follow(self, before: Shown, now: Shown) -> None:
        """Keep up with the nodes that there are."""
        if before.state is not now.state:
            self.node.options = _pushable(now.state) or NOTHING
            self._handle(now)
            self._set(self.velocities)
        if now.chosen is not None and now.chosen.path in self.node.options:
            set_value(self.node, now.chosen.path)

    def _handle(self, shown: Shown) -> None:
        """Put boxes to drag around all nodes, or take them away."""
        self.strength.visible = self.dragging.value
        for handle in self._handles:
            handle.remove()
        paths = _pushable(shown.state) if self.dragging.value else ()
        self._handles = [self._box(path, shown.state.node(path)) for path in paths]

    def _box(self, path: str, node: Node) -> viser.BoxHandle:
        """A box to drag, which moves along with the node."""
        middle, size = middle_and_size(node)
        name = f"{self._viewer.drawing.frames[path].name}/.push"
        box = self._viewer.server.scene.add_box(
            name, COLOR, 1.02 * size + 1e-4, position=middle, opacity=0.2, cast_shadow=False, receive_shadow=False
        )
        box.on_drag(self._dragged(path))
        return box

    def _dragged(self, path: str) -> Callable[[Any], None]:
        def dragged(event: Any) -> None:
            if event.phase == "end":
                self.drag(path, event.start_position, event.end_position)
            else:
                self._arrow(path, np.array(event.start_position), np.array(event.end_position))

        return dragged


def middle_and_size(node: Node) -> tuple[Array, Array]:
    """Of the box around a node's own parts but for their outermost hundredth, in its frame [m], shapes (3,)."""
    points = np.concatenate([points.double().numpy() for points in positions(node)])
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    return (low + high) / 2, high - low


def _pushable(state: SceneState) -> tuple[str, ...]:
    """Paths of nodes that have a shape."""
    return tuple(path for path, node in state.walk() if path != "/" and positions(node))
