"""Damaged and hostile files of every format: each must be read or refused by one of our errors, fast and in bounds.

    scenekit bench fuzz --files 20000

The bar: no crash, no hang (5 s), no other error than ours, no more memory than four times the file and 256 MB. A child
process opens the files; its own memory and that of the readers it starts are added up.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from scenekit.errors import InputError, ScenekitError
from scenekit.io.isolated import ReaderStopped, stop_readers
from scenekit.pipelines.fuzz_made import made
from scenekit.pipelines.fuzz_memory import MemoryMeter
from scenekit.pipelines.fuzz_mutations import mutated
from scenekit.pipelines.fuzz_samples import Sample, samples
from scenekit.pipelines.fuzz_swollen import swollen

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


@dataclass(frozen=True)
class Outcome:
    """What came of one file."""

    title: str
    """What was done to it."""
    came: str
    """read; refused by one of our errors; stopped, refused after its reader's process died; or an error not ours."""
    harmful: bool
    """Whether it was made so that it must not be read."""
    seconds: float
    """Time to open it [s]."""
    memory: int
    """Peak memory of that [bytes]."""
    size: int
    """Its size, with the files that belong to it [bytes]."""

    @property
    def shortcomings(self) -> list[str]:
        """How it misses the bar."""
        found = [] if self.came in ("read", "refused", "stopped") else [self.came]
        found += ["read"] if self.harmful and self.came == "read" else []
        found += [f"{self.seconds:.1f} s"] if self.seconds > LIMIT else []
        too_much = self.memory > 4 * self.size + MEMORY
        return found + ([f"{self.memory >> 20} MB for {self.size} bytes"] if too_much else [])


@dataclass
class Score:
    """One format."""

    files: int = 0
    """Files opened."""
    read: int = 0
    """Of them read, in spite of the damage."""
    stopped: int = 0
    """Of them refused after the reader's own process crashed or was ended for its time."""
    slowest: float = 0.0
    """Time of the slowest [s]."""
    memory: float = 0.0
    """Most memory beyond four times the file [MB]."""
    failures: list[str] = field(default_factory=list)
    """Every file that missed the bar, and how."""

    def add(self, outcome: Outcome) -> None:
        """Counts one file."""
        self.files += 1
        self.read += outcome.came == "read"
        self.stopped += outcome.came == "stopped"
        self.slowest = max(self.slowest, outcome.seconds)
        self.memory = max(self.memory, (outcome.memory - 4 * outcome.size) / 2**20)
        self.failures += [f"{outcome.title}: {how}" for how in outcome.shortcomings]


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
            "| format | files | read | reader died | slowest [s] | memory beyond 4 × file [MB] | failures |",
            "|---|---|---|---|---|---|---|",
        ]
        rows = [
            f"| {name} | {s.files} | {s.read} | {s.stopped} | {s.slowest:.2f} | {s.memory:.0f} | {len(s.failures)} |"
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
    """Negative ones are those made to do harm, or to swell."""
    yield from (-1 - i for i in range(len([*made(sample.name), *swollen(sample.name)])))
    yield from range(config.first, config.first + config.files)


def _listen(pipe: Connection, scores: dict[str, Score], waiting: list[tuple[str, int]]) -> int:
    """Counts what the child says until it is done, dead, or silent for too long; how many it finished."""
    for done, (name, _) in enumerate(waiting):
        try:
            if not pipe.poll(PATIENCE if done else 2 * PATIENCE):
                return done
            scores[name].add(pipe.recv())
        except EOFError:
            return done
    return len(waiting)


def _open_all(pipe: Connection, work: list[tuple[str, int]], folder: Path, config: Config) -> None:
    """The child: makes, opens and judges one file after the other."""
    warnings.simplefilter("error", RuntimeWarning)  # of NumPy, about numbers that a reader should have refused
    known = {sample.name: sample for sample in samples()}
    bench: _Bench | None = None
    for name, index in work:
        if bench is None or bench.sample.name != name:
            bench = _Bench(known[name], folder / name.replace(" ", "-"))
        outcome = bench.opened(index)
        pipe.send(outcome)
        if config.keep and outcome.shortcomings:
            shutil.copytree(bench.place, config.keep / f"{bench.place.name}-{index}", dirs_exist_ok=True)


class _Bench:
    """A folder with a sound sample, which is damaged, opened and mended again and again."""

    def __init__(self, sample: Sample, place: Path) -> None:
        self.sample, self.place = sample, place
        shutil.rmtree(place, ignore_errors=True)  # damaged, if the child before this one died of it
        place.mkdir()
        sample.make(place / sample.file)
        self.sound = {file: file.read_bytes() for file in _files(place)}
        stop_readers()
        sample.read(place / sample.file)  # imports, and starts the reader
        self.meter = MemoryMeter()

    def opened(self, index: int) -> Outcome:
        """Opens the sample after damage number `index`."""
        self._mend()
        title = self._damage(index)
        if index < 0:  # it may have taken memory to make
            self.meter = MemoryMeter()
        size, start = sum(file.stat().st_size for file in _files(self.place)), time.perf_counter()
        with self.meter:
            came = self._read()
        harmful = -len(list(made(self.sample.name))) <= index < 0
        return Outcome(title, came, harmful, time.perf_counter() - start, self.meter.peak, size)

    def _mend(self) -> None:
        for file in _files(self.place):
            if file not in self.sound:
                file.unlink()
        for file, data in self.sound.items():
            file.write_bytes(data)

    def _damage(self, index: int) -> str:
        """Damages one file of the sample, or makes it harmful; returns what to call that."""
        if index < 0:
            title, change = [*made(self.sample.name), *swollen(self.sample.name)][-1 - index]
            change(self.place / self.sample.file)
            return title
        files = sorted(self.sound)
        any_file = self.sample.file == "." or index % 4 == 0
        file = files[index % len(files)] if any_file else self.place / self.sample.file
        file.write_bytes(mutated(file.read_bytes(), index))
        if self.sample.seal and index % 2:
            self.sample.seal(self.place / self.sample.file)
        return str(index)

    def _read(self) -> str:
        try:
            self.sample.read(self.place / self.sample.file)
            return "read"
        except ReaderStopped:
            return "stopped"
        except ScenekitError:
            return "refused"
        except BaseException as error:  # what must not happen, to be told and counted
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if not file.is_dir()]
