"""Where a field is: a cube, or all of space contracted into one (Barron et al. 2022, mip-NeRF 360). n points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenekit.capture.capture import Capture
from scenekit.errors import InputError


def contract(x: Tensor) -> Tensor:
    """x inside the unit ball, (2 − 1/‖x‖) x/‖x‖ outside of it: space in a ball of radius 2 (Eq. 10); (..., 3)."""
    r = x.norm(dim=-1, keepdim=True).clamp(min=1.0)
    return x * ((2 - 1 / r) / r)


def uncontract(y: Tensor) -> Tensor:
    """Inverse of `contract`; what is on or beyond radius 2 goes very far."""
    r = y.norm(dim=-1, keepdim=True).clamp(min=1.0)
    return y / (r * (2 - r).clamp(min=1e-6))


@dataclass(frozen=True)
class Region:
    """The cube that a field fills, or whose inner ball it shows in full if unbounded.

    Raises:
        InputError: If the cube has no size.
    """

    middle: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Centre [m]."""
    half: float = 1.0
    """Half a side [m]."""
    unbounded: bool = False
    """Whether what is outside of the ball of radius `half` is contracted into the field, else the field ends there."""

    def __post_init__(self) -> None:
        if not (0 < self.half < np.inf and np.isfinite(self.middle).all()):
            raise InputError("region", got=(self.middle, self.half), wanted="a finite centre and a positive size")

    def unit(self, x: Tensor) -> Tensor:
        """World → unit cube, shape (n, 3); beyond 0..1 is outside."""
        q = (x - x.new_tensor(self.middle)) / self.half
        return (contract(q) / 2 if self.unbounded else q) * 0.5 + 0.5

    def world(self, u: Tensor) -> Tensor:
        """Inverse of `unit`."""
        q = 2 * u - 1
        q = uncontract(2 * q) if self.unbounded else q
        return q * self.half + q.new_tensor(self.middle)

    def crossing(self, origins: Tensor, directions: Tensor, *, near: float, far: float) -> tuple[Tensor, Tensor]:
        """Where rays (n, 3) enter and leave, within near..far [m], each (n,); one that misses leaves before."""
        if self.unbounded:
            return torch.full_like(origins[:, 0], near), torch.full_like(origins[:, 0], far)
        to = origins.new_tensor(self.middle) - origins
        safe = torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
        a, b = (to - self.half) / safe, (to + self.half) / safe
        enter, leave = torch.minimum(a, b).amax(-1), torch.maximum(a, b).amin(-1)
        return enter.clamp(min=near), leave.clamp(max=far)


def region_of(capture: Capture, *, unbounded: bool = True, share: float = 0.9) -> Region:
    """The region a capture shows: around what the cameras look at, the cameras included.

    Args:
        capture: The capture.
        unbounded: Whether what is farther is contracted; without it, the cube takes in `share` of the sparse points.
        share: Part of the sparse points that a bounded cube has room for; the others are stray.
    """
    poses = np.stack([photo.T_world_cam for photo in capture.photos])
    centres, axes = poses[:, :3, 3], poses[:, :3, 2]
    planes = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # least squares of the distances to the optical axes
    A = planes.sum(0) + 1e-3 * len(axes) * np.eye(3)
    middle = np.linalg.solve(A, (planes @ centres[:, :, None])[..., 0].sum(0) + 1e-3 * len(axes) * centres.mean(0))
    half = float(np.linalg.norm(centres - middle, axis=1).max()) * 1.05
    if not unbounded and len(capture.points):
        away = np.abs(capture.points.xyz - middle).max(1)
        half = max(half, float(np.quantile(away, share)) * 1.1)
    return Region((float(middle[0]), float(middle[1]), float(middle[2])), max(half, 1e-3), unbounded)
