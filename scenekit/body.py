"""Body: what a node is to a simulator: fixed or free, and how its mass is spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scenekit.quantities import Quantity

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Body:
    """A rigid body. What is None follows from the mesh and the material's density when a simulator needs it.

    Nothing is checked here: a scene may hold an impossible body, and `scene.validate()` says so.
    """

    kind: Literal["static", "dynamic"] = "dynamic"
    """static stays where it is and holds up others; dynamic falls, is pushed, collides."""
    mass: Quantity | None = None
    """[kg]."""
    centre: Vector | None = None
    """Centre of mass in the node's frame [m]."""
    inertia: tuple[Vector, Vector, Vector] | None = None
    """Inertia tensor about the centre of mass, axes of the node's frame [kg m²]."""
