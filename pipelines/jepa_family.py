"""The members of the family that learn from rollouts: what each learns from, what it minimises, what it leaves.

`scenekit jepa train --method NAME` trains them with the trainer of all, see `scenekit.pipelines.jepa`. A member is a
function of a folder of rollouts, a size and options; a new one is a line in `MOVING`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from scenekit.datasets.rollouts_clips import ACTIONS, CHANGE, FEATURES, RolloutClips, RolloutSlots, WovenClips
from scenekit.io.typed_json import as_json
from scenekit.jepa.network import JepaConfig
from scenekit.jepa.objects import ObjectConfig, ObjectObjective
from scenekit.jepa.sequential import SequenceObjective
from scenekit.jepa.space_time import SpaceTimeObjective
from scenekit.jepa.training import Examples, Objective
from scenekit.jepa.variational import VariationalConfig, VariationalObjective
from scenekit.jepa.world import Against, SceneEncoder, WorldConfig, WorldModel

Save = Callable[[Path, str], Path]
"""Writes what was learned into a folder and returns the file; its note says which member it is, and ends with these
words about size and budget."""


@dataclass(frozen=True)
class Member:
    """A member of the family, about to learn."""

    examples: Examples
    """What from."""
    objective: Objective
    """What is minimised."""
    about: dict[str, Any]
    """What a checkpoint must agree with to be gone on from, beside method and training; as JSON has it."""
    save: Save | None = None
    """How it is kept; None where only the checkpoint is."""


@dataclass(frozen=True)
class Moving:
    """How it is learned from rollouts."""

    steps: int = 8
    """Frames of a clip; of the object-level one the history and one more."""
    every: int = 2
    """Steps of the rollouts from a frame to the next, 1/20 s each."""
    history: int = 3
    """Frames from which the world model and the object-level one predict the next."""
    width: int = 96
    """Of the latent of a scene; of the object-level one, of its transformer."""
    depth: int = 3
    """Blocks of what predicts."""
    heads: int = 4
    """Of its attention."""
    against_collapse: Against = "both"
    """Of the world model; most moments of rollouts have no action that inverse dynamics could tell."""
    masked: int = 2
    """Bodies that the object-level one hides."""
    variational: VariationalConfig = field(default_factory=VariationalConfig)
    """Of the variational one."""


def space_time(folder: Path, size: JepaConfig, config: Moving) -> Member:
    """V-JEPA: tubes of clips from the rest of them."""
    examples = WovenClips(_clips(folder, config))
    return _member(examples, SpaceTimeObjective(replace(size, coordinates=4), config.steps), config)


def world(folder: Path, size: JepaConfig, config: Moving) -> Member:
    """The world model: the next latent of a scene, and those after it, from what pushes."""
    examples = _clips(folder, config)
    sizes = WorldConfig(
        ACTIONS, config.width, config.history, config.depth, config.heads, against_collapse=config.against_collapse
    )
    model = WorldModel(SceneEncoder(size, config.width), sizes)

    def save(output: Path, learned: str) -> Path:
        model.save(output / "world.safetensors", note=f"world ({config.against_collapse}), {learned}")
        return output / "world.safetensors"

    return _member(examples, model, config, save)


def objects(folder: Path, size: JepaConfig, config: Moving) -> Member:
    """Causal-JEPA: histories of hidden bodies, and the next state of all."""
    clips = _clips(folder, replace(config, steps=config.history + 1))
    sizes = ObjectConfig(
        FEATURES, ACTIONS, config.history, masked=config.masked, width=config.width, change=CHANGE, depth=config.depth,
        heads=config.heads,
    )  # fmt: skip
    return _member(RolloutSlots(clips), ObjectObjective(sizes), config)


def variational(folder: Path, size: JepaConfig, config: Moving) -> Member:
    """VJEPA, or BJEPA: how the next latent of a scene is distributed."""
    examples, d = _clips(folder, config), config.width
    predictor = nn.Sequential(nn.Linear(d + ACTIONS, 4 * d), nn.GELU(), nn.Linear(4 * d, 2 * d))
    objective = VariationalObjective(SceneEncoder(size, d), predictor, d, config.variational)
    return _member(examples, objective, config)


def sequential(folder: Path, size: JepaConfig, config: Moving) -> Member:
    """seq-JEPA: the last frame of a clip from all before it."""
    examples, d = _clips(folder, config), config.width
    objective = SequenceObjective(SceneEncoder(size, d), d, ACTIONS, depth=config.depth, heads=config.heads)
    return _member(examples, objective, config)


MOVING: dict[str, Callable[[Path, JepaConfig, Moving], Member]] = {
    "space-time": space_time,
    "world": world,
    "objects": objects,
    "variational": variational,
    "sequential": sequential,
}
"""By name."""


def _clips(folder: Path, config: Moving) -> RolloutClips:
    return RolloutClips(folder, steps=config.steps, every=config.every)


def _member(
    examples: RolloutClips | WovenClips | RolloutSlots, objective: Objective, config: Moving, save: Save | None = None
) -> Member:
    clips = examples if isinstance(examples, RolloutClips) else examples.clips
    return Member(examples, objective, {"moving": as_json(config), "data": as_json(clips.files.config)}, save)
