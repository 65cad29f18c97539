"""Probe: distance to a mesh, what it encloses and what is above or below, on Embree by Open3D. Letters: n points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenekit._libraries import open3d
from scenekit.cameras import Array

VOTES = 3
"""Rays by whose majority a point is inside."""


class Probe:
    """A mesh to be asked about points; coordinates are taken from its middle, so that float32 holds them.

    Args:
        vertices: Positions [m], shape (v, 3).
        faces: At least one, shape (f, 3).
    """

    def __init__(self, vertices: Array, faces: NDArray[np.int64]):
        used, index = np.unique(faces, return_inverse=True)
        corners = vertices[used]
        self._middle = 0.5 * (corners.min(0) + corners.max(0))
        self._scene = open3d.t.geometry.RaycastingScene(nthreads=0)
        self._scene.add_triangles(
            open3d.core.Tensor.from_numpy((corners - self._middle).astype(np.float32)),
            open3d.core.Tensor.from_numpy(index.reshape(-1, 3).astype(np.uint32)),
        )

    def distance(self, points: Array) -> Array:
        """Unsigned distances to the nearest face [m], shape (n,)."""
        return self._scene.compute_distance(self._local(points)).numpy().astype(np.float64)

    def inside(self, points: Array) -> NDArray[np.bool_]:
        """True for points that a closed mesh encloses, shape (n,)."""
        return self._scene.compute_occupancy(self._local(points), nsamples=VOTES).numpy() > 0.5

    def gap(self, points: Array, direction: Array) -> Array:
        """Distance from each point along a unit direction to the first face, else infinite [m], shape (n,)."""
        rays = np.concatenate([points - self._middle, np.broadcast_to(direction, points.shape)], axis=1)
        hits = self._scene.cast_rays(open3d.core.Tensor.from_numpy(rays.astype(np.float32)))
        return hits["t_hit"].numpy().astype(np.float64)

    def _local(self, points: Array) -> open3d.core.Tensor:
        return open3d.core.Tensor.from_numpy(np.ascontiguousarray(points - self._middle, dtype=np.float32))
