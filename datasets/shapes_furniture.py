"""Nouns of the living room: furniture and what stands on it."""

from __future__ import annotations

import numpy as np

from scenekit.datasets.shapes_parts import (
    Rng,
    Solids,
    ball,
    bent,
    circle,
    cut,
    disc,
    lathe,
    noun,
    plate,
    ring,
    rod,
    vessel,
)
from scenekit.datasets.shapes_parts import (
    box as block,
)


def _legs(x: float, y: float, height: float, thick: float) -> list:
    return [block((thick, thick, height), (i * x, j * y, 0)) for i in (-1, 1) for j in (-1, 1)]


@noun(size=1.2, of="wood", parts={"body": "brown white", "legs": "="}, carries=True)
def _table(rng: Rng) -> Solids:
    depth, h, leg = rng.uniform(0.55, 0.7), rng.uniform(0.5, 0.62), rng.uniform(0.07, 0.09)
    top = block((1, depth, 0.07), (0, 0, h - 0.07))
    return {"body": [top], "legs": _legs(0.5 - leg, depth / 2 - leg, h - 0.03, leg)}


@noun(size=0.9, of="wood", parts={"body": "brown red blue", "legs": "=", "seat": "="}, carries=True)
def _chair(rng: Rng) -> Solids:
    seat, w, leg = rng.uniform(0.42, 0.48), rng.uniform(0.44, 0.5), 0.06
    posts = [block((leg, leg, 1.0 - seat), (i * (w / 2 - leg / 2), w / 2 - leg / 2, seat)) for i in (-1, 1)]
    back = [block((w, 0.05, 0.12), (0, w / 2 - leg / 2, z)) for z in (0.66, 0.85)]
    return {
        "body": posts + back,
        "legs": _legs(w / 2 - leg / 2, w / 2 - leg / 2, seat, leg),
        "seat": [block((w, w, 0.06), (0, 0, seat - 0.03), edge=0.01)],
    }


@noun(size=0.65, of="wood", parts={"body": "brown red", "legs": "= grey"}, carries=True)
def _stool(rng: Rng) -> Solids:
    r, out = rng.uniform(0.26, 0.3), rng.uniform(0.28, 0.33)
    legs = [rod((out * x, out * y, 0), (0.6 * r * x, 0.6 * r * y, 0.92), 0.035) for x, y in _corners()]
    rungs = ring(0.27, 0.022, (0, 0, 0.35), segments=24)
    return {"body": [rod((0, 0, 0.9), (0, 0, 1.0), r, segments=28)], "legs": [*legs, rungs]}


def _corners() -> list[tuple[float, float]]:
    return [(x, y) for x in (-0.71, 0.71) for y in (-0.71, 0.71)]


@noun(size=1.5, of="wood", parts={"body": "brown green", "legs": "black grey"}, carries=True)
def _bench(rng: Rng) -> Solids:
    seat, d = rng.uniform(0.24, 0.28), rng.uniform(0.26, 0.32)
    slats = [block((1, 0.3 * d, 0.04), (0, y, seat)) for y in (-0.35 * d, 0, 0.35 * d)]
    back = [block((1, 0.04, 0.075), (0, d / 2, z)) for z in (seat + 0.12, seat + 0.22)]
    frames = [
        solid
        for x in (-0.42, 0.42)
        for solid in (
            block((0.05, d, 0.05), (x, 0, seat - 0.04)),
            block((0.05, 0.05, seat), (x, -d / 2 + 0.03, 0)),
            block((0.05, 0.05, seat + 0.28), (x, d / 2 + 0.02, 0)),
        )
    ]
    return {"body": slats + back, "legs": frames}


@noun(
    size=2.0,
    of="wood",
    parts={"frame": "brown white", "blanket": "blue red green", "pillow": "white"},
    details={"mattress": "white"},
    carries=True,
)
def _bed(rng: Rng) -> Solids:
    w, head, foot = rng.uniform(0.55, 0.68), rng.uniform(0.42, 0.5), rng.uniform(0.25, 0.3)
    frame = [
        block((w, 0.9, 0.08), (0, 0, 0.1)),
        block((w + 0.04, 0.05, head), (0, 0.47, 0)),
        block((w + 0.04, 0.05, foot), (0, -0.47, 0)),
    ]
    mattress = block((w - 0.03, 0.9, 0.1), (0, 0, 0.16), edge=0.02)
    blanket = block((w + 0.02, 0.6, 0.13), (0, -0.15, 0.15), edge=0.025)
    pillow = block((0.7 * w, 0.2, 0.1), (0, 0.31, 0.23), edge=0.03)
    return {"frame": frame, "blanket": [blanket], "pillow": [pillow], "mattress": [mattress]}


