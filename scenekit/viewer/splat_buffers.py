"""Gaussians as the browser draws them: 32 bytes each, in pieces. Letters: n Gaussians.

A piece is what is sent again when something in it changes, so pieces are neighbourhoods: runs along a Morton curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.fit.strategies.strategy import rotations
from scenekit.io.morton import morton_order
from scenekit.splats import SH_C0, Splats

PIECE = 65_536
"""Most Gaussians of a piece; 2 MB."""

LARGEST = 100.0
"""Largest standard deviation of a piece in its unit; float16 then holds variances of some 400 000 times as small."""

Buffer = NDArray[np.uint32]
"""Centre, 3 float32; unused; upper triangle of the covariance, 6 float16; RGBA, 4 bytes. Shape (n, 8)."""


@dataclass(frozen=True)
class Piece:
    """Some Gaussians of a cloud."""

    rows: Tensor
    """Which, shape (n,)."""
    buffer: Buffer
    """They in units of `scale`, shape (n, 8)."""
    scale: float
    """Unit of the buffer [m]: in square metres, covariances of small things would vanish as float16."""


def pieces(splats: Splats, size: int = PIECE) -> Iterator[Piece]:
    """The cloud piece by piece, in its own frame."""
    order = torch.from_numpy(morton_order(splats.means.numpy()))
    for start in range(0, len(splats), size):
        rows = order[start : start + size]
        yield packed(splats.map(lambda t, rows=rows: t[rows]), rows)


def packed(splats: Splats, rows: Tensor) -> Piece:
    """A piece of these Gaussians, in the colours they have on average over all directions."""
    scale = float(splats.scales.amax()) / LARGEST if len(splats) else 1.0
    buffer = np.zeros((len(splats), 8), np.uint32)
    buffer[:, :3] = (splats.means / scale).float().numpy().view(np.uint32)
    buffer[:, 4:7] = _covariances(splats, scale).half().numpy().view(np.uint32)
    buffer[:, 7] = rgba(0.5 + SH_C0 * splats.sh[:, 0], splats.opacities)
    return Piece(rows, buffer, scale)


def rgba(colors: Tensor, opacities: Tensor) -> NDArray[np.uint32]:
    """Colours (n, 3) and opacities (n,) in 0..1 as 4 bytes each, shape (n,)."""
    values = (torch.cat([colors, opacities[:, None]], -1).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(values.numpy()).view(np.uint32)[:, 0]


def _covariances(splats: Splats, scale: float) -> Tensor:
    """Σ = R S² Rᵀ / scale², its upper triangle row by row, shape (n, 6)."""
    axes = rotations(splats.quats) * (splats.scales / scale)[:, None]
    covariance = axes @ axes.mT
    rows, columns = torch.triu_indices(3, 3)
    return covariance[:, rows, columns]
