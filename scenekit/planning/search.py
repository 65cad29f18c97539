"""Search for actions by sampling: what CEM and MPPI have in common. Letters: n sequences, h actions of each, a numbers.

A search knows nothing of the world but what sequences of actions cost, so a simulator and a learned model serve alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from scenekit.errors import InputError


class Cost(Protocol):
    """What sequences of actions cost."""

    def __call__(self, actions: Tensor, /) -> Tensor:
        """Costs (…, n) of sequences (…, n, h, a), which are within the bounds; not to be changed in place.

        A sequence that is forbidden costs infinity. Leading dimensions are problems that are solved side by side.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """The best sequence that a search has met."""

    actions: Tensor
    """Shape (…, h, a)."""
    cost: Tensor
    """Of it, shape (…)."""
    spread: Tensor
    """Standard deviations of the last samples: how sure the search has become, shape (…, h, a)."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How sequences are sampled."""

    samples: int = 300
    """Sequences n in each iteration, the mean among them."""
    iterations: int = 30
    """Times that the distribution is fitted anew."""
    momentum: float = 0.1
    """Share of the old mean and spread that stays."""
    spread: float = 1.0
    """Standard deviation at first, in half ranges of the actions."""
    least_spread: float = 0.0
    """Below which it does not fall, in half ranges. With 0 the last digits are found, but a search along a valley that
    is no axis, as that of Rosenbrock, dies on the way; 0.02 and 200 iterations get through."""
    color: float = 0.0
    """Exponent β of the noise's spectrum f^−β along the sequence: 0 is white, 2 to 4 make actions that last (iCEM)."""
    keep: int = 0
    """Best sequences that are samples again in the next iteration (iCEM)."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("samples", self.samples >= 2, "at least 2"),
            ("iterations", self.iterations >= 1, "at least 1"),
            ("momentum", 0 <= self.momentum < 1, "0 or more, below 1"),
            ("spread", 0 < self.spread < float("inf"), "more than 0"),
            ("least_spread", 0 <= self.least_spread <= self.spread, "0 to the spread at first"),
            ("color", 0 <= self.color < float("inf"), "0 or more"),
            ("keep", 0 <= self.keep < self.samples, "fewer than the samples"),
        ):
            if not good:
                raise InputError(f"planning: {name}", got=getattr(self, name), wanted=wanted)


def search(
    cost: Cost,
    config: SearchConfig,
    weigh: Callable[[Tensor], Tensor],
    *,
    low: Tensor,
    high: Tensor,
    generator: torch.Generator,
    warm: Tensor | None = None,
) -> Plan:
    """Samples sequences about a mean, weighs them by their costs, moves mean and spread to theirs, and again.

    Args:
        cost: What is to be small.
        config: How sequences are sampled.
        weigh: Weights of sequences by their costs (…, n), which may be infinite; each row's sum to 1, or are all 0.
        low: Lowest actions, shape (…, h, a).
        high: Highest actions, shape (…, h, a).
        generator: Chance of the samples.
        warm: Mean at first, shape (…, h, a); the middle of the range if None.

    Raises:
        InputError: If the bounds or the warm start do not fit each other, or no sequence has a finite cost.
    """
    _check_bounds(low, high, warm)
    half = (high - low) / 2
    mean, spread = (low + half if warm is None else warm.clamp(low, high)), config.spread * half
    best, kept = Plan(mean, mean.new_full(mean.shape[:-2], torch.inf), spread), None
    for _ in range(config.iterations):
        actions = _sampled(config, mean, spread, generator)
        actions[..., 0, :, :] = mean
        actions = actions.clamp(low.unsqueeze(-3), high.unsqueeze(-3))  # the mean too: it is rounded
        if kept is not None:
            actions[..., 1 : 1 + config.keep, :, :] = kept
        costs = _finite(cost(actions), actions)
        best, kept = _better(best, actions, costs), _lowest(actions, costs, config.keep)
        weights = weigh(costs)[..., None, None]
        fitted = (weights * actions).sum(-3)
        fitted_spread = (weights * (actions - fitted.unsqueeze(-3)).square()).sum(-3).sqrt()
        stays = torch.where(weights.sum(-3) > 0, config.momentum, 1.0)  # where all is forbidden, so it goes on
        mean = stays * mean + (1 - stays) * fitted
        spread = (stays * spread + (1 - stays) * fitted_spread).maximum(config.least_spread * half)
    if not bool(best.cost.isfinite().all()):
        raise InputError(
            "cost", got="no sequence with a finite one", wanted="a way that is allowed, and finite numbers"
        )
    return Plan(best.actions, best.cost, spread)


def colored(white: Tensor, exponent: float) -> Tensor:
    """Noise of unit variance with the power spectrum f^−exponent along its last but one dimension, of white noise."""
    h = white.shape[-2]
    power = torch.fft.fftfreq(h, dtype=white.dtype, device=white.device).abs().clamp(min=1 / h) ** -exponent
    spectrum = torch.fft.rfft(white, dim=-2) * power[: h // 2 + 1, None].sqrt()
    return torch.fft.irfft(spectrum, n=h, dim=-2) / power.mean().sqrt()


def _sampled(config: SearchConfig, mean: Tensor, spread: Tensor, generator: torch.Generator) -> Tensor:
    """Sequences about the mean, shape (…, n, h, a)."""
    shape = (*mean.shape[:-2], config.samples, *mean.shape[-2:])
    noise = torch.randn(shape, generator=generator, dtype=mean.dtype, device=mean.device)
    if config.color:
        noise = colored(noise, config.color)
    return mean.unsqueeze(-3) + spread.unsqueeze(-3) * noise


def _finite(costs: Tensor, actions: Tensor) -> Tensor:
    """Costs as they are, infinity where they are no number."""
    if costs.shape != actions.shape[:-2]:
        raise InputError(
            "cost", got=f"shape {tuple(costs.shape)}", wanted=f"one of each of {tuple(actions.shape[:-2])}"
        )
    return costs.detach().nan_to_num(torch.inf, torch.inf, torch.inf)


def _lowest(actions: Tensor, costs: Tensor, count: int) -> Tensor | None:
    """The sequences that cost least, shape (…, count, h, a)."""
    if not count:
        return None
    order = costs.topk(count, largest=False).indices
    return actions.take_along_dim(order[..., None, None], -3)


def _better(best: Plan, actions: Tensor, costs: Tensor) -> Plan:
    """The best of before or of these."""
    cost, index = costs.min(-1)
    found = actions.take_along_dim(index[..., None, None, None], -3).squeeze(-3)
    lower = cost < best.cost
    chosen = torch.where(lower[..., None, None], found, best.actions)
    return Plan(chosen, torch.where(lower, cost, best.cost), best.spread)


def _check_bounds(low: Tensor, high: Tensor, warm: Tensor | None) -> None:
    if low.ndim < 2 or low.shape != high.shape or not low.numel() or not bool((low < high).all()):
        got = f"shapes {tuple(low.shape)}, {tuple(high.shape)}, or an empty range"
        raise InputError("bounds of actions", got=got, wanted="the same shape (…, h, a), low below high")
    if not bool((high - low).isfinite().all()):
        raise InputError("bounds of actions", got="some that are not finite", wanted="finite ones")
    if warm is not None and (warm.shape != low.shape or not bool(warm.isfinite().all())):
        got = f"shape {tuple(warm.shape)}, or not finite"
        raise InputError("warm start", got=got, wanted=f"finite actions of shape {tuple(low.shape)}")
