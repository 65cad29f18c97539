"""What a camera sees of a model's bodies that have no splats, such as those of a robot: rays against their geoms."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit._libraries import mujoco, trimesh
from scenekit.cameras import Array, Camera, rotation_from_quaternion
from scenekit.render.raycast import RayScene, pixel_rays
from scenekit.render.splats import Frame

SEEN = 3
"""MuJoCo's viewers show geoms of groups below this; collision shapes are in group 3."""

AMBIENT = 0.4
"""Of the light; the rest comes from the camera."""

KIND = mujoco.mjtGeom


@dataclass(frozen=True)
class _Part:
    """What is seen of a body, in its frame."""

    body: int
    scene: RayScene
    colors: NDArray[np.float32]
    """Display colours of the faces 0..1, shape (f, 3)."""
    centre: Array
    """Of a ball around it [m], shape (3,)."""
    radius: float
    """Of the ball [m]."""


class GeomView:
    """Draws bodies of a model into pictures of splats. Light comes from the camera; nothing throws shadows.

    Args:
        model: MuJoCo's.
        without: Names of bodies that are left out.
    """

    def __init__(self, model: mujoco.MjModel, *, without: Collection[str] = ()):
        bodies = (body for body in range(model.nbody) if model.body(body).name not in without)
        self._parts = [part for body in bodies if (part := _part(model, body)) is not None]

    def over(self, frame: Frame, data: mujoco.MjData, camera: Camera, T_world_cam: Array) -> Frame:
        """The frame with the bodies in it; of splats and a body that of less depth is in front.

        Args:
            frame: Splats over black as this camera sees them.
            data: Where the bodies are.
            camera: A pinhole camera.
            T_world_cam: Its pose, OpenCV axes, shape (4, 4).
        """
        if not self._parts:
            return frame
        rays = pixel_rays(camera).reshape(-1, 3) @ T_world_cam[:3, :3].T.astype(np.float32)
        lengths = np.linalg.norm(rays, axis=1)
        depth, rgb = np.full(len(rays), np.inf, np.float32), np.zeros((len(rays), 3), np.float32)
        for part in self._parts:
            _draw(part, data, T_world_cam[:3, 3], rays, lengths, depth, rgb)
        shape = (camera.height, camera.width)
        return _composed(frame, torch.from_numpy(depth).reshape(shape), torch.from_numpy(rgb).reshape(*shape, 3))


def _composed(frame: Frame, depth: torch.Tensor, rgb: torch.Tensor) -> Frame:
    front = (depth < frame.depth)[..., None]
    behind = frame.rgb + (1 - frame.alpha[..., None]) * rgb
    met = depth.isfinite()
    return Frame(
        torch.where(front, rgb, behind), torch.where(met, 1.0, frame.alpha),
        torch.where(met & ((depth < frame.depth) | (frame.alpha < 0.5)), depth, frame.depth), frame.normals,
    )  # fmt: skip


def _draw(
    part: _Part, data: mujoco.MjData, eye: Array, rays: NDArray[np.float32], lengths: NDArray[np.float32],
    depth: NDArray[np.float32], rgb: NDArray[np.float32],
) -> None:  # fmt: skip
    """Fills in what is nearer than what is there already; rays have depth 1."""
    R, t = data.xmat[part.body].reshape(3, 3), data.xpos[part.body]
    along = R @ part.centre + t - eye
    reach = np.sqrt(max(along @ along - part.radius**2, 0.0))  # |along| cos of half the angle that the ball covers
    near = np.flatnonzero(rays @ along.astype(np.float32) >= reach * lengths)
    if not len(near):
        return
    directions = rays[near] @ R.astype(np.float32)
    hits = part.scene.cast(np.broadcast_to((eye - t) @ R, directions.shape), directions)
    nearer = hits.distance < depth[near]
    at, face = near[nearer], hits.face[nearer]
    cosine = np.abs((hits.normals[nearer] * directions[nearer]).sum(1)) / lengths[at]
    depth[at] = hits.distance[nearer]
    rgb[at] = part.colors[face] * (AMBIENT + (1 - AMBIENT) * cosine)[:, None]


