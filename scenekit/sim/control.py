"""Control: what is commanded from outside during a step. Letters: b bodies, a actuators, p particles, v vertices."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Control:
    """Commands. All zero at first; change them as you like between steps."""

    body_force: Tensor
    """At the centre of mass, world axes [N], float64, shape (b, 3)."""
    body_torque: Tensor
    """World axes [N m], float64, shape (b, 3)."""
    body_v: Tensor
    """Velocities of kinematic bodies [m/s], float64, shape (b, 3); of others it is not looked at."""
    body_w: Tensor
    """Angular velocities of kinematic bodies, world axes [rad/s], float64, shape (b, 3)."""
    actuator: Tensor
    """Of each actuator, in the order of the bodies that have one [its unit], float64, shape (a,)."""
    particle_a: Tensor
    """Acceleration of particles besides gravity [m/s²], float32, shape (p, 3)."""
    vertex_a: Tensor
    """Acceleration of vertices besides gravity [m/s²], float32, shape (v, 3)."""
