"""Transfer: the look of one mesh on another that lies nearly in the same place. Letters: v vertices, n points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from scenekit._libraries import open3d
from scenekit.cameras import Array
from scenekit.colors import encoded_srgb
from scenekit.meshes import Mesh
from scenekit.render.meshes import surface_colors
from scenekit.validation.surface import Ints


def colored_like(mesh: Mesh, source: Mesh) -> Mesh:
    """The mesh with base colour and material of another, and where that has colours or a texture, as vertex colours.

    Each vertex takes the colour of the point of the source that is nearest to it.
    """
    look = {name: getattr(source, name) for name in ("base_color", "metallic", "roughness")}
    bare = replace(mesh, vertex_colors=None, uvs=None, texture=None, **look)
    if source.vertex_colors is None and (source.texture is None or source.uvs is None):
        return bare
    face, weights = nearest(source, mesh.vertices.double().numpy())
    linear = surface_colors(replace(source, base_color=(1.0, 1.0, 1.0, 1.0)), face, weights.astype(np.float32))
    rgba = np.concatenate([encoded_srgb(linear[:, :3].astype(np.float64)), linear[:, 3:]], 1)
    return replace(bare, vertex_colors=torch.from_numpy((255 * rgba).round().clip(0, 255).astype(np.uint8)))


def nearest(mesh: Mesh, points: Array) -> tuple[Ints, Array]:
    """Face and barycentric weights (n, 3) of the point of a mesh that is nearest to each of some points (n, 3) [m]."""
    vertices = mesh.vertices.double().numpy()
    middle = vertices.mean(0)
    scene = open3d.t.geometry.RaycastingScene()
    corners, faces = (vertices - middle).astype(np.float32), mesh.faces.numpy().astype(np.uint32)
    scene.add_triangles(open3d.core.Tensor.from_numpy(corners), open3d.core.Tensor.from_numpy(faces))
    found = scene.compute_closest_points(open3d.core.Tensor.from_numpy((points - middle).astype(np.float32)))
    u, v = found["primitive_uvs"].numpy().astype(np.float64).T
    return found["primitive_ids"].numpy().astype(np.int64), np.stack([1 - u - v, u, v], 1)
