"""Isosurface: a field on a grid → the closed mesh around what is inside. Letters: n m k nodes, t triangles."""

from __future__ import annotations

from collections.abc import Sequence

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


def _rings() -> list[list[int]]:
    """The corners of each side of a cell, counter-clockwise seen from outside."""
    rings = []
    for axis in range(3):
        u, v = (4 >> (axis + 1) % 3, 4 >> (axis + 2) % 3)
        rings += [[4 >> axis | corner for corner in (0, u, u | v, v)], [0, v, u | v, u]]
    return rings


def _loops(state: int) -> list[Ints]:
    """For the inside corners of a cell (bits of `state`): the cut edges along each loop of the surface on its sides.

    On each side the surface runs around the inside corners; two that face each other across a side are kept apart, in
    both cells that share the side. An edge is (lower corner, axis), shape (edges, 2).
    """
    follows = {}
    for ring in _rings():
        for start in range(4):
            run = ring[start:] + ring[:start]
            if state >> run[0] & 1 and not state >> run[3] & 1:
                last = next(k for k in range(4) if not state >> run[k + 1] & 1)
                follows[_edge(run[3], run[0])] = _edge(run[last], run[last + 1])
    loops = []
    while follows:
        loop = [follows.pop(min(follows))]
        while loop[-1] in follows:
            loop.append(follows.pop(loop[-1]))
        loops.append(np.array(loop, np.int64))
    return loops


def _edge(a: int, b: int) -> tuple[int, int]:
    """Lower corner and axis of the edge between two corners."""
    return min(a, b), 3 - (a ^ b).bit_length()


LOOPS = [_loops(state) for state in range(256)]
"""Of three to seven cuts, at most four in a cell."""


def isosurface(field: NDArray[np.float32], *, origin: Sequence[float], voxel: float) -> Mesh:
    """The surface where a field passes zero, outwards to where it is positive.

    Marching cubes (Lorensen and Cline 1987) that tell inside corners apart wherever a side of a cell is ambiguous, so
    neighbours agree. A loop of three or four cuts is one or two triangles, a longer one a fan around its mean. Whatever
    the numbers, every edge of the mesh has two faces, no two parts meet in a point or cross, and the mesh is closed
    if all nodes on the border of the grid are positive: a fan in a convex cell cannot fold, and the loops of a cell
    lie in hulls apart. Cuts keep a small distance from nodes: no triangle is flat where the field is zero.

    Args:
        field: Negative inside, positive outside, at the nodes of the grid, shape (n, m, k).
        origin: Position of field[0, 0, 0] [m].
        voxel: Distance between neighbouring nodes [m].

    Raises:
        InputError: If the field is not three-dimensional or not finite, or the voxel is not positive or so small that
            float32 coordinates could not hold it.
    """
    field = _checked(field, origin, voxel)
    triangles, rims = _pieces(field < 0)
    edges = np.unique(np.concatenate([part.reshape(-1) for part in (triangles, *rims)]))
    low, axis = edges // 3, edges % 3
    values = field.reshape(-1)
    a, b = (values[node].astype(np.float64) for node in (low, low + _strides(field.shape)[axis]))
    cuts = np.stack(np.unravel_index(low, field.shape), 1).astype(np.float64)
    cuts[np.arange(len(cuts)), axis] += (a / (a - b)).clip(MARGIN, 1 - MARGIN)
    vertices, faces = [cuts], [np.searchsorted(edges, triangles)]
    for rim in rims:
        corners = np.searchsorted(edges, rim)
        middle = np.broadcast_to(sum(map(len, vertices)) + np.arange(len(rim))[:, None], rim.shape)
        faces.append(np.stack([corners, np.roll(corners, -1, axis=1), middle], -1).reshape(-1, 3))
        vertices.append(cuts[corners].mean(1))
    points = np.asarray(origin) + voxel * np.concatenate(vertices)
    return Mesh(torch.from_numpy(points.astype(np.float32)), torch.from_numpy(np.concatenate(faces)))


def _pieces(inside: NDArray[np.bool_]) -> tuple[Ints, list[Ints]]:
    """Triangles (t, 3) and rims of fans (fans, cuts), of cut edges named 3 · (number of the lower node) + axis."""
    strides = _strides(inside.shape)
    n, m, k = (size - 1 for size in inside.shape)
    corners = [inside[i : i + n, j : j + m, l : l + k] for i, j, l in STEPS]
    state = np.zeros((n, m, k), np.uint8)
    for bit, corner in enumerate(corners):
        state |= corner.astype(np.uint8) << bit
    cut = np.nonzero((state > 0) & (state < 255))
    order = np.argsort(state[cut], kind="stable")
    cells = (np.stack(cut, 1) @ strides)[order]
    ends = np.searchsorted(state[cut][order], np.arange(257))
    triangles, rims = [np.empty((0, 3), np.int64)], []
    for number, loops in enumerate(LOOPS):
        own = cells[ends[number] : ends[number + 1], None]
        for loop in loops:
            edges = 3 * (own + STEPS[loop[:, 0]] @ strides) + loop[:, 1]
            if len(loop) > 4:
                rims.append(edges)
            else:
                triangles += [edges[:, [0, corner, corner + 1]] for corner in range(1, len(loop) - 1)]
    return np.concatenate(triangles), rims


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
        raise InputError("voxel", got=f"{voxel:.3g} m", wanted=wanted, hint="Is the origin far away? Move it nearer.")
    return field
