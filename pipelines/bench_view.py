"""How soon the viewer shows a large scene and an edit of it, and in what memory; seen by a headless Chromium."""

from __future__ import annotations

import base64
import io
import itertools
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenekit.edits import Delete
from scenekit.errors import BackendError
from scenekit.io.splat_files import write_splats
from scenekit.scene import Node, Scene, SceneState
from scenekit.selection import Box
from scenekit.splats import Splats, random_splats
from scenekit.tables import aligned
from scenekit.viewer import Viewer, ViewerConfig

FLAGS = [
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
]
"""Of a Chromium without a screen: WebGL in software, nothing over the network."""

CANVAS_ONLY = "body *:not(:has(canvas)):not(canvas) { visibility: hidden !important }"
"""Style of a page without its panels."""

COLORS = 100
"""More than so many has only a picture of the scene."""

SIDE = 320
"""Longest side of the frames that are looked at [px]: whole ones would take the time of a core."""

PATIENCE = 300.0
"""How long one waits for a picture [s]."""


@dataclass(frozen=True)
class Config:
    """The scene and the window."""

    splats: int = 1_000_000
    """Gaussians."""
    edited: int = 100_000
    """Of these, how many an edit deletes, about."""
    degree: int = 3
    """Of the spherical harmonics."""
    width: int = 960
    """Of the window [px]."""
    height: int = 640
    """Of the window [px]."""
    repeats: int = 5
    """Edits, undos and views; each time is the median."""


@dataclass(frozen=True)
class Result:
    """What was measured."""

    splats: int
    """Gaussians."""
    scene_mb: float
    """Their tensors [MB]."""
    first_picture: float
    """From the start of the command to pixels of the scene in a browser that was already open [s]."""
    rss_mb: float
    """Memory of the server then [MB]."""
    growth: float
    """The same less that of a server with a scene of 100 Gaussians, in sizes of the scene."""
    edited: int
    """Gaussians that were deleted."""
    edit_sent: float
    """From the call to the first picture having left the server [s]."""
    edit_seen: float
    """From the call to the first frame of the browser with changed pixels [s]."""
    undo_seen: float
    """The same for taking it back [s]."""
    orbit: float
    """One picture while the camera moves [s]."""

    def __str__(self) -> str:
        rows = [
            ("scene", f"{self.splats:,} Gaussians, {self.scene_mb:.0f} MB"),
            ("first picture", f"{self.first_picture:.1f} s"),
            ("memory of the server", f"{self.rss_mb:.0f} MB, {self.growth:.2f} times the scene over that of none"),
            (f"{self.edited:,} deleted", f"sent after {self.edit_sent:.2f} s, seen after {self.edit_seen:.2f} s"),
            ("taken back", f"seen after {self.undo_seen:.2f} s"),
            ("a picture while orbiting", f"{self.orbit:.2f} s"),
        ]
        return "\n".join(aligned(rows))


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium of the system, driven by Playwright.

    Raises:
        BackendError: If one of them is missing.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise BackendError("playwright", got="nothing", wanted="pip install playwright") from error
    if found is None:
        raise BackendError("chromium", got="nothing", wanted="Debian's chromium, or another on the path")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def has_scene(pixels: NDArray[np.uint8]) -> bool:
    """True if there is more to see than an empty canvas; a part of the pixels is looked at, which takes no time."""
    return len(np.unique(pixels[::4, ::4].reshape(-1, 3), axis=0)) > COLORS


def run(config: Config) -> Result:
    """Makes the scene and measures.

    Raises:
        BackendError: If there is no Chromium, or no Playwright to drive it.
    """
    splats = random_splats(config.splats, degree=config.degree, scale=0.004)
    size = {"width": config.width, "height": config.height}
    scene_mb = sum(t.numel() * t.element_size() for t in splats.tensors().values()) / 1e6
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        opened = []
        for name, cloud in (("few", random_splats(100, degree=config.degree, scale=0.1)), ("all", splats)):
            write_splats(Path(folder, f"{name}.ply"), cloud)
            opened.append(_command(Path(folder, f"{name}.ply"), browser.new_page(viewport=size)))
        (_, alone), (first_picture, rss) = opened
        edits = _edits(config, splats, browser.new_page(viewport=size))
    return Result(config.splats, scene_mb, first_picture, rss, (rss - alone) / scene_mb, *edits)


