"""Makes an embedded capture: photos of a made scene and the truth behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from scenekit.datasets.photographed import HEIGHT, capture_mesh
from scenekit.datasets.tabletop import capture_tabletop
from scenekit.errors import InputError
from scenekit.image_size import ImageSize
from scenekit.io.up import Up


@dataclass(frozen=True)
class Tabletop:
    """A laid table in a furnished room."""

    photos: int = 48
    """Number of photos."""


@dataclass(frozen=True)
class MeshFile:
    """Any mesh, on a wooden floor between four walls."""

    file: tyro.conf.Positional[Path]
    """Mesh of any known format; it is scaled, and glazed if it has no look of its own."""
    texture: Path | None = None
    """Picture for its texture coordinates, in place of what the file says."""
    object_height: float = HEIGHT
    """Height of the mesh [m]."""
    up: Up | None = None
    """Up axis of a file that does not say; y for OBJ and z for others if not given."""
    photos: int = 60
    """Number of photos."""


DATASETS = {"tabletop": Tabletop, "mesh": MeshFile}
"""What can be photographed, by its word."""


@tyro.conf.configure(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes)
@dataclass(frozen=True)
class Config:
    """Options of `scenekit capture`."""

    dataset: Annotated[Tabletop, tyro.conf.subcommand("tabletop")] | Annotated[MeshFile, tyro.conf.subcommand("mesh")]
    """What to photograph."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"]), tyro.conf.CascadeSubcommandArgs]
    """Folder to make; new, empty, or an earlier capture of this dataset."""
    size: Annotated[ImageSize, tyro.conf.CascadeSubcommandArgs] = (640, 480)
    """Width and height of the photos [px]."""
    seed: Annotated[int, tyro.conf.CascadeSubcommandArgs] = 0
    """Chance of surfaces, hand, exposure and noise; the same seed gives the same files."""


def check(words: Sequence[str]) -> None:
    """Looks at the dataset's word, so that a wrong one is answered with those that exist.

    Args:
        words: What comes after `scenekit capture`.

    Raises:
        InputError: If the first word is none of ours.
    """
    if words and words[0][:1] != "-" and words[0] not in DATASETS:
        raise InputError("dataset", got=repr(words[0]), wanted="one of " + ", ".join(DATASETS))


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
        InputError: If a number is out of range.
        FileError: If the mesh cannot be read, or the folder holds something else or cannot be written.
    """
    width, height = config.size
    match config.dataset:
        case Tabletop(photos):
            folder = capture_tabletop(config.output, photos=photos, width=width, height=height, seed=config.seed)
        case MeshFile(file, texture, object_height, up, photos):
            folder = capture_mesh(
                config.output, file, texture=texture, object_height=object_height, up=up,
                photos=photos, width=width, height=height, seed=config.seed,
            )  # fmt: skip
    return Result(folder, photos)
