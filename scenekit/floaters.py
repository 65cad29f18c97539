"""Floaters: Gaussians that belong to no surface, found by their neighbours, opacity, size and by who saw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from scenekit.cameras import Array, Camera
from scenekit.errors import InputError
from scenekit.render.weights import views_that_see
from scenekit.splats import Splats


@dataclass(frozen=True)
class FloaterConfig:
    """What makes a Gaussian a floater; any one reason is enough, and 0 turns a reason off.

    Raises:
        InputError: If a number is negative or not finite.
    """

    isolation: float = 6.0
    """Mean distance to its neighbours over the median of all, or its own size if larger; beyond, it is alone."""
    neighbours: int = 8
    """How many of the nearest are its neighbours."""
    min_opacity: float = 0.01
    """Fainter ones show nothing."""
    max_size: float = 0.5
    """Largest standard deviation over the extent of the scene (the box of 90 % of the centres); larger ones are fog."""
    min_photos: int = 2
    """Photos that must show it, if photos are there; what one photo alone shows has no depth."""

    def __post_init__(self) -> None:
        for f in fields(self):
            if not 0 <= getattr(self, f.name) < math.inf:
                raise InputError(f"floaters: {f.name}", got=getattr(self, f.name), wanted="0 or more")


def floaters(
    splats: Splats, config: FloaterConfig | None = None, *, views: Sequence[tuple[Camera, Array]] = ()
) -> dict[str, Tensor]:
    """Which Gaussians are floaters, by reason: alone, faint, large, unseen; each bool (n,).

    Args:
        splats: n Gaussians.
        config: The limits.
        views: Cameras and poses of the photos in the frame of the Gaussians; without any, nothing is unseen.
    """
    config = config or FloaterConfig()
    none = torch.zeros(len(splats), dtype=torch.bool)
    if not len(splats):
        return dict.fromkeys(("alone", "faint", "large", "unseen"), none)
    means, sizes = splats.means.detach().double().cpu(), splats.scales.amax(-1).cpu()
    unseen = views_that_see(splats, views).cpu() < config.min_photos if views and config.min_photos else none
    return {
        "alone": isolation(means, sizes, config.neighbours) > config.isolation if config.isolation else none,
        "faint": splats.opacities.cpu() < config.min_opacity,
        "large": sizes > config.max_size * extent(means) if config.max_size else none,
        "unseen": unseen,
    }


def isolation(points: Tensor, sizes: Tensor, neighbours: int) -> Tensor:
    """How far neighbours are: mean distance to the nearest ones over its median, or the own size if larger, (n,).

    A large Gaussian on a bare wall is far from its neighbours and yet not alone: it touches them.
    """
    k = min(neighbours, len(points) - 1)
    if k < 1:
        return torch.ones(len(points), dtype=torch.float64)
    distance, _ = cKDTree(points.numpy()).query(points.numpy(), k=k + 1, workers=-1)
    mean = torch.from_numpy(distance[:, 1:].mean(1))
    return mean / torch.maximum(mean.median().clamp(min=1e-12), sizes.double())


def extent(points: Tensor) -> float:
    """Diagonal of the box that holds the middle 90 % of the points along each axis [m]."""
    low, high = np.quantile(points.numpy(), [0.05, 0.95], axis=0)
    return float(np.linalg.norm(high - low))