def _command(file: Path, page: Any) -> tuple[float, float]:
    """Seconds from the start of `scenekit view` to pixels of the scene, and its memory then [MB]."""
    start = time.time()
    words = [sys.executable, "-m", "scenekit", "view", str(file), "--no-open", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            page.goto(re.findall(r"http://\S+", server.stdout.readline())[0])
            frames = Frames(page)
            seconds = frames.when(has_scene, after=start)
            frames.close()
            time.sleep(3.0)  # the large picture, too, was drawn and sent
            status = Path(f"/proc/{server.pid}/status").read_text()
            return seconds, int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1e3
        finally:
            server.send_signal(signal.SIGINT)
            page.close()


class Frames:
    """What a page shows of the scene, frame by frame, with the time at which the browser showed it.

    DevTools' screencast costs next to nothing; a screenshot takes as long as a few pictures of ours.
    """

    def __init__(self, page: Any):
        self._page, self._devtools = page, page.context.new_cdp_session(page)
        self._shown: list[tuple[float, NDArray[np.uint8]]] = []
        page.add_style_tag(content=CANVAS_ONLY)
        self._devtools.on("Page.screencastFrame", self._keep)
        self._devtools.send(
            "Page.startScreencast", {"format": "jpeg", "quality": 90, "maxWidth": SIDE, "maxHeight": SIDE}
        )

    def _keep(self, frame: Any) -> None:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(frame["data"]))).convert("RGB"))
        self._shown.append((frame["metadata"]["timestamp"], pixels))
        self._devtools.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    def close(self) -> None:
        """Look no longer."""
        self._devtools.remove_listener("Page.screencastFrame", self._keep)
        self._devtools.detach()

    def rested(self) -> NDArray[np.uint8]:
        """What is shown once nothing has changed for a second, shape (h, w, 3); frames before are forgotten."""
        _until(lambda: self._shown and time.time() - self._shown[-1][0] > 1.0, self._page)
        self._shown = self._shown[-1:]
        return self._shown[0][1]

    def when(self, shows: Callable[[NDArray[np.uint8]], bool], *, after: float) -> float:
        """Seconds from `after`, as time.time() has it, to the first frame since then that shows something."""
        return next(at for at, pixels in self._frames() if at > after and shows(pixels)) - after

    def _frames(self) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        """All since the page rested, and those to come."""
        for place in itertools.count():
            _until(partial(self._has, place), self._page)
            yield self._shown[place]

    def _has(self, place: int) -> bool:
        return len(self._shown) > place


def _edits(config: Config, splats: Splats, page: Any) -> tuple[int, float, float, float, float]:
    """Gaussians deleted; seconds until that is sent, and seen, and taken back; seconds of a picture while orbiting."""
    side = 2 * (config.edited / config.splats) ** (1 / 3)  # of a cube at the corner that is looked at
    delete = Delete("/all", where=Box((1 - side,) * 3, (1.0,) * 3))
    scene = Scene(SceneState(Node("", children=(Node("all", splats=splats),))))
    times: dict[str, list[float]] = {"sent": [], "seen": [], "back": [], "orbit": []}
    with Viewer(scene, ViewerConfig(port=0, open=False)) as viewer:
        page.goto(viewer.url)
        frames = Frames(page)
        frames.when(has_scene, after=0.0)
        (client,) = viewer.server.get_clients().values()
        person = viewer.painter.person(client)

        def seen(change: Callable[[], None]) -> tuple[float, float]:
            _until(lambda: person.painted >= person.moved, page)
            before, start = frames.rested(), time.time()
            change()
            while person.started < person.moved:  # without a word to the browser, which would cost time
                time.sleep(0.002)
            sent = time.time() - start
            return sent, frames.when(lambda pixels: bool((pixels != before).any()), after=start)

        for _ in range(config.repeats):
            for name, value in zip(("sent", "seen"), seen(lambda: viewer.session.apply(delete)), strict=True):
                times[name].append(value)
            deleted = len(splats) - len(scene["/all"].splats)
            times["back"].append(seen(viewer.session.undo)[1])
        for step in range(config.repeats):
            start = time.time()
            client.camera.position = client.camera.position + np.array([0.0, 0.02 * (step + 1), 0.0])
            viewer.painter.touch(person)
            while person.started < person.moved:
                time.sleep(0.002)
            times["orbit"].append(time.time() - start)
        frames.close()
    sent, first_seen, back, orbit = (statistics.median(values) for values in times.values())
    return deleted, sent, first_seen, back, orbit


def _until(condition: Callable[[], Any], page: Any) -> None:
    """Wait, while the page goes on telling what it shows."""
    end = time.perf_counter() + PATIENCE
    while not condition():
        if time.perf_counter() > end:
            raise BackendError("viewer", got=f"no picture within {PATIENCE:.0f} s", wanted="one")
        page.wait_for_timeout(20)