@noun(
    size=1.8,
    of="fabric",
    parts={"body": "red blue green grey", "cushions": "="},
    details={"feet": "black brown"},
    carries=True,
)
def _sofa(rng: Rng) -> Solids:
    d, h, arm = rng.uniform(0.4, 0.46), rng.uniform(0.4, 0.46), rng.uniform(0.11, 0.14)
    base = block((1, d, 0.2), (0, 0, 0.05), edge=0.02)
    back = block((1, 0.14, h - 0.05), (0, d / 2 - 0.05, 0.05), edge=0.03)
    arms = [block((arm, d, 0.27), (i * (0.5 - arm / 2), 0, 0.05), edge=0.03) for i in (-1, 1)]
    w = (1 - 2 * arm) / 2
    cushions = [block((w - 0.01, d - 0.12, 0.09), (i * w / 2, -0.06, 0.21), edge=0.03) for i in (-1, 1)]
    return {"body": [base, back, *arms], "cushions": cushions, "feet": _legs(0.45, d / 2 - 0.05, 0.07, 0.06)}


@noun(size=1.6, of="wood", parts={"body": "brown white"}, details={"reds": "red", "blues": "blue", "greens": "green"})
def _shelf(rng: Rng) -> Solids:
    w, d, boards = rng.uniform(0.55, 0.65), rng.uniform(0.22, 0.28), int(rng.integers(4, 6))
    sides = [block((0.04, d, 1), (i * (w / 2 - 0.02), 0, 0)) for i in (-1, 1)]
    levels = [block((w, d, 0.04), (0, 0, z)) for z in np.linspace(0, 0.96, boards)]
    books = [
        block((0.05, 0.7 * d, rng.uniform(0.12, 0.17)), (float(x), -0.02, float(z) + 0.03))
        for z in np.linspace(0, 0.96, boards)[:-1]
        for x in rng.uniform(-0.35, 0.2) * w + 0.055 * np.arange(3)
    ]
    kinds = {name: books[k::3] for k, name in enumerate(("reds", "blues", "greens"))}
    return {"body": [*sides, *levels, block((w, 0.03, 1), (0, d / 2, 0))], **kinds}


@noun(size=0.5, of="plastic", parts={"shade": "white yellow red", "base": "black grey brown"})
def _lamp(rng: Rng) -> Solids:
    top, low, h = rng.uniform(0.13, 0.18), rng.uniform(0.28, 0.33), rng.uniform(0.33, 0.4)
    shade = lathe((0, 1 - h), (low, 1 - h), (top, 1.0), (0, 1.0))
    base = [lathe((0, 0), (0.22, 0), (0.2, 0.05), (0.05, 0.09), (0, 0.09)), rod((0, 0, 0.05), (0, 0, 1 - h / 2), 0.035)]
    return {"shade": [shade], "base": base}


@noun(
    size=0.15,
    of="plastic",
    parts={"body": "white red", "holder": "yellow grey", "flame": "orange"},
    details={"wick": "black"},
)
def _candle(rng: Rng) -> Solids:
    r, h = rng.uniform(0.1, 0.13), rng.uniform(0.68, 0.74)
    flame = lathe((0, h + 0.06), (0.05, h + 0.1), (0.065, h + 0.15), (0.03, h + 0.24), (0, h + 0.32), segments=16)
    handle = ring(0.09, 0.025, (0.33, 0, 0.07), turn=(90, 0, 0), segments=16)
    dish = vessel((0.22, 0), (0.28, 0.09), wall=0.04)
    return {
        "body": [rod((0, 0, 0.03), (0, 0, h), r)],
        "holder": [dish, handle],
        "flame": [flame],
        "wick": [rod((0, 0, h - 0.02), (0, 0, h + 0.1), 0.02)],
    }


