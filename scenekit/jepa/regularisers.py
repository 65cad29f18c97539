"""What keeps latents from collapsing where targets are learned with the rest.

Both see the latents of all processes: a statistic of everything, not the mean of statistics of parts.
Letters: n latents of this process, N of all, d their width, M directions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.processes import agreed, total

KNOTS, FARTHEST = 17, 3.0
"""Where characteristic functions are compared: so many t, evenly from 0 to there (Balestriero and LeCun 2025)."""


def sigreg(latents: Tensor, *, directions: int = 256, generator: torch.Generator) -> Tensor:
    """How far latents are from N(0, I): the statistic of Epps and Pulley (1983) on random directions, scalar.

    T = N Σ_t w_t φ(t) [(mean cos(t xᵀa) − φ(t))² + (mean sin(t xᵀa))²], φ(t) = exp(−t²/2), w the trapezoid rule on
    −3..3, the mean of T over unit directions a (Balestriero and LeCun 2025, LeJEPA). About 1 for samples of N(0, I),
    0.402 N for latents that are all 0. Several processes use the directions of the first, and means over everybody's
    latents.

    Args:
        latents: Shape (n, d).
        directions: M, drawn anew at every call.
        generator: Of the directions, on the CPU.

    Raises:
        InputError: If there are no latents.
    """
    x = _checked(latents)
    with torch.autocast(x.device.type, enabled=False):  # sums over thousands need the digits of float32
        return _epps_pulley(x, directions, generator)


def _epps_pulley(x: Tensor, directions: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(x.shape[1], directions, generator=generator).to(x.device)
    projected = x @ agreed(drawn / drawn.norm(dim=0))
    t = torch.linspace(0, FARTHEST, KNOTS, device=x.device)
    normal = (-(t**2) / 2).exp()
    weights = torch.full_like(t, 2 * FARTHEST / (KNOTS - 1))  # both halves of −3..3, which are alike
    weights[[0, -1]] /= 2
    angles = projected[:, None] * t[:, None]  # (n, t, M)
    sums = total(torch.stack([angles.cos().sum(0), angles.sin().sum(0)]))
    n = total(x.new_tensor(float(len(x))))
    cosine, sine = sums / n
    distance = (cosine - normal[:, None]) ** 2 + sine**2
    return n * ((weights * normal) @ distance).mean()


def variance_covariance(latents: Tensor) -> tuple[Tensor, Tensor]:
    """The two regularisers of VICReg (Bardes et al. 2022), scalars.

    Variance: mean over dimensions of max(0, 1 − √(Var + 10⁻⁴)). Covariance: Σ_{i≠j} C_ij² / d.

    Args:
        latents: Shape (n, d); of all processes at least two.

    Raises:
        InputError: If there are no latents.
    """
    x = _checked(latents)
    n = total(x.new_tensor(float(len(x))))
    x = x - total(x.sum(0)) / n
    with torch.autocast(x.device.type, enabled=False):
        covariance = total(x.T @ x) / (n - 1)
    variance = covariance.diagonal()
    off = covariance.square().sum() - variance.square().sum()
    return (1 - (variance + 1e-4).sqrt()).relu().mean(), off / x.shape[1]


def _checked(latents: Tensor) -> Tensor:
    """The latents, float32."""
    if latents.ndim != 2 or not latents.numel():
        raise InputError("latents", got=tuple(latents.shape), wanted="shape (n, d), some")
    return latents.float()
