"""Colliders: what soft matter cannot enter, and how the two slide on each other. Letters: c colliders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.colliders as kernels
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.sim.shapes import Box, Capsule, DistanceField, Hull, Shape, Sphere

Contact = Literal["sticky", "slip", "separate"]
"""sticky: matter moves with the collider; slip: it slides freely and does not leave; separate: it may leave, and while
it is pressed on, Coulomb's friction holds it back."""

CONTACTS: tuple[Contact, ...] = ("sticky", "slip", "separate")
"""In the order of their numbers in kernels."""


@dataclass(frozen=True)
class Collider:
    """A shape somewhere, fixed to the world or to a body.

    Raises:
        InputError: If the friction is negative, the contact unknown, or the shape a hull, which only rigid bodies use.
    """

    shape: Shape
    """What it looks like."""
    pose: Pose = Pose()
    """Where it is in its body, or in the world."""
    body: int = -1
    """Number of the body that carries it, −1 for the world."""
    contact: Contact = "separate"
    """What it does to what touches it."""
    friction: float = 0.5
    """Coefficient of sliding friction μ, for `separate`."""
    name: str = ""
    """For messages."""

    def __post_init__(self) -> None:
        if not 0 <= self.friction < np.inf:
            raise InputError(f"collider {self.name}: friction", got=self.friction, wanted="0 or more")
        if self.contact not in CONTACTS:
            wanted = "one of " + ", ".join(CONTACTS)
            raise InputError(f"collider {self.name}: contact", got=repr(self.contact), wanted=wanted)
        if isinstance(self.shape, Hull):
            raise InputError(f"collider {self.name}: shape", got="a hull", wanted="DistanceField.from_mesh(mesh, …)")


class ColliderArrays:
    """All colliders as the arrays of kernels; poses and velocities follow the bodies.

    Args:
        colliders: In the order of their numbers.
        device: Where the kernels run.
    """

    def __init__(self, colliders: tuple[Collider, ...], *, device: str = "cpu"):
        self.colliders, self._device = colliders, device
        fields = [c.shape for c in colliders if isinstance(c.shape, DistanceField)]
        starts = np.cumsum([0, *(field.values.size for field in fields)])
        self.struct = kernels.Colliders()
        self.struct.count = len(colliders)
        self.struct.kind = self._array([kernels.KINDS[type(c.shape).__name__] for c in colliders], wp.int32)
        self.struct.size = self._array([_size(c.shape) for c in colliders], wp.vec3)
        self.struct.contact = self._array([CONTACTS.index(c.contact) for c in colliders], wp.int32)
        self.struct.friction = self._array([c.friction for c in colliders], wp.float32)
        self.struct.body = self._array([c.body for c in colliders], wp.int32)
        number = np.cumsum([isinstance(c.shape, DistanceField) for c in colliders]) - 1
        self.struct.field = self._array(number, wp.int32)
        self.struct.field_start = self._array(starts[:-1], wp.int32)
        self.struct.field_shape = self._array([field.values.shape for field in fields], wp.vec3i)
        self.struct.field_origin = self._array([field.origin for field in fields], wp.vec3)
        self.struct.field_voxel = self._array([field.voxel for field in fields], wp.float32)
        values = [field.values.ravel() for field in fields]
        self.struct.values = self._array(np.concatenate(values) if values else [], wp.float32)
        self._moving: dict[str, wp.array[Any]] = {}
        for name, dtype in (("x", wp.vec3), ("R", wp.mat33), ("v", wp.vec3), ("w", wp.vec3), ("pivot", wp.vec3)):
            self._moving[name] = wp.zeros(max(len(colliders), 1), dtype=dtype, device="cpu")
            kept = self._moving[name] if device == "cpu" else wp.zeros_like(self._moving[name], device=device)
            setattr(self.struct, name, kept)
        self._local = np.stack([c.pose.matrix for c in colliders]) if colliders else np.zeros((0, 4, 4))
        self._body = np.array([c.body for c in colliders], np.int64)

    def move(self, x: Tensor, R: Tensor, v: Tensor, w: Tensor, centre: Tensor) -> None:
        """Puts the colliders where their bodies are and gives them their velocities.

        Args:
            x: Origins of the bodies [m], shape (b, 3).
            R: Their rotations body → world, shape (b, 3, 3).
            v: Velocities of their centres of mass [m/s], shape (b, 3).
            w: Angular velocities, world axes [rad/s], shape (b, 3).
            centre: Their centres of mass, world [m], shape (b, 3).
        """
        if not self.colliders:
            return
        T, held = self._local.copy(), self._body >= 0
        if held.any():
            at = self._body[held]
            B = np.tile(np.eye(4), (int(held.sum()), 1, 1))
            B[:, :3, :3] = R.double().cpu().numpy()[at]
            B[:, :3, 3] = x.double().cpu().numpy()[at]
            T[held] = B @ T[held]
        motion = np.zeros((3, len(self.colliders), 3))
        for row, values in zip(motion, (v, w, centre), strict=True):
            if held.any():
                row[held] = values.double().cpu().numpy()[at]
        rows = {"x": T[:, :3, 3], "R": T[:, :3, :3], "v": motion[0], "w": motion[1], "pivot": motion[2]}
        for name, host in self._moving.items():
            host.numpy()[:] = rows[name]
            if self._device != "cpu":
                wp.copy(getattr(self.struct, name), host)

    def distances(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Signed distance of points (p, 3) from the nearest collider [m], shape (p,), and its number, shape (p,)."""
        distance = torch.full((len(points),), torch.inf)
        nearest = torch.full((len(points),), -1, dtype=torch.int32)
        inputs = [self.struct, wp.from_torch(points.contiguous(), wp.vec3)]
        inputs += [wp.from_torch(distance), wp.from_torch(nearest)]
        kernels.launch(kernels.nearest, len(points), inputs, self._device)
        return distance, nearest

    def _array(self, values: Any, dtype: type) -> wp.array[Any]:
        scalar = np.int32 if dtype in (wp.int32, wp.vec3i) else np.float32
        array = np.ascontiguousarray(values, scalar)
        shape = {wp.vec3: (-1, 3), wp.vec3i: (-1, 3), wp.mat33: (-1, 3, 3)}.get(dtype, (-1,))
        return wp.array(
            array.reshape(shape) if array.size else np.zeros((1, *shape[1:]), scalar), dtype=dtype, device=self._device
        )


def _size(shape: Shape) -> tuple[float, float, float]:
    if isinstance(shape, Box):
        return shape.half
    if isinstance(shape, Sphere):
        return (shape.radius, 0.0, 0.0)
    return (shape.radius, shape.half_length, 0.0) if isinstance(shape, Capsule) else (0.0, 0.0, 0.0)