@noun(
    size=0.24,
    of="paper",
    parts={"cover": "red blue green brown", "pages": "white"},
    details={"title": "yellow white"},
    carries=True,
)
def _book(rng: Rng) -> Solids:
    w, t, h = rng.uniform(0.66, 0.76), rng.uniform(0.18, 0.26), 1.0
    covers = [block((w, h, 0.035), (0, 0, z)) for z in (0, t)]
    spine = block((0.04, h, t + 0.035), (-w / 2, 0, 0), edge=0.01)
    pages = block((w - 0.08, h - 0.08, t), (-0.02, 0, 0.01))
    title = [
        block((0.5 * w, 0.12, 0.02), (0.02, 0.22, t + 0.025)),
        block((0.3 * w, 0.06, 0.02), (0.02, 0.02, t + 0.025)),
    ]
    return {"cover": [*covers, spine], "pages": [pages], "title": title}


@noun(
    size=0.3,
    of="plastic",
    parts={"case": "red brown black blue", "face": "white"},
    details={"hands": "black", "feet": "="},
)
def _clock(rng: Rng) -> Solids:
    hour, minute = rng.uniform(0, 360, 2)
    hands = [
        block((0.05, 0.03, length), (0, -0.115, 0.0), turn=(0, float(angle), 0)).translate((0, 0, 0.56))
        for length, angle in ((0.22, hour), (0.32, minute))
    ]
    ticks = [
        block((0.035, 0.03, 0.07), (0.34 * np.sin(a), -0.115, 0.525 + 0.34 * np.cos(a)))
        for a in np.radians(30 * np.arange(0, 12, 3))
    ]
    bells = [ball((0.12, 0.1, 0.1), (x, 0, 1.0)) for x in (-0.24, 0.24)]
    feet = [rod((x, 0, 0.2), (1.3 * x, 0, 0.0), 0.05) for x in (-0.25, 0.25)]
    case = disc(0.46, 0.2, (0, 0, 0.56), segments=32)
    return {
        "case": [case, *bells],
        "face": [disc(0.39, 0.04, (0, -0.095, 0.56), segments=32)],
        "hands": hands + ticks,
        "feet": feet,
    }


@noun(
    size=0.8,
    of="plastic",
    parts={"case": "black brown grey", "screen": "cyan blue", "legs": "="},
    details={"knobs": "white"},
)
def _television(rng: Rng) -> Solids:
    w, h, d = 1.0, rng.uniform(0.6, 0.68), rng.uniform(0.22, 0.3)
    case = block((w, d, h), (0, 0, 0.16), edge=0.03)
    screen = block((0.68, 0.04, h - 0.18), (-0.09, -d / 2, 0.25))
    knobs = [disc(0.045, 0.06, (0.38, -d / 2, z)) for z in (0.4, 0.55)]
    aerial = [rod((0, 0, h + 0.1), (x, 0, h + 0.45), 0.018) for x in (-0.28, 0.28)]
    legs = [rod((0.35 * x, 0.1 * y, 0.18), (0.45 * x, 0.14 * y, 0), 0.03) for x in (-1, 1) for y in (-1, 1)]
    return {"case": [case, *aerial], "screen": [screen], "legs": legs, "knobs": knobs}


@noun(size=2.0, of="wood", parts={"body": "brown grey yellow"})
def _ladder(rng: Rng) -> Solids:
    w, spread, steps = rng.uniform(0.2, 0.24), rng.uniform(0.22, 0.28), 5
    front = [rod((i * w, -spread, 0), (0.7 * i * w, 0, 1), 0.03) for i in (-1, 1)]
    back = [rod((i * w, spread, 0), (0.7 * i * w, 0, 1), 0.025) for i in (-1, 1)]
    t = np.linspace(0.15, 0.85, steps)
    rungs = [block((2 * w * (1 - 0.3 * float(s)), 0.08, 0.04), (0, float(-spread * (1 - s)), float(s))) for s in t]
    return {"body": [*front, *back, *rungs, block((1.5 * w, 0.1, 0.05), (0, 0, 0.97))]}


@noun(size=0.3, of="cardboard", parts={"body": "red blue green pink", "ribbon": "yellow white"})
def _gift(rng: Rng) -> Solids:
    w, h = rng.uniform(0.75, 0.9), rng.uniform(0.55, 0.7)
    ribbon = [block((0.14, w + 0.03, h + 0.02)), block((w + 0.03, 0.14, h + 0.02))]
    loops = [ring(0.12, 0.04, (0.13 * i, 0, h + 0.12), turn=(90, 0, 0), segments=18) for i in (-1, 1)]
    return {"body": [block((w, w, h))], "ribbon": [*ribbon, *loops, ball(0.07, (0, 0, h + 0.06))]}


