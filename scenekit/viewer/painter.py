"""Pictures for people: who wants the scene drawn by scenekit gets it behind all that their browser draws itself.

One thread draws for all. While something moves it draws small pictures, and a large one when it rests. Splats are sent
only if somebody's browser is to draw them: software WebGL takes many seconds for a million.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import viser

from scenekit._kernels.launch import interruptible
from scenekit.cameras import pinhole
from scenekit.capture.capture import Photo
from scenekit.errors import ScenekitError
from scenekit.viewer.cameras import camera_of
from scenekit.viewer.contents import Contents
from scenekit.viewer.drawing import Drawing
from scenekit.viewer.jobs import notify
from scenekit.viewer.pictures import Compared, Mode, Picture, compared, picture

DrawnBy = Literal["auto", "scenekit", "browser"]
"""Who draws splats; auto is the browser up to a number of Gaussians."""

Shows = Literal["colour", "depth", "normal", "objects", "error", "compare"]
"""What somebody sees; the last two only where a photo was taken."""

SMALL, LARGE = 480, 1600
"""Longest side of a picture while something moves and at rest [px]."""

REST = 0.25
"""What did not move for so long after a small picture rests [s]."""

DEPTH_SIDE = 480
"""Longest side of the picture of depths that gizmos and boxes are hidden by [px]."""

IN_FRONT = 0.02
"""Depth of a picture that hides all else [m]; browsers draw nothing nearer than 0.01."""

FARTHEST = 160.0
"""Depth of what shows nothing [m]; viser's end at 167."""

AT_PHOTO = 1e-2
"""Largest difference of poses at which somebody still looks through a photo's camera [m, 1]."""

log = logging.getLogger(__name__)


class _Moved(Exception):
    """Something moves, and what was being drawn for somebody at rest can wait."""


@dataclass(eq=False)
class Person:
    """Somebody who looks, and what they want to see."""

    client: viser.ClientHandle
    """Their browser."""
    drawn_by: DrawnBy = "auto"
    """Who draws splats for them."""
    shows: Shows = "colour"
    """What pixels tell them."""
    photo: Photo | None = None
    """The photo they look through, posed in the world."""
    split: float = 0.5
    """Where the line between photo and picture is, part of the width."""
    moved: float = 0.0
    """When what they see last changed [s]."""
    painted: float = -1.0
    """State of the scene and the camera that they were last given a large picture of, as the time it changed [s]."""
    started: float = -1.0
    """The same for a small one."""
    served: float = -math.inf
    """When they were given that [s]; their browser has some time to show it before a large one takes all cores."""
    has_picture: bool = False
    """Something is behind their scene."""
    concealed: dict[str, viser.FrameHandle] = field(default_factory=dict)
    """What hides splats of the browser, by path."""


