"""Folders that people of the viewer may write: beside the scene, by a name."""

from __future__ import annotations

from pathlib import Path

from scenekit.errors import InputError
from scenekit.scene import NAME


def beside(home: Path | None, name: str) -> Path:
    """A new folder of that name beside the scene's; in the working directory, if the scene has none.

    Args:
        home: The scene's folder.
        name: Letters, digits and _ . -, beginning with a letter or digit.

    Raises:
        InputError: If the name is another, or is taken: what is there could not be brought back.
    """
    if not NAME.fullmatch(name):
        wanted = "a name of letters, digits and _ . -, beginning with a letter or digit"
        raise InputError("folder", got=repr(name[:80]), wanted=wanted)
    folder = (Path.cwd() if home is None else home.resolve().parent) / name
    if folder.exists() or folder.is_symlink():
        raise InputError("folder", got=f"{name}, which is there already", wanted="a name that is not taken")
    return folder
