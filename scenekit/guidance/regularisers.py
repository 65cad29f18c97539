"""What keeps a thing that is made from pictures alone a thing: losses on opacity and normals, as threestudio has them.

Letters: r rays, s samples of all rays together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.errors import InputError

CLAMP = 1e-3
"""Opacities are kept this far from 0 and 1, where their logarithms have no end."""


def orientation(weights: Tensor, normals: Tensor, directions: Tensor, opacity: Tensor) -> Tensor:
    """Σ w max(0, n·d)² over rays that see something: surfaces that are seen face the camera (Verbin et al. 2022).

    Args:
        weights: Of samples in their rays, without gradients of their own, shape (s,).
        normals: Outward, unit, shape (s, 3).
        directions: Of the rays, away from the camera, shape (s, 3).
        opacity: Of the rays, shape (r,).
    """
    away = (normals * directions).sum(-1).clamp(min=0)
    return (weights.detach() * away**2).sum() / (opacity > 0).sum().clamp(min=1)


def sparsity(opacity: Tensor) -> Tensor:
    """Mean √(α² + 0.01): little is there (DreamFusion's opacity penalty as threestudio has it)."""
    return (opacity**2 + 0.01).sqrt().mean()


def opaque(opacity: Tensor) -> Tensor:
    """Mean binary entropy of the opacity: what is there is solid, what is not is empty."""
    alpha = opacity.clamp(CLAMP, 1 - CLAMP)
    return -(alpha * alpha.log() + (1 - alpha) * (1 - alpha).log()).mean()


@dataclass(frozen=True)
class Ramp:
    """A weight that goes from one value to another on a line, and stays as it is before and after.

    Raises:
        InputError: If it ends before it begins.
    """

    first: float
    """Value at the beginning."""
    last: float
    """Value at the end."""
    start: float = 0.0
    """Part of the run at which it begins."""
    end: float = 1.0
    """Part of the run at which it ends."""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end <= 1:
            raise InputError("ramp", got=f"{self.start} to {self.end}", wanted="parts of a run, 0..1, in order")

    def at(self, progress: float) -> float:
        """The weight when this much of the run is over, 0..1."""
        if progress >= self.end:
            return self.last
        along = max(progress - self.start, 0.0) / max(self.end - self.start, torch.finfo(torch.float64).tiny)
        return self.first + along * (self.last - self.first)
