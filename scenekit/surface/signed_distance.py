"""Signed distance of points from any triangles. Letters: n points."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray

import scenekit._kernels.mesh_distance as kernels
from scenekit._kernels.launch import launch
from scenekit.cameras import Array
from scenekit.meshes import Mesh


class SignedDistance:
    """A triangle soup to be asked how far points are from it, and on which side.

    A point is inside where the generalized winding number of the triangles (Jacobson et al. 2013) is above a half, so a
    closed surface means what it always did, and an open one is closed by the membrane on which the number is a half.
    Clusters that are far away count by their moments (Barill et al. 2018). Coordinates are taken from the middle, so
    that float32 holds them.

    Args:
        mesh: At least one face, all corners finite; looking outwards.
    """

    def __init__(self, mesh: Mesh):
        corners = mesh.vertices[mesh.faces].double()
        self._middle = (0.5 * (corners.amin((0, 1)) + corners.amax((0, 1)))).numpy()
        self._reach = 4 * float((corners.amax((0, 1)) - corners.amin((0, 1))).norm())
        vertices = mesh.vertices.double().numpy() - self._middle
        faces = mesh.faces.numpy().ravel().astype(np.int32)
        self._mesh = wp.Mesh(points=_points(vertices), indices=_array(faces, wp.int32), support_winding_number=True)

    def __call__(self, points: Array) -> NDArray[np.float32]:
        """Distances of points (n, 3) from the nearest triangle [m], negative inside, shape (n,)."""
        distance = np.zeros(len(points), np.float32)
        inputs = [self._mesh.id, self._reach, _points(points - self._middle), _array(distance, wp.float32)]
        launch(kernels.signed_distance, len(points), inputs, "cpu", interleaved=True)
        return distance


def _points(points: Array) -> wp.array[Any]:
    return _array(points.astype(np.float32), wp.vec3)


def _array(values: NDArray[Any], dtype: type) -> wp.array[Any]:
    """Values, not copied, as Warp's."""
    return wp.array(values, dtype=dtype, device="cpu", copy=False)
