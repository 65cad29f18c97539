"""Ray casting into posed triangle meshes, on Embree through Open3D. Letters: n rays, m meshes, v vertices, f faces."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekit._libraries import open3d
from scenekit.cameras import Array, Camera
from scenekit.errors import InputError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Hits:
    """Where n rays meet the scene first."""

    distance: Floats
    """In lengths of the ray's direction; infinite where nothing is met, shape (n,)."""
    mesh: Ints
    """Number of the mesh, -1 for none, shape (n,)."""
    face: Ints
    """Number of the face over all meshes in order, 0 for none, shape (n,)."""
    weights: Floats
    """Barycentric weights of the face's corners, shape (n, 3)."""
    normals: Floats
    """Unit face normals in the world, by the winding of the face, shape (n, 3)."""


@dataclass(frozen=True)
class Frame:
    """What a camera sees of the geometry, at the pixel centres."""

    depth: Floats
    """Depth along the optical axis [m], infinite where nothing is seen, shape (h, w)."""
    mesh: Ints
    """Number of the mesh, -1 for none, shape (h, w)."""
    hits: Hits
    """The same, ray by ray in row order."""


class RayScene:
    """Meshes in the world frame, ready for rays.

    Args:
        meshes: Vertices [m], shape (v, 3), and faces, shape (f, 3), of each mesh.

    Raises:
        InputError: If there is no face at all, a vertex is not finite, or a face names a vertex that does not exist.
    """

    def __init__(self, meshes: Sequence[tuple[NDArray[np.floating], NDArray[np.integer]]]):
        self._scene = open3d.t.geometry.RaycastingScene()
        counts = []
        for k, (vertices, faces) in enumerate(meshes):
            _check(k, vertices, faces)
            self._scene.add_triangles(
                open3d.core.Tensor.from_numpy(np.ascontiguousarray(vertices, dtype=np.float32)),
                open3d.core.Tensor.from_numpy(np.ascontiguousarray(faces, dtype=np.uint32)),
            )
            counts.append(len(faces))
        if not sum(counts):
            raise InputError("meshes", got="no face", wanted="at least one triangle to cast rays at")
        self._first_face = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def cast(self, origins: NDArray[np.floating], directions: NDArray[np.floating]) -> Hits:
        """First hits of rays from `origins` [m] along `directions` (of any length), each of shape (n, 3)."""
        found = self._scene.cast_rays(_rays(origins, directions))
        mesh = found["geometry_ids"].numpy().astype(np.int64)
        missed = mesh == open3d.t.geometry.RaycastingScene.INVALID_ID
        mesh[missed] = -1
        face = self._first_face[mesh] + found["primitive_ids"].numpy()
        face[missed] = 0
        uv = found["primitive_uvs"].numpy()
        weights = np.stack([1 - uv[:, 0] - uv[:, 1], uv[:, 0], uv[:, 1]], 1)
        return Hits(found["t_hit"].numpy(), mesh, face, weights, found["primitive_normals"].numpy())

    def blocked(
        self, origins: NDArray[np.floating], directions: NDArray[np.floating], *, reach: float = np.inf
    ) -> NDArray[np.bool_]:
        """True where something lies within `reach` lengths of the direction, shape (n,)."""
        return self._scene.test_occlusions(_rays(origins, directions), tfar=reach).numpy()

    def frame(self, camera: Camera, T_world_cam: Array) -> Frame:
        """Depth and mesh numbers as `camera` at `T_world_cam` sees them, lens distortion included."""
        # Directions have z = 1 in the camera, so distances along them are depths.
        directions = pixel_rays(camera).reshape(-1, 3) @ T_world_cam[:3, :3].T.astype(np.float32)
        hits = self.cast(np.broadcast_to(T_world_cam[:3, 3], directions.shape), directions)
        shape = (camera.height, camera.width)
        return Frame(hits.distance.reshape(shape), hits.mesh.reshape(shape), hits)


@functools.lru_cache(maxsize=4)
def pixel_rays(camera: Camera) -> Floats:
    """Directions with z = 1, in camera coordinates, through the pixel centres, read-only, shape (h, w, 3).

    Kept for the last few cameras: undistorting a whole image costs more than casting its rays.
    """
    v, u = np.mgrid[: camera.height, : camera.width] + 0.5
    rays = camera.unproject(np.stack([u, v], -1).reshape(-1, 2)).astype(np.float32)
    rays.setflags(write=False)
    return rays.reshape(camera.height, camera.width, 3)


def _rays(origins: NDArray[np.floating], directions: NDArray[np.floating]) -> open3d.core.Tensor:
    if origins.shape != directions.shape or origins.shape[-1] != 3:
        raise InputError("rays", got=f"{origins.shape} and {directions.shape}", wanted="two arrays of shape (n, 3)")
    rays = np.empty((len(origins), 6), np.float32)
    rays[:, :3], rays[:, 3:] = origins, directions
    return open3d.core.Tensor.from_numpy(rays)


def _check(k: int, vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
    for name, array in (("vertices", vertices), ("faces", faces)):
        if array.ndim != 2 or array.shape[1] != 3:
            raise InputError(f"mesh {k}: {name}", got=f"shape {array.shape}", wanted="shape (n, 3)")
    if not np.isfinite(vertices).all():
        raise InputError(f"mesh {k}: vertices", got="a number that is not finite", wanted="finite positions [m]")
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        got = f"vertex numbers {faces.min()} to {faces.max()}"
        raise InputError(f"mesh {k}: faces", got=got, wanted=f"0 to {len(vertices) - 1}")
