"""Screened Poisson: oriented points → one smooth surface. Letters: n points, v vertices."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit._libraries import open3d
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh, some_faces
from scenekit.surface.depth import SurfaceView
from scenekit.surface.fusion import FusionConfig, believed, points_of

DEPTHS = (3, 12)
"""Least and largest depth of the octree."""


def poisson(
    points: Array,
    normals: Array,
    rgb: NDArray[np.uint8] | None = None,
    *,
    depth: int = 9,
    trim: float = 0.05,
) -> Mesh:
    """The surface whose indicator function has the gradient that oriented points call for (Kazhdan and Hoppe 2013).

    The surface is closed, also where nothing was seen; there few points stand behind a vertex, and it is trimmed.

    Args:
        points: On the surface [m], shape (n, 3).
        normals: Unit, outwards, shape (n, 3).
        rgb: Colours 0..255, shape (n, 3); white if None.
        depth: Of the octree: the box around the points is cut into 2^depth cells along each side.
        trim: Share of the vertices, those with the least density of points, that is taken away, 0 to 1.

    Raises:
        InputError: If there are fewer than 10 points, a number is not finite or out of range, or shapes disagree.
    """
    _check(points, normals, rgb, depth, trim)
    cloud = open3d.geometry.PointCloud()
    vector = open3d.utility.Vector3dVector
    cloud.points, cloud.normals = vector(np.asarray(points, np.float64)), vector(np.asarray(normals, np.float64))
    if rgb is not None:
        cloud.colors = vector(rgb / 255.0)
    found, density = open3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=depth, n_threads=-1)
    vertices = torch.from_numpy(np.asarray(found.vertices, dtype=np.float32))
    colors = np.full((len(vertices), 4), 255, np.uint8)
    if rgb is not None:
        colors[:, :3] = (np.asarray(found.vertex_colors).clip(0, 1) * 255).round()
    mesh = Mesh(vertices, torch.from_numpy(np.array(found.triangles, np.int64)), torch.from_numpy(colors))
    dense = np.asarray(density)
    kept = torch.from_numpy(dense >= np.quantile(dense, trim)) if len(dense) else torch.ones(0, dtype=torch.bool)
    return some_faces(mesh, kept[mesh.faces].all(1))


def oriented_points(
    views: Iterable[SurfaceView], config: FusionConfig | None = None, *, every: int = 4
) -> tuple[Array, Array, NDArray[np.uint8]]:
    """Points [m], unit normals and colours 0..255, each (n, 3), of every so many-th pixel of the views with depth.

    Raises:
        InputError: If there are no views.
    """
    config, rows = config or FusionConfig(), []
    for view in views:
        shot = believed(view, config)
        valid = shot.depth[::every, ::every] > 0
        normals = view.normals.detach().cpu().double().numpy()[::every, ::every][valid]
        rgb = (shot.rgb[::every, ::every][valid] * 255).round().astype(np.uint8)
        rows.append((points_of(shot, every=every), normals, rgb))
    if not rows:
        raise InputError("views", got="none", wanted="at least one")
    points, normals, rgb = (np.concatenate(column) for column in zip(*rows, strict=True))
    return points, normals, rgb


def _check(points: Array, normals: Array, rgb: NDArray[np.uint8] | None, depth: int, trim: float) -> None:
    n = len(points)
    for name, array in (("points", points), ("normals", normals), ("rgb", rgb)):
        if array is not None and (array.shape != (n, 3) or not np.isfinite(array).all()):
            raise InputError(name, got=f"shape {array.shape}", wanted=f"finite numbers of shape ({n}, 3)")
    if n < 10:
        raise InputError("points", got=f"{n} points", wanted="at least 10 to lay a surface through")
    if not DEPTHS[0] <= depth <= DEPTHS[1]:
        raise InputError("depth", got=depth, wanted=f"{DEPTHS[0]} to {DEPTHS[1]}")
    if not 0 <= trim < 1:
        raise InputError("trim", got=trim, wanted="0 to less than 1")
