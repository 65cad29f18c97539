"""Reconstructions that are killed (SIGKILL) at random moments and gone on with: are the splats the same bits?

Each is a process of its own, `scenekit reconstruct`, first never interrupted, then killed once, every second time
within the write of a checkpoint, and started again. ADC takes turns with MCMC that learns poses and exposures too.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from safetensors import safe_open

from scenekit.datasets.tabletop import capture_tabletop
from scenekit.errors import FitError
from scenekit.fit.trainer import CHECKPOINT
from scenekit.io.atomic import UNFINISHED
from scenekit.runs import write_json

FITS = {
    "ADC": ["fit.strategy:adc"],
    "MCMC, poses, exposures": ["--fit.poses", "--fit.exposure", "affine", "fit.strategy:mcmc"],
}
"""Kinds of fit that take turns, and how they are asked for."""

LONGEST = 1800.0
"""A reconstruction that takes longer has failed [s]."""


@dataclass(frozen=True)
class Config:
    """What is killed, and how often."""

    photos: Path | None = None
    """What is reconstructed, as by `scenekit reconstruct`; None photographs a small tabletop, with known cameras."""
    kills: int = 20
    """Reconstructions that are killed."""
    steps: int = 400
    """Of each fit."""
    checkpoint_every: int = 20
    """Steps between checkpoints."""
    max_side: int = 160
    """Longest side that photos are reduced to [px]."""
    seed: int = 0
    """Of the moments."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Where the runs are kept, with figures.json; a temporary folder if None."""


@dataclass(frozen=True)
class Row:
    """One reconstruction that was killed and gone on with."""

    fit: str
    """What kind of fit it is, of `FITS`."""
    seconds: float
    """When it was killed, since its run folder was there [s]."""
    step: int | None
    """That of its last whole checkpoint then; None if there was none."""
    in_write: bool
    """True if it was killed while it wrote a checkpoint: half of one was left."""
    identical: bool
    """True if its splats are, bit for bit, those of the one that was never interrupted."""


@dataclass(frozen=True)
class Result:
    """All of them."""

    rows: list[Row]
    """In order."""

    @property
    def exit_code(self) -> int:
        """1 if splats differ."""
        return int(not all(row.identical for row in self.rows))

    def __str__(self) -> str:
        lines = [
            "| fit | killed after [s] | last checkpoint | within its write | identical |",
            "|" + "---|" * 5,
        ]
        lines += [
            f"| {r.fit} | {r.seconds:.2f} | {'none' if r.step is None else f'step {r.step}'} | "
            f"{'yes' if r.in_write else ''} | {'yes' if r.identical else 'NO'} |"
            for r in self.rows
        ]
        same, written = (sum(getattr(row, name) for row in self.rows) for name in ("identical", "in_write"))
        total = f"{same} of {len(self.rows)} bit-identical, {written} of them killed within the write of a checkpoint"
        return "\n".join([*lines, "", total])


def run(config: Config) -> Result:
    """Kills, goes on, compares; see the module.

    Raises:
        FitError: If a reconstruction that nobody killed fails.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = config.output or Path(temporary)
        words = options(config, folder)
        moments = random.Random(config.seed)
        straight = {kind: undisturbed(folder / f"straight-{i}", words, kind) for i, kind in enumerate(FITS)}
        rows: list[Row] = []
        while len(rows) < config.kills:
            number, kind = len(rows), list(FITS)[len(rows) // 2 % 2]
            seconds, whole = straight[kind]
            checkpoint = moments.randrange(config.steps // config.checkpoint_every) if number % 2 else None
            row = killed(
                folder / f"killed-{number:02}", words, kind,
                moments.uniform(0, seconds), checkpoint=checkpoint, whole=whole,
            )  # fmt: skip
            rows += [row] if row else []  # one that was faster than its end drawn is drawn again
        result = Result(rows)
        write_json(folder / "figures.json", {"rows": [vars(row) for row in rows]})
    return result


def options(config: Config, folder: Path) -> list[str]:
    """What all reconstructions are told."""
    photos, more = config.photos, []
    if photos is None:
        made = capture_tabletop(folder / "photos", photos=12, width=160, height=120, samples=1, detail=0.1)
        photos, more = made / "truth" / "colmap", ["--capture.images", str(made / "images")]
    return [
        str(photos), *more, "--max-side", str(config.max_side), "--video-frames", "0", "--seed", str(config.seed),
        "--fit.steps", str(config.steps), "--fit.checkpoint-every", str(config.checkpoint_every),
    ]  # fmt: skip


def started(folder: Path, words: list[str], kind: str) -> subprocess.Popen[str]:
    """The process of a reconstruction into `folder`; what it says goes to a file beside."""
    command = [sys.executable, "-m", "scenekit", "reconstruct", *words, "-o", str(folder), *FITS[kind]]
    with folder.with_suffix(".log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, text=True)


def undisturbed(folder: Path, words: list[str], kind: str) -> tuple[float, bytes]:
    """How long a reconstruction takes once its folder is there [s], and its splats."""
    process = started(folder, words, kind)
    begin = there(folder, process)
    if process.wait(LONGEST):
        said = folder.with_suffix(".log").read_text()[-400:]
        raise FitError(folder, got=f"exit code {process.returncode}: {said}", wanted="a reconstruction that ends well")
    return time.monotonic() - begin, (folder / "splats.ply").read_bytes()


def killed(
    folder: Path, words: list[str], kind: str, after: float, *, checkpoint: int | None, whole: bytes
) -> Row | None:
    """Kills a reconstruction and goes on with it; None if it was done before.

    Args:
        folder: Its run folder.
        words: What it is told.
        kind: Of `FITS`.
        after: When it is killed, after its folder is there [s]; of a write, its remainder by 10 ms, after that begins.
        checkpoint: Kill it within the write of this checkpoint, from 0; None for at that time.
        whole: The splats it should have.
    """
    process = started(folder, words, kind)
    begin = there(folder, process)
    if checkpoint is None:
        time.sleep(after)
    else:
        within_write(folder / "checkpoint", process, checkpoint)
        time.sleep(after % 0.01)
    process.kill()
    seconds = time.monotonic() - begin
    if process.wait() == 0:
        shutil.rmtree(folder)
        return None
    step, in_write = last_step(folder), any((folder / "checkpoint").glob(f"{UNFINISHED}*"))
    _, splats = undisturbed(folder, words, kind)
    return Row(kind, round(seconds, 3), step, in_write, splats == whole)


def there(folder: Path, process: subprocess.Popen[str]) -> float:
    """Waits for the run folder; the time [s]."""
    while not folder.is_dir() and process.poll() is None:
        time.sleep(0.01)
    return time.monotonic()


def within_write(folder: Path, process: subprocess.Popen[str], number: int) -> None:
    """Waits until a checkpoint of this number, from 0, is being written."""
    seen: set[str] = set()
    while len(seen) <= number and process.poll() is None:
        seen |= {file.name for file in folder.glob(f"{UNFINISHED}*")}
        time.sleep(0.0005)


def last_step(folder: Path) -> int | None:
    """The step of the last whole checkpoint."""
    file = folder / "checkpoint" / CHECKPOINT
    if not file.is_file():
        return None
    with safe_open(file, framework="pt") as opened:
        return int(json.loads(opened.metadata()["header"])["step"])
