"""Resting: how far a thing falls until it touches others, how it then leans until it rests, and how it stands best.

Things fall without turning; what little they lean when they rest on uneven ground is the solution of a linear program.
Letters: n points, m vertices, k facets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from scenekit.cameras import Array
from scenekit.capture.level import rotation_between
from scenekit.validation.placed import Placed

DOWN = np.array([0.0, 0.0, -1.0])

GROUND = -1
"""Number of the plane z = 0 among what a thing falls on."""

DEPTHS = 10.0
"""A gap without end counts as so many times the thing's extent."""

WOBBLE = np.tan(np.radians(2.0))
"""What falls over when its centre of mass is this part of its height further to a side, as it leans, does not stand."""

STEADY = np.tan(np.radians(5.0))
"""A thing that leans by a slope of more than this before it rests has fallen over."""

LEVEL = 1e-4
"""Slopes below this are rounding."""


class Gaps(NamedTuple):
    """Vertical distances between the under-side of a thing and what is below it."""

    points: Array
    """Where, in x and y of the world [m], shape (n, 2)."""
    gaps: Array
    """[m], shape (n,)."""
    owners: NDArray[np.int64]
    """Number of what is below, or `GROUND`, shape (n,)."""

    @property
    def fall(self) -> float:
        """How far the thing can fall [m]."""
        return float(self.gaps.min())

    def touched(self, within: float) -> set[int]:
        """What it touches after the fall, or nearly so [m]."""
        return set(self.owners[self.gaps <= self.fall + within].tolist())


def gaps(thing: Placed, by: Array, others: Sequence[Placed], *, ground: bool) -> Gaps:
    """What is between a thing, moved by `by` (3,), and others below: looked for from points of both.

    Args:
        thing: What falls; it begins clear of the others.
        by: Translation of it [m], shape (3,).
        others: What it may fall on.
        ground: Whether there is a plane z = 0.
    """
    assert thing.probe is not None
    under = thing.facing(up=False) + by
    below = under[:, 2] if ground else np.full(len(under), np.inf)
    owner = np.full(len(under), GROUND)
    points, found, owners = [under[:, :2]], [below], [owner]
    low, high = thing.box[:, :2] + by[:2]
    for number, other in enumerate(others):
        if (other.box[0, :2] > high).any() or (other.box[1, :2] < low).any():
            continue
        assert other.probe is not None
        over = np.flatnonzero(((under[:, :2] >= other.box[0, :2]) & (under[:, :2] <= other.box[1, :2])).all(1))
        if len(over):
            gap = other.probe.gap(under[over], DOWN)
            nearer = gap < below[over]
            below[over[nearer]], owner[over[nearer]] = gap[nearer], number
        tops = other.facing(up=True)
        tops = tops[((tops[:, :2] >= low) & (tops[:, :2] <= high)).all(1)]
        if len(tops):
            points.append(tops[:, :2])
            found.append(thing.probe.gap(tops - by, -DOWN))
            owners.append(np.full(len(tops), number))
    return Gaps(np.concatenate(points), np.concatenate(found), np.concatenate(owners))


def slope(found: Gaps, centre: Array, height: float) -> Array | None:
    """How a thing leans when it has come to rest: by how much its under-side sinks along x and y, shape (2,).

    To first order a thing that sinks by a and leans by (b, c) about its centre of mass at the origin touches nothing as
    long as a + b x + c y ≤ gap(x, y). It rests where its centre is lowest: max a, which is the value at the origin of
    the lower convex hull of the gaps, and (b, c) is the slope of the facet there.

    Args:
        found: Gaps below it.
        centre: Its centre of mass in x and y of the world [m], shape (2,).
        height: Of that above its lowest point [m].

    Returns:
        None if it falls over, or would if its centre were `WOBBLE` of its height further to a side.
    """
    extent = float(np.ptp(found.points, axis=0).max()) + height
    below = np.minimum(found.gaps - found.fall, DEPTHS * extent)
    cloud = np.column_stack([found.points - centre, below]) / extent
    apex = [*cloud[:, :2].mean(0), 2 * DEPTHS]  # level ground alone would be a flat cloud
    planes = ConvexHull(np.vstack([cloud, apex]), qhull_options="Qt").equations
    lower = planes[planes[:, 2] < -1e-9]
    slopes, offsets = -lower[:, :2] / lower[:, 2:3], -lower[:, 3] / lower[:, 2]
    ways = WOBBLE * height / extent * np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)])
    sunk = ways @ slopes.T + offsets
    facets, at = np.argmax(sunk, axis=1), np.column_stack([ways, sunk.max(1)])
    is_over = bool((at @ planes[:, :3].T + planes[:, 3] <= 1e-6).all())
    if not is_over or np.linalg.norm(slopes[facets], axis=1).max() > STEADY:
        return None
    own: Array = slopes[facets[0]]
    return own if np.linalg.norm(own) > LEVEL else np.zeros(2)


def leaning(slope: Array) -> Array:
    """The rotation (3, 3) by which an under-side sinks by `slope` (2,) along x and y."""
    return rotation_between(np.array([0.0, 0.0, 1.0]), np.array([*slope, 1.0]) / np.hypot(1.0, np.linalg.norm(slope)))


def stance(thing: Placed) -> Array:
    """The least turn (3, 3) after which a thing stands on level ground: none if it stands as it is.

    It can stand on those facets of its hull on which its centre of mass is lower than on all around.
    """
    assert thing.surface is not None
    size = float(np.ptp(thing.box, axis=0).max())
    centre = thing.to_world(thing.surface.solid.centre[None])[0]
    hull = ConvexHull(thing.vertices[np.unique(thing.faces)])
    corners, normals = hull.points[hull.vertices], hull.equations[:, :3]
    heights = -(normals @ centre + hull.equations[:, 3])
    # Where it is stable, rolling over any edge lifts the centre.
    normals = normals[(heights[:, None] <= heights[hull.neighbors] + LEVEL * size).all(1)]
    for normal in [DOWN, *normals[np.argsort(-normals @ DOWN, kind="stable")]]:
        R = rotation_between(normal, DOWN)
        turned = (corners - centre) @ R.T
        below = Gaps(turned[:, :2], turned[:, 2], np.full(len(turned), GROUND))
        lean = slope(below, np.zeros(2), -float(turned[:, 2].min()))
        if lean is not None:
            return leaning(lean) @ R if lean.any() else R
    return np.eye(3)
