"""Readings: where a link is and how its mass is spread, as a program read it from a file, and how far two are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scenekit.cameras import Array
from scenekit.io.isolated import Answer

SAME = 1e-4
"""Largest relative difference between two files; single precision and ten printed digits stay far below."""


@dataclass(frozen=True)
class Reading:
    """How the mass of a link is spread. Its frame is the link's."""

    mass: float
    """[kg]."""
    centre: Array
    """Centre of mass [m], shape (3,)."""
    inertia: Array
    """About the centre, axes of the link [kg m²], shape (3, 3)."""
    pose: Array
    """T_file_link: where it is when all joints are at 0 [m], shape (4, 4)."""


class Difference(NamedTuple):
    """How far a reading is from another; each is relative."""

    mass: float
    """To the mass."""
    centre: float
    """To the size of the link."""
    inertia: float
    """To the norm of the inertia tensor."""
    pose: float
    """Of its places to the size of the link, or the angle between its rotations [rad], whichever is larger."""

    @property
    def largest(self) -> float:
        """Of the four; infinite where one is no number."""
        return max(self) if np.isfinite(self).all() else float("inf")


def difference(read: Reading, wanted: Reading, size: float) -> Difference:
    """Of what was read from what it should be.

    Args:
        read: From a file.
        wanted: With a mass above 0.
        size: Of the link [m].
    """
    with np.errstate(all="ignore"):
        return Difference(
            float(abs(read.mass - wanted.mass) / np.float64(wanted.mass)),
            float(np.linalg.norm(read.centre - wanted.centre) / np.float64(size)),
            float(np.linalg.norm(read.inertia - wanted.inertia) / np.linalg.norm(wanted.inertia)),
            max(
                float(np.linalg.norm(read.pose[:3, 3] - wanted.pose[:3, 3]) / np.float64(size)),
                float(np.linalg.norm(read.pose[:3, :3] - wanted.pose[:3, :3]) / np.sqrt(2)),  # of small angles
            ),
        )


def packed(readings: dict[str, Reading]) -> Answer:
    """Readings as they cross from the process of a reader."""
    found = list(readings.values())
    return Answer({"names": list(readings)}, {
        "mass": np.array([reading.mass for reading in found], np.float64),
        "centre": np.array([reading.centre for reading in found], np.float64).reshape(-1, 3),
        "inertia": np.array([reading.inertia for reading in found], np.float64).reshape(-1, 3, 3),
        "pose": np.array([reading.pose for reading in found], np.float64).reshape(-1, 4, 4),
    })  # fmt: skip


def unpacked(answer: Answer) -> dict[str, Reading]:
    """The readings that `packed` made."""
    arrays = (answer.arrays[name] for name in ("mass", "centre", "inertia", "pose"))
    rows = zip(answer.facts["names"], *arrays, strict=True)
    return {name: Reading(float(mass), *others) for name, mass, *others in rows}
