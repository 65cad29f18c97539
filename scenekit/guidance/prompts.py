"""Prompts that say from where a thing is seen, for priors that know views by words alone.

The words, limits and weights are those of threestudio's prompt processor. Letters: n views.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.prior import Condition, Views

Side = Literal["front", "side", "back", "overhead"]

OVERHEAD = math.radians(60)
"""From this elevation on a view is from overhead [rad]."""

HALF_WIDTH = math.radians(45)
"""Front and back reach this far to both sides [rad]; 30° in ProlificDreamer and MVDream."""

FRONT_TO_SIDE = (4.0, -2.426)
"""a and c of a weight a exp(−r/2) + c: of either of the two sides between which a view is, r being its share."""

SIDE_TO_BACK = (1.0, -0.606)
"""Of the side, in a view between side and back."""

FRONT_FROM_BEHIND = (1.0, 0.967)
"""Of the front, in such a view; goes on from the first where the view is from the side."""

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


def neighbours(prompt: str, views: Views) -> tuple[list[str], list[str], Tensor]:
    """The prompts of the two sides between which each of n views is, for `mixed`, as Perp-Neg asks.

    Returns:
        n prompts of the first side, n of the second, and the share of the first, which falls from 1 to 0 over the 90°
        from front to side and from side to back, shape (n,); a view from overhead is that alone.
    """
    turned, overhead = _turned(views), views.elevation > OVERHEAD
    sides = [("overhead", "overhead") if up else ("front", "side") if t < 1 else ("side", "back")
             for t, up in zip(turned.tolist(), overhead.tolist(), strict=True)]  # fmt: skip
    first, second = ([f"{prompt}, {side[i]} view" for side in sides] for i in (0, 1))
    share = torch.where(overhead, 1.0, torch.where(turned < 1, 1 - turned, 2 - turned))
    return first, second, share.float()


def mixed(first: Condition, second: Condition, share: Tensor) -> Condition:
    """Conditions between two: share · first + (1 − share) · second, one share for each of n, shape (n,).

    Raises:
        InputError: If they are no embeddings but numbers of words, between which there is nothing.
    """
    for name, tensor in first.tensors.items():
        if not tensor.is_floating_point():
            raise InputError("conditions", got=f"{name} as whole numbers", wanted="embeddings, which can be mixed")
    tensors = {}
    for name, tensor in first.tensors.items():
        part = share.to(tensor).reshape(-1, *[1] * (tensor.ndim - 1))
        tensors[name] = part * tensor + (1 - part) * second.tensors[name]
    return Condition(tensors)


def perpendicular_negatives(prompt: str, views: Views, *, weight: float) -> list[tuple[list[str], Tensor]]:
    """Prompts of front and side, and how much each of n views is not to show them, for Perp-Neg.

    A view straight from the front is only not to be from the side, and the other way round; from there to the back it
    is more and more not to be from the side, and all the way not from the front; overhead nothing is held against it
    (Armandpour et al. 2023, with the curves of threestudio; stable-dreamfusion has other ones, times −2).

    Args:
        prompt: What is wanted.
        views: n of them.
        weight: Factor below zero of the curves; −1 of threestudio.

    Returns:
        Pairs of n prompts and weights (n,), which `guided_epsilon` takes as negatives.
    """
    turned = _turned(views)
    behind = turned >= 1
    front = torch.where(behind, _decay(FRONT_FROM_BEHIND, 2 - turned), _decay(FRONT_TO_SIDE, 1 - turned))
    side = torch.where(behind, _decay(SIDE_TO_BACK, 2 - turned), _decay(FRONT_TO_SIDE, turned))
    seen = weight * (views.elevation <= OVERHEAD)
    n = len(views)
    pairs = (("front", front), ("side", side))
    return [([f"{prompt}, {name} view"] * n, (seen * curve.clamp(min=0)).float()) for name, curve in pairs]


def _turned(views: Views) -> Tensor:
    """Angles from the front, to either side, in right angles: 0 front, 1 side, 2 back, shape (n,)."""
    away = torch.remainder(views.azimuth.double() + math.pi, 2 * math.pi) - math.pi
    return away.abs() / (math.pi / 2)


def _decay(curve: tuple[float, float], r: Tensor) -> Tensor:
    a, c = curve
    return a * torch.exp(-r / 2) + c
