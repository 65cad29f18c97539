"""Gaussians as the browser draws them, in pieces. Letters: n Gaussians.

A piece is what is sent again when something in it changes, so pieces are neighbourhoods: runs along a Morton curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.io.morton import morton_order
from scenekit.render.splats_torch import rotations
from scenekit.splats import SH_C0, Splats

PIECE = 65_536
"""Most Gaussians of a piece; 2 MB for the browser."""

LARGEST = 100.0
"""Largest standard deviation of a piece in its unit; float16 then holds variances of some 400 000 times as small."""

TINT = torch.tensor([1.0, 0.45, 0.0])
"""Colour of what is selected."""

MIXED = 0.6
"""Part of the tint in the colour of a selected Gaussian."""

Keys = NDArray[np.uint64]
"""Numbers that tell Gaussians apart, shape (n,)."""


@dataclass(frozen=True)
class Piece:
    """Some Gaussians of a cloud, in the colours they have on average over all directions."""

    centers: NDArray[np.float32]
    """Centres in units of `scale`, shape (n, 3)."""
    covariances: NDArray[np.float32]
    """Σ = R S² Rᵀ in units of `scale`², shape (n, 3, 3)."""
    rgbs: NDArray[np.float32]
    """Colours 0..1, shape (n, 3)."""
    opacities: NDArray[np.float32]
    """Opacities 0..1, shape (n, 1)."""
    scale: float
    """Unit of the piece [m]: in square metres, covariances of small things would vanish as float16."""


def packed(splats: Splats, rows: Tensor) -> Piece:
    """A piece of the Gaussians in these rows (at least one) of a cloud, in the cloud's frame."""
    some = splats.take(rows)
    scale = float(some.scales.amax()) / LARGEST
    axes = rotations(some.quats) * (some.scales / scale)[:, None]
    rgbs = (0.5 + SH_C0 * some.sh[:, 0]).clamp(0, 1)
    parts = (some.means / scale, axes @ axes.mT, rgbs, some.opacities[:, None])
    centers, covariances, colors, opacities = (part.float().numpy() for part in parts)
    return Piece(centers, covariances, colors, opacities, scale)


def runs(splats: Splats, rows: Tensor, size: int = PIECE) -> Iterator[Tensor]:
    """Rows of a cloud as runs of neighbours, of at most `size`."""
    order = rows[torch.from_numpy(morton_order(splats.means[rows].numpy()))]
    yield from order.split(size) if len(order) else ()


def row_keys(splats: Splats) -> Keys:
    """64 bits for each Gaussian that depend on all of it that a piece shows."""
    parts = (splats.means, splats.quats, splats.log_scales, splats.logit_opacities[:, None], splats.sh[:, 0])
    rng, keys = np.random.default_rng(0), np.zeros(len(splats), np.uint64)
    for part in parts:
        for column in part.float().numpy().T:
            factor = rng.integers(1 << 63, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
            keys += np.ascontiguousarray(column).view(np.uint32).astype(np.uint64) * factor
    # Without this the sum over a piece would stay as it is when two of its Gaussians exchange a number.
    keys ^= keys >> np.uint64(31)
    keys *= np.uint64(0x9E3779B97F4A7C15)
    return keys ^ (keys >> np.uint64(29))


def tinted(splats: Splats, mask: Tensor) -> Splats:
    """The cloud with the Gaussians of a mask (n,) in the colour of what is selected, from wherever they are seen."""
    sh = splats.sh.clone()
    sh[mask, 0] += MIXED * ((TINT - 0.5) / SH_C0 - sh[mask, 0])
    sh[mask, 1:] *= 1 - MIXED
    return replace(splats, sh=sh)
