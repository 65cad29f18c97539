"""Holes of a mesh and what closes them. Letters: v vertices, f faces, r corners of a rim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from scenekit.cameras import Array
from scenekit.meshes import Mesh
from scenekit.validation.crossings import crossings
from scenekit.validation.surface import Ints, Surface

LONGEST_RIM = 500
"""Corners of a rim up to which the best of all triangulations is looked for; it takes their third power of time."""

STRAIGHT = 0.05
"""What an inner edge of a triangulation costs where it does not bend, per its squared length: slivers are not free."""


def with_holes_closed(mesh: Mesh, max_hole: float) -> Mesh:
    """With faces over each hole whose rim is short enough, unless they would cross the mesh.

    A hole is closed by a fan around the middle of its rim where that folds nowhere, else by the triangles between the
    corners of the rim that have the least area and bend least.

    Args:
        mesh: Wound consistently along its holes; others stay open.
        max_hole: Longest rim, as a part of the mesh's diagonal.
    """
    surface = Surface(mesh)
    limit = max_hole * float(np.linalg.norm(surface.extent))
    stored = np.unique(surface.weld, return_index=True)[1]  # a stored vertex at each position
    low, high = surface.triangles.min(1), surface.triangles.max(1)
    faces: list[Ints] = []
    middles: list[Ints] = []
    for rim in rims(surface):
        corners = surface.vertices[rim]
        if np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1).sum() > limit:
            continue
        for patch, points in _patches(corners, _normals_beyond(surface, rim)):
            near = ((low <= points.max(0)) & (high >= points.min(0))).all(1)
            if not _cross(surface, np.flatnonzero(near), rim, patch, points):
                names = np.append(stored[rim], len(mesh.vertices) + len(middles))
                faces.append(names[patch])
                middles += [stored[rim]] * (len(points) - len(rim))
                break
    return _grown(mesh, np.concatenate(faces), middles) if faces else mesh


def rims(surface: Surface) -> Iterator[Ints]:
    """The corners of each hole, against the way of the faces there; a rim that touches itself is parted there."""
    edge, _, direction = surface.half_edges
    for hole in surface.holes:
        ends = surface.edges[hole]
        forward = direction[np.searchsorted(edge, hole)] > 0
        ends = np.where(forward[:, None], ends[:, ::-1], ends)
        if np.array_equal(np.sort(ends[:, 0]), np.sort(ends[:, 1])):
            yield from _loops(ends)


def _loops(ends: Ints) -> Iterator[Ints]:
    """Closed walks without a repeated vertex that take each directed edge once; as many start at a vertex as end."""
    follows: dict[int, list[int]] = {}
    for start, end in ends.tolist():
        follows.setdefault(start, []).append(end)
    for start in follows:
        while follows[start]:
            walk, place = [start], {start: 0}
            while follows[walk[-1]]:
                after = follows[walk[-1]].pop()
                if after not in place:
                    place[after] = len(walk)
                    walk.append(after)
                    continue
                loop = walk[place[after] :]
                if len(loop) > 2:
                    yield np.array(loop, np.int64)
                for vertex in loop[1:]:
                    del place[vertex]
                del walk[place[after] + 1 :]


def least_triangulation(corners: Array, beyond: Array) -> Ints:
    """Triangles between the corners of a closed polygon with least area and bend, shape (r − 2, 3).

    Dynamic programming over all triangulations (Barequet and Sharir 1995). The cost is the area of the triangles, and
    for each edge between faces its squared length times 1 − cos of the angle between their normals (after Liepa 2003,
    who takes the greatest angle), and a little for its length.

    Args:
        corners: In order [m], shape (r, 3).
        beyond: Unit normal of the face on the other side of the edge from each corner to the next, shape (r, 3).
    """
    r = len(corners)
    cost = np.zeros((r, r))
    normal = np.zeros((r, r, 3))
    chosen = np.zeros((r, r), np.int64)
    normal[np.arange(r - 1), np.arange(1, r)] = beyond[:-1]
    for span in range(2, r):
        i = np.arange(r - span)[:, None]
        k, m = i + span, i + np.arange(1, span)
        a, b, c = corners[i], corners[m], corners[k]
        cross = np.cross(b - a, c - a)
        double = np.linalg.norm(cross, axis=2)
        unit = cross / np.maximum(double, 1e-300)[..., None]
        total = cost[i, m] + cost[m, k] + double / 2
        total += _bend(b - a, unit, normal[i, m]) + _bend(c - b, unit, normal[m, k])
        if span == r - 1:
            total += _bend(a - c, unit, beyond[-1])
        best = total.argmin(1)
        rows = np.arange(r - span)
        cost[rows, rows + span], chosen[rows, rows + span] = total[rows, best], m[rows, best]
        normal[rows, rows + span] = unit[rows, best]
    triangles, open_spans = [], [(0, r - 1)]
    while open_spans:
        first, last = open_spans.pop()
        if last - first > 1:
            middle = int(chosen[first, last])
            triangles.append([first, middle, last])
            open_spans += [(first, middle), (middle, last)]
    return np.array(triangles, np.int64)


def _bend(edge: Array, normal: Array, other: Array) -> Array:
    """Cost of an edge between faces with these normals."""
    return np.asarray((edge**2).sum(-1) * (1 + STRAIGHT - (normal * other).sum(-1)))


def _patches(corners: Array, beyond: Array) -> Iterator[tuple[Ints, Array]]:
    """Triangles that close a polygon, and their vertices: the corners, and a fan's middle. The best first."""
    r, points = np.arange(len(corners)), np.concatenate([corners, [corners.mean(0)]])
    fan = np.stack([r, np.roll(r, -1), np.full(len(r), len(r))], 1)
    if len(r) > 4 and not _folds(points[fan]):
        yield fan, points
    if len(r) <= LONGEST_RIM:
        yield least_triangulation(corners, beyond), corners


