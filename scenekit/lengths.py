"""Lengths as people write them: 12 cm, 0.3 m, 5 in."""

from __future__ import annotations

import re
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

UNITS = {
    "mm": 1e-3, "cm": 1e-2, "dm": 1e-1, "m": 1.0, "km": 1e3,
    "in": 0.0254, "inch": 0.0254, "inches": 0.0254, '"': 0.0254, "ft": 0.3048, "feet": 0.3048, "'": 0.3048,
}  # fmt: skip
"""One of each in metres."""

SHORTEST, LONGEST = 1e-4, 1e4
"""A length outside of these is a mistake [m]."""

NUMBER = r"\d{1,9}(?:\.\d{0,9})?|\.\d{1,9}"


def parse_length(words: list[str]) -> float:
    """["12 cm"] → 0.12 [m].

    Raises:
        ValueError: If it is not a number with a unit, or absurdly short or long.
    """
    text = words[0].strip()
    match = re.fullmatch(rf"({NUMBER})\s*([a-z\"']+)", text.lower())
    if match is None or match[2] not in UNITS:
        raise ValueError(f"length: got {text[:40]!r}; wanted a number and a unit, such as '12 cm'")
    length = float(match[1]) * UNITS[match[2]]
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"length: got {text[:40]!r}; wanted {shown(SHORTEST)} to {shown(LONGEST)}")
    return length


def shown(length: float) -> str:
    """A length [m] for people: "12 cm", "1.8 m"."""
    for unit in ("km", "m", "cm"):
        if length >= 0.9995 * UNITS[unit]:
            return f"{length / UNITS[unit]:.3g} {unit}"
    return f"{length / UNITS['mm']:.3g} mm"


Length = Annotated[
    float,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar='"12 cm"',
        instance_from_str=parse_length,
        is_instance=lambda length: isinstance(length, float | int),
        str_from_instance=lambda length: [shown(length)],
    ),
]
"""A length [m], one word on the command line."""
