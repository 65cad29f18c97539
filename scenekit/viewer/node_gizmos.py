"""Gizmos of the selected node. What is dragged follows in all browsers, and at release edits are made of it.

drag from start to now  →  similarity T of the world, shown at once  →  edits that amount to T, at release
"""

from __future__ import annotations

from typing import Any

import numpy as np
import viser

from scenekit.cameras import Array, quaternion_from_rotation, rotation_from_quaternion
from scenekit.edits import Move, Rotate, Scale
from scenekit.edits.place import fixing
from scenekit.poses import Pose
from scenekit.scene import Edit, SceneState
from scenekit.viewer.cameras import bounds
from scenekit.viewer.drawing import Drawing, Held
from scenekit.viewer.gizmo import Gizmo, Release
from scenekit.viewer.session import Session, Shown

STILL = 1e-9
"""What moves less was not moved [m], or turned [rad], or scaled."""

SMALLEST = 0.01
"""Least factor of a drag."""

Vector = tuple[float, float, float]


class NodeGizmo:
    """Handles on the selected node. Base of the two.

    Args:
        server: Whose browsers.
        session: Whose selected node.
        drawing: Of the same session; what it shows follows.
        name: In viser's scene.
        options: Of viser's handles.
    """

    def __init__(self, server: viser.ViserServer, session: Session, drawing: Drawing, name: str, **options: Any):
        self._session, self._drawing = session, drawing
        self._path, self._wanted = "/", False
        self.gizmo = Gizmo(server, name, follow=self._follow, release=self._released, lost=self._rest, **options)
        session.on_change(lambda before, now: self._place(now, before))

    def at(self, state: SceneState, path: str) -> Pose:
        """Where the handles of a node are, in the world."""
        raise NotImplementedError

    def held(self, path: str, start: Pose, now: Pose) -> Held:
        """What a drag means for a node.

        Args:
            path: Of the node.
            start: Where the handles were, in the world.
            now: Where they are.
        """
        raise NotImplementedError

    def show(self, wanted: bool) -> None:
        """Show the handles on whatever node is selected, or do not."""
        with self._session.lock:
            self._wanted = wanted
            self._place(self._session.shown)

    def _place(self, now: Shown, before: Shown | None = None) -> None:
        chosen = now.chosen
        if self.gizmo.held or (before is not None and before.chosen == chosen and before.state is now.state):
            return
        if chosen is None or chosen.where is not None or not self._wanted:
            self.gizmo.place(None)
        else:
            self._path = chosen.path
            self.gizmo.place(self.at(now.state, chosen.path))

    def _follow(self, start: Pose, now: Pose) -> None:
        self._drawing.hold(self.held(self._path, start, now))

    def _released(self, release: Release) -> None:
        try:
            self._session.apply(*self.held(self._path, release.start, release.end).edits)
        finally:
            self._rest()

    def _rest(self) -> None:
        """What is drawn is the scene again, whatever became of the drag."""
        with self._session.lock:
            now = self._session.shown
            self._drawing.draw(now, now)
            self._place(now)


class MoveGizmo(NodeGizmo):
    """Moves and turns, at the middle of the node and along the axes of the world."""

    def __init__(self, server: viser.ViserServer, session: Session, drawing: Drawing):
        super().__init__(server, session, drawing, "/gizmo")

    def at(self, state: SceneState, path: str) -> Pose:
        low, high = bounds(state, path)
        return Pose(_vector((low + high) / 2))

    def held(self, path: str, start: Pose, now: Pose) -> Held:
        by = np.array(now.position) - start.position
        moves: tuple[Edit, ...] = (Move(path, _vector(by)),) if np.linalg.norm(by) > STILL else ()
        turn = rotation_from_quaternion(np.array(now.quat)) @ rotation_from_quaternion(np.array(start.quat)).T
        quat = quaternion_from_rotation(turn)
        turns: tuple[Edit, ...] = ()
        if np.linalg.norm(quat[1:]) * 2 > STILL:
            turns = (Rotate(path, quat=tuple(quat.tolist()), about=start.position),)
        return Held(path, (now @ start.inverse()).matrix, (*turns, *moves))


class ScaleGizmo(NodeGizmo):
    """Scales: an arrow at a corner of the node's box that leads away from its middle, which stays where it is."""

    def __init__(self, server: viser.ViserServer, session: Session, drawing: Drawing):
        self._about: Vector = (0.0, 0.0, 0.0)
        only_x = {"active_axes": (True, False, False), "disable_rotations": True, "disable_sliders": True}
        super().__init__(server, session, drawing, "/scale_gizmo", **only_x)

    def at(self, state: SceneState, path: str) -> Pose:
        low, high = bounds(state, path)
        self._about = _vector((low + high) / 2)
        half = np.maximum((high - low) / 2, 1e-3)
        return Pose(_vector(self._about + half), tuple(quaternion_from_rotation(_towards(half)).tolist()))

    def held(self, path: str, start: Pose, now: Pose) -> Held:
        arm = np.array(start.position) - self._about
        factor = max(SMALLEST, float((np.array(now.position) - self._about) @ arm / (arm @ arm)))
        edits = (Scale(path, factor, about=self._about),) if abs(factor - 1) > STILL else ()
        return Held(path, fixing(factor * np.eye(3), self._about), edits)


def _towards(direction: Array) -> Array:
    """A rotation that turns the x axis into a direction that is not vertical, (3, 3)."""
    x = direction / np.linalg.norm(direction)
    y = np.cross([0.0, 0.0, 1.0], x)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _vector(values: Array) -> Vector:
    x, y, z = np.asarray(values, np.float64).tolist()
    return x, y, z
