"""Moments: what the elements of a token say on the whole, which nobody learns, and how surprising it is.

The mean and the standard deviation of each number that elements say, and the radius of the token. A predictor says of
each how it is distributed where it does not look, by a Student's t of ν = 4, whose tails are as heavy as those of what
scenes hold:

    surprise = mean of (ν + 1)/2 · log(1 + (x − μ)² / (ν σ²)) + log σ          −log p, less a constant

Unlike an error, it counts what is off by much where little is usual, and says of a place where anything may be that it
is. Targets that are not learned cannot collapse (MaskFeat, Wei et al. 2022). Letters: t tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.jepa.elements import FEATURES, SPREAD, USUAL
from scenekit.jepa.tokens import Tokens

MOMENTS = 2 * FEATURES + 1
"""Means, standard deviations, and the logarithm of the radius."""
NU = 4.0
"""Degrees of freedom; a normal distribution has infinitely many."""
RADIUS, RADII = -1.6, 0.3
"""Usual logarithm of a token's radius, of half the scene's longest side, and its deviation."""
NARROWEST, WIDEST = -7.0, 5.0
"""Of log σ², so that what never varies, as the opacity of meshes, has no infinite density."""


def moments(tokens: Tokens) -> Tensor:
    """Mean and deviation of what the elements of each token say, in usual deviations, float32, (..., t, MOMENTS)."""
    usual, spread = (torch.tensor(values, device=tokens.elements.device) for values in (USUAL, SPREAD))
    said = (tokens.elements.float() - usual) / spread
    radius = (tokens.radii.clamp(min=1e-6).log() - RADIUS) / RADII
    return torch.cat([said.mean(-2), said.std(-2, correction=0), radius[..., None]], -1)


def surprise(predicted: Tensor, said: Tensor) -> Tensor:
    """How surprising moments are, −log p each, mean over them, shape (...).

    Args:
        predicted: μ and log σ² of each, shape (..., 2 MOMENTS).
        said: What is there, shape (..., MOMENTS).
    """
    mean, variance = predicted.float().chunk(2, -1)
    variance = variance.clamp(NARROWEST, WIDEST)
    tail = torch.log1p((said - mean).square() * (-variance).exp() / NU)
    return ((NU + 1) / 2 * tail + variance / 2).mean(-1)
