"""Writes that happen wholly or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"
"""How the name of a file begins until it is whole."""


@contextmanager
def written_atomically(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it is flushed to disk and renamed over `path`.

    If the body raises, or the disk is full, the old file stays and the temporary one is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{UNFINISHED}{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes the file private; the result should be like any other
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: str | Path) -> None:
    """Removes what writes into a folder have left that were killed; for where no other process writes meanwhile."""
    for file in Path(folder).glob(f"{UNFINISHED}*"):
        file.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes `data` to `path` atomically."""
    with written_atomically(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` to `path` atomically, as UTF-8."""
    write_bytes(path, text.encode())


def flush_folder(path: str | Path) -> None:
    """Sees that renames in a folder have reached the disk; systems that cannot open a folder need not be told."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
