"""A million Gaussians at 1920×1080, forward and backward: peak memory, and time against the number of tile pairs."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

import torch

from scenekit.render.splats import rasterization


@dataclass(frozen=True)
class Config:
    """What is measured."""

    gaussians: int = 1_000_000
    """Gaussians of the largest scene; it is also drawn with 1/16 and 1/4 of them."""
    width: int = 1920
    """Image width [px]."""
    height: int = 1080
    """Image height [px]."""
    sh_degree: int = 3
    """Degree of the spherical harmonics."""
    repeats: int = 3
    """Steps of each size; the fastest counts."""


@dataclass(frozen=True)
class Row:
    """One scene."""

    gaussians: int
    """Gaussians."""
    pairs: int
    """(tile, Gaussian) pairs."""
    seconds: float
    """Forward and backward [s]."""
    peak_gb: float
    """Largest resident memory of the process so far [GB]."""


@dataclass(frozen=True)
class Result:
    """From small to large."""

    rows: list[Row]
    """One for each size."""

    @property
    def growth(self) -> float:
        """Growth of time over growth of pairs, smallest to largest scene; at most 1 is proportional or better."""
        first, last = self.rows[0], self.rows[-1]
        return (last.seconds / first.seconds) / (last.pairs / first.pairs)

    def __str__(self) -> str:
        rows = [f"| {r.gaussians:,} | {r.pairs:,} | {r.seconds:.2f} | {r.peak_gb:.2f} |" for r in self.rows]
        head = ["| Gaussians | tile pairs | forward + backward [s] | peak memory [GB] |", "|---|---|---|---|"]
        return "\n".join([*head, *rows, "", f"growth of time over growth of pairs: {self.growth:.2f}"])


def run(config: Config) -> Result:
    """Measure; see the module."""
    return Result([_measure(config.gaussians // share, config) for share in (16, 4, 1)])


def _measure(n: int, config: Config) -> Row:
    rng = torch.Generator().manual_seed(0)
    z = 2 + 4 * torch.rand(n, generator=rng)
    xy = (torch.rand(n, 2, generator=rng) - 0.5) * torch.tensor([config.width / config.height, 1.0])
    inputs = [
        torch.cat([xy * z[:, None], z[:, None]], 1),
        torch.randn(n, 4, generator=rng),
        0.006 * (0.6 * torch.randn(n, 3, generator=rng)).exp(),
        torch.rand(n, generator=rng),
        0.2 * torch.randn(n, (config.sh_degree + 1) ** 2, 3, generator=rng),
    ]
    means, quats, scales, opacities, sh = (t.requires_grad_() for t in inputs)
    f = float(config.height)
    K = torch.tensor([[f, 0, config.width / 2], [0, f, config.height / 2], [0, 0, 1]])[None]
    times = []
    for _ in range(config.repeats):
        start = time.perf_counter()
        image, _, meta = rasterization(
            means,
            quats,
            scales,
            opacities,
            sh,
            torch.eye(4)[None],
            K,
            config.width,
            config.height,
            sh_degree=config.sh_degree,
            backend="warp",
        )
        image.mean().backward()
        times.append(time.perf_counter() - start)
        for t in inputs:
            t.grad = None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Row(n, len(meta["bins"][0].ids), round(min(times), 3), round(peak, 2))
