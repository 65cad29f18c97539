"""Sightings: pictures of a scene that tell which of its things each ray stops in, and what the things stand on.

Letters: n Gaussians, p points, h w image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scenekit.cameras import Array, pinhole
from scenekit.errors import InputError
from scenekit.surface.depth import SurfaceView
from scenekit.surface.fusion import BLOCK, PROBE, FusionConfig, Shot, believed, points_of
from scenekit.surface.median import NOTHING
from scenekit.validation.surface import components

APART = 0.1
"""Share of the points of a thing's largest piece that another piece must have to be part of it."""

AROUND = 20
"""How far around a thing its floor is looked for [pixels on the thing]."""

FEWEST = 100
"""Points that tell a floor."""

ABOVE = 0.95
"""Share of a thing's points that lie above what it stands on."""


class Sighting(NamedTuple):
    """A picture, and what its rays stop in."""

    shot: Shot
    """Depth to believe."""
    things: NDArray[np.int32]
    """Number of the thing that each ray stops in, `NOTHING` where it goes through all, shape (h, w)."""

    def cropped(self, low: Array, high: Array) -> Sighting | None:
        """The part of the picture in which a box shows; None if it shows nowhere. Corners [m], shape (3,)."""
        shot, camera = self.shot, self.shot.camera
        corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3)
        local = (corners - shot.T_world_cam[:3, 3]) @ shot.T_world_cam[:3, :3]
        if local[:, 2].max() <= 0:
            return None
        if local[:, 2].min() <= 1e-6:  # the camera is beside the box or in it
            return self
        pixels, size = camera.project(local), np.array([camera.width, camera.height])
        left, top = np.floor(pixels.min(0)).clip(0, size).astype(int).tolist()
        right, bottom = np.ceil(pixels.max(0)).clip(0, size).astype(int).tolist()
        if left >= right or top >= bottom:
            return None
        middle = camera.cx - left, camera.cy - top
        window = np.s_[top:bottom, left:right]
        images = {
            name: np.ascontiguousarray(getattr(shot, name)[window]) for name in ("depth", "slope", "cosine", "rgb")
        }
        small = pinhole(right - left, bottom - top, camera.fx, camera.fy, *middle)
        return Sighting(shot._replace(camera=small, **images), self.things[window])


class Floor(NamedTuple):
    """The plane that a thing stands on."""

    normal: Array
    """Unit, to the side of the thing, shape (3,)."""
    offset: float
    """Normal · point for the points of the plane [m]."""
    thing: int
    """Number of the thing whose surface it is."""

    def heights(self, points: Array) -> Array:
        """Of points (p, 3) over it [m], shape (p,)."""
        return np.asarray(points @ self.normal - self.offset)


class Sightings:
    """All pictures of a scene.

    Args:
        views: Pictures of the whole scene, with median depth.
        owner: Number of the thing that each Gaussian belongs to, shape (n,).
        things: How many there are.
        config: Which depth is believed.

    Raises:
        InputError: If a view was drawn with another depth, which does not say where rays stop.
    """

    def __init__(self, views: Iterable[SurfaceView], owner: NDArray[np.int32], things: int, config: FusionConfig):
        self.all = [_sighting(view, owner, config) for view in views]
        """Each of them."""
        self.points = [_points_on(self.all, k) for k in range(things)]
        """World points [m] of some pixels that stop in each thing, shape (p, 3)."""
        self.pixels = [_pixel_on(self.all, k) for k in range(things)]
        """Side of a pixel on each thing [m], the median over the pictures; infinite if none shows it."""

    def body(self, thing: int) -> Array:
        """The points of a thing without few that lie apart, shape (p, 3)."""
        points = self.points[thing]
        return gathered(points, BLOCK * self.pixels[thing]) if len(points) else points

    def floor(self, thing: int, support: int, others: Sequence[int] = ()) -> Floor | None:
        """What a thing stands on: a plane of its support, or of another thing that lies in between.

        The support's plane around the thing is found by a trimmed fit. Another thing carries it if a parallel plane
        that most of its points around the thing lie in is below the thing and on most sides of it; the highest counts.

        Args:
            thing: Number of the thing.
            support: Number of what carries it, maybe through others.
            others: Numbers of what may lie in between.

        Returns:
            None if too little of the support is seen around the thing.
        """
        own = self.body(thing)
        if not len(own):
            return None
        reaches = [wide * AROUND * self.pixels[thing] for wide in (1, 3, 10)]  # another thing may lie all around
        near = next((there for r in reaches if len(there := self._around(own, support, r)) >= FEWEST), None)
        if near is None:
            return None
        floor, step = _fitted(near, own.mean(0), support), 2 * self.pixels[thing]
        for k in others:
            points = self._around(own, k, reaches[0])
            if k != thing and len(points) >= FEWEST:
                other = _most_level(points, floor.normal, step, k)
                level = points[np.abs(other.heights(points)) < step]
                is_below = np.mean(other.heights(own) > -step) > ABOVE
                if is_below and _surrounds(level, own) and other.offset > floor.offset + step / 2:
                    floor = other
        return floor

    def _around(self, own: Array, thing: int, reach: float) -> Array:
        points = self.points[thing]
        low, high = own.min(0) - reach, own.max(0) + reach
        return points[((points > low) & (points < high)).all(1)]


