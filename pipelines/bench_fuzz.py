"""Damaged and hostile files of every format: each must be read or refused by one of our errors, fast and in bounds.

    scenekit bench fuzz --files 20000

The bar: no crash, no hang (5 s), no other error than ours, no more memory than four times the file and 256 MB. A child
process opens the files; its own memory and that of the readers it starts is asked for after each one, on Linux.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from scenekit.errors import InputError, ScenekitError
from scenekit.io.isolated import reader_ids
from scenekit.pipelines.fuzz_made import made
from scenekit.pipelines.fuzz_mutations import mutated
from scenekit.pipelines.fuzz_samples import Sample, samples

LIMIT = 5.0
"""Longer than this is a hang [s]."""

PATIENCE = 60.0
"""The child is killed after this long over one file [s]."""

MEMORY = 256 << 20
"""What any file may take, beside four times its size [bytes]."""


@dataclass(frozen=True)
class Config:
    """How many files, of which formats."""

    files: int = 300
    """Damaged files per format, beside those that are made to do harm."""
    formats: tuple[str, ...] = ()
    """Which formats; all if none are named."""
    first: int = 0
    """Seed of the first file."""
    keep: Path | None = None
    """Folder where files that fail are kept."""


@dataclass
class Score:
    """One format."""

    files: int = 0
    """Files opened."""
    read: int = 0
    """Of them read, in spite of the damage."""
    slowest: float = 0.0
    """Time of the slowest [s]."""
    memory: float = 0.0
    """Most memory beyond four times the file [MB]."""
    failures: list[str] = field(default_factory=list)
    """Every file that missed the bar, and how."""

    def add(self, title: str, seconds: float, memory: int, size: int, outcome: str, hostile: bool) -> None:
        """Counts one file."""
        self.files += 1
        self.read += outcome == "read"
        self.slowest = max(self.slowest, seconds)
        self.memory = max(self.memory, (memory - 4 * size) / 2**20)
        if outcome not in ("read", "refused"):
            self.failures.append(f"{title}: {outcome}")
        if hostile and outcome == "read":
            self.failures.append(f"{title}: read")
        if seconds > LIMIT:
            self.failures.append(f"{title}: {seconds:.1f} s")
        if memory > 4 * size + MEMORY:
            self.failures.append(f"{title}: {memory >> 20} MB for {size} bytes")


@dataclass(frozen=True)
class Result:
    """Scores by format."""

    scores: dict[str, Score]
    """What came of it."""

    @property
    def failures(self) -> list[str]:
        """All of them."""
        return [f"{name}: {failure}" for name, score in self.scores.items() for failure in score.failures]

    def __str__(self) -> str:
        head = [
            "| format | files | read | slowest [s] | memory beyond 4 × file [MB] | failures |",
            "|---|---|---|---|---|---|",
        ]
        rows = [
            f"| {name} | {s.files} | {s.read} | {s.slowest:.2f} | {s.memory:.0f} | {len(s.failures)} |"
            for name, s in self.scores.items()
        ]
        kinds = Counter(
            failure.split(": ", 2)[0] + ": " + failure.rsplit(": ", 1)[-1][:100] for failure in self.failures
        )
        return "\n".join([*head, *rows, *(f"{count} × {kind}" for kind, count in kinds.most_common(40))])


def run(config: Config) -> Result:
    """Opens all files.

    Raises:
        InputError: If there is no such format.
    """
    chosen = _chosen(config)
    scores = {sample.name: Score() for sample in chosen}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        waiting = [(sample.name, index) for sample in chosen for index in _indices(sample, config)]
        while waiting:
            ours, theirs = context.Pipe()
            child = context.Process(target=_open_all, args=(theirs, waiting, Path(folder), config), daemon=False)
            child.start()
            theirs.close()
            done = _listen(ours, scores, waiting)
            child.join(1)
            died = child.exitcode
            child.kill()
            child.join()
            if done < len(waiting):
                name, index = waiting[done]
                why = "hang" if died is None else f"crash, exit code {died}"
                scores[name].failures.append(f"{index}: {why}")
            waiting = waiting[done + 1 :]
    return Result(scores)


def _chosen(config: Config) -> list[Sample]:
    known = {sample.name: sample for sample in samples()}
    for name in config.formats:
        if name not in known:
            raise InputError("format", got=name, wanted="one of " + ", ".join(known))
    return [known[name] for name in config.formats or known]


def _indices(sample: Sample, config: Config) -> Iterator[int]:
    """Negative ones are those made to do harm."""
    yield from (-1 - i for i in range(len(list(made(sample.name)))))
    yield from range(config.first, config.first + config.files)


def _listen(pipe: Connection, scores: dict[str, Score], waiting: list[tuple[str, int]]) -> int:
    """Counts what the child says until it is done, dead, or silent for too long; how many it finished."""
    for done, (name, index) in enumerate(waiting):
        try:
            if not pipe.poll(PATIENCE if done else 2 * PATIENCE):
                return done
            title, seconds, memory, size, outcome = pipe.recv()
        except EOFError:
            return done
        scores[name].add(title, seconds, memory, size, outcome, index < 0)
    return len(waiting)


def _open_all(pipe: Connection, work: list[tuple[str, int]], folder: Path, config: Config) -> None:
    """The child: makes, opens and judges one file after the other."""
    known = {sample.name: sample for sample in samples()}
    for name, index in work:
        sample, place = known[name], folder / name.replace(" ", "-")
        if not place.exists():
            place.mkdir()
            sample.make(place / sample.file)
            sample.read(place / sample.file)  # imports, and starts the readers
        sound = {file: file.read_bytes() for file in place.iterdir()}
        title = _damage(sample, place, index)
        size = sum(file.stat().st_size for file in place.iterdir())
        seconds, memory, outcome = _opened(sample, place / sample.file)
        pipe.send((title, seconds, memory, size, outcome))
        if config.keep and (outcome not in ("read", "refused") or seconds > LIMIT or memory > 4 * size + MEMORY):
            shutil.copytree(place, config.keep / f"{place.name}-{index}", dirs_exist_ok=True)
        for file, data in sound.items():
            file.write_bytes(data)


def _damage(sample: Sample, place: Path, index: int) -> str:
    """Damages one file of the sample, or makes it harmful; returns what to call that."""
    if index < 0:
        title, change = list(made(sample.name))[-1 - index]
        change(place / sample.file)
        return title
    files = sorted(place.iterdir())
    file = files[index % len(files)] if sample.file == "." or index % 4 == 0 else place / sample.file
    file.write_bytes(mutated(file.read_bytes(), index))
    return str(index)


def _opened(sample: Sample, path: Path) -> tuple[float, int, str]:
    """Seconds, memory [bytes] and outcome of opening one file."""
    readers = [None, *reader_ids()]
    before = {pid: _reset_peak(pid) for pid in readers}
    start = time.perf_counter()
    try:
        sample.read(path)
        outcome = "read"
    except ScenekitError:
        outcome = "refused"
    except BaseException as error:  # what must not happen, to be told and counted
        outcome = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    seconds = time.perf_counter() - start
    return seconds, sum(max(0, _status(pid, "VmHWM") - before[pid]) for pid in readers), outcome


def _reset_peak(pid: int | None) -> int:
    """Sets the highest resident memory of a process to what it has now; returns that [bytes]."""
    file = Path(f"/proc/{pid or 'self'}/clear_refs")
    if file.exists():
        file.write_text("5")
    return _status(pid, "VmRSS")


def _status(pid: int | None, key: str) -> int:
    """A field of /proc/PID/status [bytes]; 0 where there is none."""
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text().splitlines()
    except OSError:  # the reader died of the file
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(key)), 0)
