"""View: how somebody looks at a scene who opens it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scenekit.cameras import Array
from scenekit.export.assets import Assets
from scenekit.export.visuals import shown
from scenekit.poses import Pose

FLIP = np.diag([1.0, -1.0, -1.0])
"""From OpenCV's camera axes to those of simulators, which look along −z and have y up."""

FOVY = math.radians(45)
"""Vertical field of view of a camera that no photo gives [rad]."""

LOOK = (0.6, -1.0, 0.6)
"""From what it looks at to where it stands, times a distance."""

PICTURE = (640, 480)
"""Its picture, where no photo gives one [px]."""

SMALLEST = 0.1
"""Radius of what is seen, at least [m]."""


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
    centre: Array
    """Middle of what there is to see [m], shape (3,)."""
    radius: float
    """Of a ball around all of it [m]."""


def view_of(assets: Assets) -> View:
    """That of the photo in the middle, without the distortion of its lens; else one that sees everything."""
    low, high = bounds(assets)
    centre, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, SMALLEST)
    T = np.eye(4)
    if assets.photos:
        photo = assets.photos[len(assets.photos) // 2]
        T[:3, :3], T[:3, 3] = photo.T_world_cam[:3, :3] @ FLIP, photo.T_world_cam[:3, 3]
        fovy = 2 * math.atan(photo.camera.height / (2 * photo.camera.fy))
        size = photo.camera.width, photo.camera.height
    else:
        away, fovy, size = np.array(LOOK) / np.linalg.norm(LOOK), FOVY, PICTURE
        right = np.cross([0, 0, 1], away) / np.linalg.norm(away[:2])
        T[:3, :3] = np.column_stack([right, np.cross(away, right), away])
        T[:3, 3] = centre + away * radius / math.sin(fovy / 2)
    return View(Pose.from_matrix(T), fovy, *size, 0.01 * radius, centre, radius)


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
