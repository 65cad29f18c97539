"""Rigid bodies and joints, as the simulator and the export know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from scenekit.body import Joint
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.sim.shapes import Shape

ROUNDING = 1e-6
"""Relative to the largest entry of an inertia tensor, what counts as a rounding error."""


@dataclass(frozen=True)
class Piece:
    """A convex piece or a primitive of a body's collision geometry."""

    shape: Shape
    """What it looks like to a collision."""
    pose: Pose = Pose()
    """Where it is in the body."""


@dataclass(frozen=True)
class RigidBody:
    """A body that does not deform. Its frame is that of its node.

    Raises:
        InputError: If no body can be so: a mass of zero, an inertia tensor that is not symmetric, not positive or has a
            principal moment above the sum of the others; a negative friction, a restitution not in 0..1; or a joint on
            a body that is not dynamic.
    """

    name: str
    """Path of its node."""
    kind: Literal["static", "kinematic", "dynamic"]
    """static never moves; kinematic moves as it is told; dynamic moves as forces want."""
    pose: Pose
    """T_world_body at the start."""
    mass: float
    """[kg]; of a dynamic body above zero."""
    centre: tuple[float, float, float]
    """Centre of mass in the body's frame [m]."""
    inertia: Array
    """Inertia tensor about the centre of mass, axes of the body [kg m²], shape (3, 3)."""
    pieces: tuple[Piece, ...] = ()
    """What collides."""
    friction: float = 0.5
    """Coefficient of sliding friction μ; of two bodies that touch the larger one counts."""
    restitution: float = 0.0
    """Speed after a bounce over speed before; of two bodies the smaller one counts, so 1 leaves it to the other."""
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the centre of mass at the start, world axes [m/s]."""
    spin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Angular velocity at the start, world axes [rad/s]."""
    parent: int = -1
    """The body it is joined to, −1 for the world."""
    joint: Joint | None = None
    """How it is joined to its parent; None leaves it free."""

    def __post_init__(self) -> None:
        moving = self.kind == "dynamic"
        for name, good, wanted in (
            ("mass", not moving or 0 < self.mass < np.inf, "more than 0 kg"),
            ("centre", bool(np.isfinite(self.centre).all()), "finite numbers"),
            ("velocity", bool(np.isfinite(self.velocity).all()), "finite numbers"),
            ("spin", bool(np.isfinite(self.spin).all()), "finite numbers"),
            ("friction", 0 <= self.friction < np.inf, "0 or more"),
            ("restitution", 0 <= self.restitution <= 1, "0 to 1"),
            ("joint", moving or self.joint is None, "none on a body that is not dynamic"),
        ):
            if not good:
                got = self.joint.kind if name == "joint" and self.joint else getattr(self, name)
                raise InputError(f"{self.name}: {name}", got=got, wanted=wanted)
        if moving:
            principal_inertia(self)


def principal_inertia(body: RigidBody) -> tuple[Array, Array]:
    """Principal moments of inertia, largest first [kg m²], shape (3,), and their axes as columns of a rotation.

    Raises:
        InputError: If no body has this inertia.
    """
    name, inertia = f"{body.name}: inertia", np.asarray(body.inertia, np.float64)
    if inertia.shape != (3, 3) or not np.isfinite(inertia).all():
        raise InputError(name, got=f"shape {inertia.shape}, or not finite", wanted="3×3 finite numbers")
    slack = ROUNDING * float(np.abs(inertia).max())
    if np.abs(inertia - inertia.T).max() > slack:
        raise InputError(name, got=np.array_str(inertia, precision=3), wanted="a symmetric tensor")
    values, axes = np.linalg.eigh((inertia + inertia.T) / 2)
    moments, axes = values[::-1].astype(np.float64), axes[:, ::-1].astype(np.float64)
    shown = ", ".join(f"{moment:.3g}" for moment in moments)
    if not moments[2] > slack:
        raise InputError(name, got=f"principal moments {shown} kg m²", wanted="moments above 0")
    if moments[0] > moments[1] + moments[2] + slack:
        raise InputError(name, got=f"principal moments {shown} kg m²", wanted="none above the sum of the others")
    moments[0] = min(moments[0], moments[1] + moments[2])  # of a flat plate, a rounding error more
    axes[:, 2] = np.cross(axes[:, 0], axes[:, 1])
    return moments, axes
