"""Nouns of the kitchen and the cellar."""

from __future__ import annotations

import numpy as np

from scenekit.datasets.shapes_parts import (
    Rng,
    Solids,
    around,
    ball,
    bent,
    box,
    cut,
    lathe,
    noun,
    ring,
    rod,
    turned,
    vessel,
)
from scenekit.datasets.shapes_parts import (
    plate as cut_out,
)


@noun(size=0.11, of="ceramic", parts={"body": "red blue white green yellow", "handle": "="})
def _mug(rng: Rng) -> Solids:
    r, h = 0.4, rng.uniform(0.85, 1.1)
    low, high, out = 0.22 * h, 0.8 * h, rng.uniform(0.28, 0.36)
    handle = bent((r - 0.03, 0, high), (r + out, 0, high), (r + out, 0, low), (r - 0.03, 0, low), radius=0.065)
    return {"body": [vessel((r, 0), (r, h), wall=0.05)], "handle": [handle]}


@noun(size=0.15, of="ceramic", parts={"body": "white pink blue", "saucer": "="}, holds=True)
def _cup(rng: Rng) -> Solids:
    r, h = rng.uniform(0.32, 0.38), rng.uniform(0.36, 0.44)
    bowl = vessel((0.16, 0.05), (0.16, 0.1), (r * 0.95, 0.2), (r, h), wall=0.035, rounded=True)
    handle = ring(0.11, 0.035, (r + 0.05, 0, 0.62 * h), turn=(90, 0, 0), segments=20)
    cavity = rod((0, 0, 0.13), (0, 0, h + 0.1), 0.8 * r)
    saucer = lathe((0, 0), (0.3, 0), (0.62, 0.09), (0.6, 0.12), (0.28, 0.05), (0, 0.05))
    return {"body": [bowl, cut(handle, cavity)], "saucer": [saucer, rod((0, 0, 0.02), (0, 0, 0.07), 0.17)]}


@noun(size=0.22, of="ceramic", parts={"body": "blue white orange green"}, holds=True)
def _bowl(rng: Rng) -> Solids:
    h, foot = rng.uniform(0.42, 0.52), rng.uniform(0.18, 0.25)
    rim = vessel((foot, 0), (foot, 0.05), (0.45, 0.12), (0.5, h), wall=0.045, rounded=True)
    return {"body": [rim]}


@noun(size=0.26, of="ceramic", parts={"body": "white blue yellow"}, carries=True)
def _plate(rng: Rng) -> Solids:
    flat, h = rng.uniform(0.27, 0.32), rng.uniform(0.1, 0.13)
    outside, inside = [(flat, 0), (0.48, h - 0.03)], [(0.5, h), (0.37, 0.75 * h), (flat, 0.035)]
    return {"body": [lathe((0, 0), *outside, *inside, (0, 0.035))]}


@noun(size=0.28, of="plastic", parts={"body": "green brown blue", "cap": "red white black", "label": "white yellow"})
def _bottle(rng: Rng) -> Solids:
    r, shoulder = rng.uniform(0.15, 0.18), rng.uniform(0.55, 0.62)
    body = lathe(
        (0, 0), (r, 0), (r, shoulder), (0.85 * r, shoulder + 0.06), (0.06, shoulder + 0.2), (0.06, 0.92), (0, 0.92)
    )
    return {
        "body": [body],
        "cap": [rod((0, 0, 0.89), (0, 0, 1), 0.08)],
        "label": [rod((0, 0, 0.16), (0, 0, shoulder - 0.13), r + 0.012, segments=32)],
    }


@noun(size=0.3, of="ceramic", parts={"body": "blue white purple cyan"})
def _vase(rng: Rng) -> Solids:
    belly, neck, rim = rng.uniform(0.27, 0.33), rng.uniform(0.07, 0.1), rng.uniform(0.17, 0.21)
    outside = (0.14, 0), (belly, 0.12), (belly, 0.5), (neck, 0.68), (neck, 0.82), (rim, 1.0)
    return {"body": [vessel(*outside, wall=0.035, rounded=True)]}


@noun(size=0.18, of="ceramic", parts={"body": "yellow white cyan", "lid": "red brown blue"})
def _jar(rng: Rng) -> Solids:
    r, h = rng.uniform(0.33, 0.4), rng.uniform(0.7, 0.8)
    knob = ball(0.08, (0, 0, h + 0.21))
    lid = lathe((0, h), (r + 0.01, h), (r + 0.01, h + 0.1), (0.1, h + 0.17), (0, h + 0.17))
    return {
        "body": [turned((0, 0), (r, 0), (r + 0.04, 0.4), (r, h), (0.8 * r, h + 0.03), (0, h + 0.03))],
        "lid": [lid, knob],
    }


@noun(size=0.25, of="ceramic", parts={"body": "white blue red green", "lid": "=", "spout": "=", "handle": "="})
def _teapot(rng: Rng) -> Solids:
    r, h = rng.uniform(0.34, 0.38), rng.uniform(0.5, 0.56)
    body = turned((0, 0), (0.22, 0), (r + 0.05, 0.12), (r + 0.05, 0.42), (0.2, h), (0, h))
    spout = bent((-0.25, 0, 0.18), (-0.5, 0, 0.2), (-0.5, 0, 0.42), (-0.66, 0, 0.52), radius=0.065)
    handle = bent((0.27, 0, 0.46), (0.64, 0, 0.54), (0.64, 0, 0.14), (0.3, 0, 0.16), radius=0.045)
    lid = lathe((0, h - 0.03), (0.22, h - 0.03), (0.17, h + 0.04), (0, h + 0.07))
    return {"body": [body], "lid": [lid, ball(0.06, (0, 0, h + 0.1))], "spout": [spout], "handle": [handle]}


