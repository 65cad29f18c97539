"""Surface: a mesh's triangles joined by position, and how they hang together. Letters: v vertices, f faces, e edges."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from scenekit.cameras import Array
from scenekit.mass import MassProperties, polyhedron
from scenekit.meshes import Mesh

Ints = NDArray[np.int64]

MIN_HEIGHT = 1e-6
"""A triangle lower than this part of its longest side has no area to speak of."""


class Surface:
    """The triangles of a mesh with finite vertices, in the node's frame, float64.

    A mesh has a vertex once per side of a texture seam; here vertices of equal position are one.
    """

    def __init__(self, mesh: Mesh):
        stored = mesh.vertices.detach().cpu().numpy()
        first, self.weld = welded(stored)
        self.stored_faces = mesh.faces.cpu().numpy()
        self.vertices: Array = stored[first].astype(np.float64)
        """Positions [m], shape (v, 3)."""
        self.faces: Ints = self.weld[self.stored_faces]
        """Vertices of each triangle, shape (f, 3)."""

    @cached_property
    def triangles(self) -> Array:
        """Corners of each face [m], shape (f, 3, 3)."""
        return self.vertices[self.faces]

    @cached_property
    def areas(self) -> Array:
        """Area of each face [m²], shape (f,)."""
        a, b, c = self.triangles.swapaxes(0, 1)
        return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)

    @cached_property
    def degenerate(self) -> Ints:
        """Faces without area."""
        sides = np.linalg.norm(self.triangles - np.roll(self.triangles, 1, axis=1), axis=2)
        return np.flatnonzero(2 * self.areas <= MIN_HEIGHT * sides.max(1) ** 2)

    @cached_property
    def duplicates(self) -> Ints:
        """Faces with the same corners as an earlier one, whichever way they look."""
        corners = np.sort(self.faces, axis=1)
        first, which = welded(corners)
        return np.flatnonzero(first[which] != np.arange(len(corners)))

    @cached_property
    def used(self) -> Array:
        """Positions that some face uses [m], shape (m, 3)."""
        return self.vertices[np.bincount(self.faces.ravel(), minlength=len(self.vertices)) > 0]

    @cached_property
    def extent(self) -> Array:
        """Size along the axes of what the faces cover [m], shape (3,)."""
        return np.ptp(self.used, axis=0) if len(self.faces) else np.zeros(3)

    @cached_property
    def collapsed(self) -> Ints:
        """Faces with two equal corners, which join nothing."""
        return np.flatnonzero((self.faces == np.roll(self.faces, 1, axis=1)).any(1))

    @cached_property
    def _edges(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Ends of each edge (e, 2); then of each half-edge in the order of its edge: edge, face, direction ±1."""
        f = np.delete(np.arange(len(self.faces)), self.collapsed)
        ends = np.stack([self.faces[f], np.roll(self.faces[f], -1, axis=1)], -1).reshape(-1, 2)
        low, high = ends.min(1), ends.max(1)
        order = np.lexsort((high, low))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
        edge = np.cumsum(new) - 1
        direction = np.where(ends[order, 0] == low[order], 1, -1)
        first = order[new]
        return np.stack([low[first], high[first]], 1), edge, np.repeat(f, 3)[order], direction

    @cached_property
    def edges(self) -> Ints:
        """The two ends of each edge, shape (e, 2)."""
        return self._edges[0]

    @property
    def half_edges(self) -> tuple[Ints, Ints, Ints]:
        """Edge, face and direction along the edge (±1) of every side of every face, sorted by edge."""
        return self._edges[1:]

    @cached_property
    def faces_at(self) -> Ints:
        """Number of faces at each edge, shape (e,)."""
        return np.bincount(self.half_edges[0], minlength=len(self.edges))

    @cached_property
    def balance(self) -> Ints:
        """Faces that run along each edge one way less those that run the other, shape (e,)."""
        edge, _, direction = self.half_edges
        return np.bincount(edge, weights=direction, minlength=len(self.edges)).astype(np.int64)

    @property
    def is_closed(self) -> bool:
        """True if it encloses a volume: along every edge as many faces run one way as the other."""
        return len(self.edges) > 0 and not self.balance.any()

    @cached_property
    def border(self) -> Ints:
        """Edges with a single face."""
        return np.flatnonzero(self.faces_at == 1)

    @cached_property
    def holes(self) -> list[Ints]:
        """The edges of each connected piece of border, longest first."""
        ends = self.edges[self.border]
        _, label = components(len(self.vertices), ends[:, 0], ends[:, 1])
        lengths = self.edge_lengths[self.border]
        piece = np.unique(label[ends[:, 0]], return_inverse=True)[1]
        longest = np.argsort(-np.bincount(piece, weights=lengths), kind="stable")
        return [self.border[piece == k] for k in longest]

    @cached_property
    def edge_lengths(self) -> Array:
        """Length of each edge [m], shape (e,)."""
        return np.linalg.norm(np.diff(self.vertices[self.edges], axis=1)[:, 0], axis=1)

    @cached_property
    def _fans(self) -> tuple[Ints, Ints]:
        """Fan and vertex of each corner of each face, shapes (3 f,).

        Two corners at a vertex are in one fan if an edge at that vertex joins their faces.
        """
        edge, face, _ = self.half_edges
        same = np.flatnonzero(np.diff(edge) == 0)
        joined = [np.empty((2, 0), np.int64)]
        for end in (0, 1):
            vertex = self.edges[edge[same], end]
            corner = [3 * f + np.argmax(self.faces[f] == vertex[:, None], axis=1) for f in (face[same], face[same + 1])]
            joined.append(np.stack(corner))
        a, b = np.concatenate(joined, axis=1)
        return components(self.faces.size, a, b)[1], self.faces.ravel()

    @cached_property
    def pinched(self) -> Ints:
        """Vertices at which two or more fans of faces meet in nothing but the point."""
        fan, vertex = self._fans
        proper = np.repeat(~np.isin(np.arange(len(self.faces)), self.collapsed), 3)
        _, first = np.unique(fan[proper], return_index=True)
        fans = np.bincount(vertex[proper][first], minlength=len(self.vertices))
        return np.flatnonzero(fans > 1)

    @cached_property
    def shell(self) -> Ints:
        """Number of the piece that each face belongs to, pieces being joined by edges, shape (f,)."""
        edge, face, _ = self.half_edges
        same = np.flatnonzero(np.diff(edge) == 0)
        return components(len(self.faces), face[same], face[same + 1])[1]

    @cached_property
    def solid(self) -> MassProperties:
        """Mass properties of what it encloses at density 1."""
        return polyhedron(self.vertices, self.faces)

    def sample(self, n: int) -> tuple[Array, Ints]:
        """n points spread evenly over the area, the same ones each time [m], shape (n, 3), and the face of each."""
        rng = np.random.default_rng(0)
        total = np.cumsum(self.areas)
        if not total[-1] > 0:
            face = np.arange(n) % len(self.faces)
            return self.triangles[face].mean(1), face
        face = np.minimum(np.searchsorted(total, (np.arange(n) + rng.random(n)) / n * total[-1]), len(total) - 1)
        r, s = np.sqrt(rng.random(n)), rng.random(n)
        weights = np.stack([1 - r, r * (1 - s), r * s], 1)
        return np.einsum("nk,nkx->nx", weights, self.triangles[face]), face


def welded(rows: NDArray[np.generic]) -> tuple[Ints, Ints]:
    """Equal rows as one: the first row of each kind, and the kind of each row, in order of first appearance."""
    order = np.lexsort(rows.T[::-1])  # stable: equal rows stay in order, the first one leading
    new = np.ones(len(rows), bool)
    new[1:] = (rows[order[1:]] != rows[order[:-1]]).any(1)
    first = order[new]
    kind = np.empty(len(rows), np.int64)
    kind[order] = np.cumsum(new) - 1
    rank = np.argsort(first, kind="stable")
    renamed = np.empty(len(first), np.int64)
    renamed[rank] = np.arange(len(first))
    return first[rank], renamed[kind]


def components(n: int, a: Ints, b: Ints) -> tuple[int, Ints]:
    """Number of connected pieces of n things joined in pairs a, b, and the piece of each, shape (n,)."""
    graph = coo_array((np.ones(len(a), bool), (a, b)), shape=(n, n))
    count, label = connected_components(graph, directed=False)
    return int(count), label.astype(np.int64)
