"""Launches: one source on all cores of a CPU, or as one grid on CUDA.

Stock Warp runs a CPU launch on one core, but a native call releases Python's lock. So a launch is cut into parts that
run on a pool. The contract: a kernel's first two arguments are `first` and `stride`, it works on item
`first + wp.tid() * stride`, and whatever an item writes belongs to it alone; then the number of threads changes nothing
in the result.
"""

import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import warp as wp

wp.config.log_level = wp.LOG_ERROR  # Warp reports devices and every module it loads

FLAGS = "-march=native -ffp-contract=fast -mprefer-vector-width=512"
"""Let LLVM fuse multiply and add, and use the widest registers; neither reorders a sum."""

OPTIONS = {"enable_backward": False, "max_unroll": 0, "optimization_level": 3, "cpu_compiler_flags": FLAGS}
"""Options of our modules: adjoints are written by hand, and loops stay loops for the vectoriser."""

VECTORS = 64
"""Parts of a long launch begin at multiples of this. So items fall to a vectorised loop or to the rest that it leaves,
which may round otherwise, whatever the number of threads."""

NO_DRIVER = "Could not find or load the NVIDIA CUDA driver"


def _init() -> None:
    """`wp.init()` that does not warn of a missing GPU; its library writes to the process's own stderr."""
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            wp.init()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            os.write(2, b"".join(line for line in said if NO_DRIVER.encode() not in line))


def _cores() -> int:
    """Cores that this process may use, where the system tells; those that `torchrun` started on a host share them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


class _Check(threading.local):
    """What a thread calls before each launch."""

    call: Callable[[], object] = staticmethod(lambda: None)


_init()
_check = _Check()
_streams: dict[str, int] = {}
_one = threading.Lock()  # Warp loads a kernel's module when it is first asked for, and crashes if two threads ask
_pool: ThreadPoolExecutor | None = None
_threads = int(os.environ.get("SCENEKIT_THREADS", 0)) or _cores()


def threads() -> int:
    """Threads that a CPU launch is split over."""
    return _threads


def set_threads(count: int) -> None:
    """Split CPU launches over `count` threads from now on; the default is `SCENEKIT_THREADS`, else every core."""
    global _pool, _threads
    if count < 1:
        raise ValueError(f"threads must be at least 1, got {count}")
    if _pool is not None:
        _pool.shutdown()
    _pool, _threads = None, count


def launch(kernel: wp.Kernel, count: int, inputs: list, device: str, *, interleaved: bool = False) -> None:
    """Run `kernel` on items 0 … count−1; `inputs` follow its `first` and `stride`.

    Each thread gets a run of neighbours, so that no two write to one cache line, or every so many-th item if
    `interleaved`, which balances items of unequal cost.
    """
    _check.call()
    if device == "cpu":
        record(kernel, count, inputs, device, interleaved=interleaved)()
    elif count > 0:
        _follow_torch(device)
        wp.launch(kernel, count, inputs=[0, 1, *inputs], device=device)


@contextmanager
def interruptible(check: Callable[[], object]) -> Iterator[None]:
    """Call `check` before each launch of this thread: what it raises ends a computation of several launches early."""
    _check.call = check
    try:
        yield
    finally:
        del _check.call


def record(
    kernel: wp.Kernel, count: int, inputs: list, device: str, *, interleaved: bool = False, most: int | None = None
) -> Callable[[], None]:
    """A launch to be called again and again on the same arrays, which costs a fifth; over at most `most` threads."""
    if count == 0:
        return lambda: None
    if device != "cpu":
        _follow_torch(device)
        return wp.launch(kernel, count, inputs=[0, 1, *inputs], device=device, record_cmd=True).launch
    with _one:
        first, *others = (
            wp.launch(kernel, size, inputs=[start, stride, *inputs], device="cpu", record_cmd=True).launch
            for start, stride, size in _parts(count, interleaved, min(_threads, most or _threads))
        )

    def run() -> None:
        waiting = [_workers().submit(other) for other in others]
        first()
        for part in waiting:
            part.result()

    return run if others else first


def _follow_torch(device: str) -> None:
    """Let Warp work on the stream that torch works on, so that what one writes is there when the other reads it."""
    import torch

    current = torch.cuda.current_stream(device)
    if _streams.get(device) != current.cuda_stream:
        wp.set_stream(wp.stream_from_torch(current), device, sync=True)
        _streams[device] = current.cuda_stream


def _parts(count: int, interleaved: bool, threads: int) -> list[tuple[int, int, int]]:
    """First item, stride and number of items of each thread's part."""
    n = min(threads, count)
    if interleaved:
        return [(i, n, (count - i + n - 1) // n) for i in range(n)]
    whole = VECTORS if count >= 8 * VECTORS * n else 1
    cuts = [*(count * i // n // whole * whole for i in range(n)), count]
    return [(begin, 1, end - begin) for begin, end in itertools.pairwise(cuts)]


def _workers() -> ThreadPoolExecutor:
    global _pool
    with _one:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, _threads - 1), thread_name_prefix="scenekit-kernel")
        return _pool
