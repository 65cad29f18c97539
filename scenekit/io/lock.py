"""One writer at a time: a lock on a file that the system takes back when its holder dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenekit.errors import FileError


@contextmanager
def locked(path: str | Path, *, patience: float = 60.0) -> Iterator[None]:
    """Holds an exclusive lock on the file `path`, which is made if it is missing and stays.

    Args:
        path: The lock file.
        patience: How long to wait for another holder [s].

    Raises:
        FileError: If another process holds it for longer than that.
    """
    handle, deadline = os.open(path, os.O_RDWR | os.O_CREAT, 0o666), time.monotonic() + patience
    try:
        while not _taken(handle):
            if time.monotonic() > deadline:
                got = f"held by another process for {patience:g} s"
                raise FileError(path, got=got, wanted="its turn to write", hint="Is another save under way?")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)  # and with it goes the lock


def _taken(handle: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError | PermissionError):
            return False
        raise
    return True
