"""What is known of a running fit, and where it is shown: progress bar and TensorBoard event files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Record(NamedTuple):
    """One line of the history; loss and PSNR are means over the steps since the last line, on the photos fitted."""

    step: int
    """Steps done."""
    seconds: float
    """Wall time spent fitting [s]; held-out evaluation does not count."""
    loss: float
    """Photometric loss."""
    psnr: float
    """Of the training renders at their current resolution [dB]."""
    gaussians: int
    """How many there are."""


class HeldOut(NamedTuple):
    """One evaluation on photos that are not fitted."""

    step: int
    """Steps done."""
    seconds: float
    """Wall time spent fitting [s]."""
    psnr: float
    """Mean PSNR of the photos [dB]."""


@dataclass
class History:
    """How a fit went."""

    records: list[Record] = field(default_factory=list)
    """Every few steps."""
    held_out: list[HeldOut] = field(default_factory=list)
    """Every evaluation."""

    def to_json(self) -> dict[str, Any]:
        """As lists of lists."""
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> History:
        """Inverse of `to_json`."""
        return History([Record(*row) for row in data["records"]], [HeldOut(*row) for row in data["held_out"]])

    def seconds_to(self, psnr: float) -> float | None:
        """Wall time until the held-out PSNR first reached `psnr`, linear between evaluations [s]; None if never."""
        before = None
        for row in self.held_out:
            if row.psnr >= psnr:
                if before is None or row.psnr == before.psnr:
                    return row.seconds
                share = (psnr - before.psnr) / (row.psnr - before.psnr)
                return before.seconds + share * (row.seconds - before.seconds)
            before = row
        return None


class Stopwatch:
    """Wall time that can be paused: `with watch:` runs it."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds
        """Time so far [s]."""
        self._start = 0.0

    def __enter__(self) -> Stopwatch:
        self._start = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._start


class Monitor:
    """Shows records as they come: a progress bar if `progress`, event files in `folder`/tensorboard if there is one."""

    def __init__(self, steps: int, folder: Path | None, *, start: int = 0, progress: bool = True):
        columns = [
            TextColumn("fit"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        ]
        self._progress = Progress(*columns, disable=not progress)
        self._task = self._progress.add_task("fit", total=steps, completed=start, note="")
        self._writer = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter  # takes a while to load

            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)

    def __enter__(self) -> Monitor:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._progress.stop()
        if self._writer is not None:
            self._writer.close()

    def show(self, record: Record, last: Record | None) -> None:
        """Show a record; `last` is the one before, for the speed."""
        rate = (record.step - last.step) / max(record.seconds - last.seconds, 1e-9) if last else 0.0
        note = f"loss {record.loss:.4f}  {record.psnr:.2f} dB  {record.gaussians:,} Gaussians  {rate:.1f} steps/s"
        self._progress.update(self._task, completed=record.step, note=note)
        if self._writer is not None:
            for name in ("loss", "psnr", "gaussians"):
                self._writer.add_scalar(f"fit/{name}", getattr(record, name), record.step)
            self._writer.add_scalar("fit/steps_per_s", rate, record.step)

    def show_held_out(self, row: HeldOut) -> None:
        """Show an evaluation."""
        if self._writer is not None:
            self._writer.add_scalar("held_out/psnr", row.psnr, row.step)
