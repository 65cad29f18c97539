"""Morton order (Z-order curve): neighbours in space become neighbours in the file, which makes small ranges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELLS = 1024
"""Cells along each axis of a box; 3 × 10 bits of code."""

CROWD = 256
"""A cell with more points than this is divided again, by the box of its own points."""


def morton_order(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Indices that bring finite points, shape (n, 3), into Morton order; all crowded cells of a level at a time."""
    order = np.arange(len(points))
    starts, lengths = np.array([0]), np.array([len(points)])
    while lengths.sum():
        firsts = np.cumsum(lengths) - lengths  # of each crowd, among the rows of all crowds
        rows = np.repeat(starts - firsts, lengths) + np.arange(lengths.sum())
        crowd = np.repeat(np.arange(len(lengths)), lengths)
        members = points[order[rows]].astype(np.float64)
        low = np.minimum.reduceat(members, firsts)
        size = np.maximum.reduceat(members, firsts) - low
        density = CELLS / np.where(size > 0, size, np.inf)
        cells = ((members - low[crowd]) * density[crowd]).clip(0, CELLS - 1).astype(np.int64)
        codes = (crowd << 30) | (_spread(cells[:, 2]) << 2) | (_spread(cells[:, 1]) << 1) | _spread(cells[:, 0])
        ranks = np.argsort(codes, kind="stable")
        order[rows] = order[rows][ranks]
        codes = codes[ranks]
        edges = np.flatnonzero(np.diff(codes, prepend=-1))
        counts = np.diff(edges, append=len(codes))
        again = (counts > CROWD) & (size[codes[edges] >> 30] > 0).any(1)  # points in one place cannot be told apart
        starts, lengths = rows[edges[again]], counts[again]
    return order


def _spread(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ten bits of each cell number, two zeros after each."""
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        cells = (cells | (cells << shift)) & mask
    return cells
