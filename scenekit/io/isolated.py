"""Reads hostile formats in a process of their own: a file that crashes, hangs or swells the reader does no more harm.

    answer = read_isolated("scenekit.io.usd_reader", "splats", path)

Libraries of C++ (OpenUSD) and large parsers (trimesh) cannot be trusted with any bytes. So a child process per reader
module stays open and answers one file after the other; it is killed when time is up, may allocate only in proportion to
the file (RLIMIT_AS, on Linux; elsewhere time alone is limited), and a new one is started when it is gone.

To the child goes one line of JSON per file; back come a line of JSON and the raw bytes of the arrays it announces.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from scenekit.errors import BackendError, FileError

SECONDS = 4.0
"""Time for any file [s]; `seconds` adds what its size needs."""

BYTES_PER_SECOND = 2_000_000
"""The slowest that a sound file is read; text of USD takes ten times less."""

MEMORY = 128 << 20
"""Memory of the child for any file, beside four times its size [bytes]; the caller holds what it finds once more."""

START_SECONDS = 120.0
"""Time for a child to import its libraries [s], on a slow disk."""

ENVIRONMENT = {
    "PXR_WORK_THREAD_LIMIT": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}
"""One thread per child: threads reserve address space, which RLIMIT_AS counts."""


@dataclass(frozen=True)
class Answer:
    """What a reader found in a file."""

    facts: dict[str, Any]
    """What JSON can say."""
    arrays: dict[str, NDArray[Any]]
    """And the numbers, by name."""


class ReaderStopped(FileError):
    """A file on which the child crashed, or over which it took too long; it is gone, the caller is not."""


Reader = Callable[..., Answer]
"""A function of a reader module; runs in the child, where it may raise anything. The module also has a `warm_up()`,
which loads what is only loaded on first use."""


def read_isolated(
    module: str, function: str, path: str | Path, *, arguments: dict[str, Any] | None = None,
    time: float | None = None, memory: int | None = None,
) -> Answer:  # fmt: skip
    """Calls `function(path, **arguments)` of a reader module in its child process.

    Args:
        module: Name of the reader module.
        function: Of that module.
        path: The file.
        arguments: What else the function is told, such as JSON can say.
        time: Most that it may take [s]; None for `seconds`.
        memory: Most that it may take, and keep, [bytes]; None for four times the file and 128 MB.

    Raises:
        FileError: If the file is missing, if the reader raises, or takes more memory than it may; `ReaderStopped` if it
            crashes or takes too long.
        BackendError: If the module cannot be imported there.
    """
    path = Path(path).absolute()
    if not path.is_file():
        raise FileError(path, got="a folder" if path.is_dir() else "nothing", wanted="a file")
    with _LOCK:
        key = (os.getpid(), module)  # a fork does not inherit the conversation
        worker = _WORKERS.get(key)
        if worker is None or not worker.usable:
            worker = _WORKERS[key] = _Worker(module)
        request: dict[str, Any] = {"function": function, "path": str(path), "arguments": arguments or {}}
        request |= {"memory": memory or MEMORY + 4 * path.stat().st_size, "kept": memory or MEMORY}
        return worker.ask(path, request, time or seconds(path))


def seconds(path: Path) -> float:
    """Time that a file may take [s]."""
    return SECONDS + path.stat().st_size / BYTES_PER_SECOND


class _Worker:
    """A child process, seen from the parent."""

    def __init__(self, module: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, module],  # -P: the current folder's numpy.py is not numpy
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.late = False
        header, _ = self._listen(START_SECONDS)
        if header is None or "error" in header:
            got = header["error"]["got"] if header else "a child process that did not start"
            raise BackendError(module, got=got, wanted="a reader that can be imported")

    @property
    def usable(self) -> bool:
        return self.process.poll() is None

    def ask(self, path: Path, request: dict[str, Any], limit: float) -> Answer:
        """One file, within so many seconds."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:  # it died in between; what it did not say is answered below
            pass
        header, arrays = self._listen(limit)
        if header is None:
            self.stop()
            got = f"a file not read within {limit:.0f} s" if self.late else "a file on which its library crashes"
            raise ReaderStopped(path, got=got, wanted="a sound file", hint="It may be damaged or made to do harm.")
        if header.get("spent"):
            self.stop()
        if "error" in header:
            raise FileError(path, **header["error"])
        return Answer(header["facts"], arrays)

    def stop(self) -> None:
        """Ends the child and closes the pipes."""
        self.process.kill()
        self.process.communicate()

    def _too_late(self) -> None:
        self.late = True
        self.process.kill()

    def _listen(self, limit: float) -> tuple[dict[str, Any] | None, dict[str, NDArray[Any]]]:
        """The next header and its arrays; None if the child died or took longer than `limit` [s]."""
        timer = threading.Timer(limit, self._too_late)
        timer.start()
        assert self.process.stdout is not None
        try:
            line = self.process.stdout.readline()
            header = json.loads(line) if line.endswith(b"\n") else None
            arrays = {spec["name"]: _received(self.process.stdout, spec) for spec in (header or {}).get("arrays", ())}
        except EOFError:
            header, arrays = None, {}
        except BaseException:  # Ctrl-C: half an answer must not wait for the next question
            self.stop()
            raise
        finally:
            timer.cancel()
            timer.join()
        return header, arrays


