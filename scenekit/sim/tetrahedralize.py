"""Tetrahedra that fill a solid: a body-centred cubic lattice whose outer vertices are drawn to the surface.

Letters: v vertices, t tetrahedra, n lattice points.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit._libraries import open3d as o3d
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.sim.soft_bodies import boundary
from scenekit.surface.signed_distance import SignedDistance

MOST_POINTS = 4_000_000
"""Largest lattice."""

NEAR = 0.25
"""How deep a corner lies that is well inside [cells]."""

LEAST_VOLUME = 0.2
"""Part of a lattice tetrahedron's volume that remains when its vertices are drawn to the surface."""


def tetrahedralize(mesh: Mesh, *, cell: float | None = None) -> tuple[Tensor, Tensor]:
    """Fills a solid with tetrahedra of about one size.

    Tetrahedra of the lattice with a corner well inside are kept, after isosurface stuffing (Labelle & Shewchuk 2007),
    and their outer corners move to the nearest point of the surface, as far as none loses more than four fifths of its
    volume. So all are well shaped whatever the mesh; edges and corners are cut off by a part of a cell. Where the solid
    is thinner than a cell, all tetrahedra that it touches are kept.

    Args:
        mesh: Looking outwards; holes are closed as `SignedDistance` does.
        cell: Side of a cube of the lattice [m]; a sixteenth of the diagonal of the mesh if None.

    Returns:
        Vertices [m], float32, shape (v, 3), and tetrahedra of positive volume, int32, shape (t, 4).

    Raises:
        InputError: If the mesh is empty or not finite, or the lattice would be too large.
    """
    if not len(mesh.faces) or not bool(mesh.vertices[mesh.faces].isfinite().all()):
        raise InputError("tetrahedralize: mesh", got="no faces, or some not finite", wanted="a solid")
    corners = mesh.vertices.double()[mesh.faces].reshape(-1, 3)
    low, high = corners.amin(0).numpy(), corners.amax(0).numpy()
    size = float(np.linalg.norm(high - low)) / 16 if cell is None else cell
    if not size > 0:
        raise InputError("tetrahedralize: cell", got=size, wanted="more than 0 m")
    count = np.ceil((high - low) / size).astype(np.float64) + 3
    if 2 * count.prod() > MOST_POINTS:
        got = f"{size:g} m, so {2 * count.prod():.3g} points"
        raise InputError(
            "tetrahedralize: cell", got=got, wanted=f"at most {MOST_POINTS} points", hint="Make it larger."
        )
    points, tets = _lattice(low - size, tuple(count.astype(int).tolist()), size)
    distance = SignedDistance(mesh)
    kept = _kept(tets, distance(points), distance(points[tets].mean(1)), size)
    if not kept.any():
        raise InputError("tetrahedralize: cell", got=f"{size:g} m", wanted="less than the solid is thick")
    used, tets = np.unique(tets[kept], return_inverse=True)
    tets = tets.reshape(-1, 4)
    vertices = _drawn(points[used], tets, mesh)
    return torch.from_numpy(vertices.astype(np.float32)), torch.from_numpy(tets.astype(np.int32))


def _lattice(low: Array, count: tuple[int, ...], cell: float) -> tuple[Array, NDArray[np.int64]]:
    """Points of a body-centred cubic lattice (n, 3), and its tetrahedra (t, 4), all congruent and of positive volume.

    Each lies about an edge between the middles of two cubes and an edge of the square that these share.
    """
    nodes = np.indices(count).reshape(3, -1).T
    points = np.concatenate([nodes, nodes + 0.5]) * cell + low
    number = np.arange(len(nodes)).reshape(count)
    middle = number + len(nodes)
    tets = []
    for axis in range(3):
        inner = [slice(0, -1)] * 3
        inner[axis] = slice(0, -2)
        ahead = list(inner)
        ahead[axis] = slice(1, -1)
        a, b = middle[tuple(inner)], middle[tuple(ahead)]
        ring = [number[tuple(_shifted(ahead, axis, step))] for step in ((0, 0), (1, 0), (1, 1), (0, 1))]
        tets += [np.stack([a, b, ring[k], ring[(k + 1) % 4]], -1).reshape(-1, 4) for k in range(4)]
    return points, np.concatenate(tets)


def _shifted(at: list[slice], axis: int, step: tuple[int, int]) -> list[slice]:
    """Slices moved on along the two other axes, which follow `axis` in turn."""
    moved = list(at)
    for k, by in zip((1, 2), step, strict=True):
        other = (axis + k) % 3
        moved[other] = slice(by, at[other].stop + by or None)
    return moved


def _kept(
    tets: NDArray[np.int64], corner: NDArray[np.float32], middle: NDArray[np.float32], cell: float
) -> NDArray[np.bool_]:
    """Those with a corner well inside; where these reach no corner inside, all that the solid touches."""
    deep = (corner[tets] < -NEAR * cell).any(1)
    reached = np.zeros(len(corner), np.bool_)
    reached[tets[deep]] = True
    missed = ((corner < 0) & ~reached)[tets].any(1)
    thin = (middle < 0.1 * cell) & ~reached[tets].any(1)
    return deep | missed | thin


def _drawn(points: Array, tets: NDArray[np.int64], mesh: Mesh) -> Array:
    """Points with those of the boundary moved to the surface, as far as the volumes of tetrahedra allow."""
    rim = boundary(torch.from_numpy(tets)).unique().numpy()
    array = o3d.core.Tensor.from_numpy
    scene = o3d.t.geometry.RaycastingScene()
    faces = mesh.faces.numpy().astype(np.uint32)
    scene.add_triangles(array(mesh.vertices.numpy()), array(faces))
    nearest = scene.compute_closest_points(array(points[rim].astype(np.float32)))["points"].numpy()
    way, part = np.zeros_like(points), np.ones(len(points))
    way[rim] = nearest - points[rim]
    least = LEAST_VOLUME * _volumes(points, tets)
    for _ in range(20):
        moved = points + part[:, None] * way
        flat = _volumes(moved, tets) < least
        if not flat.any():
            return moved
        part[tets[flat]] *= 0.7
    return points


def _volumes(points: Array, tets: NDArray[np.int64]) -> Array:
    corners = points[tets]
    return np.asarray(np.linalg.det(corners[:, 1:] - corners[:, :1]) / 6)
