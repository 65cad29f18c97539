"""Probes: what can be read off frozen features by a linear map, or by looking at what is near. All in closed form or
convex, so that a figure says something of the features and nothing of how the probe was trained.

Letters: n examples, f features, o outputs or classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from scenekit.errors import FitError, InputError

RIDGES = tuple(10.0**power for power in range(-6, 3))
"""Weights of the squares of a regression's weights, in variances of a feature, of which the best is taken."""
DECAYS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
"""The same of a classification."""
HELD = 0.2
"""Share of the examples, the last ones, by which that weight is chosen; what belongs together should stand together."""
TEMPERATURE = 0.07
"""Of the votes of near examples (Wu et al. 2018; DINO)."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear map of features."""

    mean: Tensor
    """Of the features, shape (f,)."""
    deviation: Tensor
    """Of the features, shape (f,)."""
    weights: Tensor
    """Of the features less their mean, in deviations, shape (f, o)."""
    bias: Tensor
    """Shape (o,)."""
    penalty: float
    """The weight of the squares that was chosen."""

    def __call__(self, features: Tensor) -> Tensor:
        """Outputs, or logits of classes, float64, shape (n, o)."""
        return (features.double() - self.mean) / self.deviation @ self.weights + self.bias


def regression(features: Tensor, wanted: Tensor) -> LinearProbe:
    """Ridge regression: the least Σ ‖W x + b − y‖² / n + λ ‖W‖², in closed form, λ chosen by the held-out examples.

    Args:
        features: Shape (n, f).
        wanted: y, shape (n, o).

    Raises:
        InputError: If there are fewer than five examples, or the numbers of them differ.
        FitError: If some are not finite.
    """
    return _chosen(RIDGES, _ridge, _mean_square, features, wanted.double())


def classification(features: Tensor, labels: Tensor, classes: int) -> LinearProbe:
    """Logistic regression: the least cross entropy + λ/2 ‖W‖², by L-BFGS, λ chosen by the held-out examples.

    Args:
        features: Shape (n, f).
        labels: 0 to o − 1, int64, shape (n,).
        classes: o.

    Raises:
        InputError: If there are fewer than five examples, or labels that are no classes.
        FitError: If features are not finite.
    """
    if classes < 2 or not len(labels) or not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InputError("labels", got=f"{len(labels)} for {classes} classes", wanted="at least 2 classes, 0 and on")
    return _chosen(DECAYS, _logistic(classes), functional.cross_entropy, features, labels)


def near_classes(features: Tensor, labels: Tensor, asked: Tensor, classes: int, *, k: int = 10) -> Tensor:
    """The class of most of the k nearest examples by cosine, weighted by exp(cosine / 0.07), int64, shape (m,).

    Args:
        features: Of examples, shape (n, f).
        labels: Of them, shape (n,).
        asked: Features, shape (m, f).
        classes: o.
        k: How many vote.
    """
    cosines = functional.normalize(asked, dim=1) @ functional.normalize(features, dim=1).T
    nearest = cosines.topk(min(k, len(features)), dim=1)
    votes = torch.zeros(len(asked), classes).to(asked)
    return votes.scatter_add(1, labels[nearest.indices], (nearest.values / TEMPERATURE).exp()).argmax(1)


def r2(found: Tensor, wanted: Tensor) -> float:
    """1 − Σ (found − wanted)² / Σ (wanted − mean)², mean over outputs (n, o); below 0 is worse than saying the mean.

    An output that does not vary counts for nothing.

    Raises:
        InputError: If the shapes differ, or nothing varies.
    """
    if found.shape != wanted.shape or wanted.ndim != 2:
        raise InputError("outputs", got=tuple(found.shape), wanted=f"{tuple(wanted.shape)}, (n, o)")
    y = wanted.double()
    left, spread = (found.double() - y).square().sum(0), (y - y.mean(0)).square().sum(0)
    if not bool((spread > 0).any()):
        raise InputError("wanted outputs", got="all the same", wanted="some that vary")
    return float((1 - left / spread)[spread > 0].mean())


Fit = Callable[[Tensor, Tensor, Sequence[float]], list[tuple[Tensor, Tensor]]]
"""Weights and bias for each penalty, of standardised features and what is wanted."""


def _chosen(
    penalties: Sequence[float], fit: Fit, loss: Callable[[Tensor, Tensor], Tensor], features: Tensor, wanted: Tensor
) -> LinearProbe:
    """The probe whose penalty does best on the held-out examples, fitted again to all."""
    n = len(features)
    if features.ndim != 2 or n < 5 or len(wanted) != n:
        raise InputError("examples", got=f"{n} of features, {len(wanted)} of outputs", wanted="as many, at least 5")
    if not bool(features.isfinite().all()) or not bool(wanted.isfinite().all()):
        raise FitError("probe", got="features or outputs that are not finite", wanted="finite ones")
    known = n - max(1, round(HELD * n))
    tried = _fitted(penalties, fit, features[:known], wanted[:known])
    losses = [float(loss(probe(features[known:]), wanted[known:])) for probe in tried]
    best = min(range(len(tried)), key=losses.__getitem__)
    return _fitted(penalties[best : best + 1], fit, features, wanted)[0]


def _fitted(penalties: Sequence[float], fit: Fit, features: Tensor, wanted: Tensor) -> list[LinearProbe]:
    x = features.double()
    mean, deviation = x.mean(0), x.std(0)
    deviation = torch.where(deviation > 1e-9 * (1 + mean.abs()), deviation, torch.inf)  # what is constant says nothing
    found = fit((x - mean) / deviation, wanted, penalties)
    return [LinearProbe(mean, deviation, w, b, p) for (w, b), p in zip(found, penalties, strict=True)]


def _ridge(x: Tensor, y: Tensor, ridges: Sequence[float]) -> list[tuple[Tensor, Tensor]]:
    n, f = x.shape
    bias = y.mean(0)
    right = (y - bias) / n
    if n < f:  # Xᵀ (X Xᵀ + λ)⁻¹ Y = (Xᵀ X + λ)⁻¹ Xᵀ Y, of the smaller matrix
        values, axes = torch.linalg.eigh(x @ x.T / n)
        along, back = axes.T @ right, x.T @ axes
    else:
        values, axes = torch.linalg.eigh(x.T @ x / n)
        along, back = axes.T @ (x.T @ right), axes
    return [(back @ (along / (values.clamp(min=0)[:, None] + ridge)), bias) for ridge in ridges]


def _mean_square(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error, in variances of each output."""
    return ((found - wanted).square().mean(0) / wanted.var(0, correction=0).clamp(min=1e-12)).mean()


def _logistic(classes: int) -> Fit:
    def fit(x: Tensor, labels: Tensor, decays: Sequence[float]) -> list[tuple[Tensor, Tensor]]:
        weights = torch.zeros(x.shape[1], classes, dtype=x.dtype, requires_grad=True)
        bias = torch.zeros(classes, dtype=x.dtype, requires_grad=True)
        found = []
        for decay in decays:  # from the largest on, each from where the last one ended
            _descend(x, labels, decay, weights, bias)
            found.append((weights.detach().clone(), bias.detach().clone()))
        return found

    return fit


def _descend(x: Tensor, labels: Tensor, decay: float, weights: Tensor, bias: Tensor) -> None:
    optimizer = torch.optim.LBFGS(
        [weights, bias], max_iter=200, tolerance_grad=1e-6, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(x @ weights + bias, labels) + decay / 2 * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
