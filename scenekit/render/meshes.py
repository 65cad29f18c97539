"""The mesh ray caster: triangle mesh → image, with depth, normals and face numbers. Letters: n rays, h w image.

For comparison with photos and for simulated sensors; `render.soft_meshes` is the differentiable one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array, Camera
from scenekit.colors import encoded_srgb
from scenekit.errors import InputError
from scenekit.io.textures import linear_from_srgb
from scenekit.meshes import Mesh
from scenekit.render.raycast import Floats, Hits, Ints, RayScene, pixel_rays

Shading = Literal["none", "headlight"]

LINEAR = linear_from_srgb(np.arange(256, dtype=np.uint8)[:, None].repeat(4, 1))
"""Linear value of each sRGB byte, and of each byte of alpha, shape (256, 4)."""

MAX_SAMPLES = 8
"""Most rays per pixel along each side."""


class MeshFrame(NamedTuple):
    """What a camera sees of a mesh. Depth, normals and faces are those of the pixel centres."""

    rgb: Tensor
    """Display colours 0..1 over the background, float32, shape (h, w, 3)."""
    alpha: Tensor
    """How much of the pixel the mesh covers 0..1, float32, shape (h, w)."""
    depth: Tensor
    """Along the optical axis [m], infinite where nothing is seen, float32, shape (h, w)."""
    normals: Tensor
    """Unit face normals in the world, by the winding; zero where nothing is seen, float32, shape (h, w, 3)."""
    faces: Tensor
    """Number of the face, -1 where nothing is seen, int64, shape (h, w)."""


def render_mesh(
    mesh: Mesh, camera: Camera, T_world_cam: Array, *, background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    shading: Shading = "none", samples: int = 1, scene: RayScene | None = None,
) -> MeshFrame:  # fmt: skip
    """The mesh as `camera` at `T_world_cam` sees it, lens distortion included.

    Colour is texture × vertex colours × base colour, interpolated in linear light (glTF's base colour), once, at the
    first surface met; what shows through it is the background. A texture repeats beyond 0..1.

    Args:
        mesh: In the world frame [m].
        camera: Any lens.
        T_world_cam: Pose, shape (4, 4).
        background: Display colour 0..1 behind the mesh.
        shading: "none" shows the colours as they are, "headlight" multiplies them with the cosine to the camera.
        samples: Rays per pixel along each side, averaged.
        scene: `ray_scene(mesh)`, where many pictures are taken.

    Raises:
        InputError: If the mesh has no face or a vertex that is not finite, or an option is out of range.
    """
    if shading not in ("none", "headlight") or not 1 <= samples <= MAX_SAMPLES:
        wanted = f"none or headlight, 1 to {MAX_SAMPLES} samples"
        raise InputError("render_mesh", got=(shading, samples), wanted=wanted)
    scene = scene or ray_scene(mesh)
    h, w = camera.height, camera.width
    frame = scene.frame(camera, T_world_cam)
    seen = frame.mesh.reshape(h, w) >= 0
    normals = np.where(seen[..., None], frame.hits.normals.reshape(h, w, 3), np.float32(0))
    rgba = np.zeros((h, w, 4), np.float32)
    for hits, directions in _sampled(scene, camera, T_world_cam, samples, frame.hits):
        rgba += _covered(mesh, hits, directions, shading).reshape(h, w, 4) / np.float32(samples**2)
    rgb = rgba[..., :3] + (1 - rgba[..., 3:]) * np.array(background, np.float32)
    faces = np.where(seen, frame.hits.face.reshape(h, w), -1)
    parts = (rgb, rgba[..., 3].copy(), frame.depth, normals, faces)
    return MeshFrame(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def ray_scene(mesh: Mesh) -> RayScene:
    """A mesh ready for rays."""
    return RayScene([(mesh.vertices.numpy(), mesh.faces.numpy())])


def surface_colors(mesh: Mesh, face: Ints, weights: Floats) -> Floats:
    """Linear RGBA of points on a mesh, shape (n, 4).

    Args:
        mesh: With any of texture, vertex colours, base colour.
        face: Face of each point, shape (n,).
        weights: Barycentric weights of its corners, shape (n, 3).
    """
    corners = mesh.faces.numpy()[face]
    color = np.broadcast_to(np.array(mesh.base_color, np.float32), (len(face), 4))
    if mesh.vertex_colors is not None:
        of_corners = LINEAR[mesh.vertex_colors.numpy()[corners], np.arange(4)]
        color = color * np.einsum("nkc,nk->nc", of_corners, weights)
    if mesh.texture is not None and mesh.uvs is not None:
        uv = np.einsum("nkc,nk->nc", mesh.uvs.numpy()[corners], weights)
        color = color * looked_up(mesh.texture.numpy(), uv)
    return color.astype(np.float32)


def looked_up(texture: NDArray[np.uint8], uv: Floats) -> Floats:
    """Linear RGBA of a texture (h, w, 4) at coordinates with the origin at the lower left, bilinear, shape (n, 4)."""
    h, w = texture.shape[:2]
    x, y = (uv[:, 0] % 1) * w - 0.5, ((1 - uv[:, 1]) % 1) * h - 0.5
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    a, b = (x - column)[:, None], (y - row)[:, None]
    right, below, channels = (column + 1) % w, (row + 1) % h, np.arange(4)
    top = LINEAR[texture[row, column], channels] * (1 - a) + LINEAR[texture[row, right], channels] * a
    bottom = LINEAR[texture[below, column], channels] * (1 - a) + LINEAR[texture[below, right], channels] * a
    result: Floats = (top * (1 - b) + bottom * b).astype(np.float32)
    return result


def _sampled(
    scene: RayScene, camera: Camera, T_world_cam: Array, samples: int, centre: Hits
) -> Iterator[tuple[Hits, Floats]]:
    """Hits and directions of one ray per pixel at a time."""
    turn, eye = T_world_cam[:3, :3].T.astype(np.float32), T_world_cam[:3, 3]
    rays = pixel_rays(camera.resized(camera.width * samples, camera.height * samples))
    for j in range(samples):
        for i in range(samples):
            directions = rays[j::samples, i::samples].reshape(-1, 3) @ turn
            yield centre if samples == 1 else scene.cast(np.broadcast_to(eye, directions.shape), directions), directions


def _covered(mesh: Mesh, hits: Hits, directions: Floats, shading: Shading) -> Floats:
    """Display colours times alpha, and alpha, of rays, shape (n, 4)."""
    result = np.zeros((len(hits.mesh), 4), np.float32)
    on = np.flatnonzero(hits.mesh >= 0)
    color = surface_colors(mesh, hits.face[on], hits.weights[on])
    if shading == "headlight":
        ray = directions[on] / np.linalg.norm(directions[on], axis=1, keepdims=True)
        color[:, :3] *= np.abs((ray * hits.normals[on]).sum(1, keepdims=True))
    alpha = color[:, 3:]
    result[on] = np.concatenate([encoded_srgb(color[:, :3].clip(0, 1)) * alpha, alpha], 1)
    return result
