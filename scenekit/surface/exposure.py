"""Exposure: how much brighter each photo is than the others, from surface points that several photos see.

Letters: p photos, s surface points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PRIOR = 1e-3
"""Weight of "no gain" against the mean weight of a photo's points: decides where points say nothing."""

SCALE = 0.05
"""Residual of the logarithm beyond which a point counts less: 5 % is more than noise, and less than a wrong surface."""

ROUNDS = 12
"""Rounds of reweighting."""


def photo_gains(light: NDArray[np.floating], weights: NDArray[np.floating]) -> Array:
    """Gain of each photo and channel, with geometric mean 1, shape (p, 3).

    Minimises Σ w ρ(log l − log g − a) over gains g per photo and colours a per point, where ρ is Geman and McClure's,
    by reweighted least squares; the colours are eliminated (Schur complement), so each round solves for p unknowns.

    Args:
        light: Linear light of the points in the photos, shape (p, s, 3).
        weights: How much each counts; 0 where a photo does not see a point, shape (p, s).
    """
    photos = len(light)
    logs = np.log(np.maximum(light, 1e-4)).astype(np.float64)
    gains = np.zeros((photos, 3))
    for channel in range(3):
        y, w = logs[..., channel], np.asarray(weights, np.float64)
        for _ in range(ROUNDS):
            total = np.maximum(w.sum(0), 1e-12)
            M = np.diag(w.sum(1)) - (w / total) @ w.T
            b = (w * (y - (w * y).sum(0) / total)).sum(1)
            g = np.linalg.solve(M + PRIOR * max(w.sum() / photos, 1e-9) * np.eye(photos), b)
            residual = y - g[:, None]
            residual = residual - (w * residual).sum(0) / total
            w = weights / (1 + (residual / SCALE) ** 2) ** 2
        gains[:, channel] = g - g.mean()
    return np.exp(gains)
