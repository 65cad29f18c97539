"""The protocol of densification strategies. Letters: n Gaussians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.fit.differences import Difference
from scenekit.fit.optimizer import Adam
from scenekit.splats import Splats

State = dict[str, Tensor]
"""What a strategy remembers between steps; goes into the checkpoint as it is."""


@dataclass(frozen=True)
class Run:
    """What is constant over one fit."""

    steps: int
    """Length of the fit."""
    extent: float
    """Radius of the scene [m]."""
    photos: int = 0
    """How many photos are fitted."""
    difference: Callable[[int], Difference] | None = None
    """A photo beside what the splats look like at the moment, at the size that is in use, where there are photos."""

    def is_due(self, step: int, every: float, start: float, stop: float, *, at_least: int = 1) -> bool:
        """True every `every` steps between `start` and `stop`, all three as fractions of the run.

        `step` counts the steps that are done, from 1; `at_least` is the shortest interval [steps].
        """
        interval = max(1, at_least, round(every * self.steps))
        return start * self.steps < step <= stop * self.steps and step % interval == 0


class Strategy(Protocol):
    """Two hooks in each step; a strategy is a frozen dataclass of its paper's numbers."""

    @property
    def absgrad(self) -> bool:
        """True if `after_backward` reads `meta["means2d"].absgrad`."""

    def start(self, splats: Splats) -> State:
        """The state before the first step."""

    def after_backward(self, state: State, splats: Splats, meta: dict[str, Any], *, share: float = 1.0) -> None:
        """Gather statistics from the render's `meta`, and add the gradients of regularisers to those of `splats`.

        Called for each photo of a step, in all processes at once; `share` is the weight of its loss in that of the
        step. Statistics are summed over processes here, the gradients of `splats` afterwards.
        """

    def after_step(
        self, state: State, adam: Adam, step: int, run: Run, *, rate: float, generator: torch.Generator
    ) -> None:
        """Add, move and remove Gaussians of `adam`, after `step` steps; `rate` is the last learning rate of means."""


@torch.no_grad()
def regularise(splats: Splats, *, opacity: float, scale: float) -> None:
    """Add the gradients of opacity · Σ o / n + scale · Σ s / 3n, so that what is not needed fades and shrinks.

    Source: Kheradmand et al. 2024 (Eq. 10).
    """
    o, grad_o, grad_s = splats.opacities, splats.logit_opacities.grad, splats.log_scales.grad
    if grad_o is None or grad_s is None or len(o) == 0:
        return
    grad_o += opacity / len(o) * o * (1 - o)
    grad_s += scale / (3 * len(o)) * splats.scales


def check_cap(cap: int) -> None:
    """Raises:
    InputError: If there may be no Gaussian.
    """
    if cap < 1:
        raise InputError("strategy.cap", got=cap, wanted="at least 1 Gaussian")


def logit(opacities: Tensor) -> Tensor:
    """Inverse of the sigmoid, for opacities kept off 0 and 1."""
    return torch.logit(opacities, eps=1e-6)
