"""Checks of look against shape: splats away from the surface, and surface without splats. Letters: n splats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from scipy.spatial import cKDTree

from scenekit.cameras import Array
from scenekit.validation.finding import Finding, finding, point
from scenekit.validation.placed import FARTHEST, Placed
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface

TOLERANCE = 0.02
"""How far a splat's centre may be from its surface, as a part of the mesh's diagonal."""

OFF_MESH = 0.1
"""Part of the splats, weighted by opacity and area, that may be further."""

BARE = 0.3
"""Part of the surface that may be without splats: what it stands on was never seen."""

SPLAT_SAMPLES, SURFACE_SAMPLES = 200_000, 10_000
"""More splats than this are sampled; so many points of the surface are looked at."""

NEIGHBOURS = 8
"""Splats near each point of the surface whose reach is looked at."""

LARGE_SPLATS = 1000
"""So many of the largest splats are looked at for every point, since their centres may be far."""

REACH = 3.0
"""A splat covers what is within so many deviations."""


def check_bindings(things: list[Placed]) -> Iterator[Finding]:
    """Whether splats and meshes tell the same shape."""
    any_mesh = any(thing.surface is not None for thing in things)
    for thing in things:
        splats = thing.node.splats
        if splats is None or not len(splats):
            continue
        if thing.surface is not None:
            yield from _check(thing, thing.surface, Cloud.of(thing))
        elif any_mesh:
            what = f"Its {len(splats)} splats belong to no mesh: a simulator does not see it."
            yield finding("note", "node-without-mesh", thing.path, what, count=len(splats))


class Cloud:
    """The drawable splats of a node, at most `SPLAT_SAMPLES` of them, in its frame.

    Args:
        total: How many splats there are, drawable or not.
        means: Centres [m], shape (n, 3).
        quats: Rotations, wxyz, unit, shape (n, 4).
        scales: Deviations [m], shape (n, 3).
        opacities: Shape (n,).
    """

    def __init__(self, total: int, means: Array, quats: Array, scales: Array, opacities: Array):
        self.total, self.means, self.quats, self.scales = total, means, quats, scales
        widest = np.sort(scales, axis=1)
        self.weights = opacities * widest[:, 1] * widest[:, 2]

    @staticmethod
    def of(thing: Placed) -> Cloud:
        """Those of a node that has splats."""
        splats = thing.node.splats
        assert splats is not None
        total = len(splats)
        if total > SPLAT_SAMPLES:
            chosen = np.sort(np.random.default_rng(0).permutation(total)[:SPLAT_SAMPLES])
            splats = splats.take(torch.from_numpy(chosen))
        means, quats, log_scales, logits = (
            t.detach().cpu().double().numpy()
            for t in (splats.means, splats.quats, splats.log_scales, splats.logit_opacities)
        )
        lengths = np.linalg.norm(quats, axis=1)
        drawn = (
            (np.abs(means) <= FARTHEST).all(1)
            & np.isfinite(log_scales).all(1)
            & np.isfinite(lengths)
            & (lengths > 1e-12)
        )
        drawn &= (np.abs(log_scales) < 50).all(1) & (logits > -np.log(254.0))  # an opacity of 1/255
        opacities = 1 / (1 + np.exp(-np.clip(logits[drawn], -50, 50)))
        return Cloud(total, means[drawn], quats[drawn] / lengths[drawn, None], np.exp(log_scales[drawn]), opacities)


def _check(thing: Placed, surface: Surface, cloud: Cloud) -> Iterator[Finding]:
    if not len(cloud.means):
        return
    tolerance = TOLERANCE * float(np.linalg.norm(surface.extent))
    sampled = "" if cloud.total <= SPLAT_SAMPLES else f" (by a sample of {SPLAT_SAMPLES} of {cloud.total})"
    probe = Probe(surface.vertices, surface.faces)
    distances = probe.distance(cloud.means)
    if surface.is_closed:  # what a fat Gaussian shows is its side, and its centre lies in the body
        distances[probe.inside(cloud.means)] = 0
    off = distances > tolerance
    share = float(cloud.weights[off].sum() / cloud.weights.sum())
    if share > OFF_MESH:
        worst = thing.to_world(cloud.means[np.argmax(distances)][None])[0]
        what = (
            f"{share:.1%} of the splats by opacity and area are further than {tolerance:.3g} m from the mesh, "
            f"up to {distances.max():.3g} m{sampled}."
        )
        where = f"furthest {point(worst)}"
        yield finding("warning", "splats-off-mesh", thing.path, what, where, share=share, tolerance=tolerance)
    points, _ = surface.sample(SURFACE_SAMPLES)
    bare = ~_covered(points, cloud, tolerance)
    if bare.mean() > BARE:
        middle = thing.to_world(points[bare].mean(0)[None])[0]
        what = (
            f"{bare.mean():.1%} of the mesh's area has no splat within {tolerance:.3g} m "
            f"(by {SURFACE_SAMPLES} points){sampled}."
        )
        where, share = f"middle {point(middle)}", float(bare.mean())
        yield finding("warning", "mesh-without-splats", thing.path, what, where, share=share, tolerance=tolerance)


def _covered(points: Array, cloud: Cloud, tolerance: float) -> np.ndarray:
    """True for points that a splat reaches or that are within the tolerance of a centre, shape (p,)."""
    near, which = cKDTree(cloud.means).query(points, k=min(NEIGHBOURS, len(cloud.means)), workers=2)
    near, which = near.reshape(len(points), -1), which.reshape(len(points), -1)
    covered = near[:, 0] <= tolerance
    for k in range(which.shape[1]):
        covered |= _reached(points, cloud, which[:, k])
    reach = REACH * cloud.scales.max(1)
    large = np.argsort(-reach, kind="stable")[:LARGE_SPLATS]
    for k in large[reach[large] > near[:, 0].min()]:
        rest = np.flatnonzero(~covered)
        if not len(rest):
            break
        close = rest[np.linalg.norm(points[rest] - cloud.means[k], axis=1) <= reach[k]]
        covered[close] = _reached(points[close], cloud, np.full(len(close), k))
    return covered


def _reached(points: Array, cloud: Cloud, which: np.ndarray) -> np.ndarray:
    """True for points within `REACH` deviations of the splat `which[i]` each, shape (p,)."""
    w, axis = cloud.quats[which, :1], -cloud.quats[which, 1:]  # the inverse rotation
    offset = points - cloud.means[which]
    turned = offset + 2 * np.cross(axis, np.cross(axis, offset) + w * offset)
    local = turned / np.maximum(cloud.scales[which], 1e-12)
    return (local**2).sum(1) <= REACH**2
