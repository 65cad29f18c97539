"""Makes the data of the 3D-JEPA: composed scenes, objects or flawed scenes as shards of tokens, in several processes.

The same command goes on where it was stopped, and makes the same bytes with any number of processes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

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
class Result:
    """What was made."""

    folder: Path
    """Where the shards are."""
    scenes: int
    """How many scenes they hold."""
    bytes: int
    """What they take on the disk."""
    seconds: float
    """Time in all [s]."""

    def __str__(self) -> str:
        size = f"{self.bytes / 1e6:.1f} MB"
        return f"{self.folder}: {self.scenes} scenes, {size}, {self.seconds:.1f} s"


def run(config: Data) -> Result:
    """Writes the shards that are not there yet.

    Raises:
        ScenekitError: If the folder holds others, or an option cannot be used.
    """
    start = time.perf_counter()
    files = write_token_shards(config.output, config.shards, workers=config.workers)
    size = sum(file.stat().st_size for file in files)
    return Result(files[0].parent, config.shards.scenes, size, time.perf_counter() - start)
