"""Body: what a node is to a simulator: fixed or free, how its mass is spread, and how it is joined to its parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scenekit.quantities import Quantity

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Joint:
    """How a body is joined to its parent node's body, or to the world if no node above has one."""

    kind: Literal["fixed", "hinge", "slide", "ball"]
    """fixed does not move; hinge turns about the axis; slide moves along it; ball turns freely."""
    axis: Vector = (0.0, 0.0, 1.0)
    """In the node's frame; a ball and a fixed joint have none."""
    anchor: Vector = (0.0, 0.0, 0.0)
    """A point that the joint leaves in place, in the node's frame [m]."""
    limits: tuple[float, float] | None = None
    """Least and greatest angle or travel from the pose of the scene [rad or m]; None for no limits."""
    damping: float = 0.0
    """Resisting torque or force per speed [N m s/rad or N s/m]."""
    actuator: Literal["none", "motor", "position", "velocity"] = "none"
    """What drives it: a torque or force, or a servo to a position or speed."""
    gain: float = 1.0
    """Of the servo [N m/rad, N m s/rad; N/m, N s/m]; of a motor the torque or force per control."""


@dataclass(frozen=True)
class Body:
    """A rigid body. What is None follows from the mesh and the material's density when a simulator needs it.

    Nothing is checked here: a scene may hold an impossible body, and `scene.validate()` says so.
    """

    kind: Literal["static", "kinematic", "dynamic"] = "dynamic"
    """static stays and holds up others; kinematic moves as it is told; dynamic falls, is pushed, collides."""
    mass: Quantity | None = None
    """[kg]."""
    centre: Vector | None = None
    """Centre of mass in the node's frame [m]."""
    inertia: tuple[Vector, Vector, Vector] | None = None
    """Inertia tensor about the centre of mass, axes of the node's frame [kg m²]."""
    joint: Joint | None = None
    """How it is joined to what is above it; None leaves it free."""
