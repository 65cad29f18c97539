"""Isosurface: a field on a grid → the closed mesh around what is inside. Letters: n m k nodes, c cells, t triangles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit.errors import InputError
from scenekit.meshes import Mesh

Ints = NDArray[np.int64]

MARGIN = 1 / 64
"""How near to a node an edge may be cut, as a part of the edge: no triangle is without area."""

FINEST = 2.0**-16
"""Least side of a voxel as a part of the greatest coordinate, below which float32 would round cuts into each other."""


STEPS: Ints = np.stack(np.unravel_index(np.arange(8), (2, 2, 2)), 1)
"""Steps along x, y, z to each corner of a cell, shape (8, 3): bits 2, 1, 0 of its number."""


def _tetrahedra() -> Ints:
    """Corners of the six tetrahedra of a cell, shape (6, 4).

    Each walks from corner 0 to corner 7, one axis after the other (Kuhn 1960), so neighbouring cells cut the face
    between them alike. Two corners are swapped where that makes the volume positive.
    """
    found = []
    for axes in permutations((4, 2, 1)):
        corners = np.cumsum([0, *axes])
        positive = np.linalg.det(np.diff(STEPS[corners], axis=0)) > 0
        found.append(corners if positive else corners[[1, 0, 2, 3]])
    return np.array(found, np.int64)


def _cuts() -> list[Ints]:
    """For each set of inside corners of a tetrahedron (bits): its triangles, as the ends of each cut edge (t, 3, 2)."""
    bits = [np.flatnonzero([state >> corner & 1 for corner in range(4)]).tolist() for state in range(16)]
    return [_cut(bits[state], bits[15 - state]) for state in range(16)]


def _cut(inside: list[int], outside: list[int]) -> Ints:
    """Triangles between some corners of a tetrahedron and the others, counter-clockwise seen from the others."""
    if len(inside) == 2:
        (a, b), (c, d) = inside, outside
        triangles = [[(a, c), (a, d), (b, d)], [(a, c), (b, d), (b, c)]]
    else:
        triangles = [[(a, c) for a in inside for c in outside]] if inside and outside else []
    odd = sum(a > b for a, b in combinations(inside + outside, 2)) % 2
    return np.array([triangle[::-1] if odd else triangle for triangle in triangles], np.int64).reshape(-1, 3, 2)


TETRAHEDRA, CUTS = _tetrahedra(), _cuts()


def isosurface(field: NDArray[np.float32], *, origin: Sequence[float], voxel: float) -> Mesh:
    """The surface where a field passes zero, outwards to where it is positive.

    Marching tetrahedra (Doi and Koide 1991) on six per cell. The level set of a function that is linear on each
    tetrahedron has no ambiguous case: whatever the numbers, every edge of the mesh has two faces, no two parts meet in
    a point or cross, and the mesh is closed if all nodes on the border of the grid are positive. Cuts keep a small
    distance from nodes, so that no triangle is flat where the field is zero.

    Args:
        field: Negative inside, positive outside, at the nodes of the grid, shape (n, m, k).
        origin: Position of field[0, 0, 0] [m].
        voxel: Distance between neighbouring nodes [m].

    Raises:
        InputError: If the field is not three-dimensional or not finite, or the voxel is not positive or so small that
            float32 coordinates could not hold it.
    """
    field = _checked(field, origin, voxel)
    edges, corners = np.unique(_triangles(field < 0), return_inverse=True)
    low, steps = edges >> 3, STEPS[edges & 7]
    values = field.reshape(-1)
    a, b = (values[node].astype(np.float64) for node in (low, low + steps @ _strides(field.shape)))
    along = (a / (a - b)).clip(MARGIN, 1 - MARGIN)
    nodes = np.stack(np.unravel_index(low, field.shape), 1) + along[:, None] * steps
    vertices = np.asarray(origin) + voxel * nodes
    return Mesh(torch.from_numpy(vertices.astype(np.float32)), torch.from_numpy(corners.reshape(-1, 3)))


def _triangles(inside: NDArray[np.bool_]) -> Ints:
    """Triangles of cut edges, each edge named by 8 · (number of its lower node) + (its steps), shape (t, 3)."""
    flat, ahead = inside.reshape(-1), STEPS @ _strides(inside.shape)
    n, m, k = (size - 1 for size in inside.shape)
    corner = np.stack([inside[i : i + n, j : j + m, l : l + k] for i, j, l in STEPS])
    cells = np.stack(np.nonzero(corner.any(0) & ~corner.all(0)), 1) @ _strides(inside.shape)
    found = [np.empty((0, 3), np.int64)]
    for corners in TETRAHEDRA:
        states = flat[cells[:, None] + ahead[corners]] @ np.array([1, 2, 4, 8])
        for state in range(1, 15):
            cut = cells[states == state, None]
            for ends in corners[CUTS[state]]:
                low, high = ends.min(1), ends.max(1)
                found.append(8 * (cut + ahead[low]) + (high - low))
    return np.concatenate(found)


def _strides(shape: tuple[int, ...]) -> Ints:
    """How far apart in memory order neighbours along each axis are [nodes]."""
    return np.array([shape[1] * shape[2], shape[2], 1], np.int64)


def _checked(field: NDArray[np.float32], origin: Sequence[float], voxel: float) -> NDArray[np.float32]:
    field = np.ascontiguousarray(field, np.float32)
    if field.ndim != 3 or min(field.shape) < 2:
        raise InputError("field", got=f"shape {field.shape}", wanted="(n, m, k), each at least 2")
    if not np.isfinite(field).all():
        raise InputError("field", got="numbers that are not finite", wanted="finite numbers")
    ends = np.asarray(origin, np.float64) + voxel * np.outer([0, 1], np.array(field.shape) - 1)
    reach = float(np.abs(ends).max())
    if not FINEST * reach <= voxel < np.inf or not voxel > 0:
        wanted = f"at least {FINEST * reach:.2g} m for coordinates up to {reach:.3g} m"
        raise InputError("voxel", got=voxel, wanted=wanted, hint="Is the origin far away? Move it nearer.")
    return field
