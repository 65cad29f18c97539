"""Recordings: how the links of an asset moved while an engine dropped it, and what follows from that.

Both engines hand over the same arrays, so that one ruler measures both. Letters: t steps, k links, p points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.io.isolated import Answer

RELEASE = 0.02
"""Height that things are dropped from [m]: enough to land with a knock, too little to break."""

SECONDS = 3.0
"""Time for a thing to settle [s]."""

STILL = 0.005
"""Speed of a surface below which it rests [m/s]: in a second it moves less than is seen in a picture."""

WINDOW = 0.05
"""Time over which that speed is averaged [s]: contacts that bounce hum in MuJoCo, they lift off by hundredths of a
millimetre and land again, at speeds of up to g times some steps, and go nowhere."""

HELD = 0.25
"""Time for which it is to rest [s]: a thing that rocks stands still twice a period, for a moment."""

LAST = 1.0
"""Time before the end in which creeping is measured [s]."""


@dataclass(frozen=True)
class Recording:
    """The motion of an asset above the plane z = 0, and what is needed to measure it."""

    times: Array
    """From the release [s], shape (t,)."""
    centres: Array
    """Centres of mass in the world [m], shape (t, k, 3)."""
    quats: Array
    """Rotations link → world, wxyz, shape (t, k, 4)."""
    velocities: Array
    """Of the centres of mass [m/s], shape (t, k, 3)."""
    spins: Array
    """Angular velocities, world axes [rad/s], shape (t, k, 3)."""
    masses: Array
    """[kg], shape (k,)."""
    inertias: Array
    """About the centres, axes of the links [kg m²], shape (k, 3, 3)."""
    points: Array
    """Corners of what collides, from the centre of mass of their link, in its axes [m], shape (p, 3)."""
    radii: Array
    """Of the balls about these points, whose hull collides [m], shape (p,)."""
    owners: NDArray[np.int64]
    """Link of each point, shape (p,)."""
    gravity: Array
    """[m/s²], along −z, shape (1,)."""

    def packed(self) -> Answer:
        """As it crosses from the process of an engine."""
        return Answer({}, {field.name: getattr(self, field.name) for field in fields(self)})

    @staticmethod
    def unpacked(arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Recording:
        """What `packed` made."""
        return Recording(**{field.name: arrays[prefix + field.name] for field in fields(Recording)})


@dataclass(frozen=True)
class Motion:
    """What a drop came to."""

    settled: float | None
    """When it came to rest for good [s]; None if it did not."""
    speed: float
    """Fastest that its surface moved while it should have rested, the mean over `WINDOW` [m/s]."""
    hum: float
    """Fastest that its surface moved then from one step to the next [m/s]."""
    penetration: float
    """Deepest that it was in the floor [m]."""
    rest: float
    """Its lowest point when it rests [m]: below 0 in the floor, above it in the air."""
    drift: float
    """How far the centre of the root moved sideways, from release to rest [m]."""
    creep: float
    """The same in the last second [m]."""
    turned: float
    """By what angle the root turned [rad]."""
    gain: float
    """Most of mechanical energy above that at the release, as a part of m g h."""


def measured(recording: Recording) -> Motion:
    """Everything about a recording."""
    R = rotation_from_quaternion(recording.quats)
    lowest, energy = _lowest(recording, R), _energy(recording, R)
    speed, hum = _mean_speed(recording), _speed(recording)
    times, centres = recording.times, recording.centres
    end = times >= times[-1] - HELD
    moving = np.flatnonzero(~(speed < STILL))
    first = times[min(moving[-1] + 1, len(times) - 1)] if len(moving) else times[0]
    last = centres[np.searchsorted(times, times[-1] - LAST), 0]
    height = recording.masses.sum() * recording.gravity[0] * RELEASE
    turn = (np.trace(R[0, 0].T @ R[-1, 0]) - 1) / 2
    return Motion(
        settled=float(first) if times[-1] - first >= HELD else None,
        speed=float(speed[end].max()),
        hum=float(hum[end].max()),
        penetration=float(max(-lowest.min(), 0)),
        rest=float(np.median(lowest[end])),
        drift=float(np.linalg.norm((centres[-1, 0] - centres[0, 0])[:2])),
        creep=float(np.linalg.norm((centres[-1, 0] - last)[:2])),
        turned=float(np.arccos(np.clip(turn, -1, 1))),
        gain=float((energy.max() - energy[0]) / height),
    )


def box_corners(half: Array) -> Array:
    """Of a box about the origin, of half these sides, shape (8, 3)."""
    signs = np.array(np.meshgrid([-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0])).reshape(3, 8).T
    return signs * half


def lowest_point(recording: Recording) -> float:
    """At the first step [m].

    Raises:
        ValueError: If there is none.
    """
    if not len(recording.points):
        raise ValueError("a thing of which nothing collides")
    return float(_lowest(recording, rotation_from_quaternion(recording.quats[:1]))[0])


def _lowest(recording: Recording, R: Array) -> Array:
    """Height of the lowest point of what collides, shape (t,)."""
    height = np.full(len(R), np.inf)
    for link in np.unique(recording.owners):
        mine = recording.owners == link
        above = R[:, link, 2] @ recording.points[mine].T - recording.radii[mine]
        height = np.minimum(height, above.min(1) + recording.centres[: len(R), link, 2])
    return height


def _speed(recording: Recording) -> Array:
    """Bound on the speed of the surface, |v| + |ω| r, shape (t,)."""
    spins = np.linalg.norm(recording.spins, axis=2) * _reach(recording)
    speed: Array = (np.linalg.norm(recording.velocities, axis=2) + spins).max(1)
    return speed


def _mean_speed(recording: Recording) -> Array:
    """The same of the motion over the `WINDOW` before each step, infinite until there is one, shape (t,)."""
    times, quats = recording.times, recording.quats
    n = int(np.searchsorted(times, WINDOW))
    moved = np.linalg.norm(recording.centres[n:] - recording.centres[:-n], axis=2)
    apart = np.minimum(*(np.linalg.norm(quats[n:] + sign * quats[:-n], axis=2) for sign in (-1, 1)))
    angle = 4 * np.arcsin(np.clip(apart / 2, 0, 1))  # |p − q| = 2 sin(θ/4) of unit quaternions; q and −q are the same
    speed = (moved + angle * _reach(recording)).max(1) / (times[n:] - times[:-n])
    return np.concatenate([np.full(n, np.inf), speed])


def _reach(recording: Recording) -> Array:
    """Distance of the furthest point of each link from its centre [m], shape (k,)."""
    reach = np.zeros(len(recording.masses))
    np.maximum.at(reach, recording.owners, np.linalg.norm(recording.points, axis=1) + recording.radii)
    return reach


def _energy(recording: Recording, R: Array) -> Array:
    """Kinetic and potential [J], shape (t,)."""
    local = np.einsum("tkji,tkj->tki", R, recording.spins)
    spinning = np.einsum("tki,kij,tkj->t", local, recording.inertias, local) / 2
    going = ((recording.velocities**2).sum(2) @ recording.masses) / 2
    energy: Array = going + spinning + recording.gravity[0] * (recording.centres[..., 2] @ recording.masses)
    return energy
