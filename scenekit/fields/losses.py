"""Losses that keep a field from being haze, beside that of the colours. Letters: n rays, k samples.

What stands free in front of a surface can be as thin as air and wrong in no photo: each view sees the colour that it
wants to in it. These say that matter is rather in few places.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.fields.occupancy import Samples
from scenekit.fields.volume import Blended

CAUCHY = 0.5
"""Squared density [1/half²] from which on `sparsity` hardly tells more from less (c of Hedman et al. 2021)."""

OPAQUE = 0.1
"""Sum of opacities from which on a ray counts for `entropy` (ε of Kim et al. 2022, §4.1): others hit nothing."""


def distortion(seen: Blended, samples: Samples, half: float) -> Tensor:
    """Mean over rays of Σᵢⱼ wᵢ wⱼ |sᵢ − sⱼ| + ⅓ Σᵢ wᵢ² δᵢ, s = t / (t + half) (Barron et al. 2022, Eq. 15).

    Sorted samples need no pairs: Σ_{j<i} wⱼ (sᵢ − sⱼ) is a running sum. It runs over all rays at once, in float64.
    """

    def squashed(t: Tensor) -> Tensor:
        return t / (t + half)

    weights, s = seen.weights.double(), squashed(samples.middles.double())
    lengths = squashed(samples.begins.double() + samples.lengths) - squashed(samples.begins.double())
    sums = torch.stack([weights, weights * s], 1)
    before = sums.cumsum(0) - sums
    first = samples.offsets[:-1].long()[samples.rays]
    before = before - before[first]
    pairs = 2 * weights * (s * before[:, 0] - before[:, 1])
    return ((pairs + weights.square() * lengths / 3).sum() / max(len(seen.alpha), 1)).float()


def sparsity(seen: Blended, samples: Samples, half: float) -> Tensor:
    """Mean over samples of log(1 + (σ half)² / c): thin is dear, opaque little dearer (SNeRG, Hedman et al. 2021, §5).

    Theirs is a sum, of weight 1e-4 over some 200 samples of a ray.
    """
    density = seen.thickness / samples.lengths * half
    return torch.log1p(density.square() / CAUCHY).sum() / max(len(density), 1)


def entropy(seen: Blended, samples: Samples) -> Tensor:
    """Mean over rays of −Σ pᵢ log pᵢ, pᵢ = αᵢ / Σ αⱼ, αᵢ = 1 − exp(−σᵢ δᵢ) (InfoNeRF, Kim et al. 2022, §4.1).

    0 for a ray that one sample stops, log k for one that is dimmed evenly by k.
    """
    alpha = -torch.expm1(-seen.thickness)
    total = alpha.new_zeros(len(seen.alpha)).index_add(0, samples.rays, alpha)
    p = alpha / total[samples.rays].clamp(min=1e-10)
    terms = torch.where(total[samples.rays] > OPAQUE, -p * p.clamp(min=1e-10).log(), 0.0)
    return terms.sum() / max(len(seen.alpha), 1)
