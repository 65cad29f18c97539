"""Holes of a mesh and what closes them. Letters: v vertices, f faces, r corners of a rim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from scenekit.cameras import Array
from scenekit.meshes import Mesh
from scenekit.validation.crossings import crossings
from scenekit.validation.surface import Ints, Surface

LONGEST_RIM = 500
"""Corners of a rim up to which the best of all triangulations is looked for; it takes their third power of time."""

MANY = 1000
"""Patches from which on all faces count as near to one, rather than look."""

STRAIGHT = 0.05
"""What an inner edge of a triangulation costs where it does not bend, per its squared length: slivers are not free."""


class Patch(NamedTuple):
    """What closes a hole."""

    rim: Ints
    """Corners of the hole, welded vertices, shape (r,)."""
    points: Array
    """Where the corners are, and after them what else the patch needs [m], shape (r or r + 1, 3)."""
    faces: Ints
    """Its triangles between these points, shape (f, 3)."""


def with_holes_closed(mesh: Mesh, max_hole: float) -> Mesh:
    """With faces over each hole whose rim is short enough, unless they would cross the mesh or each other.

    A hole is closed by a fan around the middle of its rim where that folds nowhere, else by the triangles between the
    corners of the rim that have the least area and bend least.

    Args:
        mesh: Wound consistently along its holes; others stay open.
        max_hole: Longest rim, as a part of the mesh's diagonal.
    """
    if not max_hole:
        return mesh
    surface = Surface(mesh)
    limit = max_hole * float(np.linalg.norm(surface.extent))
    beyond = _faces_beyond(surface)
    waiting = [rim for rim in rims(surface) if _length(surface.vertices[rim]) <= limit]
    waiting = [rim for rim in waiting if len(rim) > 3 or len(np.unique(beyond(rim))) > 1]  # no lone triangles
    chosen: list[Patch] = []
    for make in (partial(_fan, surface), partial(_least_patch, surface, beyond)):
        tried = [patch for rim in waiting if (patch := make(rim)) is not None]
        clear = _clear(surface, chosen, tried)
        chosen += clear
        closed = {id(patch.rim) for patch in clear}
        waiting = [rim for rim in waiting if id(rim) not in closed]
    return _grown(mesh, surface, chosen) if chosen else mesh


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


def _fan(surface: Surface, rim: Ints) -> Patch | None:
    """Triangles around the mean of the corners, unless some look away from the way that all look together."""
    r, corners = np.arange(len(rim)), surface.vertices[rim]
    points, faces = (
        np.concatenate([corners, [corners.mean(0)]]),
        np.stack([r, np.roll(r, -1), np.full(len(r), len(r))], 1),
    )
    a, b, c = points[faces].swapaxes(0, 1)
    areas = np.cross(b - a, c - a)
    folds = bool((areas @ areas.sum(0) <= 0).any())
    return None if len(rim) < 5 or folds else Patch(rim, points, faces)


def _least_patch(surface: Surface, beyond: Callable[[Ints], Ints], rim: Ints) -> Patch | None:
    if len(rim) > LONGEST_RIM:
        return None
    a, b, c = surface.vertices[surface.faces[beyond(rim)]].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    corners = surface.vertices[rim]
    return Patch(rim, corners, least_triangulation(corners, normals))


def _faces_beyond(surface: Surface) -> Callable[[Ints], Ints]:
    """Looks up the face along each edge of a rim, shape (r,)."""
    v, (edge, face, _) = len(surface.vertices), surface.half_edges
    keys, faces = surface.edges[surface.border] @ [v, 1], face[np.searchsorted(edge, surface.border)]

    def look_up(rim: Ints) -> Ints:
        ends = np.stack([rim, np.roll(rim, -1)], 1)
        return faces[np.searchsorted(keys, np.sort(ends, axis=1) @ [v, 1])]

    return look_up


def _clear(surface: Surface, chosen: list[Patch], tried: list[Patch]) -> list[Patch]:
    """Those tried that cross neither the mesh, nor those chosen, nor each other."""
    if not tried:
        return []
    patches = [*chosen, *tried]
    faces, vertices = _joined(surface, patches)
    owner = np.repeat(np.arange(len(patches)), [len(patch.faces) for patch in patches]) - len(chosen)
    near = np.ones(len(surface.faces), np.bool_)
    if len(tried) < MANY:
        near[:] = False
        low, high = surface.triangles.min(1), surface.triangles.max(1)
        for patch in tried:
            near |= ((low <= patch.points.max(0)) & (high >= patch.points.min(0))).all(1)
    found = crossings(vertices, np.concatenate([surface.faces[near], faces]))
    owners = np.concatenate([np.full(int(near.sum()), -1), owner])[found.pairs]
    return [patch for number, patch in enumerate(tried) if not (owners == number).any()]


def _joined(surface: Surface, patches: list[Patch]) -> tuple[Ints, Array]:
    """Faces of patches by welded vertices, after which their own points are counted, and all vertices."""
    vertices, faces, count = [surface.vertices], [], len(surface.vertices)
    for patch in patches:
        own = patch.points[len(patch.rim) :]
        faces.append(np.concatenate([patch.rim, count + np.arange(len(own))])[patch.faces])
        vertices.append(own)
        count += len(own)
    return np.concatenate(faces), np.concatenate(vertices)


def _grown(mesh: Mesh, surface: Surface, patches: list[Patch]) -> Mesh:
    """With patches, whose own points look like the mean of their rims."""
    stored = np.unique(surface.weld, return_index=True)[1]  # a stored vertex at each position
    faces, vertices = _joined(surface, patches)
    own = len(vertices) - len(surface.vertices)
    names = torch.from_numpy(np.concatenate([stored, len(mesh.vertices) + np.arange(own)])[faces])
    middles = [torch.from_numpy(stored[patch.rim]) for patch in patches if len(patch.points) > len(patch.rim)]
    parts: dict[str, Any] = {}
    for name in ("vertices", "uvs", "vertex_colors"):
        part = getattr(mesh, name)
        if part is not None and middles:
            means = torch.stack([part[rim].double().mean(0) for rim in middles])
            parts[name] = torch.cat([part, (means if part.is_floating_point() else means.round()).to(part.dtype)])
    return replace(mesh, faces=torch.cat([mesh.faces, names]), **parts)


def _length(corners: Array) -> float:
    return float(np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1).sum())
