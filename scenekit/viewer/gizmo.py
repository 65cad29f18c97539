"""A gizmo: handles that people drag, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import viser

from scenekit.poses import Pose
from scenekit.viewer.jobs import answering

SIZE = 100.0
"""Length of a handle on the screen [px]."""


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
    """Handles that people drag. One person holds them at a time; others see them move.

    Args:
        server: Whose browsers.
        name: In viser's scene.
        follow: Called while they are dragged, with where they were and where they are now. It must be fast.
        release: Called in a thread of its own when somebody lets go.
        lost: Called instead if the connection is lost meanwhile.
        options: Of viser's handles: which there are, and how they look.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        name: str,
        *,
        follow: Callable[[Pose, Pose], None],
        release: Callable[[Release], None],
        lost: Callable[[], None],
        **options: Any,
    ):
        self._server, self._follow, self._release, self._lost = server, follow, answering(release), lost
        self.handle = server.scene.add_transform_controls(
            name, SIZE, fixed=True, depth_test=False, visible=False, **options
        )
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


def _pose(handle: viser.TransformControlsHandle) -> Pose:
    quat = np.array(handle.wxyz, dtype=np.float64)
    return Pose(tuple(handle.position), tuple(quat / np.linalg.norm(quat)))
