"""How fast a PLY of splats is read and written, and in how much memory, against the usual way with plyfile.

    scenekit bench ply

The usual way is that of the original 3DGS code: `PlyData.read` and an array of each property; a structured array filled
property by property, `PlyElement.describe` and `PlyData.write`. Every measurement is a fresh process, in turns; files
are in the page cache. Ours checks that all numbers are finite, and flushes to disk what it writes; the other does not.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import torch

from scenekit.errors import BackendError
from scenekit.io.ply import properties
from scenekit.io.splat_files import read_splats, write_splats
from scenekit.splats import Splats, random_splats

MEASURED = [("read", "ours"), ("read", "plyfile"), ("write", "ours"), ("write", "plyfile")]
"""What is done by whom, in the order of a round."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    gaussians: int = 1_000_000
    """Size of the file."""
    degree: int = 3
    """Degree of SH."""
    repeats: int = 5
    """Rounds; medians count."""


@dataclass(frozen=True)
class Result:
    """Medians."""

    gaussians: int
    """Size of the file."""
    file_mb: float
    """And in megabytes."""
    threads: int
    """Threads of ours."""
    seconds: dict[str, float]
    """[s] of "read ours", "read plyfile", "write ours", "write plyfile"."""
    memory: dict[str, float]
    """Most memory beyond what was in use before, over the size of the file, result included."""
    speedup: dict[str, float]
    """plyfile's seconds over ours, of "read" and "write"."""

    def __str__(self) -> str:
        head = f"{self.gaussians} Gaussians, {self.file_mb:.0f} MB, {self.threads} threads"
        lines = [
            f"| {what} | {self.seconds[f'{what} ours']:.3f} | {self.seconds[f'{what} plyfile']:.3f} "
            f"| {self.speedup[what]:.1f} | {self.memory[f'{what} ours']:.2f} | {self.memory[f'{what} plyfile']:.2f} |"
            for what in ("read", "write")
        ]
        title = "| | ours [s] | plyfile [s] | speed-up | our memory / file | plyfile's memory / file |"
        return "\n".join([head, "", title, "|---|---|---|---|---|---|", *lines])


def run(config: Config) -> Result:
    """Measure; see the module."""
    if not Path("/proc/self/clear_refs").exists():
        raise BackendError("bench ply", got="no /proc/self/clear_refs", wanted="Linux, to measure peak memory")
    taken: dict[str, list[tuple[float, int]]] = {f"{what} {who}": [] for what, who in MEASURED}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "splats.ply"
        write_splats(path, random_splats(config.gaussians, degree=config.degree))
        size = path.stat().st_size
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            for _ in range(config.repeats):
                for what, who in MEASURED:
                    taken[f"{what} {who}"].append(pool.submit(measure, what, who, path, config).result())
    seconds = {name: round(median(t for t, _ in both), 4) for name, both in taken.items()}
    return Result(
        gaussians=config.gaussians,
        file_mb=round(size / 1e6, 1),
        threads=torch.get_num_threads(),
        seconds=seconds,
        memory={name: round(median(m for _, m in both) / size, 3) for name, both in taken.items()},
        speedup={what: round(seconds[f"{what} plyfile"] / seconds[f"{what} ours"], 1) for what in ("read", "write")},
    )


def measure(what: str, who: str, path: Path, config: Config) -> tuple[float, int]:
    """Time [s] and peak memory beyond that before [bytes] of one read or write, alone in its process."""
    works: dict[str, Callable[[Path, Splats], object]] = {
        "read ours": lambda path, _: read_splats(path),
        "read plyfile": lambda path, _: read_with_plyfile(path),
        "write ours": write_splats,
        "write plyfile": write_with_plyfile,
    }
    work = works[f"{what} {who}"]
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        few = Path(folder) / "few.ply"
        write_splats(few, random_splats(1, degree=config.degree))
        work(few, read_splats(few))  # imports are no part of the work
    splats = random_splats(config.gaussians if what == "write" else 0, degree=config.degree)
    target = path if what == "read" else path.with_name("written.ply")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from what is in use now
    before, start = _memory("VmRSS"), time.perf_counter()
    kept = work(target, splats)
    seconds = time.perf_counter() - start
    del kept
    return seconds, _memory("VmHWM") - before


def read_with_plyfile(path: Path) -> Splats:
    """The splats of a PLY, array by array."""
    from plyfile import PlyData

    vertex = PlyData.read(path)["vertex"]

    def stacked(names: list[str]) -> torch.Tensor:
        table = np.zeros((len(vertex.data), len(names)), np.float32)
        for column, name in enumerate(names):
            table[:, column] = np.asarray(vertex[name])
        return torch.from_numpy(table)

    names = [p.name for p in vertex.properties]
    rest = sorted((name for name in names if name.startswith("f_rest_")), key=lambda name: int(name.split("_")[-1]))
    dc = stacked([f"f_dc_{i}" for i in range(3)])[:, None]
    return Splats(
        means=stacked(["x", "y", "z"]),
        quats=stacked([f"rot_{i}" for i in range(4)]),
        log_scales=stacked([f"scale_{i}" for i in range(3)]),
        logit_opacities=stacked(["opacity"])[:, 0],
        sh=torch.cat([dc, stacked(rest).reshape(len(dc), 3, -1).mT], 1).contiguous(),
    )


def write_with_plyfile(path: Path, splats: Splats) -> None:
    """A PLY of splats, property by property."""
    from plyfile import PlyData, PlyElement

    means = splats.means.numpy()
    rest = splats.sh[:, 1:].mT.flatten(1).contiguous().numpy()
    columns = [means, np.zeros_like(means), splats.sh[:, 0].numpy(), rest, splats.logit_opacities[:, None].numpy()]
    attributes = np.concatenate([*columns, splats.log_scales.numpy(), splats.quats.numpy()], 1)
    rows = np.empty(len(splats), [(name, "f4") for name in properties(splats.sh_degree)])
    for column, name in enumerate(properties(splats.sh_degree)):
        rows[name] = attributes[:, column]
    PlyData([PlyElement.describe(rows, "vertex")]).write(path)


def _memory(field: str) -> int:
    """VmRSS or VmHWM of this process [bytes]."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
