"""Decimation: fewer Gaussians that look nearly the same, by merging neighbours that are alike.

Two Gaussians become the one with their common mean and covariance, each weighted by what it shows (moment matching, as
in mixture reduction: Runnalls 2007). Rounds pair every Gaussian with a neighbour and merge the cheapest disjoint pairs.
Letters: n Gaussians, m pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from scenekit.errors import InputError
from scenekit.render.splats_torch import covariances
from scenekit.splats import SH_C0, Splats, merge

NEIGHBOURS = 6
"""How many of the nearest a Gaussian may merge with."""

SHARE = 0.25
"""Largest part of all Gaussians that one round merges; less is slower and better."""

COLOR_WEIGHT = 64.0
"""Cost of a squared difference of colour (√3 from black to white) against one of log-volume."""

MAX_OPACITY = 0.999

TINY = 1e-300
"""Least importance, so that what shows nothing has weights too."""


def decimate(splats: Splats, count: int, *, after_round: Callable[[Splats], bool] | None = None) -> Splats:
    """At most `count` Gaussians that look as nearly as can be like all n.

    Args:
        splats: n Gaussians.
        count: How many to keep at most, at least 1.
        after_round: Called with what each round leaves; False ends with what was there before it.

    Raises:
        InputError: If a Gaussian is not finite.
    """
    if not all(tensor.isfinite().all() for tensor in splats.tensors().values()):
        hint = "`scenekit edit SCENE mend` drops them."
        raise InputError("decimate", got="Gaussians that are not finite", wanted="finite ones", hint=hint)
    while len(splats) > count:
        fewer = min(len(splats) - count, max(1, int(SHARE * len(splats))))
        reduced = merge_round(splats, fewer)
        if after_round is not None and not after_round(reduced):
            break
        splats = reduced
    return splats


def merge_round(splats: Splats, fewer: int) -> Splats:
    """The splats with at most `fewer` less, at least one: the cheapest disjoint pairs of neighbours merged."""
    a, b = neighbour_pairs(splats.means)
    covs, shown = covariances(splats.quats.double(), splats.scales.double()), importance(splats).double()
    cost = merge_costs(splats, covs, shown, a, b)
    chosen = disjoint(cost, a, b, len(splats))[:fewer]
    a, b = a[chosen], b[chosen]
    gone = torch.zeros(len(splats), dtype=torch.bool)
    gone[a] = gone[b] = True
    united, kept = merged_pairs(splats, covs, shown, a, b), splats.take(~gone)
    return merge([kept, united])


def importance(splats: Splats) -> Tensor:
    """Opacity × area of the ellipsoid's largest section [m²], (n,): how much a Gaussian shows, wherever it is."""
    two = splats.log_scales.double().topk(2, -1).values.sum(-1)
    return (splats.opacities.double() * two.exp()).clamp(min=TINY)


