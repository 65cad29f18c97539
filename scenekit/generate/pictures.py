"""What a finished thing or world looks like from all around: strips, contact sheets, turntables. Letters: h w image."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import ViewCameras, placed
from scenekit.meshes import Mesh
from scenekit.render.meshes import ray_scene, render_mesh
from scenekit.render.splats import render
from scenekit.splats import Splats

FOV, DISTANCE = 36.0, 2.8
"""Of a camera that sees all of a box: across the picture [degrees], and from its middle, in its longest sides. Those of
the pictures that the embedded prior and its judge know."""

PAPER = (0.6, 0.69, 0.8)
"""Display colour behind things: that of the embedded prior's pictures."""

Picture = NDArray[np.uint8]


def ring(box: Array, *, count: int, elevation: float, side: int) -> ViewCameras:
    """Cameras on a circle around a box, the first before its front, counter-clockwise seen from above.

    Args:
        box: Lowest and highest corner [m], shape (2, 3).
        count: Cameras.
        elevation: Above the horizon [degrees].
        side: Width and height of their pictures [px].
    """
    turns = 2 * math.pi * torch.arange(count) / count
    away = max(DISTANCE * float(np.ptp(box, axis=0).max()), 1e-6)
    views = Views(turns, torch.full((count,), math.radians(elevation)))
    cameras = placed(views, [away] * count, [FOV] * count, side, 0.0)
    cameras.T_world_cam[:, :3, 3] += box.mean(0)
    return cameras


def of_splats(splats: Splats, cameras: ViewCameras) -> Iterator[Picture]:
    """What each camera sees of splats, uint8, shape (h, w, 3)."""
    for camera, pose in zip(cameras.cameras, cameras.T_world_cam, strict=True):
        with torch.no_grad():
            yield as_bytes(render(splats, camera, pose, background=torch.tensor(PAPER)).rgb)


def of_mesh(mesh: Mesh, cameras: ViewCameras) -> Iterator[Picture]:
    """What each camera sees of a mesh, uint8, shape (h, w, 3)."""
    scene = ray_scene(mesh)
    for camera, pose in zip(cameras.cameras, cameras.T_world_cam, strict=True):
        yield as_bytes(render_mesh(mesh, camera, pose, background=PAPER, samples=2, scene=scene).rgb)


def strip(pictures: Tensor) -> Picture:
    """Pictures (n, 3, h, w) of 0..1 side by side, uint8, shape (h, n w, 3)."""
    return as_bytes(torch.cat(list(pictures), 2).movedim(0, -1))


def as_bytes(picture: Tensor) -> Picture:
    """Display colours 0..1 → 0..255."""
    return (255 * picture.clamp(0, 1)).round().to(torch.uint8).cpu().numpy()
