"""What becomes of a field: a mesh around what is opaque, and splats on its surface. Letters: n points, v vertices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scenekit.errors import FitError, InputError
from scenekit.fields.field import RadianceField, normals
from scenekit.fields.occupancy import Rays, Samples
from scenekit.fields.volume import blend
from scenekit.meshes import Mesh
from scenekit.splats import Splats
from scenekit.surface.flat_splats import flat_splats
from scenekit.surface.isosurface import isosurface
from scenekit.surface.scores import area_samples

AT_ONCE = 1 << 17
"""Points that a field is asked for at once."""
MAX_VOXELS = 1024
"""Most along the longest side of the box."""
DEPTH, GROWTH = 12, 1.5
"""Samples of a ray below the surface that say its colour, and how much longer each is than the one before."""
FALLBACK = 0.5
"""Part of the greatest density that is the level where nothing is as dense as it should be."""


class FieldMesh(NamedTuple):
    """The surface of a field."""

    mesh: Mesh
    """Closed, with vertex colours; in the world."""
    level: float
    """Density on it [1/m]."""
    remarks: list[str]
    """What a user should know of it, sentences; none if all went as it should."""


@torch.no_grad()
def field_mesh(
    field: RadianceField,
    *,
    voxels: int = 128,
    level: float | None = None,
    low: tuple[float, float, float] | None = None,
    high: tuple[float, float, float] | None = None,
) -> FieldMesh:
    """The surface around where a field is denser than a level, by marching cubes, with colours as seen from outside.

    The level is by itself ln 2 / voxel, at which a voxel takes half of the light. Where nothing in the box is as dense,
    it is half of the greatest density, and a remark says so: a mesh is never empty without a word.

    Args:
        field: The field.
        voxels: Along the longest side of the box.
        level: Density [1/m] instead.
        low: Lower corner of the box that is looked at [m]; of the region's inner cube if None.
        high: Upper corner.

    Raises:
        InputError: If the box is empty, or an option out of range.
        FitError: If the field has no density at all in the box, or one that is not finite.
    """
    middle, half = np.array(field.region.middle), field.region.half
    corner = np.array(low if low is not None else middle - half, np.float64)
    size = np.array(high if high is not None else middle + half, np.float64) - corner
    if not (2 <= voxels <= MAX_VOXELS and (size > 0).all() and np.isfinite(size).all()):
        wanted = f"2 to {MAX_VOXELS} voxels, a box with a size"
        raise InputError("field_mesh", got=f"{voxels} voxels, box of {size}", wanted=wanted)
    if level is not None and not 0 < level < math.inf:
        raise InputError("level", got=level, wanted="a density of more than 0")
    voxel = float(size.max()) / voxels
    density = _sampled(field, corner, voxel, tuple(math.ceil(s / voxel - 1e-9) + 1 for s in size))
    level, remarks = _level(density, voxel, level)
    # In the logarithm, in which density falls almost evenly across a surface; what lies around the box is outside.
    signed = np.pad(np.log(level / np.maximum(density, 1e-9 * level)).clip(-10, 10), 1, constant_values=10.0)
    mesh = isosurface(signed.astype(np.float32), origin=(corner - voxel).tolist(), voxel=voxel)
    inside = float((density > level).mean())
    if inside > 0.9:
        remarks.append(
            f"{inside:.0%} of the box is inside: the level {level:.3g} 1/m is too low, or the box too small."
        )
    colors = surface_colors(field, mesh.vertices, level)
    rgba = torch.nn.functional.pad((colors * 255).round().to(torch.uint8), (0, 1), value=255)
    return FieldMesh(replace(mesh, vertex_colors=rgba), level, remarks)


def _level(density: np.ndarray, voxel: float, level: float | None) -> tuple[float, list[str]]:
    """The level, and what is to be said about it."""
    greatest = float(density.max())
    if not (0 < greatest < math.inf and np.isfinite(density).all()):
        hint = "Was it fitted, and does the box hold what was seen?"
        raise FitError("field", got=f"a greatest density of {greatest:.3g} 1/m", wanted="something to see", hint=hint)
    wanted = math.log(2) / voxel if level is None else level
    if greatest > wanted:
        return wanted, []
    fallback = FALLBACK * greatest
    alpha = 1 - math.exp(-greatest * voxel)
    how = "takes half of the light" if level is None else f"is as dense as {level:.3g} 1/m"
    remark = (
        f"No voxel {how}, the densest takes {alpha:.1%}: the level is {fallback:.3g} 1/m, half of the greatest density."
    )
    return fallback, [remark]


def covering_level(peaks: Tensor, opacity: Tensor) -> float:
    """The level whose surface covers, of pictures, what the field does.

    Of all levels it is the one at which the rays that meet something as dense and the rays that lose half of their
    light have the largest intersection over union. Thin parts of a soft field are as opaque in pictures as thick ones,
    but where a voxel takes half of the light is nothing of them.

    Args:
        peaks: Greatest density on each ray [1/m], shape (n,).
        opacity: Of each ray, 0..1, shape (n,).

    Raises:
        FitError: If no ray loses half of its light.
    """
    there = opacity > 0.5
    if not there.any():
        got = f"nothing that takes more than {float(opacity.amax()):.0%} of the light"
        raise FitError("field", got=got, wanted="something opaque", hint="More steps may help.")
    falling, order = peaks.sort(descending=True)
    both = there[order].cumsum(0)
    either = int(there.sum()) + torch.arange(1, len(peaks) + 1) - both
    return float(falling[(both / either).argmax()])


def _sampled(field: RadianceField, corner: np.ndarray, voxel: float, shape: tuple[int, ...]) -> np.ndarray:
    """Density at the nodes of a grid, float32 of that shape."""
    axes = [torch.from_numpy(corner[i] + voxel * np.arange(shape[i])).float() for i in range(3)]
    slabs = max(1, AT_ONCE // (shape[1] * shape[2]))
    parts = []
    for begin in range(0, shape[0], slabs):
        nodes = torch.cartesian_prod(axes[0][begin : begin + slabs], axes[1], axes[2])
        parts.append(field.density(nodes).reshape(-1, *shape[1:]))
    return torch.cat(parts).numpy()


@torch.no_grad()
def surface_colors(field: RadianceField, points: Tensor, level: float) -> Tensor:
    """Colours 0..1 of points (n, 3) on the surface of that level [1/m], as rays from straight above bring back, (n, 3).

    They go on to where at most an eighth of the light is left, by longer and longer steps. The colour at the points
    alone is that of the outermost haze, which is hardly seen.
    """
    lengths = GROWTH ** torch.arange(float(DEPTH))
    lengths *= 3 * math.log(2) / level / lengths.sum()
    begins = lengths.cumsum(0) - lengths
    parts = [_from_above(field, part, begins, lengths) for part in points.split(AT_ONCE // DEPTH)]
    return torch.cat(parts).clamp(0, 1) if parts else torch.zeros(0, 3)


def _from_above(field: RadianceField, points: Tensor, begins: Tensor, lengths: Tensor) -> Tensor:
    """Colours of points (n, 3), with samples of these lengths along each ray inwards, (n, 3)."""
    n, rays = len(points), Rays(points, -normals(field, points))
    numbers = torch.arange(n + 1)
    samples = Samples(begins.repeat(n), lengths.repeat(n), numbers[:-1].repeat_interleave(DEPTH), numbers.int() * DEPTH)
    seen = blend(*field(*samples.of(rays)), samples)
    return seen.rgb / seen.alpha.clamp(min=1e-6)[:, None]


@torch.no_grad()
def field_splats(
    field: RadianceField, found: FieldMesh, *, count: int = 20_000, opacity: float = 0.9, seed: int = 0
) -> Splats:
    """Flat Gaussians spread evenly over a field's surface, with its colours, as wide as they are apart.

    Args:
        field: The field.
        found: Its surface, from `field_mesh`.
        count: Gaussians.
        opacity: Of each.
        seed: Of their places.

    Raises:
        InputError: If the surface is empty, or an option out of range.
    """
    if not (count >= 1 and 0 < opacity < 1 and len(found.mesh.faces)):
        got = f"{count} Gaussians of opacity {opacity} on {len(found.mesh.faces)} faces"
        raise InputError("field_splats", got=got, wanted="at least one, opacity above 0 and below 1, a surface")
    points = torch.from_numpy(area_samples(found.mesh, count, np.random.default_rng(seed))).float()
    a, b, c = (found.mesh.vertices[found.mesh.faces[:, i]] for i in range(3))
    area = float(torch.linalg.cross(b - a, c - a).norm(dim=-1).sum()) / 2
    up = torch.cat([normals(field, part) for part in points.split(AT_ONCE)])
    return flat_splats(points, up, surface_colors(field, points, found.level), area=area, opacity=opacity)
