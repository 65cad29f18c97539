"""Stage: what a scene in MuJoCo has beside its assets: floor, light, sky and a camera."""

from __future__ import annotations

import math

import numpy as np

from scenekit._libraries import mujoco
from scenekit.cameras import Array
from scenekit.export.assets import Assets
from scenekit.export.view import PICTURE, view_of
from scenekit.sim.rigid_bodies import FRICTION

SUN = (0.3, 0.4, -1.0)
"""Where its light goes."""


def set_stage(made: mujoco.MjSpec, assets: Assets) -> None:
    """Adds the geom "floor", if there is a floor, light, sky and the camera "view"."""
    view = view_of(assets)
    made.stat.center, made.stat.extent = view.centre, view.radius
    _add_sky(made)
    _add_light(made, view.centre, view.radius)
    if assets.floor is not None:
        _add_floor(made, assets.floor)
    made.worldbody.add_camera(
        name="view", pos=view.pose.position, quat=view.pose.quat, fovy=math.degrees(view.fovy),
        resolution=[view.width, view.height],
    )  # fmt: skip
    made.visual.global_.offwidth = max(view.width, PICTURE[0])
    made.visual.global_.offheight = max(view.height, PICTURE[1])


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
