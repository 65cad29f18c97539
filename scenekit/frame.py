"""Which way is up in a scene, and how large its unit is: by what stands level, by cameras, by known lengths.

`scenekit.edits.frame` turns and scales a scene by what is found here; markers and satellites have modules of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scenekit.cameras import Array
from scenekit.capture.capture import Capture, Points
from scenekit.capture.level import up_direction
from scenekit.errors import InputError
from scenekit.scene import SceneState
from scenekit.segment import LEVEL_FURNITURE
from scenekit.support import attention, find_support

How = Literal["measured", "given", "estimated"]

SUPPORT_TOLERANCE, SUPPORT_SHARE = 0.01, 0.06
"""A Gaussian lies in the support within this part of half the cameras' distance; least part of what is seen."""


@dataclass(frozen=True)
class Up:
    """Which way is up."""

    direction: Array
    """Unit vector against gravity in the world as it is, shape (3,)."""
    note: str
    """How it was found, one sentence."""
    spread: float | None = None
    """Standard deviation of the direction [rad]; None if unknown."""
    how: How = "estimated"
    """Whether something level or an instrument said so, or the photographer's hand."""


@dataclass(frozen=True)
class MetricScale:
    """How many metres a unit of the scene is."""

    scale: float
    """Factor that turns the scene's unit into metres, more than 0."""
    note: str
    """How it was found, one sentence."""
    spread: float | None = None
    """Relative standard deviation; None if unknown."""
    how: How = "measured"
    """Whether an instrument said so, or somebody."""


def up_by_support(state: SceneState, *, tilt: float = 45.0) -> Up:
    """Up as the normal of the plane that things stand on.

    Args:
        state: A scene with splats.
        tilt: Largest angle of that plane to the level as it is now [degrees].

    Raises:
        InputError: If no such plane is found.
    """
    splats, photos = state.splats(), state.photos()
    look = attention(splats, Capture(photos, Points.none(), "scene") if photos else None)
    plane = find_support(splats, look, tilt=np.radians(tilt), tolerance=SUPPORT_TOLERANCE, min_share=SUPPORT_SHARE)
    spread = float(np.hypot(plane.spread, LEVEL_FURNITURE))
    return Up(plane.normal, "Up is the normal of the plane that things stand on.", spread, "measured")


def up_by_cameras(state: SceneState) -> Up:
    """Up as the photographer held the camera; the spread is that of the photos' roll over their number.

    Raises:
        InputError: If the scene has fewer than two photos.
    """
    poses = [photo.T_world_cam for photo in state.photos()]
    if len(poses) < 2:
        raise InputError("level by cameras", got=f"{len(poses)} photos", wanted="a scene with two photos or more")
    rotations = np.stack(poses)[:, :3, :3]
    up, how = up_direction(rotations)
    roll = np.arcsin(np.clip(rotations[:, :, 0] @ up, -1, 1))
    return Up(up, f"{how[0].upper()}{how[1:]}.", float(roll.std() / np.sqrt(len(roll))))


def up_by_points(points: Array, *, above: Array | None = None) -> Up:
    """Up as the normal of the plane through points of a floor, by least squares: the direction they spread least along.

    The spread is that of the plane's tilt about its weaker axis, s / √Σ d², with s² = Σ r² / (n − 3) of the residuals
    r and d the distances along the other axis from the points' mean; unknown for three points, which fit exactly.

    Args:
        points: n points of the floor in the world as it is, shape (n, 3).
        above: A point above the floor, shape (3,), such as an eye that sees it; if None, up is nearer to +Z than down.

    Raises:
        InputError: If there are fewer than three points, they lie on a line, or a number is not finite.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    offsets = points - points.mean(0) if len(points) else points
    if len(points) < 3 or not np.isfinite(points).all():
        raise InputError("points of the floor", got=f"{len(points)} points", wanted="three or more, of finite numbers")
    _, sizes, axes = np.linalg.svd(offsets, full_matrices=False)
    if not sizes[1] > 1e-6 * sizes[0]:
        raise InputError("points of the floor", got="points on a line", wanted="three or more that span a plane")
    side = axes[2, 2] if above is None else axes[2] @ (np.asarray(above) - points.mean(0))
    spread = float(sizes[2] / np.sqrt(len(points) - 3) / sizes[1]) if len(points) > 3 else None
    up = axes[2] if side >= 0 else -axes[2]
    return Up(up, "Up is the normal of a floor that was pointed at.", spread, "given")


def scale_by_distance(a: Array, b: Array, metres: float, *, spread: float | None = None) -> MetricScale:
    """The scale that puts two points `metres` apart.

    Args:
        a: A point in the world as it is, shape (3,).
        b: Another.
        metres: Their true distance [m].
        spread: Standard deviation of `metres` [m].

    Raises:
        InputError: If the points coincide, or a number is not positive and finite.
    """
    apart = float(np.linalg.norm(np.subtract(a, b)))
    _check_length("metres", metres)
    if not 0 < apart < np.inf:
        raise InputError("points", got=f"{tuple(a)} and {tuple(b)}", wanted="two that differ")
    relative = None if spread is None else spread / metres
    return MetricScale(metres / apart, f"The scale is from a distance of {metres:g} m between two points.", relative)


def scale_by_size(state: SceneState, path: str, metres: float, *, axis: int | None = None) -> MetricScale:
    """The scale that gives a node its known size.

    A mesh is measured from end to end. Of splats the outermost thousandth counts as stray; how much the size depends
    on that is the spread.

    Args:
        state: The scene.
        path: The node, measured with all below it.
        metres: Its true size [m].
        axis: 0, 1 or 2 for x, y or z of the world; None for the longest side.

    Raises:
        InputError: If the node has neither mesh nor splats, or `metres` is not positive.
    """
    _check_length("metres", metres)
    size, loose = (_extent(state, path, stray) for stray in (1e-3, 1e-2))
    along = int(size.argmax()) if axis is None else axis
    if not size[along] > 0:
        raise InputError(f"size of {path}", got="0", wanted="a mesh or splats that are not flat along that axis")
    note = f"The scale is from a size of {metres:g} m of {path} along {'xyz'[along]}."
    return MetricScale(metres / size[along], note, float(1 - loose[along] / size[along]) / 2, "given")


def _extent(state: SceneState, path: str, stray: float) -> Array:
    """Sides of the box around meshes, and around splats without the outermost part `stray` of each cloud [m]."""
    corners = []
    for where, node in state.walk(path):
        T = state.pose(where).matrix
        meshes = [] if node.mesh is None else [(node.mesh.vertices, 0.0)]
        clouds = [] if node.splats is None else [(node.splats.means, stray)]
        for points, part in (*meshes, *clouds):
            if len(points):
                world = points.detach().cpu().double().numpy() @ T[:3, :3].T + T[:3, 3]
                corners.append(np.quantile(world, [part, 1 - part], axis=0))
    if not corners:
        raise InputError(f"size of {path}", got="neither mesh nor splats", wanted="a node that holds one")
    low, high = np.stack(corners, 1)
    size: Array = high.max(0) - low.min(0)
    return size


def _check_length(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise InputError(name, got=value, wanted="a length of more than 0 m")
