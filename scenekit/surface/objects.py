"""Objects: the closed surface of one thing among others, from pictures that tell which thing each ray stops in.

    sightings = Sightings(views, owner, things, config)
    solid = object_mesh(sightings, 3, config, voxel=0.002, floor=sightings.floor(3, table))

A ray that stops in another thing passed through empty space until there and says nothing of what is behind. What no
ray reached is filled by the smoothest field between what is known, the inside of the thing and the outside of its
floor, so the surface is closed; where it was made in this way it is marked as estimated.

Letters: n m k voxels, f faces, h w image, p points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh, some_faces
from scenekit.surface.fusion import BLOCK, VOXEL_BYTES, FusionConfig, Shot, Voxels, integrate, points_of
from scenekit.surface.isosurface import isosurface
from scenekit.surface.median import NOTHING
from scenekit.surface.sightings import Floor, Sighting, Sightings
from scenekit.surface.simplify import FEWEST, quadric
from scenekit.surface.smooth import neighbour_means
from scenekit.validation.crossings import crossings
from scenekit.validation.surface import Surface

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)

MARGIN = 3
"""Voxels of free space around a thing."""

NEAR = 1.5
"""A voxel so near to a surface that pictures show is one of it [voxels]."""

STEEP = 1e3
"""Slope of a surface that only ends the empty space before it: behind it the pictures say nothing at once."""

KEPT = 0.2
"""Faces that are kept of the isosurface's, which has as many on a plain as on a curve: within a third of a voxel."""

BESIDE = 0.1
"""Weight of rays that pass by in the pixels next to a thing, where 1 is a look straight at a surface: they cut off up
to half a pixel of it, in as many pictures as see a surface from the side."""

AGREED = 0.25
"""Share of the pictures of a thing that must show a point in the same cell, for it to be a thin part."""

THIN = 0.25
"""How deep nodes lie inside that are there because a thing is thinner than the voxels show, and how deep some node
near a surface lies where it is not [voxels]."""

TRIES = (1.0, 0.7, 1.5, 2.3, 3.4)
"""Times as many faces are kept until a simplified surface is sound: most are at once, and chance helps the others."""

RELAXATIONS = 3
"""How often vertices where a simplified surface crosses itself are moved; most crossings are gone at the first."""

SWEEPS, MOST_SWEEPS = 20, 600
"""Of relaxation of the filled field, at the finest resolution, and at most."""


class Lid(NamedTuple):
    """What stands on a thing: it has no part in there."""

    floor: Floor
    """The plane between the two."""
    low: Array
    """Least corner of the box around what stands on it [m], shape (3,)."""
    high: Array
    """Largest corner [m], shape (3,)."""

    @staticmethod
    def under(points: Array, floor: Floor) -> Lid:
        """Of a thing with these points (p, 3)."""
        return Lid(floor, points.min(0), points.max(0))


class Box(NamedTuple):
    """A grid of voxels, in whole blocks."""

    first: Ints
    """Least corner [blocks], shape (3,)."""
    counts: Ints
    """Blocks along each axis, shape (3,)."""
    voxel: float
    """Side of a voxel [m]."""

    @property
    def origin(self) -> Array:
        """Position of the first voxel [m], shape (3,)."""
        return np.asarray(self.first * (BLOCK * self.voxel))

    @property
    def end(self) -> Array:
        """Position of the last voxel [m], shape (3,)."""
        return np.asarray(self.origin + (BLOCK * self.counts - 1) * self.voxel)

    def axes(self) -> list[Array]:
        """Coordinates of the voxels along each axis [m], ready to be broadcast against each other."""
        lines = [o + self.voxel * np.arange(BLOCK * count) for o, count in zip(self.origin, self.counts, strict=True)]
        return [line.reshape([-1 if axis == k else 1 for axis in range(3)]) for k, line in enumerate(lines)]

    def heights(self, floor: Floor) -> Floats:
        """Of each voxel over a plane [m], shape (n, m, k)."""
        x, y, z = (a * line for a, line in zip(floor.normal, self.axes(), strict=True))
        return np.asarray(x + y + z - floor.offset, np.float32)

    def within(self, low: Array, high: Array) -> Mask:
        """True for voxels in a box, shape (n, m, k)."""
        x, y, z = ((line > a) & (line < b) for a, b, line in zip(low, high, self.axes(), strict=True))
        return np.asarray(x & y & z)

    def nodes(self, points: Array) -> tuple[Ints, ...]:
        """Indices of the voxels nearest to points (p, 3)."""
        return tuple(np.round((points - self.origin) / self.voxel).astype(np.int64).T)

    def dense(self, part: NDArray[Number]) -> NDArray[Number]:
        """Voxels in the order of blocks as one array, shape (n, m, k)."""
        blocks = part.reshape(*self.counts, BLOCK, BLOCK, BLOCK)  # within a block z, y, x
        whole = blocks.transpose(0, 5, 1, 4, 2, 3).reshape(BLOCK * self.counts)
        return np.ascontiguousarray(whole)


