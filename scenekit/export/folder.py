"""The folder of an export: there wholly or not at all, and never in the place of what somebody else put there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenekit.errors import FileError
from scenekit.io.atomic import flush_folder

PHYSICS = "physics.json"
"""The file that makes a folder an export."""

OURS = (PHYSICS, "mjcf", "urdf", "usd", "glb", "splats", "check.html", "check.json", "check.png")
"""What an export holds."""


@contextmanager
def made_anew(folder: str | Path, *, fresh: bool = False) -> Iterator[Path]:
    """Yields a new folder beside `folder` that takes its place on success; else everything stays as it was.

    Args:
        folder: Missing, empty, or with `fresh` an earlier export.
        fresh: Whether an earlier export may be replaced.

    Raises:
        FileError: If there is something else, or an earlier export and not `fresh`; nothing is touched then.
    """
    folder = Path(folder)
    _check_place(folder, fresh)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as beside:
        new, old = Path(beside) / "new", Path(beside) / "old"
        new.mkdir()
        yield new
        _check_place(folder, fresh)  # somebody may have been here meanwhile
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
        flush_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)


def _check_place(folder: Path, fresh: bool) -> None:
    """That nothing is lost if `folder` is replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileError(folder, got="a file", wanted="a folder to write to", hint="Choose another -o.")
    names = {file.name for file in folder.iterdir()}
    if names and PHYSICS not in names:
        hint = "Choose another -o; nothing was changed there."
        raise FileError(folder, got="a folder with other things in it", wanted="a new or empty one", hint=hint)
    if names and not fresh:
        hint = "Choose another -o, or add --fresh to replace it."
        raise FileError(folder, got="an earlier export", wanted="a new or empty folder", hint=hint)
    strange = sorted(names - set(OURS))
    if strange:
        got = "an earlier export with other things in it: " + ", ".join(strange[:5])
        raise FileError(folder, got=got, wanted="a folder to replace", hint="Move them away, or choose another -o.")
