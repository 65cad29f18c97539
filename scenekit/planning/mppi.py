"""Model-predictive path integrals: all samples count, by the exponential of their costs (Williams et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.planning.search import Cost, Plan, SearchConfig, search


@dataclass(frozen=True, kw_only=True)
class MppiConfig(SearchConfig):
    """The spread is fitted as well as the mean, as in TD-MPC2 (Hansen et al. 2024)."""

    temperature: float = 0.1
    """λ in distances between the least and the median cost, so that it does not depend on the unit of cost."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.temperature < float("inf"):
            raise InputError("planning: temperature", got=self.temperature, wanted="more than 0")


def mppi(
    cost: Cost,
    config: MppiConfig,
    *,
    low: Tensor,
    high: Tensor,
    generator: torch.Generator,
    warm: Tensor | None = None,
) -> Plan:
    """The sequence of actions that costs least, by path integrals; arguments and errors as for `search`.

    Sequence i weighs exp(−(cᵢ − min c) / λ) / Σ, with λ = temperature · (median c − min c).
    """

    def weigh(costs: Tensor) -> Tensor:
        above = costs - costs.amin(-1, keepdim=True)  # no number where all are infinite
        unit = above.masked_fill(~above.isfinite(), torch.nan).nanmedian(-1, keepdim=True).values
        weights = torch.exp(-above / (config.temperature * unit).clamp(min=torch.finfo(costs.dtype).tiny)).nan_to_num(0)
        return weights / weights.sum(-1, keepdim=True).clamp(min=1)

    return search(cost, config, weigh, low=low, high=high, generator=generator, warm=warm)
