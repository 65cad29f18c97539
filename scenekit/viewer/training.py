"""A fit that is watched: the splats as they are, how it goes, and a button that ends it.

with Training(capture, steps, ViewerConfig()) as training:
    fit(views, splats, FitConfig(steps), on_step=training.step)
    training.stay(open_scene(folder))
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from scenekit.capture import Capture
from scenekit.fit.metrics import History
from scenekit.opening import CAMERAS, SCENE
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import Splats
from scenekit.viewer.config import ViewerConfig
from scenekit.viewer.contents import strongest
from scenekit.viewer.jobs import notify
from scenekit.viewer.panels.training import Progress
from scenekit.viewer.viewer import view

MOST = 200_000
"""Gaussians that are shown."""

PAUSE = 2.0
"""Least time between two pictures [s]."""

SHARE = 0.05
"""Most of the time of a fit that pictures take: after one that took t, there is none for t / SHARE."""


class Training:
    """A viewer that shows a fit, in which nobody can change the scene until that is done; a context that closes it.

    Args:
        capture: What is fitted; its photos and points are seen at once.
        steps: Length of the fit.
        config: Where the viewer is.

    Raises:
        InputError, BackendError: As `open_server` says.
    """

    def __init__(self, capture: Capture, steps: int, config: ViewerConfig = ViewerConfig()):
        nodes = (Node(SCENE), Node(CAMERAS, cameras=capture))
        self._state = SceneState(Node("", children=nodes), capture.frame, "a fit that goes on")
        self._next = 0.0
        self.viewer = view(Scene(self._state), config)
        self.viewer.session.awaited = "the fit"
        self.progress = Progress(self.viewer, steps)
        print(f"The fit can be watched at {self.viewer.url}", flush=True)

    def step(self, history: History, splats: Splats) -> bool:
        """Show how it goes, if the last picture is old enough; what `fit` takes as `on_step`.

        Returns:
            True once somebody wants the fit to end.
        """
        start = time.monotonic()
        if start >= self._next or self.progress.stopped:
            self.progress.show(history)
            self._show(splats if self.progress.stopped else strongest(plain(splats), MOST))
            took = time.monotonic() - start
            self._next = start + max(PAUSE, took + took / SHARE)
        return self.progress.stopped

    def stay(self, scene: Scene, note: str = "The fit is done.") -> None:
        """Let people see and change `scene`, until the viewer is closed or Ctrl-C."""
        self.progress.remove()
        self.viewer.session.awaited = None
        self.viewer.session.replace(scene)
        for client in self.viewer.server.get_clients().values():
            notify(client, note)
        print(f"{note} The scene can be seen at {self.viewer.url} until Ctrl-C.", flush=True)
        with suppress(KeyboardInterrupt):
            self.viewer.wait()

    def __enter__(self) -> Training:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the viewer; first stay with what there is, if the fit was ended from there."""
        if kind is KeyboardInterrupt and self.progress.stopped:
            self.stay(self.viewer.session.scene, "The fit was stopped and kept; the same command goes on from there.")
        self.viewer.close()

    def _show(self, splats: Splats) -> None:
        copied = splats.map(lambda tensor: tensor.to("cpu", copy=True))  # the fit goes on changing its own
        state = self._state.with_node(f"/{SCENE}", lambda node: replace(node, splats=copied))
        with self.viewer.server.atomic():  # browsers never see half of it
            self.viewer.session.replace(Scene(state))


def plain(splats: Splats) -> Splats:
    """The splats in the colours they have on average over all directions."""
    return replace(splats, sh=splats.sh[:, :1])
