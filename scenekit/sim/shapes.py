"""Shapes that collide, each in a frame of its own. Letters: n m k nodes of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface.signed_distance import SignedDistance
from scenekit.validation.surface import Surface

MOST_NODES = 16_000_000
"""Largest grid of a distance field."""


@dataclass(frozen=True)
class Plane:
    """The half-space z ≤ 0."""


@dataclass(frozen=True)
class Box:
    """|x| ≤ half, about the origin."""

    half: tuple[float, float, float]
    """Half of each side [m]."""


@dataclass(frozen=True)
class Sphere:
    """About the origin."""

    radius: float
    """[m]."""


@dataclass(frozen=True)
class Capsule:
    """A segment of the z axis, thickened, about the origin."""

    radius: float
    """[m]."""
    half_length: float
    """Half of the segment, without the caps [m]."""


@dataclass(frozen=True)
class Hull:
    """A convex polyhedron."""

    mesh: Mesh
    """Closed and convex, looking outwards."""


@dataclass(frozen=True)
class DistanceField:
    """Any solid, as its signed distance at the nodes of a grid, linear in between."""

    values: NDArray[np.float32]
    """[m], negative inside, shape (n, m, k)."""
    origin: tuple[float, float, float]
    """Position of the first node [m]."""
    voxel: float
    """Distance between neighbouring nodes [m]."""

    @staticmethod
    def from_mesh(mesh: Mesh, *, voxel: float, margin: float | None = None) -> DistanceField:
        """The field of a closed mesh, sampled every `voxel` and `margin` [m] around it, three voxels if None.

        Raises:
            InputError: If the mesh has holes, whose inside is a guess, or the grid would be too large.
        """
        if not len(mesh.faces) or not Surface(mesh).is_closed:
            hint = "Close it: scenekit mesh --close, or scenekit.surface.solid."
            raise InputError("collider mesh", got="a mesh with holes", wanted="a closed one", hint=hint)
        return DistanceField.around(mesh, voxel=voxel, margin=margin)

    @staticmethod
    def around(mesh: Mesh, *, voxel: float, margin: float | None = None) -> DistanceField:
        """The field of any triangles, exact at every node, also deep inside, where matter may get.

        Inside is where the winding number is above a half: holes are closed by the membrane on which it is a half.

        Raises:
            InputError: If a vertex is not finite, or the grid would be too large.
        """
        if not 0 < voxel < np.inf or not bool(mesh.vertices[mesh.faces].isfinite().all()):
            raise InputError("collider voxel", got=f"{voxel}, or a mesh that is not finite", wanted="more than 0 m")
        reach = 3 * voxel if margin is None else max(margin, voxel)
        low, high = (end.double().numpy() for end in mesh.vertices[mesh.faces].reshape(-1, 3).aminmax(dim=0))
        n, m, k = (int(count) for count in np.ceil((high - low + 2 * reach) / voxel) + 1)
        if float(n) * m * k > MOST_NODES:
            got = f"voxels of {voxel:g} m, {n}x{m}x{k} of them"
            raise InputError("collider voxel", got=got, wanted=f"at most {MOST_NODES} nodes")
        signed, y, z = SignedDistance(mesh), voxel * np.arange(m)[:, None], voxel * np.arange(k)
        values = np.empty((n, m, k), np.float32)
        for i in range(n):  # a slab at a time, for the memory
            slab = np.stack(np.broadcast_arrays(i * voxel, y, z), -1).reshape(-1, 3)
            values[i] = signed(low - reach + slab).reshape(m, k)
        return DistanceField(values, tuple((low - reach).tolist()), voxel)

    def at(self, points: Array) -> Array:
        """Signed distance of points (p, 3) [m], shape (p,); outside of the grid that of its border, and no less."""
        from scipy.ndimage import map_coordinates

        where = (np.asarray(points) - self.origin) / self.voxel
        return map_coordinates(self.values.astype(np.float64), where.T, order=1, mode="nearest")


Shape = Plane | Box | Sphere | Capsule | Hull | DistanceField
"""What a collider or a piece of a body can look like."""
