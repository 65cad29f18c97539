"""Work that is shared out: each item in a process of its own, so that one that crashes takes no other with it.

Ray's tasks where it is installed, on one machine or a cluster; else the processes of Python's multiprocessing.
"""

from __future__ import annotations

import importlib.util
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from scenekit.errors import BackendError

GRACE = 120.0
"""How long processes that are asked to end may take to keep what they have [s]."""

Item = TypeVar("Item")
Found = TypeVar("Found")


def each(job: Callable[[Item], Found], items: Sequence[Item], *, workers: int = 1) -> Iterator[tuple[int, Found]]:
    """The number of an item and what the job makes of it, as they are done; `workers` items at the same time.

    The job is a function that other processes can import, or a partial of one, and answers for its own errors; where
    its process ends without an answer, its result is a `BackendError`. On Ctrl-C, and whenever the caller stops to
    listen, running jobs are asked to end, which they meet as KeyboardInterrupt or SIGTERM.
    """
    crew: _Crew = _RayCrew() if importlib.util.find_spec("ray") else _ProcessCrew(workers)
    left = list(enumerate(items))[::-1]
    running: dict[Any, int] = {}
    try:
        while left or running:
            while left and len(running) < workers:
                number, item = left.pop()
                running[crew.start(job, item, workers)] = number
            for task in crew.done(list(running)):
                yield running.pop(task), crew.answer(task)
    finally:
        crew.stop(list(running))


class _Crew(Protocol):
    """Where jobs run."""

    def start(self, job: Callable[[Any], Any], item: Any, workers: int) -> Any: ...

    def done(self, tasks: list[Any]) -> list[Any]: ...

    def answer(self, task: Any) -> Any: ...

    def stop(self, tasks: list[Any]) -> None: ...


class _ProcessCrew:
    """Python's own processes, each with a thread that waits for it."""

    def __init__(self, workers: int) -> None:
        self.pool = ThreadPoolExecutor(workers)
        self.alive: set[BaseProcess] = set()
        self.lock = threading.Lock()

    def start(self, job: Callable[[Any], Any], item: Any, workers: int) -> Future[Any]:
        ours, theirs = get_context("spawn").Pipe(duplex=False)
        process = get_context("spawn").Process(target=_work, args=(job, item, theirs), daemon=True)
        process.start()
        theirs.close()
        with self.lock:
            self.alive.add(process)
        return self.pool.submit(self._wait, process, ours)

    def _wait(self, process: BaseProcess, answer: Connection) -> Any:
        try:
            found = answer.recv()
        except EOFError:
            process.join()
            found = _gone(f"an end with exit code {process.exitcode}")
        process.join()
        with self.lock:
            self.alive.discard(process)
        return found

    def done(self, tasks: list[Future[Any]]) -> list[Future[Any]]:
        return list(wait(tasks, return_when=FIRST_COMPLETED).done)

    def answer(self, task: Future[Any]) -> Any:
        return task.result()

    def stop(self, tasks: list[Future[Any]]) -> None:
        with self.lock:
            alive = list(self.alive)
        for process in alive:
            process.terminate()
        wait(tasks, GRACE)
        for process in alive:
            process.kill()
        self.pool.shutdown()


def _work(job: Callable[[Any], Any], item: Any, answer: Connection) -> None:
    """What a process does. A terminal sends Ctrl-C to all of them; the parent alone hears it, and asks them to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(KeyboardInterrupt):
        answer.send(job(item))


class _RayCrew:
    """Ray's tasks."""

    def __init__(self) -> None:
        import ray

        self.ray: Any = ray
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False)

    def start(self, job: Callable[[Any], Any], item: Any, workers: int) -> Any:
        cores = max(1, int(self.ray.cluster_resources().get("CPU", 1) // workers))
        # A process serves one task, so that a fit finds no thread or memory of another.
        remote = self.ray.remote(max_calls=1, max_retries=0, num_cpus=cores)(_call)
        return remote.remote(job, item)

    def done(self, tasks: list[Any]) -> list[Any]:
        return list(self.ray.wait(tasks, num_returns=1)[0])

    def answer(self, task: Any) -> Any:
        try:
            return self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            return _gone(str(error).strip().splitlines()[0])

    def stop(self, tasks: list[Any]) -> None:
        for task in tasks:
            self.ray.cancel(task)
        if tasks:
            self.ray.wait(tasks, num_returns=len(tasks), timeout=GRACE)


def _call(job: Callable[[Any], Any], item: Any) -> Any:
    return job(item)


def _gone(got: str) -> BackendError:
    return BackendError("process", got=got, wanted="an answer", hint="It may have run out of memory.")
