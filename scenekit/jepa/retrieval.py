"""Retrieval: whether the same thing is found again, drawn anew, in part, or as a mesh; and how well scores rank.

Letters: n things, f features, b scenes, t tokens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.tokens import Tokens


class Drift(NamedTuple):
    """How far features move when the elements of a thing are drawn anew."""

    distance: float
    """Mean distance between two draws of a thing, features of length 1 (Gaussian-JEPA)."""
    relative: float
    """The same over the mean distance between two things: features that are nearly the same of everything do not move
    either, and this tells them apart."""


def recall(asked: Tensor, others: Tensor) -> float:
    """R@1: share of the things of which the nearest of all others by cosine is the thing itself.

    Args:
        asked: Features, shape (n, f).
        others: Of the same things, in the same order, otherwise seen, shape (n, f).

    Raises:
        InputError: If there are fewer than two things, or they differ in number.
    """
    cosines = _pair(asked) @ _pair(others, like=asked).T
    return float((cosines.argmax(1) == torch.arange(len(asked))).double().mean())


def drift(one: Tensor, other: Tensor) -> Drift:
    """Of two draws of the same things.

    Args:
        one: Features, shape (n, f).
        other: Shape (n, f).

    Raises:
        InputError: As `recall`.
    """
    a, b = _pair(one), _pair(other, like=one)
    moved, n = float((a - b).norm(dim=1).mean()), len(a)
    apart = float(torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(0).sum())
    return Drift(moved, moved / max(apart / (n * (n - 1)), 1e-12))


def partial(tokens: Tokens, missing: float, *, generator: torch.Generator) -> Tokens:
    """Scenes of which one side is missing: the valid tokens that are farthest along a random direction.

    The frame stays that of the whole scene.

    Args:
        tokens: Of b scenes.
        missing: Share of the valid tokens, at least one of which stays.
        generator: Chance of the directions.

    Raises:
        InputError: If the share is not in 0 to below 1.
    """
    if not 0 <= missing < 1:
        raise InputError("missing", got=missing, wanted="0 to below 1")
    direction = functional.normalize(torch.randn(len(tokens.frame), 3, 1, generator=generator), dim=1)
    along = (tokens.centers @ direction)[..., 0].masked_fill(~tokens.valid, torch.inf)
    kept = ((1 - missing) * tokens.valid.sum(1)).round().clamp(min=1)
    place = along.argsort(dim=1, stable=True).argsort(dim=1)
    return replace(tokens, valid=tokens.valid & (place < kept[:, None]))


def auroc(scores: Tensor, positive: Tensor) -> float:
    """Area under the ROC curve: how often a positive has a higher score than a negative, ties counting half.

    Args:
        scores: Shape (n,).
        positive: bool, shape (n,).

    Raises:
        InputError: If there are no positives, no negatives, or scores that are not finite.
    """
    yes = int(positive.sum())
    no = len(positive) - yes
    if scores.shape != positive.shape or not yes or not no or not bool(scores.isfinite().all()):
        got = f"{len(scores)} scores, {yes} positives, {no} negatives"
        raise InputError("scores", got=got, wanted="finite ones of some of both")
    ranks = rankdata(scores.double().numpy())[positive.numpy()]
    return float((ranks.sum() - yes * (yes + 1) / 2) / (yes * no))


def _pair(features: Tensor, *, like: Tensor | None = None) -> Tensor:
    """Features of length 1, float64."""
    if features.ndim != 2 or len(features) < 2 or (like is not None and like.shape != features.shape):
        raise InputError("features", got=tuple(features.shape), wanted="(n, f) of the same things, at least 2")
    return functional.normalize(features.double(), dim=1)
