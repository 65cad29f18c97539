"""What the nouns of shapes are put together from: closed solids, and the register of nouns.

Frames of a noun: z up, the front looks along −y, so that a viewer in front has +x on the right. Units are free;
`shapes.build` scales the longest side to 1. Overlapping solids are united, so parts may reach into each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from manifold3d import CrossSection, Manifold, Mesh64, OpType
from numpy.typing import NDArray

from scenekit.datasets.tabletop_shapes import smooth_curve, tube, welded

Array = NDArray[np.float64]
Point = tuple[float, float, float]
Pair = tuple[float, float]
Solids = dict[str, list[Manifold]]
"""The solids of each part of a thing."""
Rng = np.random.Generator

ORIGIN: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Noun:
    """A kind of thing."""

    name: str
    """The word."""
    size: float
    """Its usual longest side [m]."""
    substance: str
    """What it usually is made of, a name of `scenekit.materials`."""
    parts: Mapping[str, tuple[str, ...]]
    """Usual colours of the parts that have names; the first part is the thing itself; ("=",) is as the first."""
    details: Mapping[str, tuple[str, ...]]
    """The same for parts that captions do not speak of."""
    carries: bool
    """Things can stand on it."""
    holds: bool
    """Things can lie in it."""
    make: Callable[[Rng], Solids]
    """The solids of every part, proportions drawn at random."""

    @property
    def body(self) -> str:
        """The part that has the colour of the thing itself."""
        return next(iter(self.parts))

    @property
    def named_parts(self) -> tuple[str, ...]:
        """The parts that a caption can colour."""
        return tuple(self.parts)[1:]


NOUNS: dict[str, Noun] = {}
"""All nouns, filled by the modules that build them."""


def noun(
    *, size: float, of: str, parts: Mapping[str, str], details: Mapping[str, str] | None = None,
    carries: bool = False, holds: bool = False,
) -> Callable[[Callable[[Rng], Solids]], Callable[[Rng], Solids]]:  # fmt: skip
    """Registers a function that builds a thing under the function's name; the arguments are those of `Noun`."""

    def register(make: Callable[[Rng], Solids]) -> Callable[[Rng], Solids]:
        named = {part: tuple(colors.split()) for part, colors in parts.items()}
        unnamed = {part: tuple(colors.split()) for part, colors in (details or {}).items()}
        name = make.__name__.strip("_")
        NOUNS[name] = Noun(name, size, of, named, unnamed, carries, holds, make)
        return make

    return register


def box(size: Point, at: Point = ORIGIN, *, edge: float = 0.0, turn: Point = ORIGIN) -> Manifold:
    """A box of `size` whose bottom's middle is `at`, its edges cut off by `edge`, turned about that point [degrees]."""
    half = np.asarray(size) / 2
    edge = min(edge, 0.45 * min(size))
    signs = np.stack(np.meshgrid(*[(-1, 1)] * 3), -1).reshape(-1, 3)
    inset = half - edge * (1 - np.eye(3)) if edge else half[None]
    corners = (signs[:, None] * inset + np.array([0, 0, half[2]])).reshape(-1, 3)
    return Manifold.hull_points(corners).rotate(turn).translate(at)


def ball(radius: float | Point, at: Point = ORIGIN, *, turn: Point = ORIGIN, segments: int = 20) -> Manifold:
    """A ball, or an ellipsoid of three radii turned about its centre [degrees], centred on `at`."""
    radii = (radius,) * 3 if isinstance(radius, int | float) else radius
    return Manifold.sphere(1.0, segments).scale(radii).rotate(turn).translate(at)


def rod(start: Point, end: Point, radius: float, top: float | None = None, *, segments: int = 16) -> Manifold:
    """A cylinder from `start` to `end`, or a frustum that ends with the radius `top`."""
    axis = np.subtract(end, start)
    length = float(np.linalg.norm(axis))
    z = axis / length
    x = np.cross(z, [0, 1, 0] if abs(z[1]) < 0.9 else [1, 0, 0])
    x /= np.linalg.norm(x)
    solid = Manifold.cylinder(length, radius, radius if top is None else top, segments)
    return solid.transform(np.stack([x, np.cross(z, x), z, np.asarray(start, dtype=float)], 1))


def disc(radius: float, depth: float, at: Point, *, segments: int = 24) -> Manifold:
    """A flat cylinder that looks along −y, centred on `at`: a dial, a wheel of something that drives along x."""
    x, y, z = at
    return rod((x, y + depth / 2, z), (x, y - depth / 2, z), radius, segments=segments)


def wheel(radius: float, width: float, at: Point) -> Manifold:
    """A wheel of something that drives along y, centred on `at`."""
    x, y, z = at
    return rod((x - width / 2, y, z), (x + width / 2, y, z), radius, segments=20)