_LOCK = threading.Lock()
_WORKERS: dict[tuple[int, str], _Worker] = {}


@atexit.register
def stop_readers() -> None:
    """Ends all child processes of this process; the next file starts a new one."""
    for pid, module in [key for key in _WORKERS if key[0] == os.getpid()]:
        _WORKERS.pop((pid, module)).stop()


def reader_ids() -> list[int]:
    """Process ids of the children that are open."""
    return [worker.process.pid for (pid, _), worker in list(_WORKERS.items()) if pid == os.getpid() and worker.usable]


def _received(pipe: IO[bytes], spec: dict[str, Any]) -> NDArray[Any]:
    array = np.empty(spec["shape"], spec["dtype"])
    rest = array.reshape(-1).view(np.uint8).data
    while rest:
        count = pipe.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        rest = rest[count:]
    return array


def _serve(module: str) -> None:
    """The child: imports the reader module, says so, and answers until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever libraries print must not enter the answer
    try:
        reader = import_module(module)
        reader.warm_up()
    except ImportError as error:
        return _send(out, {"error": {"got": str(error)}}, {})
    _send(out, {}, {})
    started = _address_space()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        header, arrays = _answered(getattr(reader, request["function"]), request)
        _send(out, header | {"spent": _address_space() > started + request["kept"]}, arrays)
    return None


def _answered(read: Reader, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    memory = request["memory"]
    try:
        with _LimitedMemory(memory):
            answer = read(Path(request["path"]), **request["arguments"])
        return {"facts": answer.facts}, answer.arrays
    except FileError as error:
        said = {"got": error.got, "wanted": error.wanted, "hint": error.hint}
    except MemoryError:
        said = {"got": f"more than {memory >> 20} MB when read", "wanted": "a file that takes no more"}
    except Exception as error:  # parsers raise whatever they like on corrupt data
        said = {"got": f"{type(error).__name__}: {_message(error)}", "wanted": "a sound file"}
    return {"error": said}, {}


def _message(error: Exception) -> str:
    try:
        return " ".join(str(error).split())[:300]
    except UnicodeDecodeError:  # OpenUSD quotes the file, whatever its bytes
        return "a message that is no UTF-8"


def _send(out: IO[bytes], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    packed = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    specs = [{"name": n, "dtype": a.dtype.str, "shape": list(a.shape)} for n, a in packed.items()]
    out.write(json.dumps(header | {"arrays": specs}).encode() + b"\n")
    for array in packed.values():
        out.write(array.reshape(-1).view(np.uint8).data)
    out.flush()


class _LimitedMemory:
    """While open, the process may take only so many more bytes of address space; Linux alone keeps to it."""

    def __init__(self, memory: int) -> None:
        self.memory = memory

    def __enter__(self) -> None:
        if sys.platform == "linux":
            import resource

            self.before = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (_address_space() + self.memory, self.before[1]))

    def __exit__(self, *_: object) -> None:
        if sys.platform == "linux":
            import resource

            resource.setrlimit(resource.RLIMIT_AS, self.before)


def _address_space() -> int:
    """Address space of this process [bytes]; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[0]) * os.sysconf("SC_PAGESIZE") if statm.exists() else 0


if __name__ == "__main__":
    _serve(sys.argv[1])
