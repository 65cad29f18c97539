"""Crevices: what of a solid's surface a ball cannot touch from outside. Letters: v vertices, n points.

Pieces that may stick out of a solid by a threshold may close a crevice of twice its width, whose walls then lie buried,
however deep it is. So where pieces are compared with a solid, its surface counts as far as a ball of the threshold's
radius reaches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scenekit.cameras import Array
from scenekit.meshes import Mesh
from scenekit.surface.signed_distance import SignedDistance
from scenekit.validation.surface import Surface

SLACK = 0.02
"""Part of its radius by which a ball that touches a point may overlap the surface elsewhere: facets are no spheres."""


class SurfacePoints(NamedTuple):
    """Points on the surface of a solid."""

    reached: Array
    """Those that a ball touches from outside, shape (n, 3) [m]."""
    hidden: Array
    """The others, in crevices and at the bottom of sharp grooves, shape (n, 3) [m]."""


def surface_points(mesh: Mesh, solid: SignedDistance, *, radius: float, count: int) -> SurfacePoints:
    """`count` points spread over the area of a closed mesh, and at most as many vertices: there pieces err most.

    Args:
        mesh: Closed, looking outwards.
        solid: Its signed distance.
        radius: Of the ball [m].
        count: Points on faces, and the most vertices.
    """
    surface = Surface(mesh)
    points, face = surface.sample(count)
    a, b, c = surface.triangles.swapaxes(0, 1)
    across = np.cross(b - a, c - a)
    by_vertex = np.zeros_like(surface.vertices)
    for corner in range(3):
        np.add.at(by_vertex, surface.faces[:, corner], across)
    used = np.unique(surface.faces)
    used = used[:: max(1, len(used) // count)]
    points = np.concatenate([points, surface.vertices[used]])
    normals = np.concatenate([across[face], by_vertex[used]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(min=1e-300)
    free = solid(points + radius * normals) >= (1 - SLACK) * radius
    return SurfacePoints(points[free], points[~free])
