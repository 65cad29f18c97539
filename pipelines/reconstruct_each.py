"""Many captures → a run folder for each: those that fail do not stop the others, and a stopped command goes on."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from scenekit._kernels.launch import set_threads, threads
from scenekit.errors import ScenekitError
from scenekit.report import duration, thousands
from scenekit.runs import write_json
from scenekit.tasks import each

TABLE = "captures.json"
"""What was made, in the folder of the runs."""


@dataclass(frozen=True)
class Row:
    """One capture and what became of it."""

    capture: str
    """Its place below the folder of captures, and that of its run below the folder of runs."""
    photos: int | None = None
    """Photos that were used."""
    gaussians: int | None = None
    """Gaussians that were fitted."""
    psnr: float | None = None
    """Held-out PSNR [dB]; None if no photo was held out."""
    seconds: float | None = None
    """Time that it took, over all sittings [s]."""
    error: str = ""
    """Why it failed; empty if it did not."""

    def __str__(self) -> str:
        if self.error:
            return f"{self.capture}: {self.error}"
        quality = "" if self.psnr is None else f", {self.psnr:.2f} dB"
        return f"{self.capture}: {thousands(self.gaussians or 0)} Gaussians{quality} in {duration(self.seconds or 0)}"


@dataclass(frozen=True)
class Results:
    """All captures."""

    rows: list[Row]
    """In order of their names."""
    folder: Path
    """Where the runs are."""

    @property
    def exit_code(self) -> int:
        """3 if a capture failed."""
        return 3 if any(row.error for row in self.rows) else 0

    def __str__(self) -> str:
        lines = ["| capture | photos | Gaussians | held-out PSNR [dB] | seconds | error |", "|" + "---|" * 6]
        lines += [f"| {' | '.join(_cells(row))} |" for row in self.rows]
        made = sum(not row.error for row in self.rows)
        return "\n".join([*lines, "", f"{made} of {len(self.rows)} captures reconstructed in {self.folder}"])


def reconstruct_each(
    captures: Sequence[Path], folder: Path, output: Path, made: Callable[[Path, Path], dict[str, Any]], *, workers: int
) -> Results:
    """Makes a run of every capture, each in a process of its own, and says so as they are done.

    Args:
        captures: Inputs of `open_capture` below `folder`.
        folder: What the names of the runs are relative to.
        output: Where the runs go; a log of each, and the table, too.
        made: Makes a run folder of a capture, or goes on with one, and returns its metrics.json; other processes can
            import it.
        workers: Captures at the same time.
    """
    write_json(output / TABLE, [])  # what Ctrl-C points to
    names = [path.relative_to(folder).as_posix() for path in captures]
    rows: dict[str, Row] = {}
    console = Console(stderr=True)
    job = functools.partial(_row, folder.resolve(), output.resolve(), made, workers)
    for number, row in each(job, names, workers=workers):
        name = names[number]
        rows[name] = row if isinstance(row, Row) else Row(name, error=str(row))
        console.print(f"[{len(rows)}/{len(names)}] {rows[name]}", markup=False, highlight=False)
        write_json(output / TABLE, [asdict(rows[name]) for name in names if name in rows])
    return Results([rows[name] for name in names], output)


def _row(folder: Path, output: Path, made: Callable[[Path, Path], dict[str, Any]], workers: int, name: str) -> Row:
    """What becomes of one capture, in a process of its own; what is said goes to the log beside the run."""
    run = output / name
    run.parent.mkdir(parents=True, exist_ok=True)
    _say_to(run.parent / f"{run.name}.log")
    set_threads(max(1, threads() // workers))
    try:
        metrics = made(folder / name, run)
    except (ScenekitError, OSError) as error:
        return Row(name, error=str(error))
    except Exception as error:  # a defect of ours stops no other capture; its trace is in the log
        sys.excepthook(*sys.exc_info())
        return Row(name, error=f"{type(error).__name__}: {error}")
    score = metrics["held_out"]
    return Row(
        name, metrics["capture"]["photos"], metrics["gaussians"], None if score is None else score["psnr"],
        round(sum(metrics["seconds"].values()), 1),
    )  # fmt: skip


def _say_to(log: Path) -> None:
    """From now on this process writes to a file, and so do its libraries."""
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _cells(row: Row) -> list[str]:
    numbers = [row.photos, row.gaussians, row.psnr, row.seconds]
    shown = ["" if x is None else f"{x:.2f}" if isinstance(x, float) else thousands(x) for x in numbers]
    return [row.capture, *shown, " ".join(row.error.replace("|", "\\|").split())]
