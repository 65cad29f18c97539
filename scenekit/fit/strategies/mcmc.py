"""3D Gaussian splatting as Markov chain Monte Carlo (Kheradmand et al. 2024): move the dead, add noise, keep a budget.

Letters: n Gaussians, N copies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb, sqrt
from typing import Any

import torch
from torch import Tensor

from scenekit.fit.optimizer import Adam
from scenekit.fit.strategies.strategy import Run, State, check_cap, logit, regularise
from scenekit.render.splats_torch import rotations
from scenekit.splats import Splats

MAX_COPIES = 51
"""Most copies of one Gaussian that one relocation makes (the authors' code)."""


@dataclass(frozen=True)
class MCMC:
    """The paper's numbers; its 30 000 steps are progress 0..1."""

    cap: int = 1_000_000
    """Most Gaussians there may be; the count grows towards it and stays there."""
    start_at: float = 500 / 30_000
    """Relocate and grow from this progress."""
    stop_at: float = 25_000 / 30_000
    """Relocate and grow until this progress."""
    every: float = 100 / 30_000
    """Interval between relocations, as progress."""
    every_steps: int = 50
    """But at least so many steps."""
    grow: float = 0.05
    """Gaussians that are added each time, as a fraction of those there are."""
    dead_opacity: float = 0.005
    """What is fainter is moved to a live Gaussian."""
    noise: float = 5e5
    """Scale of the exploration noise; times the learning rate of the means."""
    opacity_weight: float = 0.01
    """Weight of the mean opacity in the loss."""
    scale_weight: float = 0.01
    """Weight of the mean scale [1/m] in the loss."""
    absgrad: bool = False
    """Not used."""

    def __post_init__(self) -> None:
        check_cap(self.cap)

    def start(self, splats: Splats) -> State:
        return {}

    def after_backward(self, state: State, splats: Splats, meta: dict[str, Any], *, share: float = 1.0) -> None:
        """Add the gradients of the regularisers."""
        regularise(splats, opacity=share * self.opacity_weight, scale=share * self.scale_weight)

    def after_step(
        self, state: State, adam: Adam, step: int, run: Run, *, rate: float, generator: torch.Generator
    ) -> None:
        """Relocate and grow when due, then perturb the means."""
        with torch.no_grad():
            if run.is_due(step, self.every, self.start_at, self.stop_at, at_least=self.every_steps) and len(
                adam.splats
            ):
                self._relocate(adam, generator)
                self._grow(adam, generator)
            adam.splats.means.add_(exploration(adam.splats, self.noise * rate, generator))

    def _relocate(self, adam: Adam, generator: torch.Generator) -> None:
        dead = adam.splats.opacities <= self.dead_opacity
        sources = torch.nonzero(~dead)[:, 0]
        targets = torch.nonzero(dead)[:, 0]
        if len(targets) == 0 or len(sources) == 0:
            return
        chosen = sources[_draw(adam.splats.opacities[sources], len(targets), generator)]
        shared = _shared(adam.splats, chosen)
        for name, tensor in adam.splats.tensors().items():
            tensor[chosen] = getattr(shared, name)
            tensor[targets] = getattr(shared, name)
        adam.forget(chosen)
        adam.forget(targets)

    def _grow(self, adam: Adam, generator: torch.Generator) -> None:
        n = len(adam.splats)
        count = min(self.cap, int((1 + self.grow) * n)) - n
        if count <= 0 or n == 0:
            return
        chosen = _draw(adam.splats.opacities, count, generator)
        shared = _shared(adam.splats, chosen)
        for name, tensor in adam.splats.tensors().items():
            tensor[chosen] = getattr(shared, name)
        adam.forget(chosen)
        adam.append(shared)


def _draw(opacities: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` indices with replacement, in proportion to opacity."""
    edges = opacities.double().cumsum(0).cpu()
    where = torch.rand(count, generator=generator, dtype=torch.float64) * edges[-1]
    return torch.searchsorted(edges, where, right=True).clamp(max=len(opacities) - 1).to(opacities.device)


def _shared(splats: Splats, chosen: Tensor) -> Splats:
    """The chosen Gaussians as they must be once each is there 1 + (times chosen) times."""
    copies = (torch.bincount(chosen, minlength=len(splats)) + 1)[chosen].clamp(max=MAX_COPIES)
    picked = splats.map(lambda t: t.detach()[chosen])
    opacities, factors = relocated(picked.opacities, copies)
    return replace(
        picked,
        logit_opacities=logit(opacities.clamp(0.005, 1 - 1e-6)),
        log_scales=picked.log_scales + factors.log()[:, None],
    )


def relocated(opacities: Tensor, copies: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity and factor of the scales of each of N copies that together look like one Gaussian (Eq. 9).

    o' = 1 − (1 − o)^(1/N);  s'/s = o / Σᵢ₌₁ᴺ Σₖ₌₀ⁱ⁻¹ C(i−1, k) (−1)ᵏ o'^(k+1) / √(k+1).

    Args:
        opacities: Of the Gaussian that is copied, shape (n,).
        copies: N ≥ 1, at most `MAX_COPIES`, shape (n,).
    """
    o = opacities.double()
    each = 1 - (1 - o) ** (1 / copies)
    total = torch.zeros_like(o)
    for i in range(1, int(copies.max()) + 1):
        # Σₖ C(i−1, k)(−1)ᵏ o'^(k+1)/√(k+1); in double, since binomials of 50 alternate in sign
        inner = sum(comb(i - 1, k) * (-1) ** k / sqrt(k + 1) * each ** (k + 1) for k in range(i))
        total += torch.where(copies >= i, inner, 0.0)
    return each.to(opacities), (o / total).to(opacities)


def exploration(splats: Splats, scale: float, generator: torch.Generator) -> Tensor:
    """Noise of the means [m], shape (n, 3): scale · σ(−k (o − t)) · Σ η, η normal, k = 100, t = 0.005 (Eq. 8).

    Only what is faint wanders, and along its own shape.
    """
    noise = torch.randn(splats.means.shape, generator=generator).to(splats.means)
    faint = torch.sigmoid(-100 * (splats.opacities - 0.005))
    R, variances = rotations(splats.quats), splats.scales.square()
    return scale * faint[:, None] * (R @ (variances * (noise[:, None] @ R)[:, 0])[..., None])[..., 0]
