"""Shapes made of textured grids of points, row 0 at the top of the texture, seen from outside.

Letters: r rows, c columns of a patch; v vertices, f faces of a shape. Local frames: [m], z up, origin below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Patch:
    """A grid of points with a texture; d/drow × d/dcolumn points out."""

    name: str
    """Which side of the shape it is: "top", "side", "handle"."""
    points: Array
    """Local positions [m], shape (r, c, 3)."""
    size: tuple[float, float]
    """Physical extent (along columns, along rows) of the texture [m]."""
    holes: NDArray[np.bool_] | None = None
    """Cells without faces, shape (r-1, c-1)."""
    lines: tuple[Array, Array] | None = None
    """Texture coordinates 0..1 of the grid's columns, shape (c,), and rows, shape (r,); None is even spacing."""

    @property
    def uv(self) -> tuple[Array, Array]:
        """Texture coordinates 0..1 of columns, shape (c,), and rows, shape (r,)."""
        rows, columns = self.points.shape[:2]
        return self.lines or (np.linspace(0, 1, columns), np.linspace(0, 1, rows))

    def resampled(self, width: int, height: int) -> Array:
        """Points at the texel centres of a width × height texture, bilinear, shape (height, width, 3)."""
        (c, b), (r, a) = (_located(lines, n) for lines, n in zip(self.uv, (width, height), strict=True))
        a, b = a[:, None, None], b[None, :, None]
        top = self.points[r][:, c] * (1 - b) + self.points[r][:, c + 1] * b
        return top * (1 - a) + (self.points[r + 1][:, c] * (1 - b) + self.points[r + 1][:, c + 1] * b) * a

    @property
    def faces(self) -> Ints:
        """Triangles as indices into the flattened grid, counter-clockwise from outside, shape (f, 3)."""
        rows, columns = self.points.shape[:2]
        index = np.arange(rows * columns).reshape(rows, columns)
        a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
        quads = np.stack([a, b, c, a, c, d], -1)
        if self.holes is not None:
            quads = quads[~self.holes]
        return quads.reshape(-1, 3)


def _located(lines: Array, count: int) -> tuple[Ints, Array]:
    """For each of `count` texel centres: the grid line before it and the fraction of the way to the next."""
    centres = (np.arange(count) + 0.5) / count
    before = np.clip(np.searchsorted(lines, centres, side="right") - 1, 0, len(lines) - 2)
    return before, (centres - lines[before]) / (lines[before + 1] - lines[before])


Shape = list[Patch]


def welded(shape: Shape) -> tuple[Array, Ints, Array]:
    """One mesh of all patches: vertices (v, 3) shared across seams, faces (f, 3) of the patches in order, and for each
    grid point of the patches in order its smooth unit normal, shape (sum r·c, 3).

    Degenerate faces (at poles) keep their place here, so that face numbers stay aligned with the patches.
    """
    points = np.concatenate([patch.points.reshape(-1, 3) for patch in shape])
    _, first, weld = np.unique(np.round(points * 1e6).astype(np.int64), axis=0, return_index=True, return_inverse=True)
    vertices, weld = points[first], weld.reshape(-1)
    offsets = np.cumsum([0] + [patch.points.shape[0] * patch.points.shape[1] for patch in shape])
    faces = weld[np.concatenate([patch.faces + start for patch, start in zip(shape, offsets[:-1], strict=True)])]
    corners = vertices[faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], areas)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)
    return vertices, faces, normals[weld]


def sheet(centre: tuple[float, float, float], right: Array | tuple, down: Array | tuple, *, cells: int = 1) -> Shape:
    """A flat rectangle whose edges are the vectors `right` and `down` [m]; it faces down × right."""
    right, down = np.asarray(right, dtype=np.float64), np.asarray(down, dtype=np.float64)
    s = np.linspace(-0.5, 0.5, cells + 1)
    points = np.asarray(centre) + s[:, None, None] * down + s[None, :, None] * right
    return [Patch("sheet", points, (float(np.linalg.norm(right)), float(np.linalg.norm(down))))]


SIDES = {
    "top": ((1, 0, 0), (0, -1, 0)),
    "bottom": ((1, 0, 0), (0, 1, 0)),
    "front": ((1, 0, 0), (0, 0, -1)),
    "back": ((-1, 0, 0), (0, 0, -1)),
    "right": ((0, 1, 0), (0, 0, -1)),
    "left": ((0, -1, 0), (0, 0, -1)),
}
"""Sides of a box: the directions (right, down) of their textures. Front faces -y, right faces +x."""


