"""Plots: several curves in one SVG, with axes and names. Letters: t samples of a curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from scenekit.charts import short, ticks
from scenekit.errors import InputError

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 60, 48
LETTER = 6.5
"""Mean width of a letter of the legend."""

COLORS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#475569")
"""Of curves, in order, and again from the first."""


@dataclass(frozen=True)
class Series:
    """A curve, or marks, with a name."""

    name: str
    """What the legend calls it."""
    x: ArrayLike
    """Where, shape (t,)."""
    y: ArrayLike
    """How much, shape (t,)."""
    marks: bool = False
    """Draw dots, as for measurements of others, instead of a line."""


def plot_svg(title: str, series: Sequence[Series], *, x_label: str, y_label: str) -> str:
    """The text of an SVG that shows curves over common axes; samples that are not finite are left out.

    Raises:
        InputError: If there is nothing to draw.
    """
    curves = [(s, *_finite(s)) for s in series]
    curves = [(s, x, y) for s, x, y in curves if len(x)]
    if not curves:
        raise InputError("plot", got="no finite samples", wanted="at least one")
    x_ticks = _ticks(np.concatenate([x for _, x, _ in curves]))
    y_ticks = _ticks(np.concatenate([y for _, _, y in curves]))
    sx = (WIDTH - LEFT - RIGHT) / (x_ticks[-1] - x_ticks[0])
    sy = (HEIGHT - TOP - BOTTOM) / (y_ticks[-1] - y_ticks[0])
    at_x = [round(LEFT + (x - x_ticks[0]) * sx, 1) for x in x_ticks]
    at_y = [round(HEIGHT - BOTTOM - (y - y_ticks[0]) * sy, 1) for y in y_ticks]
    lines = [_head(title, x_label, y_label)]
    for value, at in zip(x_ticks, at_x, strict=True):
        lines.append(f'<path d="M{at} {TOP}V{HEIGHT - BOTTOM}" stroke="#e5e7eb"/>')
        lines.append(_text(at, HEIGHT - 28, short(value)))
    for value, at in zip(y_ticks, at_y, strict=True):
        lines.append(
            f'<path d="M{LEFT} {at}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>{_text(LEFT - 6, at + 4, short(value), "end")}'
        )
    for i, (s, x, y) in enumerate(curves):
        points = np.stack([LEFT + (x - x_ticks[0]) * sx, HEIGHT - BOTTOM - (y - y_ticks[0]) * sy], 1)
        lines.append(_drawn(points, s.marks, COLORS[i % len(COLORS)]))
    lines.append(_legend([s for s, _, _ in curves]))
    return "\n".join(lines) + "\n</svg>\n"


def _finite(series: Series) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.asarray(values, np.float64).ravel() for values in (series.x, series.y))
    good = np.isfinite(x) & np.isfinite(y)
    return x[good], y[good]


def _ticks(values: np.ndarray) -> list[float]:
    return ticks(float(values.min()), float(values.max()), 5)


def _head(title: str, x_label: str, y_label: str) -> str:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="#374151"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{LEFT}" y="22" font-size="15" fill="#111827">{escape(title)}</text>'
        f"{_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label)}"
        f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _drawn(points: np.ndarray, marks: bool, color: str) -> str:
    if marks:
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)
        return f'<path d="{dots}" stroke="{color}" stroke-width="7" stroke-linecap="round" fill="none"/>'
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f'<path d="{path}" stroke="{color}" stroke-width="2" stroke-linejoin="round" fill="none"/>'


def _legend(series: Sequence[Series]) -> str:
    """Names in a row between the title and the axes, where no curve is."""
    parts, x = [], float(LEFT)
    for i, s in enumerate(series):
        swatch = f'<path d="M{x:g} {TOP - 16}h16" stroke="{COLORS[i % len(COLORS)]}" stroke-width="3"/>'
        parts.append(swatch + _text(x + 21, TOP - 12, s.name, "start"))
        x += 21 + LETTER * len(s.name) + 14
    return "".join(parts)
