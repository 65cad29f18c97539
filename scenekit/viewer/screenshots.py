"""Pictures of what people see, drawn by the renderer: from where, of what, and how large."""

from __future__ import annotations

import io
import math

import numpy as np
import viser
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.render.camera_path import Key
from scenekit.scene import SceneState
from scenekit.viewer.cameras import camera_of
from scenekit.viewer.downloads import Download
from scenekit.viewer.session import Shown

SIDES = (16, 4096)
"""Least and greatest side of a picture [px]."""


def key_of(person: viser.ClientHandle) -> Key:
    """Where somebody looks from; raises InputError if the browser reports no camera that is one."""
    camera, T_world_cam = camera_of(person)
    return Key(Pose.from_matrix(T_world_cam), 2 * math.atan(camera.height / 2 / camera.fy))


def picture_size(size: tuple[float, float]) -> tuple[int, int]:
    """Width and height of a picture [px].

    Raises:
        InputError: If they are not within `SIDES`.
    """
    if not all(SIDES[0] <= side <= SIDES[1] for side in size):
        raise InputError("size", got=f"{size[0]} x {size[1]} px", wanted=f"{SIDES[0]} to {SIDES[1]} px each way")
    return int(size[0]), int(size[1])


def visible(shown: Shown) -> SceneState:
    """The scene without what is hidden; all of it, if the root is."""
    state = shown.state
    for path in shown.hidden - {"/"}:
        state = state.with_node(path, lambda node: None) if path in state else state
    return state


def bytes_of(rgb: Tensor) -> NDArray[np.uint8]:
    """Display colours 0..1 as bytes."""
    result: NDArray[np.uint8] = (rgb.clamp(0, 1) * 255).round().byte().cpu().numpy()
    return result


def png(pixels: NDArray[np.uint8]) -> Download:
    """A picture as a file."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return Download("scenekit.png", data.getvalue())