def box(size: tuple[float, float, float], *, radius: float = 0.002, steps: int = 3) -> Shape:
    """A box of `size` (x, y, z) [m] standing on z = 0, its edges rounded by `radius` [m]."""
    half = np.asarray(size) / 2
    radius = min(radius, 0.49 * min(size))
    shape = []
    for name, (right, down) in SIDES.items():
        u, v = np.asarray(right, dtype=np.float64), np.asarray(down, dtype=np.float64)
        out = np.cross(v, u)
        across, along = (_rounded_steps(float(abs(axis) @ half), radius, steps) for axis in (u, v))
        cube = out * half + along[:, None, None] * v + across[None, :, None] * u
        inner = np.clip(cube, -(half - radius), half - radius)
        offset = cube - inner
        norm = np.maximum(np.linalg.norm(offset, axis=-1, keepdims=True), 1e-12)
        points = inner + radius * offset / norm + [0, 0, half[2]]
        extent = (2 * float(abs(u) @ half), 2 * float(abs(v) @ half))
        lines = (0.5 + across / extent[0], 0.5 + along / extent[1])
        shape.append(Patch(name, points, extent, lines=lines))
    return shape


def _rounded_steps(half: float, radius: float, steps: int) -> Array:
    """Grid lines from -half to half: close over the rounded edges, one cell between them."""
    edge = radius * np.tan(np.linspace(0, np.pi / 4, steps + 1))
    return np.concatenate([-(half - radius) - edge[::-1], half - radius + edge])


def curve(*points: tuple[float, float], rows: int = 96) -> Array:
    """A profile (radius, height) [m] through `points`, in steps of equal arc length, shape (rows, 2)."""
    corners = np.asarray(points, dtype=np.float64)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    s = np.linspace(0, length[-1], rows)
    return np.stack([np.interp(s, length, corners[:, k]) for k in range(2)], -1)


def smooth_curve(*points: tuple[float, float], rows: int = 96) -> Array:
    """As `curve`, with the corners rounded: Chaikin's corner cutting, ends kept."""
    corners = np.asarray(points, dtype=np.float64)
    for _ in range(4):
        a, b = 0.75 * corners[:-1] + 0.25 * corners[1:], 0.25 * corners[:-1] + 0.75 * corners[1:]
        corners = np.concatenate([corners[:1], np.stack([a, b], 1).reshape(-1, 2)[1:-1], corners[-1:]])
    return curve(*map(tuple, corners), rows=rows)


def revolved(
    profile: Array, *, columns: int = 96, swell: Callable[[Array, Array], Array] | None = None, name: str = "side"
) -> Shape:
    """A profile (radius, height) turned about z; outside is to the left of its direction (going down: outwards).

    Args:
        profile: From axis to axis for a closed solid, shape (r, 2).
        columns: Segments of the circle.
        swell: Factor on the radius as a function of angle [rad] and row fraction, shapes (1, c) and (r, 1).
        name: Name of the patch.
    """
    angle = np.linspace(0, 2 * np.pi, columns + 1)[None, :]
    radius = np.repeat(profile[:, :1], columns + 1, 1)
    if swell is not None:
        radius = radius * swell(angle, np.linspace(0, 1, len(profile))[:, None])
    height = np.repeat(profile[:, 1:], columns + 1, 1)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], -1)
    points[:, -1] = points[:, 0]
    length = float(np.linalg.norm(np.diff(profile, axis=0), axis=1).sum())
    return [Patch(name, points, (2 * np.pi * float(profile[:, 0].max()), length))]


