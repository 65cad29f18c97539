"""Rollout: a model step by step, frame by frame; and the clip that comes of it.

    clip = scenekit.simulate(scene, seconds=2, material={"/mug": "jelly"}, push={"/box": (0.5, 0, 0)})
    clip.scene_at(30).splats()

With a folder every frame is kept as soon as it is there, and the same call goes on from the last one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scenekit.body import Vector
from scenekit.errors import FileError, InputError
from scenekit.runs import read_json, write_json
from scenekit.scene import Scene, SceneState
from scenekit.sim.control import Control
from scenekit.sim.energy import Balance, Meter
from scenekit.sim.follow import Follower
from scenekit.sim.from_scene import SimConfig, model_of
from scenekit.sim.model import Model
from scenekit.sim.scenario import Scenario, scenario_of
from scenekit.sim.solver import Solver
from scenekit.sim.state import State

STATES, BALANCES = "states", "frames.json"
"""Folder of the states of all frames, and the file of their balances."""

MOST_FRAMES = 100_000
"""Of a clip."""


class Clip:
    """A scene in motion: the state of each frame, and the scene that it looks like.

    Args:
        scene: The scene before it starts.
        model: Its model.
        fps: Frames per second [1/s].
        folder: Where states are kept; None keeps them in memory.
    """

    def __init__(self, scene: SceneState, model: Model, *, fps: float, folder: Path | None = None):
        self.scene, self.model, self.fps, self.folder = scene, model, fps, folder
        self.balances: list[Balance] = []
        """Energy, momentum and penetration of each frame."""
        self._states: list[State] = []
        self._follower: Follower | None = None
        if folder is not None:
            self.keep(folder)

    def __len__(self) -> int:
        return len(self.balances)

    @property
    def times(self) -> list[float]:
        """Of each frame [s]."""
        return [balance.time for balance in self.balances]

    def state(self, frame: int) -> State:
        """The state of a frame; negative numbers count from the end.

        Raises:
            InputError: If there is no such frame.
            FileError: If its file is gone or damaged.
        """
        if not -len(self) <= frame < len(self):
            raise InputError("frame", got=frame, wanted=f"0 to {len(self) - 1}")
        frame %= len(self)
        return self._states[frame] if self.folder is None else self.model.state().load_(self._file(frame))

    def scene_at(self, frame: int) -> Scene:
        """The scene of a frame, an ordinary one: it can be drawn, edited, saved."""
        return Scene(self.follower.at(self.state(frame)))

    def scenes(self) -> Iterator[SceneState]:
        """The scene of each frame, in order."""
        return (self.follower.at(self.state(frame)) for frame in range(len(self)))

    @property
    def follower(self) -> Follower:
        """What makes scenes of states; splats and vertices are bound at the first use."""
        if self._follower is None:
            self._follower = Follower(self.scene, self.model)
        return self._follower

    def keep(self, folder: Path, *, fresh: bool = False) -> None:
        """Keeps the frames of a clip that has none yet in a folder, after those that are there, or `fresh`, instead."""
        if fresh:
            shutil.rmtree(folder / STATES, ignore_errors=True)
            (folder / BALANCES).unlink(missing_ok=True)
        self.folder = folder
        self.balances = _kept(folder) if (folder / BALANCES).is_file() else []

    def append(self, state: State, balance: Balance) -> None:
        """Adds a frame; in a folder the state is written first, so that what is counted is there."""
        if self.folder is None:
            self._states.append(state.clone())
        else:
            state.save(self._file(len(self)))
        self.balances.append(balance)
        if self.folder is not None:
            write_json(self.folder / BALANCES, {"frames": [asdict(balance) for balance in self.balances]})

    def _file(self, frame: int) -> Path:
        assert self.folder is not None
        return self.folder / STATES / f"{frame:05d}.safetensors"


def simulate(
    scene: Scene,
    *,
    seconds: float = 2.0,
    fps: float = 30.0,
    scenario: Scenario | None = None,
    material: Mapping[str, str] | None = None,
    push: Mapping[str, Vector] | None = None,
    drop: Mapping[str, float] | None = None,
    config: SimConfig | None = None,
    folder: str | Path | None = None,
    progress: bool = False,
) -> Clip:
    """Lets a scene move, and returns what happened.

    Args:
        scene: With its materials and bodies; it stays as it is.
        seconds: How long [s].
        fps: Frames that are kept per second [1/s].
        scenario: What is done to it; instead of the three that follow.
        material: Names of materials by node.
        push: Velocities at the start by node [m/s].
        drop: How much nodes are raised before [m].
        config: How the scene becomes a model.
        folder: Where frames are kept; if it has some of the same model, the call goes on from the last one.
        progress: Shows a bar.

    Raises:
        InputError: If nothing can move, or the options do not fit the scene.
        SimulationError: If a run goes wrong; the frames so far are in the folder.
    """
    if scenario is None:
        scenario = Scenario(material=material or {}, push=push or {}, drop=drop or {})
    elif material or push or drop:
        raise InputError("simulate", got="a scenario and material, push or drop", wanted="one or the other")
    clip, start = staged(scene, scenario, fps=fps, config=config or SimConfig())
    if folder is not None:
        clip.keep(Path(folder))
    roll(clip, start, seconds=seconds, command=scenario.command, progress=progress)
    return clip


def open_clip(folder: str | Path, scene: Scene) -> Clip:
    """The frames that `scenekit simulate` kept in a run folder.

    Args:
        folder: The run.
        scene: What it was made of, as it was then.

    Raises:
        FileError: If the folder holds no such run, or its files are damaged.
        InputError: If the run began otherwise than this scene does.
    """
    file = Path(folder) / "config.json"
    options = read_json(file)
    try:
        config = SimConfig(**{name: _tuples(value) for name, value in options["sim"].items()})
        scenario, fps = scenario_of(options["scenario"], file), float(options["fps"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileError(file, got=f"{type(error).__name__}: {error}", wanted="the options of a simulation") from None
    clip, start = staged(scene, scenario, fps=fps, config=config)
    clip.keep(Path(folder))
    if not len(clip):
        raise FileError(folder, got="no frames", wanted="a simulation with at least one")
    _check_same(clip, start)
    return clip


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def staged(scene: Scene, scenario: Scenario, *, fps: float, config: SimConfig) -> tuple[Clip, State]:
    """A clip without frames, and the state that it starts from; nothing is written.

    Raises:
        InputError: If nothing can move, or the scenario does not fit the scene.
    """
    state = scenario.set_up(scene.state)
    model, start = scenario.begin(model_of(state, config))
    return Clip(state, model, fps=fps), start


def roll(
    clip: Clip,
    start: State,
    *,
    seconds: float,
    command: Callable[[Model, Control, float], None] | None = None,
    solver: Solver | None = None,
    progress: bool = False,
) -> None:
    """Adds frames to a clip until it is so long, from its last one or from `start`.

    Args:
        clip: What frames are added to.
        start: The first frame.
        seconds: Length of the whole clip [s].
        command: Sets the control before each frame, given model, control and time.
        solver: What moves the state; all solvers that the model needs, coupled, if None.
        progress: Shows a bar.

    Raises:
        InputError: If the length is none, or the clip in the folder began otherwise.
        SimulationError: As the solver.
    """
    frames = round(seconds * clip.fps) + 1 if 0 < seconds * clip.fps < MOST_FRAMES else 0
    if frames < 2:
        got = f"{seconds} s at {clip.fps} frames per second"
        raise InputError("clip", got=got, wanted=f"2 to {MOST_FRAMES} frames")
    state, control, meter = start.clone(), clip.model.control(), Meter(clip.model)
    if len(clip):
        _check_same(clip, start)
        state.copy_(clip.state(-1))
    else:
        clip.append(state, meter(state))
    if len(clip) >= frames:
        return
    solver = solver or _solver(clip.model)
    with _bar(progress) as bar:
        task = bar.add_task("simulating", total=frames - 1, completed=len(clip) - 1)
        while len(clip) < frames:
            if command is not None:
                command(clip.model, control, state.time)
            solver.step(state, state, control, 1 / clip.fps)
            state.time = start.time + len(clip) / clip.fps
            clip.append(state, meter(state))
            bar.update(task, completed=len(clip) - 1)


def _solver(model: Model) -> Solver:
    from scenekit.sim.coupled import SolverCoupled

    return SolverCoupled(model)


def _bar(shown: bool) -> Progress:
    columns: Sequence[TextColumn | BarColumn | MofNCompleteColumn | TimeRemainingColumn] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, transient=True, disable=not shown)


def _check_same(clip: Clip, start: State) -> None:
    """The frames in the folder are of the same beginning."""
    hint = "Choose another folder, or delete the states in this one; or undo what was changed in the scene since."
    try:
        other = {name: by for name, by in clip.state(0).differences(start).items() if by}
    except FileError as error:
        raise InputError(clip.folder, got=error.got, wanted="frames of the same model", hint=hint) from None
    if other:
        got = "frames of another beginning (" + ", ".join(other) + ")"
        raise InputError(clip.folder, got=got, wanted="frames of the same", hint=hint)


def _kept(folder: Path) -> list[Balance]:
    """Balances of the frames in a folder, as far as their states are there."""
    rows = read_json(folder / BALANCES).get("frames")
    found: list[Balance] = []
    for frame, row in enumerate(rows if isinstance(rows, list) else []):
        if not (folder / STATES / f"{frame:05d}.safetensors").is_file():
            break
        try:
            lists = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
            found.append(Balance(**(row | lists)))
        except (TypeError, AttributeError):
            raise FileError(folder / BALANCES, got="other rows", wanted="balances of frames") from None
    return found
