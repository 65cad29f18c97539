"""Moments: what the elements of a token say on the whole, which nobody learns, and how surprising it is.

The mean and the standard deviation of each number that elements say, the radius of the token, and how unlike each other
in colour neighbours among its elements are. A predictor says which of four kinds a token may be of where it does not
look, and how the M moments of each kind are distributed, by Student's t of ν = 4, whose tails are as heavy as those of
what scenes hold (a mixture density network, Bishop 1994):

    surprise = −1/M log Σ π_k Π 1/σ_ki (1 + (x_i − μ_ki)² / (ν σ_ki²))^(−(ν + 1)/2)

which is −log p per moment, less a constant. Unlike an error, it counts what is off by much where little is usual, says
of a place where anything may be that it is, and where there is either floor or the thing on it finds a blend of both
odd. Targets that are not learned cannot collapse (MaskFeat, Wei et al. 2022). Letters: t tokens, k elements of one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.jepa.elements import COLOR, FEATURES, OFFSET, SPREAD, USUAL
from scenekit.jepa.tokens import Tokens

MOMENTS = 2 * FEATURES + 2
"""M: means, standard deviations, the logarithm of the radius, and the contrast."""
KINDS = 4
"""Of tokens that a place may hold."""
ANSWERS = KINDS * (1 + 2 * MOMENTS)
"""Numbers that a predictor says: log π_k up to a constant, and μ and log σ² of every moment of each kind."""
NU = 4.0
"""Degrees of freedom; a normal distribution has infinitely many."""
RADIUS, RADII = -1.6, 0.3
"""Usual logarithm of a token's radius, of half the scene's longest side, and its deviation."""
CONTRAST, CONTRASTS = 0.046, 0.045
"""Usual difference in colour of an element and the one nearest to it, mean over a token, and its deviation."""
NARROWEST, WIDEST = -7.0, 5.0
"""Of log σ², so that what never varies, as the opacity of meshes, has no infinite density."""


def moments(tokens: Tokens) -> Tensor:
    """What the elements of each token say on the whole, in usual deviations, float32, shape (..., t, MOMENTS)."""
    elements = tokens.elements.float()
    usual, spread = (torch.tensor(values, device=elements.device) for values in (USUAL, SPREAD))
    said = (elements - usual) / spread
    radius = (tokens.radii.clamp(min=1e-6).log() - RADIUS) / RADII
    unlike = (contrast(elements) - CONTRAST) / CONTRASTS
    return torch.cat([said.mean(-2), said.std(-2, correction=0), radius[..., None], unlike[..., None]], -1)


def contrast(elements: Tensor) -> Tensor:
    """|difference of display colours| of elements (..., k, FEATURES) and the nearest other one, mean, shape (...)."""
    places, colors = elements[..., OFFSET], elements[..., COLOR]
    k = places.shape[-2]
    if k < 2:
        return places.new_zeros(places.shape[:-2])
    apart = torch.cdist(places, places) + torch.eye(k, device=places.device) * torch.finfo(places.dtype).max
    nearest = apart.argmin(-1, keepdim=True).expand(*places.shape[:-1], 3)
    return (colors - torch.take_along_dim(colors, nearest, -2)).abs().mean((-1, -2))


def surprise(predicted: Tensor, said: Tensor) -> Tensor:
    """How surprising moments are, −log p per moment less a constant, shape (...).

    Args:
        predicted: log π of the kinds, then μ and log σ² of the moments of each, shape (..., ANSWERS).
        said: What is there, shape (..., MOMENTS).
    """
    share, kinds = predicted.float().split((KINDS, ANSWERS - KINDS), -1)
    mean, variance = kinds.unflatten(-1, (KINDS, 2 * MOMENTS)).chunk(2, -1)
    variance = variance.clamp(NARROWEST, WIDEST)
    tail = torch.log1p((said[..., None, :] - mean).square() * (-variance).exp() / NU)
    of_kind = ((NU + 1) / 2 * tail + variance / 2).sum(-1)
    return -(share.log_softmax(-1) - of_kind).logsumexp(-1) / MOMENTS
