"""Turntable: a camera path around the scene that stays where photos were taken. Letters: c cameras, t frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array, Camera, look_at
from scenekit.errors import InputError
from scenekit.render.splats import render
from scenekit.splats import Splats

FULL_CIRCLE_GAP = np.pi / 2
"""Cameras whose azimuths leave no gap as wide as this [rad] are taken to surround the scene."""

SMOOTHING = 40.0
"""Concentration of the von Mises kernel that averages the cameras' distances and heights: about ±9°."""


def turntable(poses: Array, *, frames: int = 120) -> Array:
    """A closed path of `T_world_cam` around what the cameras look at, shape (t, 4, 4).

    Where the cameras surround the scene the path is a full turn, else it swings over the arc that they cover and back:
    a scene is not known from sides that nobody photographed. At each azimuth, distance and height are those of the
    cameras near it.

    Args:
        poses: `T_world_cam` of the photos, shape (c, 4, 4), c ≥ 1; the world is Z up.
        frames: Length of the path t.

    Raises:
        InputError: If there are no poses or frames.
    """
    if len(poses) == 0 or frames < 1:
        raise InputError("turntable", got=f"{len(poses)} poses, {frames} frames", wanted="at least one of each")
    focus = focus_point(poses)
    offsets = poses[:, :3, 3] - focus
    azimuths = np.arctan2(offsets[:, 1], offsets[:, 0])
    radii, heights = np.hypot(offsets[:, 0], offsets[:, 1]), offsets[:, 2]
    path = _azimuths(azimuths, frames)
    weights = np.exp(SMOOTHING * (np.cos(path[:, None] - azimuths) - 1)) + 1e-12
    weights /= weights.sum(1, keepdims=True)
    r, z = weights @ radii, weights @ heights
    r = np.maximum(r, 0.05 * np.hypot(r, z))  # cameras straight above would have no azimuth
    eyes = focus + np.stack([r * np.cos(path), r * np.sin(path), z], 1)
    return np.stack([look_at(eye, focus) for eye in eyes])


def focus_point(poses: Array) -> Array:
    """The point nearest to all optical axes in the least-squares sense [m], shape (3,).

    Σ (I − d dᵀ)(p − o) = 0 over centres o and unit axes d. A weak pull (1e-3 of the sum's scale) towards the point one
    camera spread ahead of the middle keeps it finite for parallel axes; a point behind the cameras gives way to it.
    """
    centres, axes = poses[:, :3, 3], poses[:, :3, 2]
    spread = max(float(np.linalg.norm(centres - centres.mean(0), axis=1).mean()), 1e-3)
    ahead = centres.mean(0) + axes.mean(0) * 2 * spread
    projectors = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    pull = 1e-3 * len(poses)
    A = projectors.sum(0) + pull * np.eye(3)
    focus = np.linalg.solve(A, (projectors @ centres[:, :, None]).sum(0)[:, 0] + pull * ahead)
    in_front = ((focus - centres) * axes).sum(1) > 0
    return focus if in_front.mean() > 0.5 else ahead


def _azimuths(azimuths: Array, frames: int) -> Array:
    """Azimuth of each frame [rad], shape (t,): a full turn, or a swing over the arc without the widest gap."""
    ordered = np.sort(azimuths)
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
    widest = int(gaps.argmax())
    start = ordered[(widest + 1) % len(ordered)]
    phase = np.arange(frames) / frames
    if gaps[widest] < FULL_CIRCLE_GAP:
        return start + 2 * np.pi * phase
    return start + (2 * np.pi - gaps[widest]) * (0.5 - 0.5 * np.cos(2 * np.pi * phase))


def draw(splats: Splats, camera: Camera, poses: Array, *, backend: str | None = None) -> Iterator[NDArray[np.uint8]]:
    """Frames of `splats` seen by `camera` from each pose, 0..255, shape (h, w, 3), one at a time."""
    return shots(lambda camera, T_world_cam: render(splats, camera, T_world_cam, backend=backend).rgb, camera, poses)


def shots(picture: Callable[[Camera, Array], Tensor], camera: Camera, poses: Array) -> Iterator[NDArray[np.uint8]]:
    """Frames of what `picture` makes of camera and pose, colours (h, w, 3), as `draw` has them."""
    for T_world_cam in poses:
        with torch.no_grad():
            rgb = picture(camera, T_world_cam)
        yield (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
