"""Signed distance of points from any triangles. Letters: n points, n m k nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

import scenekit._kernels.mesh_distance as kernels
from scenekit._kernels.launch import launch
from scenekit.cameras import Array
from scenekit.meshes import Mesh

BLOCK = 4
"""Nodes along the side of a block."""

BLUR = 1.5
"""Standard deviation over which signs are averaged where a fill is [voxels]."""


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


def signed_field(mesh: Mesh, *, origin: Array, shape: tuple[int, int, int], voxel: float) -> NDArray[np.float32]:
    """Signed distance at the nodes of a grid, for `isosurface`: exact by the mesh, positive on the border of the grid.

    A block of nodes is looked at one by one if the mesh may pass through it or the side changes around it. Where no
    mesh is near but the side changes, a fill passes; there the field is the mean of the signs around, whose zero is
    smooth, as the distance to the mesh says nothing of it.

    Args:
        mesh: As for `SignedDistance`.
        origin: Position of the first node [m], shape (3,).
        shape: Nodes along x, y, z.
        voxel: Distance between neighbouring nodes [m].

    Returns:
        [m], shape (n, m, k).
    """
    distance = SignedDistance(mesh)
    blocks = tuple(-(-size // BLOCK) for size in shape)
    centres = origin + voxel * (BLOCK * np.indices(blocks).reshape(3, -1).T + (BLOCK - 1) / 2)
    coarse = distance(centres).reshape(blocks)
    inside = coarse < 0
    near = maximum_filter(inside, 3) != minimum_filter(inside, 3)
    near |= np.abs(coarse) < voxel * (BLOCK * 3**0.5 / 2 + 1)
    field, looked_at = _spread(coarse, shape), np.argwhere(_spread(near, shape))
    field[tuple(looked_at.T)] = distance(origin + voxel * looked_at)
    sign = np.where(field < 0, np.float32(-1), np.float32(1))
    # By a plane the blurred sign is erf(d / √2 BLUR), so it grows like d · √(2/π) / BLUR.
    fill = sign * np.maximum(sign * gaussian_filter(sign, BLUR), 1e-3) * np.float32(1.25 * BLUR * voxel)
    field = np.where(np.abs(field) > voxel, fill, field)  # within a voxel, a neighbour may lie across the mesh
    inner = (slice(1, -1),) * 3
    closed = np.full_like(field, voxel)
    closed[inner] = field[inner]
    return closed


def _spread(blocks: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The value of its block at each node, shape (n, m, k)."""
    for axis in range(3):
        blocks = blocks.repeat(BLOCK, axis)
    return blocks[: shape[0], : shape[1], : shape[2]].copy()


def _points(points: Array) -> wp.array[Any]:
    return _array(points.astype(np.float32), wp.vec3)


def _array(values: NDArray[Any], dtype: type) -> wp.array[Any]:
    """Values, not copied, as Warp's."""
    return wp.array(values, dtype=dtype, device="cpu", copy=False)
