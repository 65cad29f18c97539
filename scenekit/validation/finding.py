"""Finding: one thing that is wrong with a scene, how bad, where, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.validation.codes import CODES

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Gravest first. error: impossible, or a simulator fails with it; warning: probably wrong; note: worth knowing."""

SHOWN = 8
"""At most so many faces, vertices or splats are named in a finding."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    severity: Severity
    """How bad."""
    code: str
    """Stable short name, a key of `scenekit.validation.CODES`."""
    path: str
    """The node; "/" for the scene as a whole."""
    what: str
    """What was found, with numbers and units, one sentence."""
    remedy: str
    """A command or edit that mends it, or what to decide."""
    where: str = ""
    """Where in the node: faces, vertices, splats, coordinates, another node."""
    figures: dict[str, float] = field(default_factory=dict)
    """The numbers of `what` by name, SI units."""

    def __str__(self) -> str:
        place = f"{self.path} ({self.where})" if self.where else self.path
        return f"{self.severity} {self.code} {place}: {self.what} {self.remedy}"


def finding(
    severity: Severity, code: str, path: str, what: str, where: str = "", middle: str = "", /, **figures: float
) -> Finding:
    """A finding with the remedy of its code, in which path, figures and, as text, a middle are put."""
    numbers = {name: float(value) for name, value in figures.items()}
    remedy = CODES[code][1].format(path=path, middle=middle, **numbers)
    return Finding(severity, code, path, what, remedy, where, numbers)


def indices(noun: str, numbers: Sequence[object] | NDArray[np.integer]) -> str:
    """The first few of many: "faces 1, 5, 9 and 12 more"."""
    shown = ", ".join(str(number) for number in numbers[:SHOWN])
    return f"{noun} {shown}" + (f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else "")


def point(xyz: Sequence[float] | Array) -> str:
    """A position in the world: "at (0.1, 0.2, 0.3) m"."""
    return f"at ({', '.join(f'{value:.4g}' for value in xyz)}) m"


def counted(number: int, noun: str) -> str:
    """One and many: "1 face", "2 faces", "3 vertices"."""
    plural = {"vertex": "vertices"}.get(noun, noun + "s")
    return f"{number} {noun if number == 1 else plural}"
