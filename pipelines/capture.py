"""Makes an embedded capture: photos of a made scene and the truth behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from scenekit.datasets.tabletop import capture_tabletop
from scenekit.errors import InputError
from scenekit.image_size import ImageSize

DATASETS: dict[str, Callable[..., Path]] = {"tabletop": capture_tabletop}
"""Every embedded dataset by name."""


@dataclass(frozen=True)
class Config:
    """Options of `scenekit capture`."""

    dataset: tyro.conf.Positional[str]
    """Which scene to photograph: tabletop."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder to make; new, empty, or an earlier capture of this dataset."""
    photos: int = 48
    """Number of photos."""
    size: ImageSize = (640, 480)
    """Width and height of the photos [px]."""
    seed: int = 0
    """Chance of surfaces, hand, exposure and noise; the same seed gives the same files."""


@dataclass(frozen=True)
class Result:
    """What was made."""

    folder: Path
    """The capture; its photos are in images/, what is behind them in truth/."""
    photos: int
    """Number of photos."""


def run(config: Config) -> Result:
    """Photographs the dataset.

    Raises:
        InputError: If there is no such dataset, or a number is out of range.
        FileError: If the folder holds something else or cannot be written.
    """
    if config.dataset not in DATASETS:
        raise InputError("dataset", got=repr(config.dataset), wanted="one of " + ", ".join(DATASETS))
    width, height = config.size
    make = DATASETS[config.dataset]
    folder = make(config.output, photos=config.photos, width=width, height=height, seed=config.seed)
    return Result(folder, config.photos)