def lathe(*profile: Pair, segments: int = 32) -> Manifold:
    """A profile of (radius, height) turned about z; it closes from its last point to its first."""
    return Manifold.revolve(_section(profile), segments)


def turned(*profile: Pair, rows: int = 20, segments: int = 32) -> Manifold:
    """As `lathe`, with the corners rounded, from the axis to the axis."""
    return lathe(*map(tuple, smooth_curve(*profile, rows=rows)), segments=segments)


def vessel(*outside: Pair, wall: float, rounded: bool = False, segments: int = 32) -> Manifold:
    """A hollow lathe: its outside from the bottom's edge to the rim as (radius, height), with a wall and a floor."""
    curve = smooth_curve(*outside, rows=16) if rounded else np.asarray(outside, dtype=float)
    inside = curve[::-1] - [wall, 0]
    inside = inside[(inside[:, 1] > curve[0, 1] + wall) & (inside[:, 0] > 0)]
    floor = curve[0, 1] + wall
    corner = max(float(np.interp(floor, curve[:, 1], curve[:, 0])) - wall, 0.02)
    points = np.concatenate([[[0, curve[0, 1]]], curve, inside, [[corner, floor], [0, floor]]])
    return lathe(*map(tuple, points), segments=segments)


def ring(radius: float, thick: float, at: Point = ORIGIN, *, turn: Point = ORIGIN, segments: int = 32) -> Manifold:
    """A torus about z, of a tube with radius `thick`, turned about its centre [degrees], centred on `at`."""
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    points = np.stack([radius + thick * np.cos(angle), thick * np.sin(angle)], 1)
    return lathe(*map(tuple, points), segments=segments).rotate(turn).translate(at)


def plate(outline: list[Pair] | Array, depth: float, at: Point = ORIGIN) -> Manifold:
    """An outline (x, z) drawn in front, extruded along y by `depth` about `at`."""
    solid = Manifold.extrude(_section(outline), depth).rotate((90, 0, 0))
    return solid.translate((at[0], at[1] + depth / 2, at[2]))


def side_plate(outline: list[Pair] | Array, width: float, at: Point = ORIGIN) -> Manifold:
    """An outline (y, z), seen from the side (front to the left), extruded along x by `width` about `at`."""
    return plate(outline, width).rotate((0, 0, 90)).translate(at)


def flat_plate(outline: list[Pair] | Array, height: float, at: Point = ORIGIN) -> Manifold:
    """An outline (x, y) seen from above, extruded upwards from `at` by `height`."""
    return Manifold.extrude(_section(outline), height).translate(at)


def bent(*path: Point, radius: float, rows: int = 20, columns: int = 10) -> Manifold:
    """A round bar along a path whose corners are rounded, with round ends."""
    corners = np.asarray(path, dtype=np.float64)
    for _ in range(3):
        a, b = 0.75 * corners[:-1] + 0.25 * corners[1:], 0.25 * corners[:-1] + 0.75 * corners[1:]
        corners = np.concatenate([corners[:1], np.stack([a, b], 1).reshape(-1, 3)[1:-1], corners[-1:]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    s = np.linspace(0, length[-1], rows)
    line = np.stack([np.interp(s, length, corners[:, k]) for k in range(3)], -1)
    vertices, faces, _ = welded(tube(line, radius, columns=columns))
    real = (faces != np.roll(faces, 1, 1)).all(1)
    return Manifold(Mesh64(vert_properties=vertices, tri_verts=np.ascontiguousarray(faces[real], np.uint64)))


def hull(*solids: Manifold) -> Manifold:
    """The convex hull of solids."""
    return Manifold.batch_hull(list(solids))


def cut(solid: Manifold, *tools: Manifold) -> Manifold:
    """A solid without what the tools cover."""
    return Manifold.batch_boolean([solid, *tools], OpType.Subtract)


def circle(radius: float | Pair, at: Pair = (0.0, 0.0), *, count: int = 24) -> Array:
    """An outline: a circle or an ellipse."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius + at


def around(count: int, radius: float, height: float = 0.0, *, start: float = 0.0) -> list[Point]:
    """Points on a circle about z, the first at the angle `start` [degrees] from +x."""
    angles = np.radians(start) + 2 * np.pi * np.arange(count) / count
    return [(radius * float(np.cos(a)), radius * float(np.sin(a)), height) for a in angles]


def mirrored(solid: Manifold) -> list[Manifold]:
    """A solid and its mirror image on the other side of x = 0."""
    return [solid, solid.mirror((1, 0, 0))]


def _section(outline: tuple[Pair, ...] | list[Pair] | Array) -> CrossSection:
    points = np.asarray(outline, dtype=np.float64)
    x, y = points.T
    if float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) < 0:
        points = points[::-1]
    return CrossSection([points])