def _part(model: mujoco.MjModel, body: int) -> _Part | None:
    first = model.body_geomadr[body]
    geoms = range(first, first + model.body_geomnum[body])
    shown = [made for geom in geoms if model.geom_group[geom] < SEEN for made in _surface(model, geom)]
    if not shown:
        return None
    points = np.concatenate([vertices for vertices, _, _ in shown])
    centre = (points.min(0) + points.max(0)) / 2
    radius = float(np.linalg.norm(points - centre, axis=1).max())
    scene = RayScene([(vertices, faces) for vertices, faces, _ in shown])
    return _Part(body, scene, np.concatenate([colors for *_, colors in shown]), centre, radius)


def _surface(model: mujoco.MjModel, geom: int) -> Iterator[tuple[Array, NDArray[np.int64], NDArray[np.float32]]]:
    """Vertices in the body's frame, faces, and their colours; nothing of what has no surface that could be drawn."""
    material = model.geom_matid[geom]
    rgba = model.geom_rgba[geom] if material < 0 else model.mat_rgba[material]
    solid = _shape(model, geom)
    if rgba[3] == 0 or solid is None:
        return
    vertices, faces = solid
    R = rotation_from_quaternion(model.geom_quat[geom])
    colors = np.tile(rgba[:3].astype(np.float32), (len(faces), 1)) * _textured(model, geom, len(faces))
    yield vertices @ R.T + model.geom_pos[geom], faces, colors


def _shape(model: mujoco.MjModel, geom: int) -> tuple[Array, NDArray[np.int64]] | None:
    """Of a geom, in its frame."""
    kind, size = KIND(model.geom_type[geom]), model.geom_size[geom]
    if kind in (KIND.mjGEOM_MESH, KIND.mjGEOM_SDF):
        mesh = model.geom_dataid[geom]
        v, f = model.mesh_vertadr[mesh], model.mesh_faceadr[mesh]
        vertices = model.mesh_vert[v : v + model.mesh_vertnum[mesh]].astype(np.float64)
        return vertices, model.mesh_face[f : f + model.mesh_facenum[mesh]].astype(np.int64)
    make = trimesh.creation
    if kind == KIND.mjGEOM_BOX:
        solid = make.box(2 * size)
    elif kind in (KIND.mjGEOM_SPHERE, KIND.mjGEOM_ELLIPSOID):
        solid = make.icosphere(3).apply_scale(size if kind == KIND.mjGEOM_ELLIPSOID else size[0])
    elif kind == KIND.mjGEOM_CAPSULE:
        solid = make.capsule(2 * size[1], size[0])
    elif kind == KIND.mjGEOM_CYLINDER:
        solid = make.cylinder(size[0], 2 * size[1], sections=64)
    else:
        return None
    vertices = np.asarray(solid.vertices, np.float64) - solid.bounds.mean(0)  # not every trimesh centres its capsules
    return vertices, np.asarray(solid.faces, np.int64)


def _textured(model: mujoco.MjModel, geom: int, faces: int) -> NDArray[np.float32]:
    """Colours of a mesh's texture in the middle of each face, shape (f, 3); 1 where there is none."""
    mesh, material = model.geom_dataid[geom], model.geom_matid[geom]
    texture = model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB] if material >= 0 else -1
    if mesh < 0 or texture < 0 or model.mesh_texcoordadr[mesh] < 0:
        return np.ones((faces, 3), np.float32)
    f, at = model.mesh_faceadr[mesh], model.mesh_texcoordadr[mesh]
    corners = model.mesh_facetexcoord[f : f + faces] + at
    u, v = model.mesh_texcoord[corners].mean(1).T
    w, h, channels = model.tex_width[texture], model.tex_height[texture], model.tex_nchannel[texture]
    start = model.tex_adr[texture]
    pixels = model.tex_data[start : start + w * h * channels].reshape(h, w, channels)
    colors: NDArray[np.float32] = pixels[(v * h).astype(int) % h, (u * w).astype(int) % w, :3].astype(np.float32) / 255
    return colors
