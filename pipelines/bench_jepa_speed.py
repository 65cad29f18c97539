"""How fast the 3D-JEPA learns: tokens per second, how that changes with the tokens of a scene, and with processes.

    scenekit bench jepa_speed --output speed

Each row is a training of its own, started as users start it; the time is that of its steps after the first ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from scenekit.datasets.token_shards import TokenShardConfig, write_token_shards
from scenekit.errors import FitError
from scenekit.jepa.tokens import TokenConfig
from scenekit.runs import read_json, write_json

WARM = 5
"""Steps that do not count."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("jepa-speed")
    """Data and trainings go here."""
    counts: tuple[int, ...] = (32, 64, 128, 256)
    """Tokens of a scene."""
    processes: tuple[int, ...] = (1, 2)
    """Processes that learn together, each with one thread."""
    size: Literal["tiny", "small", "base"] = "small"
    """Of the network."""
    steps: int = 30
    """Steps that count."""
    batch: int = 32
    """Scenes of a step."""
    precision: Literal["bfloat16", "float32"] = "float32"
    """Of matrix products; few CPUs are quick with bfloat16."""


@dataclass(frozen=True)
class Row:
    """One training."""

    tokens: int
    """Of a scene."""
    processes: int
    """That learn."""
    rate: float
    """Tokens per second of all processes together [1/s]."""


@dataclass(frozen=True)
class Result:
    """All of them."""

    rows: list[Row]
    """In order."""

    def __str__(self) -> str:
        lines = ["| tokens of a scene | processes | tokens/s | of one process |", "|---|---|---|---|"]
        alone = {row.tokens: row.rate for row in self.rows if row.processes == 1}
        for row in self.rows:
            times = f"× {row.rate / alone[row.tokens]:.2f}" if row.tokens in alone else "–"
            lines.append(f"| {row.tokens} | {row.processes} | {row.rate:.0f} | {times} |")
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Measure; see the module.

    Raises:
        FitError: If a training fails.
    """
    rows = []
    for count in config.counts:
        data = config.output / f"scenes-{count}"
        tokens = TokenConfig(count=count, elements=max(2048, 8 * count))
        shards = TokenShardConfig(scenes=config.batch, variant="objects", views=("splats",), tokens=tokens)
        write_token_shards(data, replace(shards, per_shard=config.batch))
        for processes in config.processes:
            seconds = [trained(config, data, processes, steps) for steps in (WARM, WARM + config.steps)]
            rate = count * config.batch * config.steps / (seconds[1] - seconds[0])
            rows.append(Row(count, processes, rate))
    result = Result(rows)
    write_json(config.output / "figures.json", asdict(result))
    return result


def trained(config: Config, data: Path, processes: int, steps: int) -> float:
    """Seconds that the steps of a training took [s]."""
    output = data.parent / f"{data.name}-{processes}-{steps}"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
        "-m", "scenekit", "jepa", "train", "-o", str(output), "--data", str(data), "--size", config.size,
        "--steps", str(steps), "--batch", str(config.batch), "--precision", config.precision, "--warm-up", "1",
        "--watch-every", str(10 * steps), "--save-every", str(10 * steps),
    ]  # fmt: skip
    for file in ("checkpoint.safetensors", "log.json"):
        (output / file).unlink(missing_ok=True)
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode:
        raise FitError("training", got=done.stderr[-400:], wanted="one that ends well")
    return float(read_json(output / "log.json")["seconds"])
