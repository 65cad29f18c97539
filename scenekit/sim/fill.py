"""Filling: the inside of things as points for particles, in bounded time and memory. Letters: p points, n Gaussians."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from torch import Tensor

from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.mass import mass_properties
from scenekit.meshes import Mesh
from scenekit.render.splats_torch import rotations
from scenekit.splats import Splats
from scenekit.surface.signed_distance import SignedDistance
from scenekit.validation.surface import Surface

MOST = 4_000_000
"""Points that a filling has at the most, if not told otherwise."""

BLOCK = 8
"""Grid points along the side of a block that is looked at as a whole."""

ROUNDING = 1e-4
"""Of a spacing, by which a side may be longer than a multiple of it without another point."""

UNLIKE = 3.0
"""A thing is too thin for a spacing if its points, as cubes, have a volume so many times too large or too small."""

MOST_CELLS = 64_000_000
"""Cells of the box around a thing, in blocks for a mesh and one by one for splats."""

OPAQUE, REACH, LARGEST = 0.2, 1.5, 0.1
"""Gaussians less opaque are no matter; one is solid within so many standard deviations, which are held below this part
of the extent of all: a few huge or degenerate Gaussians would fill the world."""

SAMPLES, MOST_SAMPLES = 4096, 8_000_000
"""Points that a Gaussian is drawn with at the most, and all together."""


class Filling(NamedTuple):
    """Points inside of a thing and the part of its volume that each stands for."""

    points: Tensor
    """[m], float32, shape (p, 3)."""
    volume: Tensor
    """[m³], float32, shape (p,); together that of the thing."""


def fill(mesh: Mesh, *, spacing: float, jitter: float = 0.0, most: int = MOST, seed: int = 0) -> Filling:
    """Points on a regular grid inside a closed mesh, eight to a cell of twice the spacing.

    A block of the grid through which no face passes is inside or outside as a whole, so the time goes with the
    surface, and what is asked of the mesh at once is bounded.

    Args:
        mesh: Closed, looking outwards.
        spacing: Distance between neighbouring points [m].
        jitter: Moves each point by up to this part of the spacing, which breaks up the pattern of the grid; 0 to 0.5.
        most: Points that are allowed.
        seed: Chance of the jitter.

    Raises:
        InputError: If the mesh is open or inside out, thinner than the spacing shows, or there would be too many
            points; the message says which spacing would do.
    """
    if not 0 < spacing < math.inf or not 0 <= jitter <= 0.5:
        raise InputError(
            "filling", got=f"spacing {spacing}, jitter {jitter}", wanted="spacing above 0, jitter 0 to 0.5"
        )
    volume = _volume(mesh)
    _check_count(volume / spacing**3, most, spacing)
    low, high = (end.double().numpy() for end in mesh.vertices.aminmax(dim=0))
    _check_count(float(np.prod((high - low) / spacing)) / BLOCK**3, MOST_CELLS, spacing)
    points = _inside(SignedDistance(mesh), low, high, spacing)
    if not 1 / UNLIKE < len(points) * spacing**3 / volume < UNLIKE:
        got = f"{spacing:.3g} m, which finds {len(points)} points in {volume:.3g} m³"
        raise InputError("spacing", got=got, wanted="less than the thickness of the thing")
    if jitter:
        points = points + np.random.default_rng(seed).uniform(-jitter, jitter, points.shape) * spacing
    return Filling(torch.from_numpy(points).float(), torch.full((len(points),), volume / len(points)))


def fill_splats(splats: Splats, *, spacing: float, most: int = MOST, seed: int = 0) -> Filling:
    """Points inside what opaque Gaussians enclose, where there is no closed mesh.

    Cells that a Gaussian reaches are matter. Gaps of a cell are closed, so is the lowest level, as what stands on
    something shows no bottom, and what cannot be reached from outside then is inside. A Gaussian is drawn with a
    bounded number of points however large it is.

    Args:
        splats: n Gaussians.
        spacing: Distance between neighbouring points, and the side of a cell [m].
        most: Points that are allowed.
        seed: Chance of the points with which Gaussians are drawn.

    Raises:
        InputError: If nothing is opaque, or there would be too many points or cells.
    """
    shown = torch.cat([t.flatten(1) for t in (splats.means, splats.log_scales, splats.quats)], 1).isfinite().all(1)
    shown &= splats.opacities > OPAQUE
    if not shown.any():
        raise InputError("splats", got="none that is opaque and finite", wanted="a thing to be filled")
    cloud = splats.take(shown)
    centres = cloud.means.double().numpy()
    middle = np.median(centres, 0)
    distance = np.linalg.norm(centres - middle, axis=1)
    extent = max(3 * float(np.quantile(distance, 0.9)), spacing)
    cloud = cloud.take(torch.from_numpy(distance <= extent))
    samples = _drawn(cloud, extent, spacing, seed)
    low = samples.min(0) - 3 * spacing
    shape = tuple(int(n) for n in np.ceil((samples.max(0) - low) / spacing) + 4)
    _check_count(float(np.prod(shape, dtype=np.float64)), MOST_CELLS, spacing)
    matter = np.zeros(shape, bool)
    matter[tuple(((samples - low) / spacing).astype(np.int64).T)] = True
    cells = np.argwhere(_solid(matter))
    _check_count(len(cells), most, spacing)
    return Filling(torch.from_numpy(low + (cells + 0.5) * spacing).float(), torch.full((len(cells),), spacing**3))


def interior_splats(points: Tensor, splats: Splats, *, spacing: float, neighbours: int = 8) -> Splats:
    """An opaque splat for each point deeper inside than the spacing, coloured like the surface nearest to it.

    They are hidden until a thing tears, breaks or flows, and then are the colour of its cut.

    Args:
        points: Inside of the thing [m], shape (p, 3).
        splats: Its surface.
        spacing: Distance between neighbouring points [m].
        neighbours: Gaussians of the surface whose mean colour a point takes.
    """
    count = min(neighbours, len(splats))
    tree = cKDTree(splats.means.double().numpy())
    distance, nearest = tree.query(points.double().numpy(), k=range(1, count + 1))
    deep = torch.from_numpy(distance[:, 0] > spacing)
    chosen = torch.from_numpy(nearest)[deep]
    weights = splats.opacities[chosen].clamp(min=1e-3)
    sh = torch.zeros(len(chosen), *splats.sh.shape[1:])
    sh[:, 0] = (splats.sh[chosen, 0] * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
    return Splats(
        points[deep].float(),
        torch.tensor([1.0, 0, 0, 0]).repeat(len(chosen), 1),
        torch.full((len(chosen), 3), math.log(0.5 * spacing)),
        torch.full((len(chosen),), 5.0),
        sh,
        splats.antialiased,
    )


def _volume(mesh: Mesh) -> float:
    """Volume of a mesh that encloses one [m³]."""
    hint = "scenekit.surface.solid makes a closed one of any triangles."
    if not len(mesh.faces) or not mesh.vertices.isfinite().all() or not Surface(mesh).is_closed:
        raise InputError("mesh", got="one with holes, or without faces", wanted="a closed one", hint=hint)
    volume = mass_properties(mesh).volume
    if not volume > 0:
        raise InputError("mesh", got=f"a volume of {volume:.3g} m³: inside out, or flat", wanted="a solid", hint=hint)
    return volume


def _check_count(count: float, most: int, spacing: float) -> None:
    if count > most:
        fits = float(f"{spacing * (count / most) ** (1 / 3) * 1.01:.3g}")
        raise InputError(
            "spacing", got=f"{spacing:.3g} m, {count:.3g} points", wanted=f"at least {fits:g} m for {most}"
        )


def _inside(distance: SignedDistance, low: Array, high: Array, spacing: float) -> Array:
    """Grid points with a negative distance, shape (p, 3); the grid lies evenly in the box."""
    counts = np.maximum(np.ceil((high - low) / spacing - ROUNDING), 1).astype(np.int64)
    first = (low + high) / 2 - (counts - 1) / 2 * spacing
    blocks = -(-counts // BLOCK)
    corner = np.indices(tuple(blocks.tolist())).reshape(3, -1).T * BLOCK
    coarse = distance(first + (corner + (BLOCK - 1) / 2) * spacing)
    near = np.abs(coarse) < spacing * BLOCK * 3**0.5 / 2
    offsets = np.indices((BLOCK,) * 3).reshape(3, -1).T
    found = [np.zeros((0, 3))]
    for part in np.array_split(corner[near | (coarse < 0)], max(1, int((near | (coarse < 0)).sum()) // 2000)):
        cells = (part[:, None] + offsets).reshape(-1, 3)
        points = first + cells[(cells < counts).all(1)] * spacing
        found.append(points[distance(points) < 0])
    return np.concatenate(found)


def _drawn(cloud: Splats, extent: float, spacing: float, seed: int) -> Array:
    """Points spread over the Gaussians, about two to a cell that one reaches, shape (s, 3)."""
    scales = cloud.scales.double().clamp(max=LARGEST * extent)
    size = (2 * REACH * scales / spacing).clamp(min=1).prod(1) * 2
    counts = size.clamp(max=SAMPLES).ceil()
    counts = (counts * min(1.0, MOST_SAMPLES / float(counts.sum()))).ceil().long()
    which = torch.repeat_interleave(torch.arange(len(cloud)), counts)
    rng = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(len(which), 3, generator=rng, dtype=torch.float64), dim=1)
    radius = REACH * torch.rand(len(which), 1, generator=rng, dtype=torch.float64) ** (1 / 3)
    local = direction * radius * scales[which]
    R = rotations(torch.nn.functional.normalize(cloud.quats.double(), dim=1))
    return (cloud.means.double()[which] + (R[which] @ local[..., None])[..., 0]).numpy()


def _solid(matter: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Matter with small gaps, the bottom and all that is enclosed filled."""
    closed = ndimage.binary_closing(matter, ndimage.generate_binary_structure(3, 3))
    lowest = int(np.flatnonzero(closed.any((0, 1)))[0])
    closed[:, :, lowest] |= ndimage.binary_fill_holes(closed[:, :, lowest : lowest + 3].any(2))
    return ndimage.binary_fill_holes(closed)