def gathered(points: Array, reach: float) -> Array:
    """The points (p, 3) without those that are apart from the others by about `reach` [m] or more, where few are."""
    cells, of_point, counts = np.unique(
        np.floor(points / reach).astype(np.int64), axis=0, return_inverse=True, return_counts=True
    )
    a, b = cKDTree(cells).query_pairs(1.8, output_type="ndarray").T  # cells that share a corner are √3 apart
    piece = components(len(cells), a, b)[1]
    sizes = np.bincount(piece, counts)
    return points[(sizes[piece] > APART * sizes.max())[of_point.reshape(-1)]]


def _sighting(view: SurfaceView, owner: NDArray[np.int32], config: FusionConfig) -> Sighting:
    if view.stops is None:
        raise InputError("depth", got="a view that does not say where its rays stop", wanted="median depth")
    stops = view.stops.cpu().numpy()
    opaque = (stops != NOTHING) & (view.alpha.detach().cpu().numpy() >= config.alpha)
    return Sighting(believed(view, config), np.where(opaque, owner[stops], NOTHING).astype(np.int32))


def _points_on(sightings: Sequence[Sighting], thing: int) -> Array:
    own = [s.shot._replace(depth=np.where(s.things == thing, s.shot.depth, 0)) for s in sightings]
    return np.concatenate([np.zeros((0, 3)), *(points_of(shot, every=PROBE) for shot in own)])


def _pixel_on(sightings: Sequence[Sighting], thing: int) -> float:
    sides = []
    for shot, things in sightings:
        depth = shot.depth[(things == thing) & (shot.depth > 0)]
        sides += [np.median(depth) / shot.camera.fx] if len(depth) else []
    return float(np.median(sides)) if sides else np.inf


def _fitted(points: Array, above: Array, thing: int) -> Floor:
    """The plane of most points (p, 3), by least squares on the nearest nine tenths again and again."""
    for _ in range(10):
        middle = points.mean(0)
        normal = np.linalg.eigh(np.cov((points - middle).T))[1][:, 0]
        away = np.abs((points - middle) @ normal)
        points = points[away <= np.quantile(away, 0.9)]
    normal = normal if (above - middle) @ normal > 0 else -normal
    return Floor(normal, float(middle @ normal), thing)


def _most_level(points: Array, normal: Array, step: float, thing: int) -> Floor:
    """The plane across a normal that most points (p, 3) lie in, within about a step [m]."""
    heights = points @ normal
    bins = np.floor(heights / step).astype(np.int64)
    values, counts = np.unique(bins, return_counts=True)
    mode = values[counts.argmax()]
    return Floor(normal, float(np.median(heights[np.abs(bins - mode) <= 1])), thing)


def _surrounds(points: Array, own: Array) -> bool:
    """True if points lie in at least three of the four quadrants around the middle of others, by x and y."""
    way = points[:, :2] > np.median(own, 0)[:2]
    return len(np.unique(way @ [1, 2])) >= 3