class ObjectMesh(NamedTuple):
    """A thing as a solid."""

    mesh: Mesh
    """Closed, one shell, with vertex colours; seen faces first."""
    seen_faces: int
    """How many faces lie where some picture saw the surface; those after them are estimated."""
    estimated: float
    """Share of the area that is estimated."""
    volume: float
    """Enclosed [m³]."""
    voxel: float
    """Side of the voxels it was made with [m]."""


def object_mesh(
    sightings: Sightings, thing: int, config: FusionConfig, *, voxel: float, floor: Floor | None = None,
    lids: Sequence[Lid] = (), faces: int | None = None,
) -> ObjectMesh | None:  # fmt: skip
    """The closed mesh of a thing; None if no picture shows it.

    The field is the mean over the pictures of the truncated signed distance (see `fuse`), with rays that stop elsewhere
    carving; harmonic where nothing is known. Its zero is extracted by `isosurface`, which is closed and crosses itself
    nowhere; the largest shell is kept.

    Args:
        sightings: Pictures of the whole scene.
        thing: Number of the thing.
        config: Region, truncation, views and memory.
        voxel: Side of a voxel [m].
        floor: What it stands on, if anything: nothing of it is beyond, and towards it unseen sides go straight on.
        lids: What stands on it.
        faces: How many to keep, about; None: a `KEPT` of those of the isosurface.

    Raises:
        InputError: If its voxels would take more than `max_memory`.
    """
    points = sightings.body(thing)
    if config.region is not None:
        low, high = np.array(config.region).reshape(2, 3)
        points = points[((points > low) & (points < high)).all(1)]
    if not len(points):
        return None
    box = _box(points, floor, voxel, config)
    pictures = [part for s in sightings.all if (part := s.cropped(box.origin, box.end)) is not None]
    voxels = _integrated([_carving(picture, thing) for picture in pictures], box, config)
    distance, weight = box.dense(voxels.distances), box.dense(voxels.weights)
    views = box.dense(voxels.views)
    known = (weight > 0) & (views >= config.min_views)
    seen = known & (np.abs(distance) * config.truncation < NEAR)
    field = _closed(distance, known, box, config.truncation, floor, lids)
    field = _with_thin_parts(field, [_surface_points(picture, thing) for picture in pictures], box, config)
    mesh = largest_shell(isosurface(field, origin=tuple(box.origin), voxel=voxel))
    if not len(mesh.faces):
        return None
    return _told(decimated(mesh, faces or round(KEPT * len(mesh.faces))), voxels, seen, box)


def filled(field: Floats, known: Mask, *, sweeps: int = SWEEPS) -> Floats:
    """The field with its unknown nodes harmonic, each the mean of its six neighbours, from coarse grids to fine ones.

    Nothing flows through the border of the grid.

    Args:
        field: Shape (n, m, k).
        known: Nodes that keep their value.
        sweeps: Of relaxation; three times as many on each coarser grid, where they are cheap and reach far.
    """
    if known.all() or not known.any():
        return field
    guess = np.zeros_like(field)
    if min(field.shape) > 3:
        ends = [(0, size % 2) for size in field.shape]
        sums, counts = (_eighths(np.pad(part, ends)) for part in (field * known, known.astype(np.float32)))
        coarse = filled(
            np.asarray(sums / np.maximum(counts, 1), np.float32), counts > 0, sweeps=min(3 * sweeps, MOST_SWEEPS)
        )
        guess = _twice_as_fine(coarse, field.shape)
    result = np.where(known, field, guess)
    for _ in range(sweeps):
        np.copyto(result, _means(result), where=~known)
    return result


def largest_shell(mesh: Mesh) -> Mesh:
    """The shell, joined by edges, with the largest volume."""
    if not len(mesh.faces):
        return mesh
    surface = Surface(mesh)
    a, b, c = surface.triangles.swapaxes(0, 1)
    volumes = np.bincount(surface.shell, np.einsum("fx,fx->f", a - surface.vertices[0], np.cross(b - a, c - a)))
    return some_faces(mesh, torch.from_numpy(surface.shell == volumes.argmax()))


