"""A view as numbers that a network is told."""

from __future__ import annotations

import torch
from torch import Tensor

VIEW_FEATURES = 6
"""Numbers that say a view."""


def view_features(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """(1, cos az, sin az, cos 2az, sin 2az, sin el) of angles (b,) [rad]; no view is all zeros. Shape (b, 6)."""
    one = torch.ones_like(azimuth)
    angles = [azimuth.cos(), azimuth.sin(), (2 * azimuth).cos(), (2 * azimuth).sin(), elevation.sin()]
    return torch.stack([one, *angles], -1)
