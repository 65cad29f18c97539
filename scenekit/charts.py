"""Charts of the report, laid out for SVG. Letters: t samples of a curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

import numpy as np
from numpy.typing import ArrayLike

from scenekit.cameras import Array

CHART_WIDTH, CHART_HEIGHT = 520, 240
"""Size of a chart in its own units; the page scales it."""

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_BOTTOM, MARGIN_TOP = 44, 58, 26, 12
"""Room around a chart's plotting area for its labels."""

MAX_SAMPLES = 300
"""Longer curves are averaged down to this many samples."""


@dataclass(frozen=True)
class Curve:
    """A quantity over the course of the fit."""

    title: str
    """What is drawn."""
    x: Sequence[float]
    """Where, shape (t,)."""
    y: Sequence[float]
    """How much, shape (t,)."""
    x_label: str = "step"
    """What x is, with its unit."""
    log: bool = False
    """Draw y on a logarithmic axis."""

    @property
    def is_drawable(self) -> bool:
        """True if there is a line to draw: at least two samples, at different x."""
        return len(self.x) == len(self.y) >= 2 and max(self.x) > min(self.x)


@dataclass(frozen=True)
class Chart:
    """A curve in the coordinates of its SVG."""

    title: str
    x_label: str
    path: str
    """The curve, as SVG path data."""
    area: str
    """The area below it."""
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    last: tuple[float, float, str]
    """Where the curve ends, and its value there."""
    width: int = CHART_WIDTH
    height: int = CHART_HEIGHT
    left: int = MARGIN_LEFT
    right: int = CHART_WIDTH - MARGIN_RIGHT
    bottom: int = CHART_HEIGHT - MARGIN_BOTTOM


def chart(curve: Curve) -> Chart:
    """Lays out a line chart with round tick values; samples that are not finite are left out."""
    x, y = _thinned(curve.x, curve.y)
    if curve.log:
        y = np.log10(np.maximum(y, 1e-12))
    y_ticks = (decades if curve.log else ticks)(float(y.min()), float(y.max()), 4)
    low, high = min(y_ticks[0], float(y.min())), max(y_ticks[-1], float(y.max()))
    x_low, x_high = float(x.min()), float(x.max())
    right, bottom, top = CHART_WIDTH - MARGIN_RIGHT, CHART_HEIGHT - MARGIN_BOTTOM, MARGIN_TOP

    def place_x(value: float) -> float:
        return round(MARGIN_LEFT + (value - x_low) / (x_high - x_low) * (right - MARGIN_LEFT), 1)

    def place_y(value: float) -> float:
        return round(bottom - (value - low) / max(high - low, 1e-12) * (bottom - top), 1)

    points = [(place_x(a), place_y(b)) for a, b in zip(x, y, strict=True)]
    path = "M" + "L".join(f"{a} {b}" for a, b in points)
    return Chart(
        title=curve.title,
        x_label=curve.x_label,
        path=path,
        area=f"{path}L{points[-1][0]} {bottom}L{points[0][0]} {bottom}Z",
        x_ticks=[(place_x(t), short(t)) for t in ticks(x_low, x_high, 5) if x_low <= t <= x_high],
        y_ticks=[(place_y(t), short(10**t if curve.log else t)) for t in y_ticks],
        last=(*points[-1], short(10 ** y[-1] if curve.log else y[-1])),
    )


def _thinned(x: Sequence[float], y: Sequence[float]) -> tuple[Array, Array]:
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    finite = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = (xs[finite], ys[finite]) if finite.sum() >= 2 else (np.array([0.0, 1.0]), np.zeros(2))
    parts = min(len(xs), MAX_SAMPLES)
    return tuple(np.array([part.mean() for part in np.array_split(v, parts)]) for v in (xs, ys))  # type: ignore[return-value]


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers, `about` as many as asked for, that reach from at most `low` to at least `high`."""
    if not (isfinite(low) and isfinite(high)) or high - low < 1e-9 * max(1.0, abs(low)):
        high = low + max(abs(low) * 0.1, 1e-3)
    raw = (high - low) / about
    power = 10.0 ** floor(log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = floor(low / step + 1e-9)
    count = int(np.ceil(high / step - 1e-9)) - first
    return [round((first + i) * step, 12) for i in range(count + 1)]


def decades(low: float, high: float, about: int) -> list[float]:
    """Logarithms of round numbers (1, 2, 5 times a power of ten) that reach from log10 `low` to log10 `high`."""
    powers = range(floor(low), floor(high) + 2)
    for digits in ((1, 2, 5), (1,)):
        values = [power + log10(digit) for power in powers for digit in digits]
        first = max((i for i, value in enumerate(values) if value <= low + 1e-9), default=0)
        last = min((i for i, value in enumerate(values) if value >= high - 1e-9), default=len(values) - 1)
        if last - first <= 2 * about:
            break
    return values[first : max(last, first + 1) + 1]


def short(value: float, *, digits: int = 2) -> str:
    """A number for an axis: 12k, 1.5M, 0.05, 24."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.{digits}f}".rstrip("0").rstrip(".") + unit
    return f"{value:.{digits + 1}g}" if abs(value) < 1 else f"{value:.{digits}f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Plan:
    """The capture from above: +x to the right, +y up the page."""

    points: str
    """Sparse points, as SVG path data of dots."""
    cameras: list[tuple[float, float]]
    """Camera centres."""
    bar: float
    """Length of the scale bar."""
    bar_metres: float
    """The same in the scene [m]."""


def plan(centres: ArrayLike, points: ArrayLike, *, side: float = 320.0, dots: int = 2500) -> Plan:
    """Lays out camera centres and sparse points, seen from above, in a square of this side."""
    cameras, cloud = np.asarray(centres, np.float64)[:, :2], np.asarray(points, np.float64)[:, :2]
    inner = cloud[:: max(1, len(cloud) // dots)]
    if len(inner) > 10:  # a few far points would shrink everything else to a spot
        low, high = np.percentile(inner, [3, 97], axis=0)
        inner = inner[((inner >= low) & (inner <= high)).all(1)]
    everything = np.concatenate([cameras, inner])
    middle = (everything.min(0) + everything.max(0)) / 2
    extent = max(float(np.ptp(everything, axis=0).max()), 1e-6)
    scale = side * 0.92 / extent
    flip = np.array([scale, -scale])
    metres = next(t for t in reversed(ticks(0, extent / 3, 1)[:2]) if t > 0)
    place = (inner - middle) * flip + side / 2
    return Plan(
        points="".join(f"M{a:.1f} {b:.1f}h0" for a, b in place),
        cameras=[(round(a, 1), round(b, 1)) for a, b in (cameras - middle) * flip + side / 2],
        bar=round(metres * scale, 1),
        bar_metres=metres,
    )
