"""The cameras of people: what somebody sees as a pinhole camera of ours, and back.

viser's cameras are ours already: OpenCV axes, in the world frame. Pixels are square and the axis meets the middle.
"""

from __future__ import annotations

import math
from copy import copy

import numpy as np
import viser

from scenekit.cameras import Array, Camera, inverse_pose, pinhole, quaternion_from_rotation, rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.scene import SceneState
from scenekit.selection.base import in_world, positions

SIDE = 8192
"""Largest side of a window that is believed [px]."""

SAMPLES = 20_000
"""Positions of a part that are looked at, about."""

DISTANCE = 2.0
"""How far away people begin, in radii of the scene."""


def camera_of(client: viser.ClientHandle, *, max_side: int | None = None) -> tuple[Camera, Array]:
    """The pinhole camera of what a person sees, and T_world_cam (4, 4).

    Args:
        client: The person.
        max_side: Longest side of the image [px]; None for that of the window.

    Raises:
        InputError: If the browser reports a camera that is none.
    """
    seen = client.camera
    numbers = [*seen.position, *seen.wxyz, seen.fov, seen.image_width, seen.image_height]
    size = (seen.image_width, seen.image_height)
    if not (np.isfinite(numbers).all() and 0 < seen.fov < math.pi and 0 < min(size) <= max(size) <= SIDE):
        raise InputError("camera", got=numbers, wanted=f"finite numbers, a field of view, sides of 1 to {SIDE} px")
    T_world_cam = np.eye(4)
    T_world_cam[:3, :3] = rotation_from_quaternion(np.array(seen.wxyz, np.float64))
    T_world_cam[:3, 3] = seen.position
    shrink = 1.0 if max_side is None else min(1.0, max_side / max(size))
    width, height = (max(1, round(side * shrink)) for side in size)
    focal = height / 2 / math.tan(seen.fov / 2)
    return pinhole(width, height, focal, focal, width / 2, height / 2), T_world_cam


def look_through(client: viser.ClientHandle, camera: Camera, T_world_cam: Array) -> None:
    """Put a person where a camera is, so that all of its picture fits into the window.

    A lens off the middle of its picture is taken for one in the middle; distortion is left out. They go on orbiting
    about the z axis of the world, unless the camera is rolled or looks straight up or down.

    Args:
        client: The person.
        camera: Any lens.
        T_world_cam: Its pose, shape (4, 4).
    """
    seen = copy(client.camera)  # else what the browser reports between two of these lines would change what they add to
    tangents = camera.width / (2 * camera.fx), camera.height / (2 * camera.fy)
    with client.atomic():
        seen.up_direction = (0.0, 0.0, 1.0)  # viser turns it as little as the rotation needs
        seen.position = T_world_cam[:3, 3]
        seen.wxyz = quaternion_from_rotation(T_world_cam[:3, :3])
        seen.fov = 2 * math.atan(max(tangents[1], tangents[0] / seen.aspect))


def home(state: SceneState) -> tuple[Array, Array]:
    """Where people begin, and what they look at [m], each (3,): where the first photo was taken, else all there is."""
    low, high = bounds(state)
    middle, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-3)
    photo = next(iter(state.photos()), None)
    if photo is None:
        return middle + DISTANCE * radius * np.array([0.6, 0.6, 0.5]), middle
    eye, axis = photo.T_world_cam[:3, 3], photo.T_world_cam[:3, 2]
    return eye, eye + axis * max(float((middle - eye) @ axis), 0.1 * radius)


def bounds(state: SceneState, path: str = "/") -> tuple[Array, Array]:
    """Least and greatest corner of what is at and below a node [m], each (3,); a cube about its origin if empty.

    They are the 2nd and 98th percentile of positions along each axis of the world, so that floaters do not count.
    """
    parts = [
        in_world(part[:: 1 + len(part) // SAMPLES], state, where)
        for where, node in state.walk(path)
        for part in positions(node)
    ]
    if not parts:
        origin = np.array(state.pose(path).position)
        return origin - 1.0, origin + 1.0
    low, high = np.quantile(np.concatenate([part.numpy() for part in parts]), (0.02, 0.98), axis=0)
    return low, high


def pixel_ray(camera: Camera, T_world_cam: Array, pixel: tuple[float, float]) -> tuple[Array, Array]:
    """Origin [m] and unit direction in the world, each (3,), of the ray through a place of a picture [px]."""
    direction = T_world_cam[:3, :3] @ camera.unproject(np.array([pixel]))[0]
    return T_world_cam[:3, 3], direction / np.linalg.norm(direction)


def projected(camera: Camera, T_world_cam: Array, points: Array) -> Array:
    """Where points in the world [m], (n, 3), are in a picture [px], (n, 2); not finite for those behind the camera."""
    T_cam_world = inverse_pose(T_world_cam)
    inside = points @ T_cam_world[:3, :3].T + T_cam_world[:3, 3]
    pixels = np.full((len(points), 2), np.nan)
    front = inside[:, 2] > 0
    pixels[front] = camera.project(inside[front])
    return pixels
