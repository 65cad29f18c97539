"""Prompts that say from where a thing is seen, for priors that know views by words alone.

The words and limits are those of threestudio's prompt processor. Letters: n views.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.prior import Views

Side = Literal["front", "side", "back", "overhead"]

OVERHEAD = math.radians(60)
"""From this elevation on a view is from overhead [rad]."""

HALF_WIDTH = math.radians(45)
"""Front and back reach this far to both sides [rad]; 30° in ProlificDreamer and MVDream."""

MAX_LENGTH = 300
"""Longest prompt [characters]."""


def checked(prompt: str) -> str:
    """The prompt without spaces around it.

    Raises:
        InputError: If it is empty, too long, or holds what is no text.
    """
    text = " ".join(prompt.split())
    if not text or len(text) > MAX_LENGTH or not text.isprintable():
        got = "nothing" if not text else f"{len(text)} characters"
        raise InputError("prompt", got=got, wanted=f"1 to {MAX_LENGTH} characters of text")
    return text


def side_of(azimuth: float, elevation: float, *, half_width: float = HALF_WIDTH) -> Side:
    """From where a view is [rad]."""
    if elevation > OVERHEAD:
        return "overhead"
    turned = abs(math.remainder(azimuth, 2 * math.pi))
    if turned < half_width:
        return "front"
    return "back" if turned > math.pi - half_width else "side"


def viewed(prompt: str, views: Views, *, half_width: float = HALF_WIDTH) -> list[str]:
    """The prompt with the side of each of n views behind it: "a red mug, front view"."""
    angles = zip(views.azimuth.tolist(), views.elevation.tolist(), strict=True)
    return [f"{prompt}, {side_of(azimuth, up, half_width=half_width)} view" for azimuth, up in angles]


def perpendicular_negatives(prompt: str, views: Views, *, weight: float) -> list[tuple[list[str], Tensor]]:
    """Prompts of the sides that each of n views does not see, and how much they are not wanted, for Perp-Neg.

    Args:
        prompt: What is wanted.
        views: n of them.
        weight: Below zero; −2 of threestudio.

    Returns:
        Pairs of n prompts and weights (n,), which `guided_epsilon` takes as negatives.
    """
    names = [side_of(azimuth, up) for azimuth, up in zip(views.azimuth.tolist(), views.elevation.tolist(), strict=True)]
    sides: tuple[Side, ...] = ("front", "side", "back")
    return [
        ([f"{prompt}, {side} view"] * len(views), torch.tensor([0.0 if name == side else weight for name in names]))
        for side in sides
    ]
