"""Convex hulls of points, with a limit on their corners. Letters: n points."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from scenekit._libraries import trimesh
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh

FLAT = 1e-6
"""Points that are thinner than this part of their length have no hull."""


def convex_hull(points: Array, *, max_vertices: int | None = None) -> Mesh:
    """The convex hull of points (n, 3), looking outwards; with a limit, that of the corners that Qhull takes first.

    Raises:
        InputError: If the points are not finite or lie in a plane.
    """
    name, wanted = "hull", "points that span a volume"
    if len(points) < 4 or not np.isfinite(points).all():
        raise InputError(name, got=f"{len(points)} points, or some not finite", wanted=wanted)
    middle = points.mean(0)
    spread = np.linalg.svd(points - middle, compute_uv=False)
    if spread[2] <= FLAT * spread[0]:
        raise InputError(name, got="points in a plane or on a line", wanted=wanted)
    corners = hull_corners(points - middle, max_vertices) + middle
    hull = trimesh.Trimesh(corners, ConvexHull(corners).simplices, process=False)
    hull.fix_normals()
    return mesh_from(hull.vertices, hull.faces)


def hull_corners(points: Array, most: int | None) -> Array:
    """Corners of the hull of points (n, 3); with a limit, from a tetrahedron on always the one farthest outside.

    Raises:
        InputError: If they span no volume.
    """
    try:
        corners = points[ConvexHull(points).vertices]
        if most is None or len(corners) <= most:
            return corners
        taken = _tetrahedron(corners)
        hull = ConvexHull(corners[taken], incremental=True)
        while len(taken) < most:
            outside = (corners @ hull.equations[:, :3].T + hull.equations[:, 3]).max(1)
            taken.append(int(outside.argmax()))
            hull.add_points(corners[taken[-1:]])
    except QhullError as error:
        raise InputError("hull", got=str(error).splitlines()[0], wanted="points that span a volume") from None
    return corners[taken]


def _tetrahedron(points: Array) -> list[int]:
    """Four points far apart: each is the farthest from the point, line and plane of those before."""
    taken = [int(np.linalg.norm(points, axis=1).argmax())]
    rest = points - points[taken[0]]
    for _ in range(3):
        taken.append(int(np.linalg.norm(rest, axis=1).argmax()))
        along = rest[taken[-1]] / np.linalg.norm(rest[taken[-1]])
        rest = rest - np.outer(rest @ along, along)
    return taken


def mesh_from(vertices: Array, faces: NDArray[np.integer]) -> Mesh:
    """A mesh of arrays (v, 3) and (f, 3)."""
    return Mesh(
        torch.tensor(np.asarray(vertices), dtype=torch.float32), torch.tensor(np.asarray(faces), dtype=torch.int64)
    )
