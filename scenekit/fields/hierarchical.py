"""Hierarchical sampling (Mildenhall et al. 2020, §5.2): stratified intervals, and more where they weigh. n rays."""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.fields.contraction import Region
from scenekit.fields.occupancy import Rays, Samples, Stepping


def stratified(rays: Rays, region: Region, stepping: Stepping, count: int, rng: torch.Generator | None) -> Samples:
    """`count` intervals of each ray within the region, of equal length, or in inverse distance where it is unbounded.

    Args:
        rays: n rays.
        region: Bounds them.
        stepping: Its near and far do too.
        count: Intervals.
        rng: Moves each border by up to half an interval; none are moved if None.
    """
    near, far = region.crossing(*rays, near=stepping.near, far=stepping.far)
    far = torch.maximum(far, near + 1e-6 * region.half)
    s = torch.linspace(0, 1, count + 1).expand(len(near), -1)
    if rng is not None:
        moved = s[:, 1:-1] + (torch.rand(len(near), count - 1, generator=rng) - 0.5) / count
        s = torch.cat([s[:, :1], moved, s[:, -1:]], 1)
    if region.unbounded:
        near = near.clamp(min=1e-3 * region.half)
        edges = 1 / ((1 - s) / near[:, None] + s / far[:, None])
    else:
        edges = near[:, None] + s * (far - near)[:, None]
    return packed(edges)


def packed(edges: Tensor) -> Samples:
    """The intervals between sorted borders (n, k + 1)."""
    n, k = edges.shape[0], edges.shape[1] - 1
    rays = torch.arange(n).repeat_interleave(k)
    offsets = (torch.arange(n + 1) * k).to(torch.int32)
    return Samples(edges[:, :-1].reshape(-1), edges.diff(dim=1).reshape(-1), rays, offsets)


def resampled(samples: Samples, weights: Tensor, count: int, rng: torch.Generator | None) -> Samples:
    """The stratified intervals, cut at `count` more places drawn where the weights are large.

    Args:
        samples: As many of each ray, from `stratified`.
        weights: Of the samples; no gradient goes through them.
        count: Places.
        rng: Draws them; evenly spread over the distribution if None.
    """
    n = len(samples.offsets) - 1
    begins, lengths = samples.begins.reshape(n, -1), samples.lengths.reshape(n, -1)
    edges = torch.cat([begins, begins[:, -1:] + lengths[:, -1:]], 1)
    places = inverse_transform(edges, weights.detach().reshape(n, -1), count, rng)
    return packed(torch.cat([edges, places], 1).sort(1).values)


def inverse_transform(edges: Tensor, weights: Tensor, count: int, rng: torch.Generator | None) -> Tensor:
    """Draw from the densities that are constant between the edges (n, k + 1), in proportion to weights (n, k)."""
    weights = weights + 1e-5
    cdf = torch.nn.functional.pad((weights / weights.sum(1, keepdim=True)).cumsum(1), (1, 0))
    u = (torch.arange(count) + 0.5).expand(len(edges), -1) if rng is None else None
    u = torch.arange(count) + torch.rand(len(edges), count, generator=rng) if u is None else u
    u = (u / count).to(cdf).contiguous()
    right = torch.searchsorted(cdf, u, right=True).clamp(1, weights.shape[1])
    low, high = cdf.gather(1, right - 1), cdf.gather(1, right)
    a, b = edges.gather(1, right - 1), edges.gather(1, right)
    return a + ((u - low) / (high - low).clamp(min=1e-12)).clamp(0, 1) * (b - a)
