"""Merging: convex pieces that are one as well as two, judged by the solid itself.

Letters: n points of a piece, s samples, e planes of a hull.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.sim.crevices import surface_points
from scenekit.sim.hulls import hull_corners
from scenekit.surface.signed_distance import SignedDistance

SAMPLES = 150
"""Points on a hull at which it is asked how far outside of the solid it is."""

ON_SOLID = 2500
"""Points on the solid at which it is asked how deep inside of a hull they are."""


def merged(
    clouds: Sequence[Array], mesh: Mesh, *, nears: Sequence[float], threshold: float, most: int, max_vertices: int
) -> list[list[Array]]:
    """Fewer clouds of points, each the corners of a convex piece, that are as good for a solid as all.

    The pair whose common hull errs least is merged first, until the next would err more than is allowed; beyond that
    only as long as there are more than `most`. A hull errs where it sticks out of the solid, where it buries the
    solid's surface, and where it falls short of its points because it may have `max_vertices` of them only.

    Args:
        clouds: Points of each piece, shape (n, 3) each [m].
        mesh: The solid.
        nears: Errors that are allowed, smallest first [m].
        threshold: Distance from the solid that is near enough in the end; crevices that it closes do not count [m].
        most: Pieces that are allowed.
        max_vertices: Corners that a piece may have.

    Returns:
        The pieces for each of `nears`.
    """
    merging = _Merging(clouds, mesh, threshold)
    return [merging.until(near, most, max_vertices) for near in nears]


class _Merging:
    def __init__(self, clouds: Sequence[Array], mesh: Mesh, threshold: float):
        self.pieces = {i: _corners(points) for i, points in enumerate(clouds)}
        self.solid, self.reach = SignedDistance(mesh), threshold
        self.surface = surface_points(mesh, self.solid, radius=threshold, count=ON_SOLID).reached
        self.queue: list[tuple[float, int, int, bool]] = []
        self._ask((i, j) for i in self.pieces for j in self.pieces if i < j)

    def until(self, near: float, most: int, max_vertices: int) -> list[Array]:
        """The pieces when all pairs err more."""
        while self.queue and len(self.pieces) > 1 and (self.queue[0][0] <= near or len(self.pieces) > most):
            error, i, j, is_whole = heapq.heappop(self.queue)
            if i not in self.pieces or j not in self.pieces:
                continue
            points = np.concatenate([self.pieces[i], self.pieces[j]])
            if not is_whole:  # what it falls short of is asked only of pairs that are next
                heapq.heappush(self.queue, (max(error, _shortfall(points, max_vertices)), i, j, True))
                continue
            del self.pieces[i], self.pieces[j]
            new = max(i, j, *self.pieces, 0) + 1
            self.pieces[new] = _corners(points)
            self._ask((other, new) for other in self.pieces if other != new)
        return list(self.pieces.values())

    def _ask(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Adds pairs that touch to the queue, by how far their common hull is from the solid."""
        boxes = {i: (points.min(0) - self.reach, points.max(0) + self.reach) for i, points in self.pieces.items()}
        touching = [(i, j) for i, j in pairs if (boxes[i][0] < boxes[j][1]).all() and (boxes[j][0] < boxes[i][1]).all()]
        if not touching:
            return
        hulls = [ConvexHull(np.concatenate([self.pieces[i], self.pieces[j]])) for i, j in touching]
        out = self.solid(np.concatenate([_samples(hull) for hull in hulls])).reshape(len(hulls), -1).max(1)
        for (i, j), hull, excess in zip(touching, hulls, out.tolist(), strict=True):
            heapq.heappush(self.queue, (max(excess, self._buried(hull)), i, j, False))

    def _buried(self, hull: ConvexHull) -> float:
        """How deep inside of the hull the solid's surface is [m]."""
        inside = ((self.surface > hull.min_bound) & (self.surface < hull.max_bound)).all(1)
        if not inside.any():
            return 0.0
        heights = self.surface[inside] @ hull.equations[:, :3].T + hull.equations[:, 3]
        return max(float(-heights.max(1).min()), 0.0)


def _shortfall(points: Array, max_vertices: int) -> float:
    """How far the hull of so many corners falls short of the points [m]."""
    try:
        hull = ConvexHull(hull_corners(points, max_vertices))
    except (InputError, QhullError):
        return np.inf
    return max(float((points @ hull.equations[:, :3].T + hull.equations[:, 3]).max()), 0.0)


def _corners(points: Array) -> Array:
    return points[ConvexHull(points).vertices]


def _samples(hull: ConvexHull) -> Array:
    """Points spread evenly over a hull, shape (s, 3) [m]."""
    a, b, c = hull.points[hull.simplices].swapaxes(0, 1)
    areas = np.cumsum(np.linalg.norm(np.cross(b - a, c - a), axis=1))
    face = np.searchsorted(areas, (np.arange(SAMPLES) + 0.5) / SAMPLES * areas[-1])
    rng = np.random.default_rng(0)
    r, s = np.sqrt(rng.random((SAMPLES, 1))), rng.random((SAMPLES, 1))
    return (1 - r) * a[face] + r * (1 - s) * b[face] + r * s * c[face]
