"""Colours and looks of shapes: what a word of colour means, and how a material shows in vertex colours. v vertices."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenekit.colors import linear_srgb
from scenekit.datasets.shapes_parts import Array, Rng


@dataclass(frozen=True)
class ColorRange:
    """What a word of colour means: ranges of hue, saturation and value of display sRGB. No two ranges overlap."""

    hue: tuple[float, float]
    """[degrees], the first may be negative."""
    saturation: tuple[float, float]
    """0..1."""
    value: tuple[float, float]
    """0..1."""

    def draw(self, rng: Rng) -> Array:
        """A linear colour of the range, shape (3,)."""
        hue, saturation, value = (rng.uniform(*limits) for limits in (self.hue, self.saturation, self.value))
        return linear_srgb(np.array(colorsys.hsv_to_rgb(hue / 360 % 1, saturation, value)))


COLORS = {
    "red": ColorRange((-8, 4), (0.82, 0.95), (0.7, 0.86)),
    "orange": ColorRange((24, 33), (0.88, 1.0), (0.92, 1.0)),
    "yellow": ColorRange((50, 57), (0.75, 0.92), (0.9, 1.0)),
    "green": ColorRange((112, 142), (0.6, 0.85), (0.45, 0.68)),
    "cyan": ColorRange((178, 190), (0.6, 0.85), (0.75, 0.9)),
    "blue": ColorRange((216, 232), (0.72, 0.9), (0.65, 0.9)),
    "purple": ColorRange((272, 288), (0.55, 0.78), (0.48, 0.66)),
    "pink": ColorRange((326, 342), (0.36, 0.52), (0.94, 1.0)),
    "brown": ColorRange((20, 30), (0.55, 0.7), (0.36, 0.47)),
    "white": ColorRange((0, 360), (0.0, 0.04), (0.94, 1.0)),
    "grey": ColorRange((0, 360), (0.0, 0.06), (0.42, 0.52)),
    "black": ColorRange((0, 360), (0.0, 0.1), (0.07, 0.13)),
}
"""The colours that captions name."""


@dataclass(frozen=True)
class Look:
    """How a material shows."""

    substance: str
    """Its name in `scenekit.materials`."""
    pattern: Callable[[Array, Rng], Array] | None = None
    """Factor on the colour at points (v, 3) of the canonical frame, shape (v,)."""
    gloss: float = 0.0
    """Strength of highlights."""
    metal: float = 0.0
    """0 dielectric, 1 metal, that shows bands of bright and dark."""


def _grain(points: Array, rng: Rng) -> Array:
    """Rings around an axis beside the thing, as of a board, wavering along it."""
    centre, phase = rng.uniform(0.3, 0.6, 2) * rng.choice([-1, 1], 2), rng.uniform(0, 6.28, 3)
    x, y, z = points.T
    waver = 0.03 * np.sin(5 * z + phase[0]) + 0.02 * np.sin(9 * z + phase[1])
    rings = np.hypot(x - centre[0] + waver, y - centre[1]) * 2 * np.pi * 6.5
    return 0.78 + 0.24 * np.sin(rings + phase[2]) + 0.1 * np.sin(2.3 * rings)


def _speckle(points: Array, rng: Rng) -> Array:
    """Dark and light grains."""
    directions = rng.normal(size=(3, 14))
    waves = directions / np.linalg.norm(directions, axis=0) * rng.uniform(45, 75, 14)
    field = np.cos(points @ waves + rng.uniform(0, 6.28, 14)).sum(1) / np.sqrt(7)
    return np.clip(0.72 + 0.3 * np.tanh(2 * (field - 0.3)), 0.4, 1.0)


def _streaks(points: Array, rng: Rng) -> Array:
    """Bright bands across, so that flat metal gleams too."""
    across = points @ np.array([0.62, 0.35, 0.7])
    return 0.75 + 0.4 * np.cos(np.pi * (1.9 * across + rng.uniform())) ** 8


def _checks(points: Array, rng: Rng) -> Array:
    """Checked cloth."""
    phase = rng.uniform(0, 6.28, 3)
    return 0.76 + 0.24 * np.tanh(3 * np.cos(2 * np.pi * 4.5 * points + phase).sum(1))


MATERIALS = {
    "wooden": Look("wood", pattern=_grain),
    "metal": Look("steel", pattern=_streaks, gloss=0.5, metal=1.0),
    "stone": Look("stone", pattern=_speckle),
    "ceramic": Look("ceramic", gloss=0.75),
    "fabric": Look("fabric", pattern=_checks),
}
"""The materials that captions name; without one a thing is matt and of its usual substance."""
