"""Peak memory of reading a file: of this process and of the readers that it keeps, from /proc, on Linux."""

from __future__ import annotations

import ctypes
import sys
import threading
from pathlib import Path

from scenekit.io.isolated import reader_ids

INTERVAL = 0.005
"""A reader is looked at this often [s], since one that dies takes its figures along."""


class MemoryMeter:
    """Measures what happens in its `with` block, against what was resident when a sound file had been read.

    The reference is that of the meter's making, or less if less is resident when the block begins: memory that an
    earlier file left to the allocator is counted again for every file that uses it.
    """

    def __init__(self) -> None:
        _trim_heap()
        self.own = _status("self", "VmRSS")
        self.reader = max((_status(pid, "VmRSS") for pid in reader_ids()), default=0)
        self.peak = 0
        """Most memory in the latest block [bytes]."""

    def __enter__(self) -> MemoryMeter:
        for pid in [None, *reader_ids()]:
            _reset_peak(pid or "self")
        self._before = min(self.own, _status("self", "VmRSS"))
        self._readers: dict[int, int] = {}
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch) if self.reader else None
        if self._watcher:
            self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        own = max(0, _status("self", "VmHWM") - self._before)
        self._done.set()
        if self._watcher:
            self._watcher.join()
            self._look()
        self.peak = own + sum(max(0, peak - self.reader) for peak in self._readers.values())

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        for pid in reader_ids():
            self._readers[pid] = max(self._readers.get(pid, 0), _status(pid, "VmHWM"))


def _trim_heap() -> None:
    """Gives free memory of this process back to the system, where the C library can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _reset_peak(pid: int | str) -> None:
    """Sets the highest resident memory of a process to what it has now."""
    file = Path(f"/proc/{pid}/clear_refs")
    if file.exists():
        file.write_text("5")


def _status(pid: int | str, key: str) -> int:
    """A field of /proc/PID/status [bytes]; 0 where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # the reader died of the file
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(key)), 0)
