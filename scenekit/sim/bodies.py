"""Rigid bodies and joints, as the simulator and the export know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scenekit.body import Joint
from scenekit.cameras import Array
from scenekit.poses import Pose
from scenekit.sim.shapes import Shape


@dataclass(frozen=True)
class Piece:
    """A convex piece or a primitive of a body's collision geometry."""

    shape: Shape
    """What it looks like to a collision."""
    pose: Pose = Pose()
    """Where it is in the body."""


@dataclass(frozen=True)
class RigidBody:
    """A body that does not deform. Its frame is that of its node."""

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
    """Coefficient of sliding friction μ."""
    restitution: float = 0.0
    """Speed after a bounce over speed before."""
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the centre of mass at the start, world axes [m/s]."""
    spin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Angular velocity at the start, world axes [rad/s]."""
    parent: int = -1
    """The body it is joined to, −1 for the world."""
    joint: Joint | None = None
    """How it is joined to its parent; None leaves it free."""
