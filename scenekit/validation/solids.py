"""What two nodes share: exactly where both are closed, by samples where one is, by crossing faces where none is."""

from __future__ import annotations

from dataclasses import dataclass

import manifold3d
import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.validation.crossings import crossings
from scenekit.validation.placed import Placed

LEAST_CONTACT, MOST_CONTACT = 1e-4, 2e-3
"""Bounds of the tolerance of contact [m]."""

CONTACT = 0.01
"""Tolerance of contact as a part of a thing's diagonal."""

DIRECTIONS = 300
"""Face normals along which the width of a shared solid is taken."""


@dataclass(frozen=True)
class Shared:
    """What is inside both of two things."""

    middle: Array
    """Where [m], shape (3,)."""
    share: float = 0.0
    """Part of the smaller one's volume; of its samples if it was sampled."""
    depth: float | None = None
    """How far one must move for them to part: the narrowest width of what is shared [m]."""
    volume: float | None = None
    """Shared volume [m³]; None if not both are closed."""
    samples: int = 0
    """Number of points looked at, if it was sampled."""


def touching_tolerance(thing: Placed) -> float:
    """What counts as contact rather than a gap or an overlap [m]."""
    diagonal = float(np.linalg.norm(np.ptp(thing.box, axis=0)))
    return float(np.clip(CONTACT * diagonal, LEAST_CONTACT, MOST_CONTACT))


def shared(a: Placed, b: Placed) -> Shared | None:
    """What two things share, or None if no more than contact."""
    first, second = (thing.manifold for thing in (a, b))
    tolerance = min(touching_tolerance(a), touching_tolerance(b))
    if first is not None and second is not None:
        return _exact(first, second, tolerance)
    assert a.surface is not None and b.surface is not None
    if a.surface.is_closed or b.surface.is_closed:
        found = [
            _sampled(x, y, tolerance) for x, y in ((a, b), (b, a)) if y.surface is not None and y.surface.is_closed
        ]
        return max((s for s in found if s is not None), key=lambda s: s.depth or 0.0, default=None)
    return _crossed(a, b)


def _exact(first: manifold3d.Manifold, second: manifold3d.Manifold, tolerance: float) -> Shared | None:
    common = first ^ second
    volume = float(common.volume())
    if common.is_empty() or volume <= 0:
        return None
    deepest, where = 0.0, np.zeros(3)
    for part in common.decompose():
        vertices = part.to_mesh64().vert_properties[:, :3]
        width = _narrowest(vertices, part.to_mesh64().tri_verts)
        if width > deepest:
            deepest, where = width, vertices.mean(0)
    if deepest <= tolerance:
        return None
    return Shared(where, volume / min(first.volume(), second.volume()), deepest, volume)


def _narrowest(vertices: Array, faces: NDArray[np.integer]) -> float:
    """The least width of a solid along the normals of its largest faces and the axes [m].

    The width of a convex solid is least along a face's normal or between two edges; of the rest this is a bound.
    """
    a, b, c = vertices[faces].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1)
    largest = np.argsort(-areas, kind="stable")[:DIRECTIONS]
    largest = largest[areas[largest] > 0]
    directions = np.concatenate([np.eye(3), normals[largest] / areas[largest, None]])
    return float(np.ptp(vertices @ directions.T, axis=0).min())


def _sampled(a: Placed, b: Placed, tolerance: float) -> Shared | None:
    """Points of a in the closed b."""
    assert b.probe is not None
    points = a.samples
    near = points[((points > b.box[0]) & (points < b.box[1])).all(1)]
    near = near[b.probe.inside(near)] if len(near) else near
    depth = b.probe.distance(near) if len(near) else np.zeros(1)
    if depth.max() <= tolerance:
        return None
    return Shared(near[np.argmax(depth)], len(near) / len(points), float(depth.max()), samples=len(points))


def _crossed(a: Placed, b: Placed) -> Shared | None:
    """Faces of one that pass through faces of the other."""
    low, high = np.maximum(a.box[0], b.box[0]), np.minimum(a.box[1], b.box[1])
    triangles = [t.vertices[t.faces] for t in (a, b)]
    triangles = [t[((t.min(1) <= high) & (t.max(1) >= low)).all(1)] for t in triangles]
    both = np.concatenate(triangles)
    found = crossings(both.reshape(-1, 3), np.arange(3 * len(both)).reshape(-1, 3))
    pairs = found.pairs[(found.pairs < len(triangles[0])).sum(1) == 1]
    return Shared(both[pairs[0]].reshape(-1, 3).mean(0)) if len(pairs) else None
