"""Spots: where a thing may be let down on, beside and in others, the best first. Letters: n spots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from scenekit.cameras import Array
from scenekit.generate.layout import Side
from scenekit.generate.resting import gaps
from scenekit.validation.placed import Placed

WAYS: dict[Side, tuple[float, float]] = {"right": (1, 0), "left": (-1, 0), "front": (0, -1), "behind": (0, 1)}
"""Directions in x and y."""

NEAR = 0.02
"""Between the boxes of things beside each other, if nobody says [m]."""

FARTHER = (1.0, 2.0, 4.0)
"""Times that, one after the other."""

ALONG = (0.0, -0.25, 0.25, -0.5, 0.5)
"""How far to the side of the other's middle, in parts of both extents."""

PLASTIC = 1.32471795724474602596
"""The real root of x³ = x + 1: multiples of 1/x and 1/x² fill a square evenly (Roberts 2018, the R₂ sequence)."""

SPREAD = 1.5
"""Things without a place are spread over so many times the extent of all."""

STEPS = 6
"""Halvings of the step by which the deepest place of a hollow is found."""

DEEPEST = 3
"""Places in a hollow that are looked into."""


class Spot(NamedTuple):
    """Where a thing is let down."""

    xy: tuple[float, float]
    """Where the middle of its box comes to be [m]."""
    height: float | None = None
    """Of its lowest point, about [m]; None: from above all that is there."""


def over(support: Array, own: Array, tries: int, seed: int) -> Iterator[Spot]:
    """Over a support with this box (2, 3), the middle first, evenly; with its own box (2, 3) within it if it fits."""
    low, high = support[0, :2] - own[0, :2], support[1, :2] - own[1, :2]
    middle = (low + high) / 2
    for xy in middle + np.maximum(high - low, 0) * (_even(tries, seed) - 0.5):
        yield Spot((float(xy[0]), float(xy[1])))
    if (high < low).any():  # it sticks out whatever one does: somewhere its centre may be over the support
        for xy in middle + np.abs(high - low) / 2 * (_even(tries, seed)[1:] - 0.5):
            yield Spot((float(xy[0]), float(xy[1])))


def around(boxes: Sequence[Array], own: Array, tries: int, seed: int) -> Iterator[Spot]:
    """On open ground among things with these boxes (2, 3); the origin first."""
    sides = [float(np.ptp(box, axis=0)[:2].max()) for box in (*boxes, own)]
    reach = SPREAD * sum(sides)
    for xy in 2 * reach * (_even(tries, seed) - 0.5):
        yield Spot((float(xy[0]), float(xy[1])))


def beside(other: Array, own: Array, side: Side | None, gap: float | None) -> Iterator[Spot]:
    """Beside a thing with this box (2, 3), the middle of that side first."""
    for far in FARTHER if gap is None else (gap / NEAR,):
        for along in ALONG:
            for way in [np.array(WAYS[side])] if side is not None else map(np.array, WAYS.values()):
                halves = (np.ptp(other, axis=0)[:2] + np.ptp(own, axis=0)[:2]) / 2
                xy = other.mean(0)[:2] + way * (halves + far * NEAR) + along * np.abs(way[::-1]) * halves
                yield Spot((float(xy[0]), float(xy[1])))


def hollow(thing: Placed, container: Placed, others: Sequence[Placed], tries: int) -> Iterator[Spot]:
    """Where a thing that is let down into a container comes to lie lowest, the deepest place first.

    There its potential energy has a minimum, so that it does not slide away.
    """
    top = max(other.box[1, 2] for other in others) + 1e-3

    def depth(xy: Array) -> float:
        return gaps(thing, np.array([*xy, top]), others, ground=True).fall

    low, high = container.box[0, :2], container.box[1, :2]
    middle, room = (low + high) / 2, np.maximum(high - low - np.ptp(thing.box, axis=0)[:2], 0.1 * (high - low))
    starts = middle + room * (_even(max(tries // 4, 1), 0) - 0.5)
    ranked = sorted(((depth(xy), *xy.tolist()) for xy in starts), reverse=True)
    for deep, *xy in ranked[:DEEPEST]:
        at, step = np.array(xy), 0.1 * float(room.max())
        for _ in range(STEPS):
            tried = [at + step * np.array(way) for way in WAYS.values()]
            depths = [depth(x) for x in tried]
            if max(depths) > deep:
                at, deep = tried[int(np.argmax(depths))], max(depths)
            else:
                step /= 2
        yield Spot((float(at[0]), float(at[1])))


def _even(tries: int, seed: int) -> Array:
    """Points that fill the unit square evenly, its middle first, shape (tries, 2)."""
    number = np.arange(tries)[:, None] + np.where(np.arange(tries) > 0, seed * tries, 0)[:, None]
    result: Array = (0.5 + number * np.array([1 / PLASTIC, 1 / PLASTIC**2])) % 1
    return result