def _folds(triangles: Array) -> bool:
    """True if some look away from the way that all look together."""
    areas = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return bool((areas @ areas.sum(0) <= 0).any())


def _normals_beyond(surface: Surface, rim: Ints) -> Array:
    """Normal of the face along each edge of a rim, shape (r, 3)."""
    edge, face, _ = surface.half_edges
    ends = np.sort(np.stack([rim, np.roll(rim, -1)], 1), axis=1)
    key = len(surface.vertices)
    number = np.searchsorted(surface.edges @ [key, 1], ends @ [key, 1])
    a, b, c = surface.triangles[face[np.searchsorted(edge, number)]].swapaxes(0, 1)
    cross = np.cross(b - a, c - a)
    return np.asarray(cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300))


def _cross(surface: Surface, near: Ints, rim: Ints, patch: Ints, points: Array) -> bool:
    """True if a patch crosses the faces near it, or itself; points of the patch are its rim's and then its own."""
    v = len(surface.vertices)
    names = np.concatenate([rim, v + np.arange(len(points) - len(rim))])
    vertices = np.concatenate([surface.vertices, points[len(rim) :]])
    found = crossings(vertices, np.concatenate([surface.faces[near], names[patch]]))
    return bool((found.pairs >= len(near)).any())


def _grown(mesh: Mesh, faces: Ints, middles: list[Ints]) -> Mesh:
    """With more faces, and vertices at the means of others."""
    parts: dict[str, Any] = {}
    for name in ("vertices", "uvs", "vertex_colors"):
        part = getattr(mesh, name)
        if part is not None and middles:
            means = torch.stack([part[torch.from_numpy(rim)].double().mean(0) for rim in middles])
            parts[name] = torch.cat([part, (means if part.is_floating_point() else means.round()).to(part.dtype)])
    return replace(mesh, faces=torch.cat([mesh.faces, torch.from_numpy(faces)]), **parts)