@noun(size=0.5, of="wood", parts={"body": "brown"}, carries=True)
def _crate(rng: Rng) -> Solids:
    h, t = rng.uniform(0.8, 1.0), 0.09
    core = block((0.88, 0.88, h - 0.1), (0, 0, 0.05))
    posts = [block((t, t, h), (x, y, 0)) for x in (-0.455, 0.455) for y in (-0.455, 0.455)]
    across = [block((1, t, t), (0, y, z)) for y in (-0.455, 0.455) for z in (0, h - t)]
    across += [block((t, 1, t), (x, 0, z)) for x in (-0.455, 0.455) for z in (0, h - t)]
    length, tilt = float(np.hypot(0.85, h - t)), float(np.degrees(np.arctan2(0.85, h - t)))
    braces = [
        block((t, 0.06, length), (0, 0, -length / 2)).rotate((0, tilt, 0)).translate((0, y, h / 2))
        for y in (-0.455, 0.455)
    ]
    braces += [
        block((0.06, t, length), (0, 0, -length / 2)).rotate((-tilt, 0, 0)).translate((x, 0, h / 2))
        for x in (-0.455, 0.455)
    ]
    return {"body": [core, *posts, *across, *braces]}


@noun(size=1.1, of="wood", parts={"body": "brown orange red", "neck": "brown black"}, details={"hole": "black white"})
def _guitar(rng: Rng) -> Solids:
    upper, lower, d = rng.uniform(0.13, 0.15), rng.uniform(0.19, 0.22), 0.11
    body = [
        plate(circle(lower, (0, 0.2)), d),
        plate(circle(upper, (0, 0.45)), d),
        plate([(-0.09, 0.25), (0.09, 0.25), (0.09, 0.45), (-0.09, 0.45)], d),
    ]
    neck = [block((0.065, 0.05, 0.42), (0, -0.05, 0.48)), block((0.11, 0.05, 0.13), (0, -0.05, 0.87))]
    bridge = block((0.16, 0.04, 0.035), (0, -0.065, 0.16))
    return {"body": body, "neck": [*neck, bridge], "hole": [disc(0.065, 0.03, (0, -0.05, 0.36))]}


@noun(size=0.5, of="steel", parts={"body": "yellow grey", "plinth": "black brown"})
def _trophy(rng: Rng) -> Solids:
    r = rng.uniform(0.26, 0.3)
    cup = vessel((0.08, 0.42), (0.22, 0.5), (r, 0.98), wall=0.04)
    stem = rod((0, 0, 0.18), (0, 0, 0.48), 0.09, 0.05)
    handles = [
        bent((i * 0.2, 0, 0.58), (i * 0.5, 0, 0.62), (i * 0.5, 0, 0.93), (i * (r - 0.04), 0, 0.9), radius=0.03)
        for i in (-1, 1)
    ]
    return {"body": [cup, stem, *handles], "plinth": [block((0.36, 0.36, 0.2))]}


@noun(size=0.4, of="cardboard", parts={"body": "brown orange white", "tape": "yellow white"}, holds=True)
def _box(rng: Rng) -> Solids:
    w, d, h, t = 0.66, rng.uniform(0.5, 0.62), rng.uniform(0.3, 0.36), 0.03
    walls = cut(block((w, d, h)), block((w - 2 * t, d - 2 * t, h), (0, 0, t)))
    droop, reach = rng.uniform(20, 40), 0.17
    flaps = [
        block((width, reach, t)).translate((0, reach / 2, 0)).rotate((-float(droop), 0, turn)).translate((x, y, h - t))
        for width, turn, x, y in (
            (w, 0, 0, d / 2 - 0.01),
            (w, 180, 0, 0.01 - d / 2),
            (d, 270, w / 2 - 0.01, 0),
            (d, 90, 0.01 - w / 2, 0),
        )
    ]
    return {"body": [walls, *flaps], "tape": [block((0.1, 0.02, h - 0.05), (0, y, 0)) for y in (-d / 2, d / 2)]}