@noun(size=0.45, of="steel", parts={"body": "black grey", "handle": "brown black red"}, holds=True)
def _pan(rng: Rng) -> Solids:
    h, length = rng.uniform(0.1, 0.13), rng.uniform(0.45, 0.52)
    body = vessel((0.25, 0), (0.3, h), wall=0.03)
    handle = rod((0.26, 0, 0.75 * h), (0.3 + length, 0, h + 0.08), 0.035)
    return {"body": [body], "handle": [handle]}


@noun(size=0.3, of="steel", parts={"body": "grey blue red", "handle": "black white"})
def _bucket(rng: Rng) -> Solids:
    low, high, h = rng.uniform(0.26, 0.3), rng.uniform(0.36, 0.4), rng.uniform(0.6, 0.7)
    loop = bent((-high, 0, h - 0.06), (-high, 0, h + 0.5), (high, 0, h + 0.5), (high, 0, h - 0.06), radius=0.025)
    return {"body": [vessel((low, 0), (high, h), wall=0.035), ring(high, 0.031, (0, 0, h - 0.043))], "handle": [loop]}


@noun(size=0.9, of="wood", parts={"body": "brown", "hoops": "grey black"}, carries=True)
def _barrel(rng: Rng) -> Solids:
    r, h = rng.uniform(0.28, 0.31), 1.0
    belly = rng.uniform(1.2, 1.3)
    z = np.linspace(0, h, 13)
    radius = r * (1 + (belly - 1) * (1 - (2 * z / h - 1) ** 2))
    body = lathe((0, 0), *zip(radius, z, strict=True), (0, h), segments=24)
    hoops = [
        lathe(
            (r * 0.9, a),
            (float(np.interp(a, z, radius)) + 0.02, a),
            (float(np.interp(b, z, radius)) + 0.02, b),
            (r * 0.9, b),
            segments=24,
        )
        for a, b in ((0.02, 0.1), (0.27, 0.35), (0.65, 0.73), (0.9, 0.98))
    ]
    return {"body": [body], "hoops": hoops}


@noun(size=0.2, of="steel", parts={"body": "grey yellow"})
def _spoon(rng: Rng) -> Solids:
    w = rng.uniform(0.13, 0.16)
    spoon_bowl = cut(ball((w, 0.07, 0.2), (0, 0, 0.8)), ball((w - 0.03, 0.06, 0.17), (0, -0.05, 0.8)))
    return {"body": [spoon_bowl, rod((0, 0.03, 0.62), (0, 0.03, 0.0), 0.03, 0.045)]}


@noun(size=0.2, of="steel", parts={"body": "grey yellow"})
def _fork(rng: Rng) -> Solids:
    w = rng.uniform(0.12, 0.15)
    head = cut_out([(-w, 0.7), (-0.6 * w, 0.58), (0.6 * w, 0.58), (w, 0.7), (w, 0.76), (-w, 0.76)], 0.05)
    tines = [box((0.045, 0.05, 0.27), (x, 0, 0.73)) for x in np.linspace(-w + 0.022, w - 0.022, 4)]
    return {"body": [head, *tines, box((0.07, 0.05, 0.62))]}


@noun(size=0.12, of="foam", parts={"body": "yellow orange"})
def _cheese(rng: Rng) -> Solids:
    h = rng.uniform(0.38, 0.48)
    wedge = cut_out([(-0.5, -0.25), (0.5, -0.32), (0.5, 0.32)], h).rotate((-90, 0, 0)).translate((0, 0, h / 2))
    pits = [
        ball(rng.uniform(0.05, 0.09), (float(x), float(-0.27 - 0.05 * x), float(rng.uniform(0.1, h - 0.1))))
        for x in (-0.15, 0.1, 0.36)
    ]
    pits += [ball(0.09, (0.5, y, z)) for y, z in ((-0.12, 0.3 * h), (0.13, 0.7 * h))]
    pits += [ball(0.08, (x, y, h)) for x, y in ((0.05, 0.02), (0.32, 0.12), (0.3, -0.14))]
    return {"body": [cut(wedge, *pits)]}


@noun(
    size=0.25,
    of="foam",
    parts={"body": "pink brown white", "icing": "white pink", "candles": "blue red"},
    details={"flames": "yellow"},
)
def _cake(rng: Rng) -> Solids:
    r, h = 0.46, rng.uniform(0.36, 0.42)
    icing = [rod((0, 0, h - 0.05), (0, 0, h + 0.05), r + 0.02, segments=32)]
    drops = [ball((0.07, 0.07, 0.1), point) for point in around(10, r - 0.02, h - 0.06)]
    candles = [rod((x, y, h), (x, y, h + 0.32), 0.035) for x, y, _ in around(5, 0.28, start=18)]
    flames = [ball((0.03, 0.03, 0.06), (x, y, h + 0.36)) for x, y, _ in around(5, 0.28, start=18)]
    body = [rod((0, 0, 0), (0, 0, h), r, segments=32)]
    return {"body": body, "icing": icing + drops, "candles": candles, "flames": flames}


@noun(size=0.12, of="foam", parts={"cream": "pink white brown", "cone": "orange brown"})
def _icecream(rng: Rng) -> Solids:
    h = rng.uniform(0.55, 0.62)
    scoop = ball(0.24, (0, 0, h + 0.1))
    skirt = ring(0.2, 0.06, (0, 0, h + 0.01))
    return {"cream": [scoop, skirt], "cone": [rod((0, 0, 0), (0, 0, h), 0.02, 0.22)]}
