"""Makes the data of the 3D-JEPA: scenes, objects or flawed scenes as shards of tokens, and shards of rollouts.

The same command goes on where it was stopped, and makes the same bytes with any number of processes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_shards import write_rollouts
from scenekit.datasets.token_shards import TokenShardConfig, write_token_shards


@dataclass(frozen=True)
class Data:
    """Makes scenes of shapes, as shards of tokens."""

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None
    """Shards go here; tokens/VARIANT in $SCENEKIT_DATA or the user's cache folder if not given."""
    workers: int = 2
    """Processes that make them."""
    shards: Annotated[TokenShardConfig, tyro.conf.arg(name="")] = field(default_factory=TokenShardConfig)
    """What they hold."""


@dataclass(frozen=True)
class Rollouts:
    """Makes rollouts of bodies that meet, each with a twin in which one thing is otherwise, as shards."""

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = None
    """Shards go here; rollouts in $SCENEKIT_DATA or the user's cache folder if not given."""
    workers: int = 2
    """Processes that make them."""
    shards: Annotated[RolloutConfig, tyro.conf.arg(name="")] = field(default_factory=RolloutConfig)
    """What they hold."""


@dataclass(frozen=True)
class Result:
    """What was made."""

    folder: Path
    """Where the shards are."""
    said: str
    """How many of what they hold, and what they take on the disk."""
    seconds: float
    """Time in all [s]."""

    def __str__(self) -> str:
        return f"{self.folder}: {self.said}, {self.seconds:.1f} s"


def run(config: Data | Rollouts) -> Result:
    """Writes the shards that are not there yet.

    Raises:
        ScenekitError: If the folder holds others, or an option cannot be used.
    """
    start = time.perf_counter()
    if isinstance(config, Rollouts):
        files, made = write_rollouts(config.output, config.shards, workers=config.workers), config.shards.rollouts
    else:
        files, made = write_token_shards(config.output, config.shards, workers=config.workers), config.shards.scenes
    size = sum(file.stat().st_size for file in files)
    what = "rollouts" if isinstance(config, Rollouts) else "scenes"
    return Result(files[0].parent, f"{made} {what}, {size / 1e6:.1f} MB", time.perf_counter() - start)
