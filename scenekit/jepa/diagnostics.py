"""Whether latents have collapsed: onto a point, onto few directions. Letters: n latents, d their width."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.errors import FitError, InputError

LEAST_DEVIATION = 0.1
"""Of targets over tokens, mean over dimensions; below, they say nearly the same of everything (Point-JEPA)."""

LEAST_RANK = 0.05
"""Effective rank over d; below, nearly all that latents say lies in few directions."""


@dataclass(frozen=True)
class Health:
    """How far latents are from a collapse."""

    deviation: float
    """Standard deviation over the latents, mean over dimensions."""
    rank: float
    """`effective_rank` over d, 0..1."""
    cosine: float
    """Mean cosine between two latents."""

    @property
    def alarms(self) -> tuple[str, ...]:
        """What is wrong, in words; nothing where all is well."""
        said = []
        if self.deviation < LEAST_DEVIATION:
            said.append(f"deviation {self.deviation:.3g}, below {LEAST_DEVIATION}")
        if self.rank < LEAST_RANK:
            said.append(f"effective rank {100 * self.rank:.1f} % of the width, below {100 * LEAST_RANK:g} %")
        return tuple(said)


def health(latents: Tensor) -> Health:
    """How healthy latents are.

    Args:
        latents: At least two, more than d to say something about the rank, shape (n, d).

    Raises:
        InputError: If there are fewer.
        FitError: If some are not finite.
    """
    if latents.ndim != 2 or len(latents) < 2 or not latents.shape[1]:
        raise InputError("latents", got=tuple(latents.shape), wanted="shape (n, d), at least two")
    x = latents.detach().double().cpu()
    if not bool(x.isfinite().all()):
        raise FitError("latents", got="some that are not finite", wanted="finite numbers")
    unit = torch.nn.functional.normalize(x, dim=1)
    cosine = (unit.sum(0).square().sum() - unit.square().sum()) / (len(x) * (len(x) - 1))
    return Health(float(x.std(0).mean()), effective_rank(x) / x.shape[1], float(cosine))


def effective_rank(latents: Tensor) -> float:
    """exp(−Σ p log p), p the singular values of latents (n, d) over their sum; 0 if all are 0.

    Of Roy and Vetterli (2007); so used on latents, whose mean stays in, by RankMe (Garrido et al. 2023): latents that
    are one vector and a little noise have a rank near 1, however many directions the noise has.
    """
    singular = torch.linalg.svdvals(latents.detach().double())
    p = singular[singular > 0] / singular.sum()
    return float(torch.exp(-(p * p.log()).sum())) if len(p) else 0.0