def tube(path: Array, radius: float, *, columns: int = 12) -> Shape:
    """A wire of `radius` [m] along `path`, shape (n, 3), with closed round ends."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, np.roll(tangent[0], 1))
    for step in range(1, len(path)):  # parallel transport, so that the wire does not twist
        side[step] = side[step - 1] - tangent[step] * (tangent[step] @ side[step - 1])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, columns + 1)[None, :, None]
    ring = np.cos(angle) * side[:, None] + np.sin(angle) * other[:, None]
    cap = np.linspace(0, np.pi / 2, 5)[:-1]
    bulge = np.concatenate([np.sin(cap), np.ones(len(path)), np.sin(cap)[::-1]])
    shift = np.concatenate([-np.cos(cap), np.zeros(len(path)), np.cos(cap)[::-1]])
    k = np.concatenate([np.zeros(4, int), np.arange(len(path)), np.full(4, len(path) - 1)])
    points = path[k, None] + radius * (bulge[:, None, None] * ring[k] + shift[:, None, None] * tangent[k, None])
    points[:, -1] = points[:, 0]
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    return [Patch("side", points[::-1], (2 * np.pi * radius, length))]


def mug(radius: float, height: float, wall: float, *, reach: float = 0.034) -> Shape:
    """A cup with a handle that is one closed surface of genus 1: the handle's ends are the rims of two holes.

    Args:
        radius: Outer radius [m].
        height: Height [m].
        wall: Thickness of wall and floor [m].
        reach: How far the handle stands out [m].
    """
    r, w, e = radius, wall, 0.003
    profile = curve(
        (0, w), (r - w - 6 * e, w), (r - w - 3 * e, w + e / 2), (r - w - e, w + 2 * e), (r - w, w + 5 * e),
        (r - w, height - w / 2), (r - 0.8 * w, height - w / 6), (r - w / 2, height), (r - 0.2 * w, height - w / 6),
        (r, height - w / 2), (r, 2 * e), (r - e / 2, e / 2), (r - e, 0), (0, 0), rows=150,
    )  # fmt: skip
    cup = revolved(profile, columns=112)[0]
    outside = np.flatnonzero(np.abs(profile[:, 0] - r) < 1e-9)
    top, bottom = outside[np.searchsorted(-profile[outside, 1], [-0.82 * height, -0.30 * height])]
    holes = np.zeros((cup.points.shape[0] - 1, cup.points.shape[1] - 1), bool)
    rims = []
    for row in (top, bottom):
        rows, columns = row + np.array([0, 5]), 56 + np.array([-3, 3])
        holes[rows[0] : rows[1], columns[0] : columns[1]] = True
        rims.append(_rim(cup.points, rows, columns, flipped=row == bottom))
    cup = Patch("cup", cup.points, cup.size, holes)
    return [cup, _handle(rims[0], rims[1], reach)]


def _rim(points: Array, rows: Ints, columns: Ints, *, flipped: bool) -> Array:
    """Closed loop of grid points around a block of cells; `flipped` mirrors it top to bottom, as a bent tube does."""
    (r0, r1), (c0, c1) = rows, columns
    loop = [(r0, c) for c in range(c0, c1)] + [(r, c1) for r in range(r0, r1)]
    loop += [(r1, c) for c in range(c1, c0, -1)] + [(r, c0) for r in range(r1, r0, -1)]
    if flipped:
        loop = [(r0 + r1 - r, c) for r, c in loop]
    return np.array([points[r, c] for r, c in [*loop, loop[0]]])


def _handle(start: Array, end: Array, reach: float, *, rows: int = 40) -> Patch:
    """A tube from rim to rim that bows out along -x, its section turning from the rims' rectangle into an ellipse."""
    a, b = start[:-1].mean(0), end[:-1].mean(0)
    t = np.linspace(0, 1, rows)
    bow = np.sin(np.pi * t) ** 0.6
    path = a + (b - a) * _eased(t)[:, None] + reach * bow[:, None] * [-1, 0, 0]
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    flat = np.array([0.0, 1.0, 0.0])
    normal = np.cross(flat, tangent)
    angle = np.arctan2((start - a)[:, 2] / 0.007, (start - a)[:, 1] / 0.007)
    section = np.cos(angle)[:, None] * flat * 0.0065
    rings = path[:, None] + section + np.sin(angle)[None, :, None] * normal[:, None] * 0.0045
    blend = np.clip(np.minimum(t, 1 - t) / 0.1, 0, 1)[:, None, None]
    rims = np.where(t[:, None, None] < 0.5, start, end)
    points = (1 - blend) * rims + blend * rings
    points[:, -1] = points[:, 0]
    return Patch("handle", points, (0.04, 0.12))


def _eased(t: Array) -> Array:
    """Smooth step from 0 to 1."""
    return t * t * (3 - 2 * t)
