"""Selections by where things are: boxes, balls, half-spaces, polygons in photos, nearness to other nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from scenekit.cameras import Camera, inverse_pose, rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.scene import SceneState
from scenekit.selection.base import Selection, in_world, positions
from scenekit.selection.photos import named_photo, nearest_capture
from scenekit.splats import Splats

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Everything(Selection):
    """All there is."""

    def inside(self, points: Tensor, state: SceneState, path: str) -> Tensor:
        return torch.ones(len(points), dtype=torch.bool)


@dataclass(frozen=True)
class Box(Selection):
    """A box, its faces included."""

    low: Vector
    """Least corner, before it is turned [m]."""
    high: Vector
    """Greatest corner, before it is turned [m]."""
    quat: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    """Turns the box about its middle, wxyz."""

    def inside(self, points: Tensor, state: SceneState, path: str) -> Tensor:
        low, high = _row(self.low), _row(self.high)
        middle = (low + high) / 2
        R = torch.from_numpy(rotation_from_quaternion(np.array(Pose(quat=self.quat).quat)))
        points = points if self.quat == Pose().quat else (points - middle) @ R + middle
        result = torch.ones(len(points), dtype=torch.bool)
        for along, least, most in zip(points.unbind(-1), low, high, strict=True):  # `all(-1)` takes twice as long
            result &= (along >= least) & (along <= most)
        return result


@dataclass(frozen=True)
class Sphere(Selection):
    """A ball, its surface included."""

    centre: Vector
    """[m]."""
    radius: float
    """[m]."""

    def inside(self, points: Tensor, state: SceneState, path: str) -> Tensor:
        return (points - _row(self.centre)).square().sum(-1) <= self.radius**2


@dataclass(frozen=True)
class HalfSpace(Selection):
    """All on the side of a plane to which its normal points, the plane included."""

    normal: Vector
    """Of any length but zero."""
    point: Vector = (0.0, 0.0, 0.0)
    """A point of the plane [m]."""

    def __post_init__(self) -> None:
        if not any(self.normal):
            raise InputError("HalfSpace.normal", got=self.normal, wanted="a vector that is not zero")

    def inside(self, points: Tensor, state: SceneState, path: str) -> Tensor:
        return (points - _row(self.point)) @ _row(self.normal) >= 0


@dataclass(frozen=True)
class Polygon(Selection):
    """All that projects into a polygon drawn in a photo, or in an image of a given camera."""

    corners: tuple[tuple[float, float], ...]
    """At least three corners, in order; where the outline crosses itself, even-odd counts [px]."""
    photo: str = ""
    """Name of the photo, or of one whose name ends so."""
    cameras: str = ""
    """Node with the photos; the nearest at or above the node that is asked, if empty."""
    near: float = 0.0
    """Least depth along the optical axis [m]."""
    far: float = math.inf
    """Greatest depth [m]."""
    camera: Camera | None = None
    """A camera instead of a photo."""
    pose: Pose = field(default_factory=Pose)
    """T_world_cam of that camera, OpenCV axes."""

    def __post_init__(self) -> None:
        if len(self.corners) < 3 or bool(self.photo) == (self.camera is not None):
            got = f"{len(self.corners)} corners, photo {self.photo!r}, camera {self.camera}"
            raise InputError("Polygon", got=got, wanted="at least 3 corners, and a photo or a camera")

    def inside(self, points: Tensor, state: SceneState, path: str) -> Tensor:
        camera, T_world_cam = self.camera, self.pose.matrix
        if camera is None:
            where, capture = nearest_capture(state, self.cameras or path)
            photo = named_photo(capture, self.photo)
            camera, T_world_cam = photo.camera, state.pose(where).matrix @ photo.T_world_cam
        T_cam_world = torch.from_numpy(inverse_pose(T_world_cam))
        seen = points @ T_cam_world[:3, :3].T + T_cam_world[:3, 3]
        in_front = (seen[:, 2] > max(self.near, 1e-9)) & (seen[:, 2] <= self.far)
        result = torch.zeros(len(points), dtype=torch.bool)
        result[in_front] = torch.from_numpy(_in_polygon(camera.project(seen[in_front].numpy()), self.corners))
        return result


@dataclass(frozen=True)
class Near(Selection):
    """What lies near another node: to the centres of its Gaussians and the vertices of its mesh."""

    path: str
    """The other node; those below it count too."""
    distance: float
    """[m]."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        return self.inside(in_world(splats.means, state, path), state, path)  # at once: one tree for all

    def inside(self, points: Tensor, state: SceneState, path: str) -> Tensor:
        others = [in_world(own, state, where) for where, node in state.walk(self.path) for own in positions(node)]
        if not others:
            raise InputError("Near.path", got=repr(self.path), wanted="a node with splats or a mesh at or below it")
        tree = cKDTree(torch.cat(others).numpy())
        reach = np.nextafter(self.distance, math.inf)  # the bound itself is left out
        distance, _ = tree.query(points.numpy(), distance_upper_bound=reach, workers=-1)
        return torch.from_numpy(np.isfinite(distance))


def _row(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _in_polygon(points: np.ndarray[Any, Any], corners: tuple[tuple[float, float], ...]) -> np.ndarray[Any, Any]:
    """Even-odd rule: a ray to the right crosses the outline an odd number of times. Shape (m, 2) → (m,)."""
    x, y = points[:, 0], points[:, 1]
    result = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        crosses = (y0 > y) != (y1 > y)
        if y0 != y1:
            result ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return result
