"""Contacts of elements with themselves and with each other: vertices against faces and segments of ropes.

Letters: v vertices, f faces, p pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
import torch
import warp as wp
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

import scenekit._kernels.xpbd_contacts as kernels
from scenekit.sim.coloring import by_color
from scenekit.sim.elements import GROUPS, Elements

Launch = Callable[[], None]
Record = Callable[..., Launch]
ToArray = Callable[[Tensor, Any], Any]

GRID = 64
"""Cells along each side of the hash grid, which repeats."""


class SelfContact:
    """Finds pairs that may touch before long, and solves them in every substep.

    A pair remembers on which side of the face the vertex was, so thin cloth does not pass through the inside of a face
    even if a substep moves it by more than its thickness. Pairs are found anew before anything could have crossed the
    margin, which is a quarter of a mean edge, or a thickness if that is more.

    Args:
        elements: With faces, or edges that belong to none (ropes).
        w, x, d: Arrays of inverse masses, positions and displacements that the solver works on.
        array, record: How the solver makes arrays and launches.
    """

    def __init__(self, elements: Elements, w: Any, x: Any, d: Any, *, array: ToArray, record: Record):
        self._w, self._x, self._d, self._array, self._record = w, x, d, array, record
        self._launches: list[Launch] = []
        faces = _surfaces(elements)
        self.is_idle = not len(faces)
        if self.is_idle:
            return
        self._faces = array(faces, wp.int32)
        self._radius, self._friction = array(elements.radius, wp.float32), array(elements.friction, wp.float32)
        self._rest, self._piece = array(elements.x, wp.vec3), array(_pieces(elements, faces), wp.int32)
        edge = (elements.x[faces[:, 0].long()] - elements.x[faces[:, 1].long()]).norm(dim=1).mean()
        thickness = 2 * float(elements.radius.max())
        self.margin = max(thickness, 0.25 * float(edge))
        self._cell = float(edge) + thickness + self.margin
        self._count, self._start = (wp.zeros(len(faces), dtype=wp.int32, device=x.device) for _ in range(2))
        self._grid = wp.HashGrid(GRID, GRID, GRID, x.device)
        self._none = self._pair_arrays(1)

    def lasts(self, v: Tensor, pull: float, dt: float) -> float:
        """For how long the pairs that are found now hold all that may touch [s], given velocities and acceleration."""
        if self.is_idle:
            return inf
        spread = float((v - v.mean(0)).norm(dim=1).max()) + pull * dt
        return self.margin / (2 * spread) if spread > 0 else inf

    def find(self) -> None:
        """Looks for the pairs of the moment."""
        if self.is_idle:
            return
        self._grid.build(self._x, self._cell)
        self._look(self._none, fill=0)
        count = self._count.numpy()
        total = int(count.sum())
        self._launches = []
        if total:
            self._start.assign(np.cumsum(count, dtype=np.int32) - count)
            found = self._pair_arrays(total)
            self._look(found, fill=1)
            self._launches = self._solve(total, *found)

    def solve(self) -> None:
        """Pushes apart what touches."""
        for launch in self._launches:
            launch()

    def _look(self, found: tuple[Any, Any], *, fill: int) -> None:
        inputs = [self._grid.id, self.margin, self._faces, self._piece, self._radius]
        inputs += [self._rest, self._x, fill, self._start, self._count, *found]
        self._record(kernels.find, len(self._faces), inputs)()

    def _solve(self, total: int, pairs: Any, side: Any) -> list[Launch]:
        """One launch on one thread; on CUDA one for each colour, as pairs share vertices."""
        arrays = [self._w, self._radius, self._friction, self._x, self._d]
        if self._x.device.is_cpu:
            return [self._record(kernels.press, total, [pairs, side, *arrays], most=1)]
        order, cuts = by_color(wp.to_torch(pairs).cpu(), len(self._piece))
        pairs, side = pairs.numpy()[order], side.numpy()[order]
        pairs, side = (self._array(torch.from_numpy(a), t) for a, t in ((pairs, wp.int32), (side, wp.float32)))
        return [
            self._record(kernels.press, int(end - begin), [pairs[begin:end], side[begin:end], *arrays])
            for begin, end in pairwise(cuts)
        ]

    def _pair_arrays(self, total: int) -> tuple[Any, Any]:
        pairs = self._array(torch.zeros(total, 4, dtype=torch.int32), wp.int32)
        return pairs, self._array(torch.zeros(total), wp.float32)


def _surfaces(elements: Elements) -> Tensor:
    """Faces, and as (i, j, j) the edges of ropes, whose vertices belong to no face or tetrahedron."""
    solid = torch.zeros(len(elements), dtype=torch.bool)
    for rows in (elements.faces, elements.tets):
        solid[rows.long().reshape(-1)] = True
    segments = elements.edges[~solid[elements.edges.long()].any(1)]
    return torch.cat([elements.faces, segments[:, [0, 1, 1]]])


def _pieces(elements: Elements, faces: Tensor) -> Tensor:
    """Number of the connected piece that each vertex belongs to, −1 inside of bodies."""
    links = [getattr(elements, name) for name in GROUPS if getattr(elements, name).ndim == 2]
    ends = torch.cat([rows[:, [0, k]] for rows in links for k in range(1, rows.shape[1])]).numpy()
    ones = np.ones(len(ends), np.bool_)
    graph = coo_array((ones, (ends[:, 0], ends[:, 1])), shape=(len(elements),) * 2)
    piece = torch.from_numpy(connected_components(graph, directed=False)[1].astype(np.int32))
    outside = torch.zeros(len(elements), dtype=torch.bool)
    outside[faces.long().reshape(-1)] = True
    return torch.where(outside, piece, -1)
