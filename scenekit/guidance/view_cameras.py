"""Cameras around a thing that is being made: where score distillation looks from. Letters: c cameras.

The thing stands on z = 0 about the z axis, and its longest side is 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from scenekit.cameras import Array, Camera, look_at, pinhole
from scenekit.errors import InputError
from scenekit.guidance.prior import Views

Range = tuple[float, float]


@dataclass(frozen=True)
class ViewCameraConfig:
    """From where. The defaults are threestudio's for Stable Diffusion."""

    elevation: Range = (-10.0, 45.0)
    """Least and greatest angle above the horizon [degrees]; −10 to 90 in DreamFusion."""
    distance: Range = (1.5, 2.0)
    """From the middle of the thing, in its longest sides; 1 to 1.5 in DreamFusion."""
    fov: Range = (40.0, 70.0)
    """Across the picture [degrees]."""
    on_sphere: float = 0.5
    """Share of cameras that are spread evenly over the sphere; the others over the angle."""
    height: float = 0.5
    """Of the middle of the thing above its foot, in its longest sides."""
    together: int = 1
    """So many cameras of the same elevation, distance and angle stand evenly around the thing: 4, at right angles, for
    priors of several views such as MVDream."""

    def __post_init__(self) -> None:
        for name, least, most in (("elevation", -89, 89.9), ("distance", 0.1, 100), ("fov", 1, 150)):
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise InputError(f"camera {name}", got=(low, high), wanted=f"{least} to {most}, the lower first")
        if self.together < 1:
            raise InputError("cameras together", got=self.together, wanted="at least 1")


class ViewCameras(NamedTuple):
    """Some cameras."""

    cameras: list[Camera]
    """Square pinholes."""
    T_world_cam: Array
    """Their poses, shape (c, 4, 4)."""
    views: Views
    """Their angles."""


def drawn(config: ViewCameraConfig, count: int, side: int, generator: torch.Generator) -> ViewCameras:
    """Cameras at random, the azimuths one in each of `count` equal parts of the circle.

    Args:
        config: From where.
        count: c.
        side: Width and height of their pictures [px].
        generator: Chance.

    Raises:
        InputError: If `count` is no multiple of those that stand together.
    """
    groups, rest = divmod(count, config.together)
    if rest:
        raise InputError("views", got=count, wanted=f"a multiple of the {config.together} that stand together")
    luck = torch.rand(groups, 5, generator=generator, dtype=torch.float64).repeat_interleave(config.together, 0)
    group, place = torch.arange(count) // config.together, torch.arange(count) % config.together
    azimuth = 2 * math.pi * ((group + luck[:, 0]) / count + place / config.together)
    low, high = (math.radians(angle) for angle in config.elevation)
    even = low + luck[:, 1] * (high - low)
    sphere = torch.asin(math.sin(low) + luck[:, 1] * (math.sin(high) - math.sin(low)))
    elevation = torch.where(luck[:, 2] < config.on_sphere, sphere, even)
    distance, fov = (
        first + luck[:, k] * (last - first) for k, (first, last) in ((3, config.distance), (4, config.fov))
    )
    return placed(Views(azimuth, elevation), distance.tolist(), fov.tolist(), side, config.height)


def placed(views: Views, distance: list[float], fov: list[float], side: int, height: float) -> ViewCameras:
    """Cameras at these angles, distances [longest sides] and fields of view [degrees]."""
    middle, cameras, poses = np.array([0.0, 0.0, height]), [], []
    for azimuth, elevation, away, degrees in zip(
        views.azimuth.tolist(), views.elevation.tolist(), distance, fov, strict=True
    ):
        across = math.cos(elevation)
        towards = np.array([math.sin(azimuth) * across, -math.cos(azimuth) * across, math.sin(elevation)])
        poses.append(look_at(middle + away * towards, middle))
        focal = side / 2 / math.tan(math.radians(degrees) / 2)
        cameras.append(pinhole(side, side, focal, focal, side / 2, side / 2))
    return ViewCameras(cameras, np.stack(poses), views)


def from_sides(config: ViewCameraConfig, views: Views, side: int) -> ViewCameras:
    """Cameras at these angles, at the middles of the distances and fields of view."""
    distance, fov = (sum(ends) / 2 for ends in (config.distance, config.fov))
    return placed(views, [distance] * len(views), [fov] * len(views), side, config.height)
