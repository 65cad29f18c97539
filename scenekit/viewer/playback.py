"""Playback: a rollout in the browser, the same for everybody. The scene of the session stays as it is.

playback = Playback(session, drawing.draw)
playback.open(clip)
playback.play()
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from scenekit.edits import Arrange
from scenekit.errors import InputError
from scenekit.scene import SceneState
from scenekit.viewer.session import Session, Shown

if TYPE_CHECKING:
    from scenekit.sim.rollout import Clip

RATE = 30.0
"""Most frames that are shown per second [1/s]; others are left out."""

BYTES_PER_SECOND = 30e6
"""Most that is sent: what changes its shape is sent again with each frame."""

SPLAT_BYTES, VERTEX_BYTES = 32, 12
"""What is sent of a Gaussian and of a vertex [bytes]."""

SPEEDS = (0.05, 8.0)
"""Slowest and fastest, as factors."""


class Playback:
    """What is shown of a clip, and when.

    Args:
        session: Whose scene comes back when the playback is stopped, or when somebody changes it.
        draw: Brings the browser from one thing that is shown to another.
    """

    def __init__(self, session: Session, draw: Callable[[Shown, Shown], None]):
        self._session, self._draw = session, draw
        self.clip: Clip | None = None
        self.frame: int | None = None
        """Which one is shown; None while the scene itself is."""
        self.speed, self.loop = 1.0, False
        self._state = session.shown.state
        self._listeners: list[Callable[[], None]] = []
        self._ends: threading.Event | None = None
        self._thread: threading.Thread | None = None
        session.on_change(self._follow)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` when another frame is shown, the clip is another or grows, or it starts or stops playing."""
        self._listeners.append(listener)

    @property
    def playing(self) -> bool:
        """True while frames follow each other by themselves."""
        return self._ends is not None

    @property
    def shown(self) -> Shown:
        """What people see: the frame, or else the scene."""
        shown = self._session.shown
        return shown if self.frame is None else replace(shown, state=self._state)

    def open(self, clip: Clip) -> None:
        """Take another clip, of which nothing is shown yet."""
        self.stop()
        if self._thread is not None:
            self._thread.join()  # it may be reading a frame, which is about to be deleted
        self.clip = clip
        self._tell()

    def show(self, frame: int) -> None:
        """Show a frame; numbers beyond the ends are those at the ends.

        Raises:
            InputError: If there is no clip.
            FileError: If its file is gone or damaged.
        """
        self._show(self._opened, frame)

    def play(self) -> None:
        """Let time pass from the frame that is shown, or from the first if that is none or the last.

        Raises:
            InputError: If there is no clip.
        """
        clip = self._opened
        if self._ends is None:
            if self.frame is None or self.frame == len(clip) - 1:
                self.show(0)
            self._ends = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(clip, self._ends), daemon=True)
            self._thread.start()
            self._tell()

    def pause(self) -> None:
        """Stay at the frame that is shown."""
        if self._ends is not None:
            self._ends.set()
            self._ends = None
            self._tell()

    def stop(self) -> None:
        """Show the scene as it is."""
        self.pause()
        with self._session.lock:
            if self.frame is not None:
                before, self.frame = self.shown, None
                self._draw(before, self.shown)
        self._tell()

    def keep(self) -> tuple[str, ...]:
        """Put the nodes of the scene where they are in the frame that is shown, as one edit.

        A scene holds no stress: what is soft is moved along with what it stands on, and keeps its shape at rest.

        Returns:
            Paths of soft nodes.

        Raises:
            InputError: If no frame is shown, or nothing has moved.
        """
        with self._session.lock:
            if self.frame is None:
                raise InputError("frame", got="the scene itself", wanted="a frame of a simulation that is shown")
            now, then = self._session.shown.state, self._state
            poses = tuple(
                (path, then.node(path).pose)
                for path, node in now.walk()
                if path in then and then.node(path).pose != node.pose
            )
            soft = tuple(matter.path for matter in self._opened.model.matter if matter.body < 0)
            if not poses:
                hint = f"Soft things keep their shape at rest: {', '.join(soft)}." if soft else ""
                raise InputError("frame", got="nothing rigid that has moved", wanted="something to keep", hint=hint)
            self._session.apply(Arrange(poses))
        return soft

    @property
    def _opened(self) -> Clip:
        if self.clip is None:
            raise InputError("playback", got="no simulation", wanted="one that was run or opened before")
        return self.clip

    def _run(self, clip: Clip, ends: threading.Event) -> None:
        """Show the frame that is due, again and again; a jump or another speed starts the clock anew."""
        began, start, speed = 0.0, 0, math.nan
        last: int | None = None
        while not ends.is_set() and (shown := self.frame) is not None:
            if shown != last or speed != self.speed:
                began, start, speed = time.monotonic(), shown, self.speed
            frame = start + math.floor((time.monotonic() - began) * speed * clip.fps)
            frame = frame % len(clip) if self.loop else min(frame, len(clip) - 1)
            sent = self._show(clip, frame, unless=ends) if frame != shown else 0
            last = frame
            if frame == len(clip) - 1 and not self.loop:
                self.pause()
            ends.wait(max(1 / RATE, sent / BYTES_PER_SECOND))

    def _show(self, clip: Clip, frame: int, *, unless: threading.Event | None = None) -> int:
        """Show a frame unless something has happened meanwhile; gives how much is sent [bytes]."""
        frame = min(max(frame, 0), len(clip) - 1)
        state = clip.follower.at(clip.state(frame))
        with self._session.lock:
            if unless is not None and unless.is_set():
                return 0
            before, self.frame, self._state = self.shown, frame, state
            self._draw(before, self.shown)
        self._tell()
        return _bytes_between(before.state, state)

    def _follow(self, before: Shown, now: Shown) -> None:
        """Somebody changed something: the scene itself comes back, or what is hidden now is hidden in the frame too."""
        if self.frame is None:
            return
        if before.state is not now.state:
            self.frame = None  # the scene is drawn already
            self.pause()
            self._tell()
        else:
            self._draw(now, self.shown)

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _bytes_between(before: SceneState, now: SceneState) -> int:
    """What is sent to get from one frame to another."""
    total = 0
    for path, node in now.walk():
        old = before.node(path) if path in before else None
        if node.splats is not None and (old is None or old.splats is not node.splats):
            total += SPLAT_BYTES * len(node.splats)
        if node.mesh is not None and (old is None or old.mesh is not node.mesh):
            total += VERTEX_BYTES * len(node.mesh.vertices)
    return total
