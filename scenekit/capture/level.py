"""The world frame after structure from motion: which way is up, and how large is it. Both are estimates.

Letters: c cameras, n points.
"""

from __future__ import annotations

import numpy as np

from scenekit.cameras import Array

TYPICAL_DISTANCE = 2.0
"""Median distance from a camera to the points it sees after scaling [m]: a person photographing a thing or a room."""

TRUSTED_ANGLE = np.radians(30.0)
"""The axis all cameras are level about is believed if it is this close to their mean up."""

MIN_TURN, MIN_TURN_TO_ROLL = 0.01, 8.0
"""Least variance of the x axes about the level axis (a swing of ±10°), and its least ratio to that of the roll."""


def up_direction(Rs_world_cam: Array) -> tuple[Array, str]:
    """Unit vector against gravity as the photographer held the camera, shape (3,), and how it was found.

    People hold cameras level, so every camera's x axis is horizontal: up is the direction most orthogonal to all of
    them, the eigenvector of the smallest eigenvalue of Σ x xᵀ. Where the cameras hardly turn about it, or it is far
    from their mean up (photos on edge), the mean up counts.

    Args:
        Rs_world_cam: Camera rotations, OpenCV axes, shape (c, 3, 3).
    """
    mean_up = -Rs_world_cam[:, :, 1].mean(0)
    if np.linalg.norm(mean_up) < 1e-6:
        return np.array([0.0, 0.0, 1.0]), "the photos' ups cancel, so the first camera's frame was kept"
    mean_up = mean_up / np.linalg.norm(mean_up)
    x = Rs_world_cam[:, :, 0]
    sizes, axes = np.linalg.eigh(x.T @ x / len(x))
    axis = axes[:, 0] * np.sign(axes[:, 0] @ mean_up)
    turns_enough = sizes[1] > max(MIN_TURN, MIN_TURN_TO_ROLL * sizes[0])
    if turns_enough and np.arccos(np.clip(axis @ mean_up, -1, 1)) < TRUSTED_ANGLE:
        return axis, "up is the axis about which the photos are level"
    return mean_up, "up is the mean of the photos' ups"


def levelling(Rs_world_cam: Array, centres: Array, distances: Array, middle: Array) -> tuple[Array, str]:
    """Similarity that puts up along +Z, `middle` at the origin and the photographed at a plausible distance.

    Args:
        Rs_world_cam: Camera rotations, shape (c, 3, 3).
        centres: Camera centres, shape (c, 3).
        distances: From cameras to points they see, any number of them; empty leaves the scale to the camera path.
        middle: What becomes the origin, shape (3,).

    Returns:
        T: Similarity (scale·R, t), old frame to new, shape (4, 4).
        note: How up and scale were found, one sentence.
    """
    up, how = up_direction(Rs_world_cam)
    span = (
        np.median(distances) if len(distances) else np.linalg.norm(centres - centres.mean(0), axis=1).max(initial=0.0)
    )
    scale = TYPICAL_DISTANCE / span if span > 1e-9 else 1.0
    T = np.eye(4)
    T[:3, :3] = scale * rotation_between(up, np.array([0.0, 0.0, 1.0]))
    T[:3, 3] = -T[:3, :3] @ middle
    note = f"{how}; the median distance from a camera to what it sees was set to {TYPICAL_DISTANCE:g} m"
    return T, f"{note[0].upper()}{note[1:]}."


def rotation_between(a: Array, b: Array) -> Array:
    """The smallest rotation that takes unit vector a to unit vector b, shape (3, 3)."""
    v, c = np.cross(a, b), float(a @ b)
    if c < -1 + 1e-9:  # opposite: half a turn about any axis orthogonal to a
        axis = np.eye(3)[np.argmin(np.abs(a))]
        axis = axis - a * (axis @ a)
        axis /= np.linalg.norm(axis)
        return 2 * np.outer(axis, axis) - np.eye(3)
    V = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    result: Array = np.eye(3) + V + V @ V / (1 + c)
    return result


def moved_pose(T: Array, T_world_cam: Array) -> Array:
    """A camera pose after the similarity T of the world: rotated and moved, but rigid, shape (4, 4)."""
    scale = np.cbrt(np.linalg.det(T[:3, :3]))
    result = np.eye(4)
    result[:3, :3] = T[:3, :3] / scale @ T_world_cam[:3, :3]
    result[:3, 3] = T[:3, :3] @ T_world_cam[:3, 3] + T[:3, 3]
    return result
