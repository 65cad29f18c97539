"""View: how somebody looks at a scene who opens it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scenekit.export.assets import Assets
from scenekit.export.stage import FLIP, FOVY, LOOK, PICTURE, SMALLEST, bounds
from scenekit.poses import Pose


@dataclass(frozen=True)
class View:
    """A camera as simulators and viewers have it: it looks along its −z, its y is up."""

    pose: Pose
    """T_world_camera."""
    fovy: float
    """Vertical field of view [rad]."""
    width: int
    """Of its picture [px]."""
    height: int
    """Of its picture [px]."""
    near: float
    """Distance from which it sees [m]."""


def view_of(assets: Assets) -> View:
    """That of the photo in the middle, without the distortion of its lens; else one that sees everything."""
    low, high = bounds(assets)
    radius = max(float(np.linalg.norm(high - low)) / 2, SMALLEST)
    T = np.eye(4)
    if assets.photos:
        photo = assets.photos[len(assets.photos) // 2]
        T[:3, :3], T[:3, 3] = photo.T_world_cam[:3, :3] @ FLIP, photo.T_world_cam[:3, 3]
        fovy = 2 * math.atan(photo.camera.height / (2 * photo.camera.fy))
        return View(Pose.from_matrix(T), fovy, photo.camera.width, photo.camera.height, 0.01 * radius)
    away, fovy = np.array(LOOK) / np.linalg.norm(LOOK), math.radians(FOVY)
    right = np.cross([0, 0, 1], away) / np.linalg.norm(away[:2])
    T[:3, :3] = np.column_stack([right, np.cross(away, right), away])
    T[:3, 3] = (low + high) / 2 + away * radius / math.sin(fovy / 2)
    return View(Pose.from_matrix(T), fovy, *PICTURE, 0.01 * radius)
