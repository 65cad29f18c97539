"""A public data set → scenekit's data folder, after its licence; where it is there already, nothing is done.

A download that was interrupted goes on. An archive that was fetched by hand, as DTU's photos must be, is given by
--archive and keeps its name. Downloaded archives stay in archives/ beside the scenes, for further scenes; when all are
unpacked they may be deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from scenekit.datasets.public import PublicDataset, public_dataset
from scenekit.errors import InputError

Name = Literal["nerf_synthetic", "mipnerf360", "tanks_temples", "dtu"]


@dataclass(frozen=True)
class Config:
    """What is fetched."""

    dataset: tyro.conf.Positional[Name]
    """The data set."""
    scenes: tuple[str, ...] = ()
    """Some of its scenes; all if none. An archive is downloaded once, whatever of it is unpacked."""
    accept_licence: bool = False
    """You have read the licence, which is shown without this, and agree."""
    archive: tuple[Path, ...] = ()
    """Archives that you have fetched yourself, under the names that the message or the card says."""
    data: Path | None = None
    """Folder of public data sets; public/ in $SCENEKIT_DATA or the user's cache folder if not given."""


@dataclass(frozen=True)
class Result:
    """What is there now."""

    folders: tuple[Path, ...]
    """Of the scenes."""

    def __str__(self) -> str:
        return "\n".join(str(folder) for folder in self.folders)


def run(config: Config) -> Result:
    """Shows the licence, downloads, checks, unpacks.

    Raises:
        InputError: If the licence was not accepted, or a scene is not known.
        FileError: If an archive cannot be had, is another than it should be, or is hostile.
    """
    dataset = public_dataset(config.dataset)
    dataset.known(config.scenes)
    if not config.accept_licence:
        raise InputError("licence", got="not accepted yet", wanted=f"--accept-licence. {terms(dataset)}")
    return Result(tuple(dataset.fetch(config.scenes, config.data, given=config.archive)))


def terms(dataset: PublicDataset) -> str:
    """What a user agrees to."""
    return f"{dataset.title}, {dataset.home}\n{dataset.licence}"