class Painter:
    """Draws for all who look at a drawing.

    Args:
        server: Whose clients.
        drawing: What.
        most: Gaussians that browsers are trusted with.
    """

    def __init__(self, server: viser.ViserServer, drawing: Drawing, *, most: int):
        self._drawing, self._most = drawing, most
        self.people: dict[int, Person] = {}
        """All who look, by the number of their client."""
        self.began = threading.Event()
        """Those who were there from the start have their first picture."""
        self._contents = Contents(drawing.shown, drawing.style)
        self._wake = threading.Condition()
        self._closed = False
        drawing.on_drawn(self.touch)
        server.on_client_connect(self._meet)
        server.on_client_disconnect(self._part)
        self._thread = threading.Thread(target=self._run, name="painter", daemon=True)
        self._thread.start()

    def person(self, client: viser.ClientHandle) -> Person:
        """Who sits at a browser."""
        with self._wake:
            return self.people.setdefault(client.client_id, Person(client))

    def touch(self, person: Person | None = None) -> None:
        """What somebody, or everybody if None, sees has changed."""
        with self._wake:
            for one in [person] if person is not None else self.people.values():
                one.moved = time.monotonic()
            self._wake.notify()

    def paints_for(self, person: Person) -> bool:
        """True if somebody gets a picture from scenekit."""
        return person.shows != "colour" or not self._by_browser(person.drawn_by)

    def close(self) -> None:
        """Draw no more."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(timeout=10.0)

    def _by_browser(self, drawn_by: DrawnBy) -> bool:
        return drawn_by == "browser" or (drawn_by == "auto" and self.count() <= self._most)

    def count(self) -> int:
        """Gaussians of the scene."""
        nodes = (node for _, node in self._drawing.shown.state.walk())
        return sum(len(node.splats) for node in nodes if node.splats is not None)

    def _meet(self, client: viser.ClientHandle) -> None:
        person = self.person(client)
        client.camera.on_update(lambda camera: self.touch(person))
        self.touch(person)

    def _part(self, client: viser.ClientHandle) -> None:
        with self._wake:
            self.people.pop(client.client_id, None)

    def _run(self) -> None:
        if not self._by_browser("auto"):
            self._warm_up()
        while not self._closed:
            self._send_splats()
            with self._wake:
                people = list(self.people.values())
            waiting = [seconds for person in people if (seconds := self._serve(person)) is not None]
            self.began.set()
            with self._wake:
                if not self._closed and not any(person.moved > person.started for person in self.people.values()):
                    self._wake.wait(timeout=min(waiting, default=None))

    def _warm_up(self) -> None:
        """Load what draws, and bring the scene together, before the first browser is there."""
        try:
            picture(self._contents, pinhole(64, 48, 50.0, 50.0, 32.0, 24.0), np.eye(4), quick=True)
        except ScenekitError as error:
            log.debug("no first picture: %s", error)

    def _send_splats(self) -> None:
        """Splats go to browsers, or not, as somebody wants."""
        with self._wake:
            wishes = {person.drawn_by for person in self.people.values()} or {"auto"}
        wanted = any(self._by_browser(wish) for wish in wishes)
        if wanted != self._drawing.style.splats:
            self._drawing.restyle(splats=wanted)

    def _serve(self, person: Person) -> float | None:
        """Give somebody what they want to see now, first a small picture, and a large one when that was all.

        Returns:
            In how many seconds they want more; None if they have it all.
        """
        moved, now = person.moved, time.monotonic()
        if person.painted >= moved:
            return None
        resting = person.started >= moved
        if resting and now - person.served < REST:
            return REST - (now - person.served)
        try:
            with interruptible(self._give_way) if resting else nullcontext():
                self._paint(person, resting)
        except _Moved:
            return 0.0
        except ScenekitError as error:
            log.debug("no picture for client %d: %s", person.client.client_id, error)
            if resting:
                notify(person.client, "No picture of this", str(error), color="red")
        except Exception:  # whoever sent nonsense, the others are to be served
            log.exception("no picture for client %d", person.client.client_id)
        person.started = moved
        if resting:
            person.painted = moved
            return None
        person.served = time.monotonic()
        return REST

    def _give_way(self) -> None:
        """End a large picture, which takes a second of a million Gaussians, where somebody waits for a small one."""
        with self._wake:
            if any(person.moved > person.started for person in self.people.values()):
                raise _Moved

    def _paint(self, person: Person, resting: bool) -> None:
        """Draw for somebody: small and quick while something moves, large and exact at rest."""
        wanted = self.paints_for(person)
        self._conceal(person, set(self._drawing.clouds) if wanted else set())
        if not wanted:
            if person.has_picture:
                person.client.scene.set_background_image(None)
                person.has_picture = False
            return
        contents = self._contents = Contents(self._drawing.current, self._drawing.style, self._contents)
        camera, T_world_cam = camera_of(person.client, max_side=LARGE if resting else SMALL)
        photo = person.photo if person.shows in ("error", "compare") else None
        if photo is not None and _looks_through(T_world_cam, photo):
            split = person.split if person.shows == "compare" else None
            rgb = compared(contents, Compared(photo, split), (camera.width, camera.height))
            seen = Picture(rgb, np.zeros((1, 1), np.float32))
        else:
            mode: Mode = "colour" if person.shows == "error" or person.shows == "compare" else person.shows
            seen = picture(contents, camera, T_world_cam, mode=mode, quick=not resting)
            seen = seen if mode == "colour" else Picture(seen.rgb, np.zeros((1, 1), np.float32))
        if person.client.client_id not in self.people:  # they left meanwhile
            return
        step = -(-max(seen.depth.shape) // DEPTH_SIDE)
        depth = seen.depth[::step, ::step].clip(IN_FRONT, FARTHEST)
        person.client.scene.set_background_image(seen.rgb, format="jpeg", jpeg_quality=90, depth=depth)
        person.client.flush()
        person.has_picture = True

    def _conceal(self, person: Person, paths: set[str]) -> None:
        """Hide splats that the browser would draw over the picture, for one person."""
        for path in set(person.concealed) - paths:
            person.concealed.pop(path).remove()
        for path in paths - set(person.concealed):
            name = f"{self._drawing.frames[path].name}/.splats"
            person.concealed[path] = person.client.scene.add_frame(name, show_axes=False, visible=False)


def _looks_through(T_world_cam: np.ndarray, photo: Photo) -> bool:
    return bool(np.abs(T_world_cam - photo.T_world_cam).max() < AT_PHOTO)
