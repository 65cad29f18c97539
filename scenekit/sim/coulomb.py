"""Coulomb's friction and Newton's restitution, exactly, by MuJoCo's convex contact solver. Letters: c contacts.

MuJoCo finds accelerations whose contact forces are in the friction cones; for a contact that slides at the speed s, it
then asks of the normal velocity not u ≥ 0 but u ≥ μ s, so things that slide hop. Taking μ s off beforehand gives
Coulomb's law; as s is known only afterwards, it is found by iteration (De Saxcé and Feng 1998, The bipotential method;
Acary et al. 2011, A formulation of the linear discrete Coulomb friction problem via convex optimization).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scenekit._libraries import mujoco
from scenekit.cameras import Array

MEND = 0.01
"""Part of a penetration that is given back in a step."""

PUSH = 0.3
"""Fastest that it is given back [m/s]: things that begin in each other part without a bang."""

REACH = 5.0
"""Contacts are looked for as far ahead as this speed goes in a step [m/s]; slower things touch and do not enter."""

SLOW = 0.05
"""What comes slower than this does not bounce, so that things come to rest [m/s]."""

SETTLED = 1e-5
"""Sliding speeds that change by no more than this are found [m/s]."""

SWEEPS = 10
"""Most iterations; sliding and sticking settle in two or three."""


def solve(compiled: Any, data: Any, restitution: Array) -> None:
    """Accelerations of a step, after `mj_fwdAcceleration`: contacts and limits hold at its end.

    A normal velocity −u becomes e u as things hit, a sliding one as small as friction can make it.

    Args:
        compiled: MuJoCo's model; contacts are of three dimensions, cones elliptic.
        data: MuJoCo's data; gets `qacc` and the forces of constraints.
        restitution: e of each geom; the smaller one of two counts.
    """
    h = compiled.opt.timestep
    limits = np.flatnonzero(data.efc_type == int(mujoco.mjtConstraint.mjCNSTR_LIMIT_JOINT))
    data.efc_aref[limits] = _reference(data.efc_vel[limits], data.efc_pos[limits], 0.0, h)
    contact = data.contact
    kept = contact.efc_address >= 0
    if not kept.any():
        mujoco.mj_fwdConstraint(compiled, data)
        return
    rows = contact.efc_address[kept][:, None] + np.arange(3)
    velocity, friction = data.efc_vel[rows], contact.friction[kept, 0]
    bounce = restitution[contact.geom[kept]].min(1)
    normal = _reference(velocity[:, 0], contact.dist[kept], bounce, h)
    data.efc_aref[rows[:, 1:]] = -velocity[:, 1:] / h
    slip, change = np.linalg.norm(velocity[:, 1:], axis=1), np.zeros(data.nefc)
    for _ in range(SWEEPS):
        data.efc_aref[rows[:, 0]] = normal - friction * slip / h
        mujoco.mj_fwdConstraint(compiled, data)
        mujoco.mj_mulJacVec(compiled, data, change, data.qacc)
        before, slip = slip, np.linalg.norm(velocity[:, 1:] + h * change[rows[:, 1:]], axis=1)
        if np.abs(slip - before).max() <= SETTLED:
            break


def _reference(velocity: Array, distance: Array, restitution: Array | float, h: float) -> Array:
    """Accelerations that stop what is near at the contact, and let what is inside out, at the speed of its bounce.

    What bounces may first enter, by less than a step: so it turns back at the surface on average, not before it.
    """
    bounce = np.where(velocity < -SLOW, -restitution * velocity, 0)
    near = np.where(bounce > 0, velocity - REACH, -distance / h)
    out = np.maximum(np.minimum(-MEND * distance / h, PUSH), bounce)
    return (np.where(distance > 0, near, out) - velocity) / h
