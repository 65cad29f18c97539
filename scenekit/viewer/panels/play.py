"""Play: run a simulation of the scene, or open one that was kept, and look at its frames."""

from __future__ import annotations

import tempfile
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenekit.errors import InputError
from scenekit.scene import Scene
from scenekit.sim.control import Control
from scenekit.sim.from_scene import SimConfig
from scenekit.sim.model import GRAVITY, Model
from scenekit.sim.rollout import Clip, open_clip, roll, staged
from scenekit.sim.scenario import Scenario
from scenekit.viewer.jobs import Cancelled, notify
from scenekit.viewer.panels.controls import button, by_hand, set_value
from scenekit.viewer.panels.push import PushPanel
from scenekit.viewer.playback import SPEEDS

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

LONGEST, FASTEST = 60.0, 240.0
"""Of a simulation that is run here [s], and frames of it per second [1/s]."""


class PlayPanel:
    """The tab.

    Args:
        viewer: Whose scene moves.
    """

    def __init__(self, viewer: Viewer):
        self.viewer, self.playback = viewer, viewer.playback
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._scrubs = threading.Lock()
        gui = viewer.server.gui
        with gui.add_folder("Simulation"):
            self.seconds = gui.add_number("Length [s]", 2.0, min=0.05, max=LONGEST, step=0.05)
            self.fps = gui.add_number("Frames [1/s]", 30.0, min=1.0, max=FASTEST, step=1.0)
            self.gravity = gui.add_vector3("Gravity [m/s²]", GRAVITY, step=0.01)
            self.pushes = PushPanel(viewer)
            self.start = button(gui, "Simulate", self._simulate, hint="With the materials that the nodes have.")
            self.cancel = button(gui, "Cancel", lambda event: viewer.jobs.cancel(), hint="Frames so far stay.")
        with gui.add_folder("Kept simulations"):
            self.kept = gui.add_dropdown("Run", NO_RUNS)
            self.find = button(gui, "Look again", self._find, hint="For runs of `scenekit simulate` beside the scene.")
            self.open = button(gui, "Open", self._open)
        with gui.add_folder("Playback"):
            self.frame = gui.add_slider("Frame", min=0, max=1, step=1, initial_value=0, disabled=True)
            self.time = gui.add_markdown("Nothing to play yet.")
            self.play = button(gui, "Play", self._play)
            self.speed = gui.add_number("Speed [×]", 1.0, min=SPEEDS[0], max=SPEEDS[1], step=0.05)
            self.loop = gui.add_checkbox("Again and again", False)
            self.stop = button(
                gui, "Back to the scene", lambda event: self.playback.stop(), hint="It was never changed itself."
            )
            self.keep = button(gui, "Keep this moment", self._keep, hint="One edit, which can be undone.")
        self.frame.on_update(by_hand(self._scrub))
        self.speed.on_update(by_hand(self._set_pace))
        self.loop.on_update(by_hand(self._set_pace))
        self.playback.on_change(self._follow)
        self._find()

    def _simulate(self, event: Any) -> None:
        """Begin a simulation of the scene as it is now."""
        if not (0 < self.seconds.value <= LONGEST and 0 < self.fps.value <= FASTEST):
            got = f"{self.seconds.value} s at {self.fps.value} frames per second"
            raise InputError("simulation", got=got, wanted=f"at most {LONGEST:g} s and {FASTEST:g} frames per second")
        x, y, z = (float(value) for value in self.gravity.value)
        scenario, config = Scenario(push=self.pushes.velocities), SimConfig(gravity=(x, y, z))
        work = partial(self._roll, Scene(self.viewer.session.shown.state), scenario, config, self.seconds.value)
        self.viewer.jobs.start("Simulation", work, lambda clip: self.playback.play(), client=event.client)

    def _roll(self, scene: Scene, scenario: Scenario, config: SimConfig, seconds: float) -> Clip:
        """Frames in a folder of their own: those of soft things may be more than memory is meant to hold."""

        def command(model: Model, control: Control, time: float) -> None:
            self.viewer.jobs.tell(time / seconds)
            scenario.command(model, control, time)

        clip, start = staged(scene, scenario, fps=self.fps.value, config=config)
        folder = tempfile.TemporaryDirectory(prefix="scenekit-play-")
        clip.keep(Path(folder.name))
        self.playback.open(clip)
        if self._folder is not None:  # of the clip before
            self._folder.cleanup()
        self._folder = folder
        with suppress(Cancelled):  # frames so far can be played
            roll(clip, start, seconds=seconds, command=command)
        return clip

    def _find(self, event: Any = None) -> None:
        """List the runs beside the scene and in it."""
        self.kept.options = tuple(runs_beside(self.viewer.session.scene.folder)) or NO_RUNS

    def _open(self, event: Any) -> None:
        """Open the chosen one of the runs that are there."""
        runs = runs_beside(self.viewer.session.scene.folder)
        if self.kept.value not in runs:
            wanted = "one of " + ", ".join(runs) if runs else "a run of `scenekit simulate` beside the scene"
            raise InputError("run", got=str(self.kept.value), wanted=wanted)
        scene = Scene(self.viewer.session.shown.state)
        work = partial(open_clip, runs[self.kept.value], scene)
        self.viewer.jobs.start(f"Opening {self.kept.value}", work, self._opened, client=event.client)

    def _opened(self, clip: Clip) -> None:
        self.playback.open(clip)
        self.playback.show(0)

    def _scrub(self, event: Any) -> None:
        """Go to where the slider is now, which may be further than where it was when this was asked."""
        with self._scrubs:
            if self.frame.value != self.playback.frame:
                self.playback.show(int(self.frame.value))

    def _play(self, event: Any) -> None:
        if self.playback.playing:
            self.playback.pause()
        else:
            self.playback.play()

    def _set_pace(self, event: Any) -> None:
        self.playback.speed = min(max(float(self.speed.value), SPEEDS[0]), SPEEDS[1])
        self.playback.loop = bool(self.loop.value)

    def _keep(self, event: Any) -> None:
        soft = self.playback.keep()
        note = f"Soft things keep their shape at rest: {', '.join(soft)}." if soft else ""
        notify(event.client, "The moment is the scene now; undo brings back what was.", note)

    def _follow(self) -> None:
        """Show everybody where the playback is; a slider that is moved by hand is left alone."""
        playback, clip = self.playback, self.playback.clip
        self.play.label = "Pause" if playback.playing else "Play"
        if clip is None or not len(clip):
            return
        last, frame = len(clip) - 1, playback.frame or 0
        self.frame.disabled, self.frame.max = False, max(last, 1)
        if playback.playing or playback.frame is None:
            set_value(self.frame, frame)
        self.time.content = f"{frame / clip.fps:.2f} s of {last / clip.fps:.2f} s"


NO_RUNS = ("none",)
"""Choice of runs where there are none."""


def runs_beside(scene: Path | None) -> dict[str, Path]:
    """Runs of `scenekit simulate` in a scene's folder and beside it, by name."""
    if scene is None:
        return {}
    places = [scene.resolve(), scene.resolve().parent]
    found = {run.parent.name: run.parent for place in places for run in sorted(place.glob("*/frames.json"))}
    return {name: run for name, run in found.items() if (run / "config.json").is_file()}
