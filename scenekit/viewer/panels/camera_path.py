"""The panel of a film: keyframes from what people see, a preview, and a video."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import viser
from numpy.typing import NDArray

from scenekit.errors import InputError
from scenekit.io.video import write_video
from scenekit.render.camera_path import CameraPath, Key
from scenekit.render.scenes import ScenePicture
from scenekit.viewer.cameras import bounds, look_through
from scenekit.viewer.downloads import Download, packed
from scenekit.viewer.panels.controls import button, by_hand, set_value
from scenekit.viewer.screenshots import SIDES, bytes_of, key_of, picture_size, visible

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

NAME, COLOR = "/camera_path", (37, 99, 235)
"""Of what is drawn of a path."""

NO_KEYS = ("none",)
"""Choice of keyframes where there are none."""

MOST_KEYS, LONGEST, FASTEST = 200, 600.0, 120.0
"""Of a film: keyframes, length [s], frames per second [1/s]."""

FRUSTUM = 0.05
"""Depth of what stands for a keyframe, as a part of the scene's diagonal."""

RATE = 30.0
"""Of a preview, and of points of the line that is drawn [1/s]."""


class CameraPathPanel:
    """Keyframes, which all share, and what becomes of them.

    Args:
        viewer: What is filmed.
    """

    def __init__(self, viewer: Viewer):
        self.viewer, self.keys = viewer, list[Key]()
        self._preview: threading.Event | None = None
        gui = viewer.server.gui
        with gui.add_folder("Film"):
            self.add = button(gui, "Add this view", self._add)
            self.key = gui.add_dropdown("Keyframe", NO_KEYS)
            self.go = button(gui, "Go there", self._go)
            self.change = button(gui, "Put this view in its place", self._change)
            self.remove = button(gui, "Remove it", self._remove)
            self.seconds = gui.add_number("Length [s]", 6.0, min=0.1, max=LONGEST, step=0.1)
            self.closed = gui.add_checkbox("Back to the first", False)
            self.preview = button(gui, "Preview", self._play, hint="Again to end it.")
            self.fps = gui.add_number("Frames [1/s]", 30.0, min=1.0, max=FASTEST, step=1.0)
            self.size = gui.add_vector2("Size [px]", (1280, 720), min=(SIDES[0],) * 2, max=(SIDES[1],) * 2, step=1)
            self.moving = gui.add_checkbox("With the simulation", False, hint="From its first frame, in its own time.")
            self.film = button(gui, "Make the video", self._film)
            self.cancel = button(gui, "Cancel", lambda event: viewer.jobs.cancel())
        self.closed.on_update(by_hand(lambda event: self._draw()))

    @property
    def path(self) -> CameraPath:
        """The film's path.

        Raises:
            InputError: If there are no keyframes, or its length is none.
        """
        if not 0 < self.seconds.value <= LONGEST:
            raise InputError("length", got=f"{self.seconds.value} s", wanted=f"more than 0, at most {LONGEST:g} s")
        return CameraPath(tuple(self.keys), float(self.seconds.value), closed=bool(self.closed.value))

    def _add(self, event: Any) -> None:
        if len(self.keys) == MOST_KEYS:
            raise InputError("keyframe", got=f"one more than {MOST_KEYS}", wanted=f"at most {MOST_KEYS}")
        self.keys.append(key_of(event.client))
        self._draw()
        set_value(self.key, str(len(self.keys)))

    def _go(self, event: Any) -> None:
        show(event.client, self.keys[self._chosen])

    def _change(self, event: Any) -> None:
        self.keys[self._chosen] = key_of(event.client)
        self._draw()

    def _remove(self, event: Any) -> None:
        del self.keys[self._chosen]
        self._draw()

    @property
    def _chosen(self) -> int:
        """Which keyframe is meant; raises InputError if there is none of that number."""
        numbers = {str(i + 1): i for i in range(len(self.keys))}
        if self.key.value not in numbers:
            raise InputError("keyframe", got=str(self.key.value), wanted="one of them; add some first")
        return numbers[self.key.value]

    def _draw(self) -> None:
        """List the keyframes, and draw them and the line through them."""
        self.key.options = tuple(str(i + 1) for i in range(len(self.keys))) or NO_KEYS
        scene = self.viewer.server.scene
        scene.add_frame(NAME, show_axes=False)  # takes away what was below it
        low, high = bounds(self.viewer.session.shown.state)
        scale = FRUSTUM * float(np.linalg.norm(high - low))
        for i, key in enumerate(self.keys):
            scene.add_camera_frustum(
                f"{NAME}/{i + 1}", key.fov, 1.5, scale=scale, color=COLOR, thickness=1.0, thickness_units="screen",
                position=key.pose.position, wxyz=key.pose.quat,
            )  # fmt: skip
        if len(self.keys) > 1:
            points = np.array([key.pose.position for key in self.path.frames(RATE)])
            ways = np.stack([points[:-1], points[1:]], 1)
            scene.add_line_segments(f"{NAME}/line", ways, COLOR, thickness=2.0, thickness_units="screen")

    def _play(self, event: Any) -> None:
        """Lead a person along the path and back to where they were; ends a preview that goes on."""
        if self._preview is not None:
            self._preview.set()
            return
        person, path, before = event.client, self.path, key_of(event.client)
        self._preview, start = threading.Event(), time.monotonic()
        while (now := time.monotonic() - start) < path.seconds and not self._preview.wait(1 / RATE):
            show(person, path.at(now))
        show(person, before)
        self._preview = None

    def _film(self, event: Any) -> None:
        if not 0 < self.fps.value <= FASTEST:
            raise InputError("frames", got=f"{self.fps.value} per second", wanted=f"more than 0, at most {FASTEST:g}")
        frames, fps, size = self.path.frames(self.fps.value), float(self.fps.value), picture_size(self.size.value)

        def write(path: Any) -> tuple[str, ...]:
            write_video(path, self._pictures(frames, fps, size), fps=fps)
            return ()

        def sent(film: Download) -> None:
            film.send(event.client)

        self.viewer.jobs.start("Film", lambda: packed("scenekit.mp4", write), sent, client=event.client)

    def _pictures(self, frames: list[Key], fps: float, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
        """What the camera sees, frame by frame: of the simulation if that is wanted, else of what is shown."""
        shown, clip = self.viewer.playback.shown, self.viewer.playback.clip if self.moving.value else None
        still = ScenePicture(visible(shown))
        for i, key in enumerate(frames):
            self.viewer.jobs.tell(i / len(frames))
            picture = still
            if clip is not None:
                moment = clip.follower.at(clip.state(min(round(i / fps * clip.fps), len(clip) - 1)))
                picture = ScenePicture(visible(replace(shown, state=moment)))
            yield bytes_of(picture(key.lens(*size), key.pose.matrix))


def show(person: viser.ClientHandle, key: Key) -> None:
    """Let somebody see from where a key is."""
    lens = key.lens(person.camera.image_width, person.camera.image_height)
    look_through(person, lens, key.pose.matrix)
