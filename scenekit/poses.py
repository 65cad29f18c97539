"""Pose: where a node is in its parent, a rotation and a translation. Letters: a, b, c = frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenekit.cameras import Array, quaternion_from_rotation, rotation_from_quaternion
from scenekit.errors import InputError

UNIT = 1e-6
"""A quaternion whose length is further than this from 1 is a mistake, not a rounding error."""


@dataclass(frozen=True)
class Pose:
    """A rigid motion x ↦ R x + t from a node's frame to its parent's. Plain numbers, so equal poses compare equal.

    Raises:
        InputError: If a number is not finite or the quaternion is not of unit length.
    """

    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Translation t [m]."""
    quat: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    """Rotation R as a unit quaternion wxyz."""

    def __post_init__(self) -> None:
        for name, size in (("position", 3), ("quat", 4)):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != size or not np.isfinite(values).all():
                raise InputError(f"pose.{name}", got=values, wanted=f"{size} finite numbers")
            object.__setattr__(self, name, values)
        if abs(np.linalg.norm(self.quat) - 1) > UNIT:
            raise InputError("pose.quat", got=self.quat, wanted="a quaternion wxyz of length 1")

    @property
    def matrix(self) -> Array:
        """T_parent_node: node → parent, shape (4, 4)."""
        T = np.eye(4)
        T[:3, :3] = rotation_from_quaternion(np.array(self.quat))
        T[:3, 3] = self.position
        return T

    @property
    def is_identity(self) -> bool:
        """True if nothing moves, exactly."""
        return self == Pose()

    @staticmethod
    def from_matrix(T: Array) -> Pose:
        """The pose of a rigid T, shape (4, 4).

        Raises:
            InputError: If T is not rigid to six digits: scaled, mirrored or sheared.
        """
        T = np.asarray(T, dtype=np.float64)
        R = T[:3, :3]
        if T.shape != (4, 4) or not np.allclose(R @ R.T, np.eye(3), atol=1e-6) or np.linalg.det(R) < 0:
            raise InputError("T_parent_node", got=np.array_str(T, precision=4), wanted="a rigid 4×4 transform")
        quat = quaternion_from_rotation(R)
        return Pose(tuple(T[:3, 3]), tuple(quat / np.linalg.norm(quat)))

    def __matmul__(self, other: Pose) -> Pose:
        """T_ac = T_ab @ T_bc."""
        if self.is_identity:
            return other
        return self if other.is_identity else Pose.from_matrix(self.matrix @ other.matrix)

    def inverse(self) -> Pose:
        """The pose that undoes this one."""
        w, x, y, z = self.quat
        R = rotation_from_quaternion(np.array(self.quat))
        return Pose(tuple(-R.T @ np.array(self.position)), (w, -x, -y, -z))
