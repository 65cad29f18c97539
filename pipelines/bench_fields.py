"""How fast the hash encoding is: the Warp kernels and the plain torch twin on the same points, in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

import scenekit._kernels.launch as launch
from scenekit.fields.hash_grid import Backend, HashGrid, HashGridConfig


@dataclass(frozen=True)
class Config:
    """What is measured."""

    points: int = 2**18
    """Random points in the unit cube; a quarter of them in the small case."""
    grid: HashGridConfig = field(default_factory=HashGridConfig)
    """Sizes of the encoding."""
    small: HashGridConfig = field(default_factory=lambda: HashGridConfig(levels=8, log2_rows=14, finest=256))
    """Sizes of a small one."""
    repeats: int = 3
    """Rounds; the median counts."""


@dataclass(frozen=True)
class Row:
    """Medians of one case [ms]."""

    case: str
    """Which."""
    points: int
    """Encoded points."""
    ours: float
    """Warp [ms]."""
    twin: float
    """torch [ms]."""

    @property
    def ratio(self) -> float:
        """How many times as fast ours is."""
        return self.twin / self.ours


@dataclass(frozen=True)
class Result:
    """All cases."""

    threads: int
    """Of Warp and of torch."""
    rows: list[Row]
    """Case by case."""

    def __str__(self) -> str:
        lines = ["| hash encoding | points | Warp [ms] | torch [ms] | ratio |", "|---|---|---|---|---|"]
        lines += [f"| {r.case} | {r.points} | {r.ours:.1f} | {r.twin:.1f} | {r.ratio:.1f} |" for r in self.rows]
        return "\n".join([f"{self.threads} threads", "", *lines])


def run(config: Config) -> Result:
    """Measure; see the module."""
    rows = []
    before = torch.get_num_threads()
    torch.set_num_threads(launch.threads())
    for name, grid, points in (("full", config.grid, config.points), ("small", config.small, config.points // 4)):
        ours, twin = cases(grid, points, "warp"), cases(grid, points, "torch")
        for case in ours:
            medians = _in_turns([ours[case], twin[case]], config.repeats)
            rows.append(Row(f"{name}, {case}", points, *medians))
    torch.set_num_threads(before)
    return Result(launch.threads(), rows)


def cases(config: HashGridConfig, points: int, backend: Backend) -> dict[str, Callable[[], None]]:
    """Encoding alone; with the gradient of the tables; with that of the positions as well."""
    rng = torch.Generator().manual_seed(0)
    grid = HashGrid(config, backend=backend)
    fixed = torch.rand(points, 3, generator=rng)
    moving = fixed.clone().requires_grad_()
    weights = torch.randn(points, grid.width, generator=rng)

    def forward() -> None:
        with torch.no_grad():
            grid(fixed)

    def backward() -> None:
        torch.autograd.grad(grid(fixed), grid.table, weights)

    def both() -> None:
        torch.autograd.grad(grid(moving), [grid.table, moving], weights)

    return {"forward": forward, "forward + backward": backward, "with gradients of positions": both}


def _in_turns(runs: list[Callable[[], None]], repeats: int) -> list[float]:
    """Median time of each [ms]; the first round warms up."""
    times = np.zeros((repeats + 1, len(runs)))
    for i in range(repeats + 1):
        for j, call in enumerate(runs):
            start = time.perf_counter()
            call()
            times[i, j] = 1e3 * (time.perf_counter() - start)
    return [float(t) for t in np.median(times[1:], 0)]
