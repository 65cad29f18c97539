"""A million Gaussians at 1920×1080, drawn there and back; three million, trained: peak memory and time."""

from __future__ import annotations

import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from scenekit.capture.views import View
from scenekit.fit import ADC, FitConfig
from scenekit.fit.trainer import Trainer, one_torch_thread
from scenekit.render.splats import rasterization
from scenekit.splats import Splats


@dataclass(frozen=True)
class Config:
    """What is measured."""

    gaussians: int = 1_000_000
    """Gaussians of the largest scene that is drawn; it is also drawn with 1/16 and 1/4 of them."""
    trained: int = 3_000_000
    """Gaussians that the trained scene grows to, its cap; 0 for none."""
    width: int = 1920
    """Image width [px]."""
    height: int = 1080
    """Image height [px]."""
    sh_degree: int = 3
    """Degree of the spherical harmonics."""
    repeats: int = 3
    """Renders of each size, the fastest counts; steps of the training."""


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
class Training:
    """A few steps of a fit: with a densification that grows it to the cap by 5 %, and a checkpoint at the end."""

    gaussians: int
    """Gaussians at the end."""
    cap: int
    """Most there may be."""
    seconds: float
    """Fastest step without densification [s]."""
    peak_gb: float
    """Largest resident memory of the process so far [GB]."""


@dataclass(frozen=True)
class Result:
    """From small to large."""

    rows: list[Row]
    """One for each size that is drawn."""
    training: Training | None
    """The one that is trained."""

    @property
    def growth(self) -> float:
        """Growth of time over growth of pairs, smallest to largest scene; at most 1 is proportional or better."""
        first, last = self.rows[0], self.rows[-1]
        return (last.seconds / first.seconds) / (last.pairs / first.pairs)

    def __str__(self) -> str:
        rows = [f"| {r.gaussians:,} | {r.pairs:,} | {r.seconds:.2f} | {r.peak_gb:.2f} |" for r in self.rows]
        head = ["| Gaussians | tile pairs | forward + backward [s] | peak memory [GB] |", "|---|---|---|---|"]
        lines = [*head, *rows, "", f"growth of time over growth of pairs: {self.growth:.2f}"]
        if (t := self.training) is not None:
            lines += ["", "| Gaussians trained | cap | a step [s] | peak memory [GB] |", "|---|---|---|---|"]
            lines += [f"| {t.gaussians:,} | {t.cap:,} | {t.seconds:.1f} | {t.peak_gb:.2f} |"]
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Measure; see the module."""
    rows = [_measure(config.gaussians // share, config) for share in (16, 4, 1)]
    return Result(rows, _trained(config) if config.trained else None)


def _scene(n: int, config: Config) -> Splats:
    """Small Gaussians all over what a camera at the origin sees, 2 to 6 m away."""
    rng = torch.Generator().manual_seed(0)
    z = 2 + 4 * torch.rand(n, generator=rng)
    xy = (torch.rand(n, 2, generator=rng) - 0.5) * torch.tensor([config.width / config.height, 1.0])
    return Splats(
        means=torch.cat([xy * z[:, None], z[:, None]], 1),
        quats=torch.randn(n, 4, generator=rng),
        log_scales=0.6 * torch.randn(n, 3, generator=rng) + torch.tensor(0.006).log(),
        logit_opacities=torch.rand(n, generator=rng).logit(eps=0.01),
        sh=0.2 * torch.randn(n, (config.sh_degree + 1) ** 2, 3, generator=rng),
    )


def _lens(config: Config) -> torch.Tensor:
    f = float(config.height)
    return torch.tensor([[f, 0, config.width / 2], [0, f, config.height / 2], [0, 0, 1]])


def _measure(n: int, config: Config) -> Row:
    splats = _scene(n, config)
    inputs = [t.requires_grad_() for t in (splats.means, splats.quats, splats.scales, splats.opacities, splats.sh)]
    means, quats, scales, opacities, sh = inputs
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
            _lens(config)[None],
            config.width,
            config.height,
            sh_degree=config.sh_degree,
            backend="warp",
        )
        image.mean().backward()
        times.append(time.perf_counter() - start)
        for t in inputs:
            t.grad = None
    return Row(n, len(meta["bins"][0].ids), round(min(times), 3), _peak())


def _trained(config: Config) -> Training:
    """Starts with so many that the second step, which adds 5 %, would pass the cap."""
    rng = torch.Generator().manual_seed(1)
    shape = (config.height, config.width, 3)
    photo = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)
    strategy = ADC(cap=config.trained, start_at=0.0, every=0.0, every_steps=2, grow_gradient=0.0, reset_every=0.0)
    fit = FitConfig(steps=2 * config.repeats, strategy=strategy, coarse=(), sh_until=0.0, log_every=1)
    with tempfile.TemporaryDirectory() as folder, one_torch_thread():
        splats = _scene(int(config.trained / 1.04), config)
        trainer = Trainer([View("photo", photo, _lens(config), torch.eye(4))], splats, fit, folder=Path(folder))
        del splats
        times = []
        for step in range(config.repeats):
            start = time.perf_counter()
            trainer.advance()
            times += [time.perf_counter() - start] if step != 1 else []
        trainer.save()
    return Training(len(trainer.adam.splats), config.trained, round(min(times), 2), _peak())


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
