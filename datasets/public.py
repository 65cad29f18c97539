"""Public data sets: what each is, how its scenes are fetched, and a scene as its published protocol has it.

    kitchen = MIPNERF360.open("kitchen", folder)     # photos, which of them are judged, where a fit starts

The protocols are in the modules of the data sets; `scenekit fetch` brings the data, `scenekit bench public` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from scenekit.capture.capture import Capture, Points
from scenekit.data_folder import data_folder
from scenekit.datasets.downloads import Archive, checked, downloaded, unpacked
from scenekit.errors import FileError, InputError

MODULES = {"nerf_synthetic": "SYNTHETIC", "mipnerf360": "MIPNERF360", "tanks_temples": "TANKS", "dtu": "DTU"}
"""The data sets: their modules in datasets/, and what they are called there."""


@dataclass(frozen=True)
class Peer:
    """What somebody has published."""

    method: str
    """Whose."""
    figures: str
    """As in the table's head; means over the scenes."""
    source: str
    """Where it stands."""


@dataclass(frozen=True)
class PublicScene:
    """A scene as its protocol has it."""

    capture: Capture
    """Its photos, pinhole; those in `held_out` are judged and not fitted."""
    background: Literal["black", "white"] = "black"
    """Behind photos and renders."""
    downscale: float = 1.0
    """Divides the sides of the photos."""
    start: Points | None = None
    """The points a fit starts from; None: the capture's."""
    start_opacity: float | None = None
    """Opacity a fit starts with; None: as usual."""
    deviations: tuple[str, ...] = ()
    """What is not as the protocol says; one sentence each."""


@dataclass(frozen=True)
class PublicDataset:
    """A data set of others."""

    name: str
    """On the command line, and of its module."""
    title: str
    """As it is cited."""
    home: str
    """Its page."""
    licence: str
    """What one has to agree to, and who asks it."""
    scenes: dict[str, tuple[Archive, ...]]
    """Each scene, and the archives that hold it; each of them has it in a folder of its name."""
    read: Callable[[Path, str], PublicScene]
    """Opens a scene's folder by the protocol."""
    figures: str
    """The head of the columns of `peers`."""
    peers: tuple[Peer, ...]
    """What others have published by the same protocol."""
    truth: tuple[tuple[Archive, str, Callable[[str], str | None]], ...] = ()
    """Besides: an archive, a folder, and where in it a member belongs."""

    def place(self, folder: Path | None = None) -> Path:
        """Where it is kept: a folder of its name in `folder`, or in scenekit's data folder."""
        return (folder or data_folder() / "public") / self.name

    def open(self, scene: str, folder: Path | None = None) -> PublicScene:
        """A scene by the protocol.

        Raises:
            FileError: If it has not been fetched, or is damaged.
            InputError: If there is no such scene.
        """
        place = self.place(folder) / self.known([scene])[0]
        if not place.is_dir():
            hint = f"`scenekit fetch {self.name} --scenes {scene}` brings it."
            raise FileError(place, got="nothing", wanted=f"the scene {scene} of {self.title}", hint=hint)
        return self.read(place, scene)

    def known(self, scenes: Sequence[str]) -> list[str]:
        """The scenes asked for, in the order of the data set; all if none.

        Raises:
            InputError: If one is not known.
        """
        if unknown := [scene for scene in scenes if scene not in self.scenes]:
            raise InputError("scenes", got=unknown, wanted="some of " + ", ".join(self.scenes))
        return [scene for scene in self.scenes if not scenes or scene in scenes]

    def fetch(
        self, scenes: Sequence[str], folder: Path | None = None, *, given: Sequence[Path] = (), progress: bool = True
    ) -> list[Path]:
        """Downloads and unpacks scenes that are not there, and the truth if there is any; their folders.

        Args:
            scenes: Which; all if none.
            folder: As in `place`.
            given: Archives that were fetched by hand, instead of those of the same name.
            progress: Show a progress bar.

        Raises:
            FileError: If an archive cannot be had, is another one, or is hostile.
            InputError: If a scene is not known.
        """
        place, by_name = self.place(folder), {file.name: file for file in given}

        def archive_of(archive: Archive) -> Path:
            if archive.file in by_name:
                (place / "archives").mkdir(parents=True, exist_ok=True)
                return checked(archive, by_name[archive.file], place / "archives")
            return downloaded(archive, place / "archives", progress=progress)

        made = []
        for scene in self.known(scenes):
            for archive in self.scenes[scene]:
                if not (place / scene).is_dir():
                    unpacked(archive_of(archive), place / scene, inside(scene))
            made.append(place / scene)
        for archive, name, where in self.truth:
            if not (place / name).is_dir():
                unpacked(archive_of(archive), place / name, where)
        return made


def inside(scene: str) -> Callable[[str], str | None]:
    """Where in a scene's folder a member of an archive belongs: what comes after the first folder of the scene's name.

    Apple's and Explorer's own files are left out.
    """

    def place(name: str) -> str | None:
        parts = name.split("/")
        if scene not in parts[:-1] or "__MACOSX" in parts or parts[-1] in (".DS_Store", "Thumbs.db"):
            return None
        return "/".join(parts[parts.index(scene) + 1 :]) or None

    return place


def public_dataset(name: str) -> PublicDataset:
    """A data set by name.

    Raises:
        InputError: If there is none of it.
    """
    if name not in MODULES:
        raise InputError("dataset", got=repr(name), wanted="one of " + ", ".join(MODULES))
    found: PublicDataset = getattr(import_module(f"scenekit.datasets.{name}"), MODULES[name])
    return found


def size_deviation(capture: Capture, wanted: str, fits: Callable[[int, int], bool]) -> tuple[str, ...]:
    """Says how large photos are that are not as the protocol has them."""
    sizes = {(photo.camera.width, photo.camera.height) for photo in capture.photos}
    wrong = sorted(size for size in sizes if not fits(*size))
    return tuple(f"Photos of {w}×{h} px; the protocol has {wanted}." for w, h in wrong[:1])
