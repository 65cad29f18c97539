"""What the user sees of COLMAP's work: one line of progress for each stage, and COLMAP's log only if asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pycolmap
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@contextmanager
def quiet(verbose: bool) -> Iterator[None]:
    """COLMAP's log held back to fatal errors, unless asked for."""
    before = pycolmap.logging.minloglevel
    if not verbose:
        pycolmap.logging.minloglevel = int(pycolmap.logging.FATAL)
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before


def progress_bar() -> Progress:
    """Columns of a run of stages."""
    columns = TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns)


@contextmanager
def stage(bar: Progress, name: str, total: int, seconds: dict[str, float]) -> Iterator[TaskID]:
    """One line of the progress bar, timed [s]."""
    start = time.perf_counter()
    yield bar.add_task(name, total=total)
    seconds[name.lower().replace(" ", "_")] = time.perf_counter() - start
