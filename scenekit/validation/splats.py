"""Checks of splats: numbers that cannot be drawn, and Gaussians that do harm or nothing. Letters: n Gaussians."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.splats import Splats
from scenekit.validation.finding import Finding, Severity, counted, finding, indices
from scenekit.validation.placed import Placed

HUGE = 0.5
"""A Gaussian with a larger deviation than this part of the extent is a veil over the scene."""

TINY = 1e-6
"""One whose largest deviation is less than this part of the extent is a speck no camera sees."""

NEEDLE = 100.0
"""One whose largest deviation is so many times its second largest is a needle: a spike from new views."""

NEEDLES = 0.05
"""Part of the Gaussians that may be needles: every fit makes some."""

FAINT = 1 / 255
"""Less opaque than this, no rasteriser draws it."""

FAR = 20.0
"""Further from the middle than so many times the distance that 95 % stay within: an outlier."""


@dataclass(frozen=True)
class Remark:
    """What is to be said of some of the Gaussians."""

    severity: Severity
    """How bad."""
    code: str
    """A key of `CODES`."""
    bad: NDArray[np.bool_]
    """True for those that are meant, shape (n,)."""
    text: str
    """What they are."""
    figures: dict[str, float] = field(default_factory=dict)
    """Numbers."""
    middle: str = ""
    """A place in the world that the remedy names."""


def check_splats(things: list[Placed]) -> Iterator[Finding]:
    """What is wrong with each node's splats."""
    for thing in things:
        splats = thing.node.splats
        if splats is None:
            continue
        if not len(splats):
            yield finding("warning", "splats-empty", thing.path, "The node has a cloud of no Gaussians.")
            continue
        for remark in _remarks(thing, splats):
            which = np.flatnonzero(remark.bad)
            if len(which):
                share = len(which) / len(splats)
                what = f"{counted(len(which), 'Gaussian')} of {len(splats)} ({share:.2%}) {remark.text}."
                where, figures = indices("splats", which), {"count": len(which), "share": share, **remark.figures}
                yield finding(remark.severity, remark.code, thing.path, what, where, remark.middle, **figures)


def _remarks(thing: Placed, splats: Splats) -> Iterator[Remark]:
    parts = {name: tensor.detach().cpu() for name, tensor in splats.tensors().items()}
    names = ", ".join(name for name, tensor in parts.items() if not tensor.isfinite().all())
    good = finite(splats).numpy()
    yield Remark("error", "splats-not-finite", ~good, f"have numbers that are not finite, in {names}")
    unset = (parts["quats"].double().norm(dim=1) < 1e-12).numpy()
    yield Remark("error", "splats-zero-quat", good & unset, "have a rotation of length zero")
    faint = (parts["logit_opacities"].double().sigmoid() < FAINT).numpy()
    yield Remark("note", "splats-invisible", good & faint, "are less opaque than 1/255 and never drawn")
    yield Remark("warning", "splats-duplicates", good & repeated(parts), "are exact copies of earlier ones")
    if good.any():
        kept = parts["means"].double().numpy()[good]
        scales = np.sort(np.exp(parts["log_scales"].double().clamp(-700, 700).numpy()[good]), axis=1)
        for remark in (*_sizes(kept, scales), *_outliers(thing, kept)):
            bad = np.zeros(len(splats), bool)
            bad[good] = remark.bad
            yield replace(remark, bad=bad)


def _sizes(means: Array, scales: Array) -> Iterator[Remark]:
    """What is too large, too small or too long; deviations sorted, shape (n, 3)."""
    extent = float(np.ptp(np.quantile(means, [0.05, 0.95], axis=0), axis=0).max())
    widest, second = scales[:, 2], scales[:, 1]
    if extent > 0:
        largest, huge, tiny = float(widest.max()), HUGE * extent, TINY * extent
        text = f"are larger than {huge:.3g} m, half of the cloud's extent, up to {largest:.3g} m"
        yield Remark("warning", "splats-huge", widest > huge, text, {"largest": largest, "limit": huge})
        yield Remark("note", "splats-tiny", widest < tiny, f"are smaller than {tiny:.1e} m", {"limit": tiny})
    needles = widest > NEEDLE * second
    if needles.mean() > NEEDLES:
        yield Remark("note", "splats-needles", needles, f"are over {NEEDLE:.0f} times as long as wide")


def _outliers(thing: Placed, means: Array) -> Iterator[Remark]:
    """What is far out."""
    middle = np.median(means, axis=0)
    away = np.linalg.norm(means - middle, axis=1)
    limit, furthest = FAR * float(np.quantile(away, 0.95)), float(away.max())
    text = f"are further than {limit:.3g} m from the middle, {FAR:.0f} times as far as 95 % are, up to {furthest:.3g} m"
    place = "(" + ", ".join(f"{x:.3f}" for x in thing.to_world(middle[None])[0]) + ")"
    if limit > 0:
        yield Remark("warning", "splats-outliers", away > limit, text, {"furthest": furthest, "limit": limit}, place)


def finite(splats: Splats) -> torch.Tensor:
    """True for Gaussians all of whose numbers are finite, on the CPU, bool (n,)."""
    tensors = [tensor.detach().isfinite().cpu() for tensor in splats.tensors().values()]
    return torch.stack([t.reshape(len(t), math.prod(t.shape[1:])).all(1) for t in tensors]).all(0)


def repeated(parts: dict[str, torch.Tensor]) -> NDArray[np.bool_]:
    """True for Gaussians equal in every number to an earlier one, shape (n,).

    Candidates are those with equal 64-bit sums of centre and size; only they are compared in full.
    """
    geometry = np.concatenate([parts["means"].float().numpy(), parts["log_scales"].float().numpy()], axis=1)
    bits = np.ascontiguousarray(geometry).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(0).integers(1, 2**63, 6, dtype=np.uint64) | np.uint64(1)
    key = (bits * factors).sum(1, dtype=np.uint64)
    key ^= key >> np.uint64(31)
    order = np.argsort(key, kind="stable")
    same = np.flatnonzero(np.diff(key[order]) == 0)
    copies = np.zeros(len(key), bool)
    candidates = np.unique(order[np.concatenate([same, same + 1])])
    if len(candidates):
        rows = np.concatenate(
            [t[candidates].float().reshape(len(candidates), -1).numpy() for t in parts.values()], axis=1
        )
        exact = np.ascontiguousarray(rows).view(np.uint32)
        _, first, which = np.unique(exact, axis=0, return_index=True, return_inverse=True)
        copies[candidates] = first[which.ravel()] != np.arange(len(candidates))
    return copies
