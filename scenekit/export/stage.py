"""Stage: what a scene in MuJoCo has beside its assets: floor, light, sky and a camera."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from scenekit.cameras import Array, quaternion_from_rotation
from scenekit.export.assets import Assets
from scenekit.export.visuals import shown
from scenekit.sim.rigid_bodies import FRICTION

FLIP = np.diag([1.0, -1.0, -1.0])
"""From OpenCV's camera axes to MuJoCo's, which looks along −z and has y up."""

FOVY = 45.0
"""Vertical field of view of a camera that no photo gives [degrees]."""

LOOK = (0.6, -1.0, 0.6)
"""From what it looks at to where it stands, times a distance."""

SUN = (0.3, 0.4, -1.0)
"""Where its light goes."""

PICTURE = (640, 480)
"""Its picture, where no photo gives one [px]."""

SMALLEST = 0.1
"""Radius of what is seen, at least [m]."""


def set_stage(made: mujoco.MjSpec, assets: Assets) -> None:
    """Adds the geom "floor", if there is a floor, light, sky and the camera "view"."""
    low, high = bounds(assets)
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, SMALLEST)
    made.stat.center, made.stat.extent = centre, radius
    _add_sky(made)
    _add_light(made, centre, radius)
    if assets.floor is not None:
        _add_floor(made, assets.floor)
    _add_camera(made, assets, centre, radius)


def bounds(assets: Assets) -> tuple[Array, Array]:
    """Lowest and highest corner of what is seen in the world [m]; that of the origin if there is nothing."""
    corners = [np.zeros((1, 3))]
    for link in assets.links:
        mesh = shown(link)
        if mesh is not None:
            T = link.body.pose.matrix
            corners.append(mesh.vertices[mesh.faces.unique()].double().numpy() @ T[:3, :3].T + T[:3, 3])
    points = np.concatenate(corners[1:] or corners)
    return points.min(0), points.max(0)


def _add_sky(made: mujoco.MjSpec) -> None:
    made.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.9, 0.93, 0.96], rgb2=[0.55, 0.65, 0.75], width=256, height=1536,
    )  # fmt: skip


def _add_light(made: mujoco.MjSpec, centre: Array, radius: float) -> None:
    """The colours of textures have the light of the photos in them already: much comes from all sides."""
    made.visual.headlight.ambient, made.visual.headlight.diffuse = [0.4, 0.4, 0.4], [0.2, 0.2, 0.2]
    made.visual.headlight.specular, made.visual.map.shadowclip = [0, 0, 0], 6
    down = np.array(SUN) / np.linalg.norm(SUN)
    made.worldbody.add_light(
        name="sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=centre - 3 * radius * down, dir=down,
        diffuse=[0.4, 0.4, 0.4], specular=[0.1, 0.1, 0.1],
    )  # fmt: skip


def _add_floor(made: mujoco.MjSpec, height: float) -> None:
    """A plane with the friction and bounce of what has no material."""
    made.add_texture(
        name="floor", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.62, 0.62, 0.62], rgb2=[0.68, 0.68, 0.68], width=256, height=256,
    )  # fmt: skip
    material = made.add_material(name="floor", texrepeat=[4, 4], texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "floor"
    geom = made.worldbody.add_geom(
        made.find_default("collision"), name="floor", group=0, type=mujoco.mjtGeom.mjGEOM_PLANE, pos=[0, 0, height],
        size=[0, 0, 0.05], contype=2, conaffinity=1,
    )  # fmt: skip
    geom.material, geom.friction[0] = "floor", FRICTION


def _add_camera(made: mujoco.MjSpec, assets: Assets, centre: Array, radius: float) -> None:
    """That of the photo in the middle, without the distortion of its lens; else one that sees everything."""
    if assets.photos:
        photo = assets.photos[len(assets.photos) // 2]
        T, (w, h) = photo.T_world_cam, (photo.camera.width, photo.camera.height)
        fovy = math.degrees(2 * math.atan(h / (2 * photo.camera.fy)))
    else:
        away = np.array(LOOK) / np.linalg.norm(LOOK)
        fovy, (w, h) = FOVY, PICTURE
        T = _looking(centre + away * radius / math.sin(math.radians(fovy / 2)), -away)
    quat = quaternion_from_rotation(T[:3, :3] @ FLIP)
    made.worldbody.add_camera(name="view", pos=T[:3, 3], quat=quat, fovy=fovy, resolution=[w, h])
    made.visual.global_.offwidth, made.visual.global_.offheight = max(w, PICTURE[0]), max(h, PICTURE[1])


def _looking(position: Array, along: Array) -> Array:
    """T_world_cam of a camera that looks along a direction, level."""
    right = np.cross(along, [0, 0, 1])
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.column_stack([right, np.cross(along, right), along]), position
    return T
