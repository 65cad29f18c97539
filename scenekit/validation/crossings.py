"""Which triangles of a mesh pass through each other. Letters: v vertices, f faces, m pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.validation.boxes import BudgetSpent, overlapping

Ints = NDArray[np.int64]

BUDGET = 150
"""Pairs of boxes that are looked at for each face, as `boxes.overlapping` counts them; a clean surface needs 55."""

ROUNDING = 2.0**-21
"""Lengths below this part of the greatest coordinate are what float32 cannot tell from zero: contact, not crossing."""

CORNERS = np.array([[0, 1], [1, 2], [2, 0]])
"""The corners at the ends of each edge of a triangle."""


@dataclass(frozen=True)
class Crossings:
    """Pairs of faces that cross or, lying in one plane, cover each other."""

    pairs: Ints
    """The faces of each pair, smaller number first, sorted, shape (m, 2)."""
    complete: bool
    """False if there was more to look at than the budget allowed."""


def crossings(vertices: Array, faces: Ints, *, budget: int | None = None) -> Crossings:
    """Faces that pass through each other.

    Two triangles cross if an edge of one has its ends strictly on either side of the other's plane and meets it within
    the triangle (Möller 1997, A fast triangle-triangle intersection test; here for all pairs at once). Neighbours need
    no exception: the corners that they share lie in both planes, so that edges there do not count, and an edge opposite
    to a shared corner does. Triangles in one plane are told apart by their six edges (separating axes).

    Args:
        vertices: Positions [m], welded: faces share a corner by its number, shape (v, 3).
        faces: Shape (f, 3).
        budget: Pairs of boxes to look at, `BUDGET` a face if not given, so that time grows as the mesh does.
    """
    budget = BUDGET * len(faces) + 10_000 if budget is None else budget
    triangles = vertices[faces]
    tolerance = ROUNDING * float(np.abs(triangles).max(initial=0))
    found, complete = [np.empty((0, 2), np.int64)], True
    try:
        for i, j in overlapping(triangles.min(1), triangles.max(1), budget=budget):
            hit = _crossing(triangles[i], triangles[j], tolerance)
            found.append(np.stack([i[hit], j[hit]], 1))
    except BudgetSpent:
        complete = False
    pairs = np.concatenate(found)
    return Crossings(pairs[np.lexsort(pairs.T[::-1])], complete)


def _crossing(a: Array, b: Array, tolerance: float) -> NDArray[np.bool_]:
    """True where triangles a[k] and b[k], shape (m, 3, 3), cross, shape (m,)."""
    hit = np.zeros(len(a), bool)
    normal_a, normal_b = _normals(a), _normals(b)
    side_b = _heights(b, a, normal_a, tolerance)  # of b's corners over a's plane
    maybe = _reaches(side_b)
    maybe[maybe] = _reaches(_heights(a[maybe], b[maybe], normal_b[maybe], tolerance))
    rest = np.flatnonzero(maybe)
    a, b, normal_a, normal_b = a[rest], b[rest], normal_a[rest], normal_b[rest]
    side_a, side_b = _heights(a, b, normal_b, tolerance), side_b[rest]
    flat = ~(side_a.any(1) & side_b.any(1))
    cross = _pierced(b, side_b, a, normal_a, tolerance) | _pierced(a, side_a, b, normal_b, tolerance)
    cross[flat] = _covering(a[flat], b[flat], normal_a[flat], tolerance)
    hit[rest] = cross
    return hit


def _normals(t: Array) -> Array:
    """Unit normals; zero for a triangle without area, which then crosses nothing."""
    normal = np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)


def _heights(corners: Array, t: Array, normal: Array, tolerance: float) -> Array:
    """Signed distances of `corners` from the planes of `t`, within the tolerance set to 0 [m], shape (m, 3)."""
    heights = np.einsum("mkx,mx->mk", corners - t[:, :1], normal)
    heights[np.abs(heights) <= tolerance] = 0
    return heights


def _reaches(heights: Array) -> NDArray[np.bool_]:
    """True unless all corners are strictly on one side."""
    return np.logical_and(heights.min(1) <= 0, heights.max(1) >= 0)


def _pierced(corners: Array, heights: Array, t: Array, normal: Array, tolerance: float) -> NDArray[np.bool_]:
    """True where an edge between `corners` passes through the triangle t, shape (m,)."""
    pierced = np.zeros(len(t), bool)
    for start, end in CORNERS:
        k = np.flatnonzero(heights[:, start] * heights[:, end] < 0)
        along = heights[k, start] / (heights[k, start] - heights[k, end])
        at = corners[k, start] + along[:, None] * (corners[k, end] - corners[k, start])
        pierced[k] |= _within(at, t[k], normal[k], tolerance)
    return pierced


def _within(at: Array, t: Array, normal: Array, tolerance: float) -> NDArray[np.bool_]:
    """True where a point of the triangle's plane is in the triangle or on its border."""
    within = np.ones(len(t), bool)
    for start, end in CORNERS:
        inward = np.cross(normal, t[:, end] - t[:, start])
        depth = np.einsum("mx,mx->m", at - t[:, start], inward)
        within &= depth >= -tolerance * np.linalg.norm(inward, axis=1)
    return within


def _covering(a: Array, b: Array, normal: Array, tolerance: float) -> NDArray[np.bool_]:
    """True where triangles in one plane share area: along no edge's normal are they apart or merely touching."""
    covering = np.asarray(normal.any(axis=1))
    for t in (a, b):
        for start, end in CORNERS:
            axis = np.cross(normal, t[:, end] - t[:, start])
            length = np.linalg.norm(axis, axis=1)
            on_a, on_b = np.einsum("mkx,mx->mk", a, axis), np.einsum("mkx,mx->mk", b, axis)
            common = np.minimum(on_a.max(1), on_b.max(1)) - np.maximum(on_a.min(1), on_b.min(1))
            covering &= (common > tolerance * length) | (length == 0)
    return covering