def decimated(mesh: Mesh, faces: int) -> Mesh:
    """A closed mesh with about so many faces, or another number where it would not be closed and free of crossings."""
    for factor in TRIES:
        count = max(FEWEST, round(factor * faces))
        if count < len(mesh.faces):
            fewer, crossed = _uncrossed(quadric(mesh, count))
            surface = Surface(fewer)
            if not crossed and surface.is_closed and not len(surface.pinched) and surface.shell.max(initial=0) == 0:
                return fewer
    return mesh


def _uncrossed(mesh: Mesh) -> tuple[Mesh, bool]:
    """The mesh with the vertices of faces that cross moved to the means of their neighbours; whether some still do."""
    for _ in range(RELAXATIONS):
        surface = Surface(mesh)
        pairs = crossings(surface.vertices, surface.faces).pairs
        if not len(pairs):
            return mesh, False
        moved, vertices = np.unique(surface.faces[np.unique(pairs)]), surface.vertices.copy()
        vertices[moved] = (neighbour_means(surface) @ surface.vertices)[moved]
        mesh = replace(mesh, vertices=torch.from_numpy(vertices[surface.weld].astype(np.float32)))
    surface = Surface(mesh)
    return mesh, bool(len(crossings(surface.vertices, surface.faces).pairs))


def _means(field: Floats) -> Floats:
    """Of the six neighbours of each node; beyond the border lies what lies at it."""
    wide = np.pad(field, 1, mode="edge")
    sums = wide[2:, 1:-1, 1:-1] + wide[:-2, 1:-1, 1:-1] + wide[1:-1, 2:, 1:-1] + wide[1:-1, :-2, 1:-1]
    sums += wide[1:-1, 1:-1, 2:] + wide[1:-1, 1:-1, :-2]
    return np.asarray(sums / np.float32(6))


def _twice_as_fine(coarse: Floats, shape: tuple[int, ...]) -> Floats:
    """Linear interpolation to a grid of this shape; its nodes lie a quarter of a coarse step beside the coarse ones."""
    for axis, size in enumerate(shape):
        doubled = np.moveaxis(coarse.repeat(2, axis), axis, 0)
        wide = np.concatenate([doubled[:1], doubled, doubled[-1:]])
        coarse = np.moveaxis((wide[:-2] + 2 * wide[1:-1] + wide[2:])[:size] / np.float32(4), 0, axis)
    return coarse