def neighbour_pairs(means: Tensor) -> tuple[Tensor, Tensor]:
    """Indices a < b of the pairs of which one is among the other's nearest, each (m,)."""
    points = means.detach().double().numpy()
    _, other = cKDTree(points).query(points, k=min(NEIGHBOURS + 1, len(points)), workers=-1)
    pairs = np.stack([np.repeat(np.arange(len(points)), other.shape[1]), other.reshape(-1)], 1)
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], 1)
    keys = np.unique(pairs[:, 0] * len(points) + pairs[:, 1])
    return torch.from_numpy(keys // len(points)), torch.from_numpy(keys % len(points))


def merge_costs(splats: Splats, covs: Tensor, shown: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """What merging each pair costs, (m,).

    Runnalls' bound on the loss of information, ½ [(wₐ + w_b) log det Σ − wₐ log det Σₐ − w_b log det Σ_b], with w what
    each shows; a difference of colour adds wₐ w_b / (wₐ + w_b) · `COLOR_WEIGHT` · |Δrgb|².
    """
    wa, wb = shown[a], shown[b]
    _, united = moments(splats.means.double(), covs, shown, a, b)
    log_det = 2 * splats.log_scales.double().sum(-1)
    spread = (wa + wb) * torch.logdet(united) - wa * log_det[a] - wb * log_det[b]
    rgb = (0.5 + SH_C0 * splats.sh[:, 0].double()).clamp(0, 1)
    differing = (rgb[a] - rgb[b]).square().sum(-1) * wa * wb / (wa + wb)
    return (0.5 * spread + COLOR_WEIGHT * differing).nan_to_num(nan=float("inf"))


def moments(means: Tensor, covs: Tensor, shown: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Common mean (m, 3) and covariance (m, 3, 3) of pairs: Σ = Σ wᵢ (Σᵢ + (μᵢ − μ)(μᵢ − μ)ᵀ)."""
    total = shown[a] + shown[b]
    p, q = shown[a] / total, shown[b] / total
    d = means[a] - means[b]
    mean = means[b] + p[:, None] * d
    cov = p[:, None, None] * covs[a] + q[:, None, None] * covs[b]
    return mean, cov + (p * q)[:, None, None] * d[:, :, None] * d[:, None, :]


def disjoint(cost: Tensor, a: Tensor, b: Tensor, n: int) -> Tensor:
    """Indices of pairs of which no two share a Gaussian, cheapest first.

    Pairs that are the cheapest of both their Gaussians are taken, all at once, and those they touch dropped, until none
    is left: what a loop over the sorted pairs would take, without the loop.
    """
    order = torch.argsort(cost, stable=True)
    order = order[cost[order].isfinite()]
    taken = []
    while len(order):
        rank = torch.arange(len(order))
        first = torch.full((n,), len(order))
        for ends in (a[order], b[order]):
            first.scatter_reduce_(0, ends, rank, "amin")
        best = (first[a[order]] == rank) & (first[b[order]] == rank)
        taken.append(order[best])
        used = torch.zeros(n, dtype=torch.bool)
        used[a[taken[-1]]] = used[b[taken[-1]]] = True
        order = order[~(used[a[order]] | used[b[order]])]
    found = torch.cat(taken) if taken else order
    return found[torch.argsort(cost[found], stable=True)]


def merged_pairs(splats: Splats, covs: Tensor, shown: Tensor, a: Tensor, b: Tensor) -> Splats:
    """One Gaussian for each pair: common moments, mean colours, and the opacity that shows as much as both did."""
    means, united = moments(splats.means.double(), covs, shown, a, b)
    variances, axes = torch.linalg.eigh(united)
    axes = axes * torch.linalg.det(axes).sign()[:, None, None]
    scales = variances.clamp(min=1e-24).sqrt()
    opacities = (shown[a] + shown[b]) / (scales[:, 1] * scales[:, 2])
    total = shown[a] + shown[b]
    p = (shown[a] / total)[:, None, None]
    sh = p * splats.sh[a].double() + (1 - p) * splats.sh[b].double()
    like = splats.means.dtype
    return Splats(
        means.to(like),
        quaternions(axes).to(like),
        scales.log().to(like),
        opacities.clamp(1e-6, MAX_OPACITY).logit().to(like),
        sh.to(like),
        splats.antialiased,
    )


def quaternions(R: Tensor) -> Tensor:
    """Quaternions wxyz, unit, of rotation matrices (m, 3, 3), shape (m, 4).

    The four ways to write one are the columns of a matrix of rank one; the longest is the accurate one (Shepperd 1978).
    """
    xx, xy, xz, yx, yy, yz, zx, zy, zz = R.reshape(-1, 9).unbind(-1)
    columns = torch.stack(
        [
            torch.stack([1 + xx + yy + zz, zy - yz, xz - zx, yx - xy], -1),
            torch.stack([zy - yz, 1 + xx - yy - zz, xy + yx, zx + xz], -1),
            torch.stack([xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy], -1),
            torch.stack([yx - xy, zx + xz, yz + zy, 1 - xx - yy + zz], -1),
        ],
        1,
    )
    longest = torch.diagonal(columns, dim1=1, dim2=2).argmax(-1)
    return torch.nn.functional.normalize(columns[torch.arange(len(R)), longest], dim=-1)
