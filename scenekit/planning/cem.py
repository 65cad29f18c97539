"""The cross-entropy method: the distribution becomes that of the best samples (de Boer et al. 2005)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.planning.search import Cost, Plan, SearchConfig, search


@dataclass(frozen=True, kw_only=True)
class CemConfig(SearchConfig):
    """300 samples, 30 elites, 30 iterations: what LeWM plans with. `color` and `keep` make it iCEM (Pinneri et al.
    2020, Sample-efficient cross-entropy method for real-time planning)."""

    elites: int = 30
    """Samples that mean and spread are fitted to."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.elites <= self.samples:
            raise InputError("planning: elites", got=self.elites, wanted=f"2 to {self.samples}, as there are samples")


def cem(
    cost: Cost,
    config: CemConfig,
    *,
    low: Tensor,
    high: Tensor,
    generator: torch.Generator,
    warm: Tensor | None = None,
) -> Plan:
    """The sequence of actions that costs least, by the cross-entropy method; arguments and errors as for `search`."""

    def weigh(costs: Tensor) -> Tensor:
        least = costs.topk(config.elites, largest=False)
        allowed = least.values.isfinite().to(costs.dtype)
        shares = allowed / allowed.sum(-1, keepdim=True).clamp(min=1)
        return torch.zeros_like(costs).scatter(-1, least.indices, shares)

    return search(cost, config, weigh, low=low, high=high, generator=generator, warm=warm)
