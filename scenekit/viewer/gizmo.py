"""Gizmos: handles that people drag. What is dragged follows in all browsers, and at release one edit is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import viser

from scenekit.cameras import quaternion_from_rotation, rotation_from_quaternion
from scenekit.edits import Move, Rotate
from scenekit.edits.place import middle, parent_path
from scenekit.poses import Pose
from scenekit.scene import Edit
from scenekit.viewer.drawing import Drawing
from scenekit.viewer.jobs import answering
from scenekit.viewer.session import Session, Shown

SIZE = 100.0
"""Length of a handle on the screen [px]."""

STILL = 1e-9
"""What moves less was not moved [m], or turned [rad]."""


@dataclass(frozen=True)
class Release:
    """The end of a drag."""

    client: viser.ClientHandle | None
    """Who let go."""
    start: Pose
    """Where the handles were, in the world."""
    end: Pose
    """Where they are."""


class Gizmo:
    """Handles to move and turn by. One person holds them at a time; others see them move.

    Args:
        server: Whose browsers.
        name: In viser's scene.
        follow: Called while they are dragged, with where they were and where they are now. It must be fast.
        release: Called in a thread of its own when somebody lets go.
        lost: Called instead if the connection is lost meanwhile.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        name: str,
        *,
        follow: Callable[[Pose, Pose], None],
        release: Callable[[Release], None],
        lost: Callable[[], None],
    ):
        self._server, self._follow, self._release, self._lost = server, follow, answering(release), lost
        self.handle = server.scene.add_transform_controls(name, SIZE, fixed=True, depth_test=False, visible=False)
        self.handle.on_update(self._on_update)
        self._holder: int | None = None
        self._start = self._now = Pose()

    @property
    def held(self) -> bool:
        """True while somebody drags them."""
        return self._holder is not None

    def place(self, pose: Pose | None) -> None:
        """Put the handles somewhere in the world, or away; not while they are held."""
        if self.held:
            return
        self.handle.visible = pose is not None
        if pose is not None:
            self._now = pose
            self.handle.position, self.handle.wxyz = pose.position, pose.quat

    async def _on_update(self, event: viser.TransformControlsEvent) -> None:
        """A coroutine that waits for nothing: viser keeps the order of events for these alone."""
        if event.phase == "start" and self._holder is None:
            self._holder, self._start = event.client_id, self._now
        if event.client_id != self._holder:
            return
        if event.phase == "update":
            self._now = _pose(event.target)
            self._follow(self._start, self._now)
        elif event.phase == "end":
            self._holder = None
            # viser ends a drag for one who has left; he is no client any more.
            if event.client_id in self._server.get_clients():
                end = Release(event.client, self._start, self._now)
                asyncio.get_running_loop().run_in_executor(None, self._release, end)
            else:
                asyncio.get_running_loop().run_in_executor(None, self._lost)


class NodeGizmo:
    """Handles at the middle of the selected node, along the axes of the world.

    Args:
        server: Whose browsers.
        session: Whose selected node.
        drawing: Of the same session; its frames follow.
    """

    def __init__(self, server: viser.ViserServer, session: Session, drawing: Drawing):
        self._session, self._drawing = session, drawing
        self._path, self._wanted = "/", True
        self.gizmo = Gizmo(server, "/gizmo", follow=self._follow, release=self._moved, lost=self._rest)
        session.on_change(lambda before, now: self._place(now, before))

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
            self.gizmo.place(Pose(middle(now.state, chosen.path)))

    def _follow(self, start: Pose, now: Pose) -> None:
        state, frame = self._session.shown.state, self._drawing.frames.get(self._path)
        if frame is not None:
            parent = state.pose(parent_path(self._path))
            pose = parent.inverse() @ (now @ start.inverse()) @ state.pose(self._path)
            frame.position, frame.wxyz = pose.position, pose.quat

    def _moved(self, release: Release) -> None:
        try:
            self._session.apply(*motion(self._path, release.start, release.end))
        finally:
            self._rest()

    def _rest(self) -> None:
        """What is drawn is the scene again, whatever became of the drag."""
        with self._session.lock:
            now = self._session.shown
            self._drawing.draw(now, now)
            self._place(now)


def motion(path: str, start: Pose, end: Pose) -> tuple[Edit, ...]:
    """The edits that take a node along with handles: a move or a turn about the handles; none if they did not move.

    Args:
        path: The node.
        start: Where the handles were, in the world.
        end: Where they are.
    """
    by = tuple((np.array(end.position) - start.position).tolist())
    moves = (Move(path, by),) if np.linalg.norm(by) > STILL else ()
    turn = rotation_from_quaternion(np.array(end.quat)) @ rotation_from_quaternion(np.array(start.quat)).T
    quat = quaternion_from_rotation(turn)
    if np.linalg.norm(quat[1:]) * 2 <= STILL:
        return moves
    return (Rotate(path, quat=tuple(quat.tolist()), about=start.position), *moves)


def _pose(handle: viser.TransformControlsHandle) -> Pose:
    quat = np.array(handle.wxyz, dtype=np.float64)
    return Pose(tuple(handle.position), tuple(quat / np.linalg.norm(quat)))