def _eighths(part: Floats) -> Floats:
    n, m, k = (size // 2 for size in part.shape)
    sums: Floats = part.reshape(n, 2, m, 2, k, 2).sum((1, 3, 5))
    return sums


def _carving(sighting: Sighting, thing: int) -> Shot:
    """What a picture says of a thing alone: its surface, and that there is none of it before anything else."""
    shot, things = sighting
    own = things == thing
    depth = np.where(things == NOTHING, np.float32(1e6), shot.depth)
    beside = ndimage.binary_dilation(own, np.ones((3, 3)))
    passing = np.where(beside, np.float32(BESIDE), np.float32(1))
    slope, cosine = np.where(own, shot.slope, np.float32(STEEP)), np.where(own, shot.cosine, passing)
    return shot._replace(depth=depth, slope=slope, cosine=cosine)


def _box(points: Array, floor: Floor | None, voxel: float, config: FusionConfig) -> Box:
    """The box around a thing and its foot."""
    low, high = np.quantile(points, [0.001, 0.999], axis=0)
    points = points[((points >= low) & (points <= high)).all(1)]
    if floor is not None:
        points = np.concatenate([points, points - floor.heights(points)[:, None] * floor.normal])
    side = voxel * BLOCK
    first = np.floor((points.min(0) - MARGIN * voxel) / side).astype(np.int64)
    last = np.floor((points.max(0) + MARGIN * voxel) / side).astype(np.int64)
    counts = last - first + 1
    needed = float(counts.prod(dtype=np.float64)) * BLOCK**3 * VOXEL_BYTES
    if needed > config.max_memory:
        got = f"{voxel:.3g} m, about {needed / 1e9:.3g} GB of voxels"
        fits = 1.05 * voxel * (needed / config.max_memory) ** (1 / 3)
        wanted = f"at least {fits:.2g} m for max_memory of {config.max_memory / 1e9:.3g} GB"
        raise InputError("voxel", got=got, wanted=wanted)
    return Box(first, counts, voxel)


def _integrated(shots: Sequence[Shot], box: Box, config: FusionConfig) -> Voxels:
    """Voxels of a box, with what shots say."""
    x, y, z = box.counts
    blocks = (np.stack(np.unravel_index(np.arange(x * y * z), (x, y, z)), 1) + box.first).astype(np.int32)
    n = len(blocks) * BLOCK**3
    floats = [np.zeros(n, np.float32) for _ in range(3)]
    voxels = Voxels(floats[0], floats[1], np.zeros(n, np.int32), np.zeros((n, 3), np.float32), floats[2])
    slots = np.arange(len(blocks), dtype=np.int32)
    integrate(shots, blocks, slots, voxels, voxel=box.voxel, truncation=config.truncation)
    return voxels


def _closed(
    distance: Floats, known: Mask, box: Box, truncation: float, floor: Floor | None, lids: Sequence[Lid]
) -> Floats:
    """The field (n, m, k) with a value everywhere: positive on the border of the grid, beyond the floor, in lids."""
    scale = np.float32(1 / (box.voxel * truncation))
    above = box.heights(floor) > 0 if floor is not None else np.ones_like(known)
    border = np.ones_like(known)
    border[1:-1, 1:-1, 1:-1] = False
    distance, known = np.where(border, np.float32(1), distance), (known | border) & above
    outside = np.full_like(distance, -np.inf) if floor is None else -scale * box.heights(floor)
    for lid in lids:
        within = box.within(lid.low, lid.high) & ~known
        outside = np.where(within, np.maximum(outside, scale * box.heights(lid.floor)), outside)
    covered = (outside > 0) & above
    field = filled(np.where(covered, outside.clip(-1, 1), distance).astype(np.float32), known | covered)
    field = np.maximum(field, outside.clip(-1, 1))
    field[border] = 1
    return field


def _surface_points(picture: Sighting, thing: int) -> Array:
    """World points [m] of all pixels that show a thing, shape (p, 3)."""
    return points_of(picture.shot._replace(depth=np.where(picture.things == thing, picture.shot.depth, 0)))


def _with_thin_parts(field: Floats, pictures: Sequence[Array], box: Box, config: FusionConfig) -> Floats:
    """The field with whole cells inside where many pictures show a point of the thing and there is no inside near.

    So a sheet or a wire is about a voxel thick.
    """
    views = np.zeros(field.shape, np.int32)
    for points in pictures:
        cells = np.floor((points - box.origin) / box.voxel).astype(np.int64)
        cells = cells[((cells >= 1) & (cells < np.array(field.shape) - 2)).all(1)]
        shown = np.zeros(field.shape, np.bool_)
        shown[tuple(cells.T)] = True
        views += shown
    enough = max(config.min_views, AGREED * sum(len(points) > 0 for points in pictures))
    inside = -THIN / config.truncation
    thin = np.argwhere((views >= enough) & (ndimage.minimum_filter(field, 3) > inside))
    for step in np.ndindex(2, 2, 2):
        field[tuple((thin + step).T)] = inside
    return field


def _told(mesh: Mesh, voxels: Voxels, seen: Mask, box: Box) -> ObjectMesh:
    """The mesh with colours, its faces in an order that tells the estimated ones, and its measures."""
    surface = Surface(mesh)
    is_seen = ndimage.binary_dilation(seen, np.ones((3, 3, 3)))[box.nodes(surface.triangles.mean(1))]
    order = np.argsort(~is_seen, kind="stable")
    estimated = float(surface.areas[~is_seen].sum() / surface.areas.sum())
    colors = np.stack([box.dense(channel) for channel in voxels.colors.T], -1)
    near = ndimage.distance_transform_edt(
        box.dense(voxels.color_weights) <= 0, return_distances=False, return_indices=True
    )
    rgb = colors[tuple(near[(slice(None), *box.nodes(mesh.vertices.numpy()))])]
    rgba = np.concatenate([rgb.round().clip(0, 255), np.full((len(rgb), 1), 255)], 1).astype(np.uint8)
    mesh = replace(mesh, faces=mesh.faces[torch.from_numpy(order)], vertex_colors=torch.from_numpy(rgba))
    return ObjectMesh(mesh, int(is_seen.sum()), estimated, surface.solid.volume, box.voxel)
