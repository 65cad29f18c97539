"""How to fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from scenekit.errors import InputError
from scenekit.fit import schedules
from scenekit.fit.companions import Look
from scenekit.fit.optimizer import Rates
from scenekit.fit.strategies import ADC, MCMC
from scenekit.fit.surface_terms import SurfaceTerms


@dataclass(frozen=True)
class FitConfig:
    """How to fit. Whatever happens at a time happens at a progress, step / steps, so `steps` scales the whole run."""

    steps: int = 2000
    """Optimisation steps."""
    batch: int = 1
    """Photos that a step looks at, by the mean of their losses; several processes share them."""
    seed: int = 0
    """Of the order of photos, densification and random backgrounds."""
    strategy: ADC | MCMC = field(default_factory=ADC)
    """Densification."""
    rates: Rates = field(default_factory=Rates)
    """Learning rates, for 30 000 steps."""
    rate_scale: float | None = None
    """Multiplies all learning rates: a short run must take longer steps. None: 9600 / steps, between 1 and 8."""
    last_rate: float = 0.01
    """Learning rate of the means at the end, as a fraction of that at the start; exponential between."""
    ssim_weight: float = 0.2
    """λ of the loss (1 − λ)·L1 + λ·(1 − SSIM)."""
    surface: SurfaceTerms = field(default_factory=SurfaceTerms)
    """Weights of the terms that make Gaussians lie on surfaces; all 0."""
    sh_until: float = 0.1
    """Progress at which the full SH degree is in use; it grows from 0 by equal intervals."""
    coarse: schedules.Coarse = ((0.15, 4), (0.4, 2))
    """(until, factor): up to this progress photos are used at 1/factor of their size; afterwards at full size."""
    background: Literal["black", "white", "random", "sky"] = "black"
    """What shines through. random is a new colour each step, sky one by direction that is learned."""
    carve: float = 0.0
    """λ of the mean opacity where masks are false, which makes that empty; at 0, what is there does not count."""
    exposure: Look = "none"
    """Lets photos differ in exposure: affine learns a map of colours for each photo, grid a bilateral grid of them."""
    poses: bool = False
    """Refine the poses of the photos."""
    antialiased: bool = False
    """Fit with Mip-Splatting's opacity compensation (Yu et al. 2024)."""
    backend: Literal["auto", "warp", "gsplat", "torch"] = "auto"
    """The rasteriser's; auto takes gsplat on CUDA where it is installed, else Warp."""
    log_every: int = 10
    """Steps between records of the history."""
    evaluate_every: int = 0
    """Steps between evaluations on held-out photos; 0 for only after the last."""
    checkpoint_every: int = 500
    """Steps between checkpoints, where there is a folder."""

    @staticmethod
    def quick(**changes: Any) -> FitConfig:
        """A usable scene in seconds: 400 long steps, mostly on shrunk photos, and the Gaussians one starts with."""
        still = ADC(start_at=1.0, reset_every=0.0)
        return replace(FitConfig(steps=400, strategy=still, coarse=((0.3, 4), (0.7, 2))), **changes)

    @property
    def rate_factor(self) -> float:
        """What learning rates are multiplied by: 8 was best from 400 to 1200 steps, 1 is meant for 30 000."""
        return min(8.0, max(1.0, 9600 / self.steps)) if self.rate_scale is None else self.rate_scale

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(name, got=getattr(self, name), wanted="at least 1")
        if self.background not in BACKGROUNDS:
            raise InputError("background", got=repr(self.background), wanted="one of " + ", ".join(BACKGROUNDS))
        if not (math.isfinite(self.carve) and self.carve >= 0):
            raise InputError("carve", got=self.carve, wanted="a finite number, at least 0")
        schedules.check_coarse(self.coarse)


BACKGROUNDS = ("black", "white", "random", "sky")
"""Kinds of background."""
