"""Nouns that drive, sail and fly; their front looks along −y."""

from __future__ import annotations

import numpy as np

from scenekit.datasets.shapes_parts import (
    Rng,
    Solids,
    ball,
    bent,
    box,
    disc,
    flat_plate,
    hull,
    mirrored,
    noun,
    plate,
    rod,
    side_plate,
    turned,
    wheel,
)


@noun(
    size=4.2,
    of="steel",
    parts={"body": "red blue green yellow", "wheels": "black grey", "windows": "cyan"},
    details={"lamps": "yellow white"},
)
def _car(rng: Rng) -> Solids:
    w, r = rng.uniform(0.4, 0.46), rng.uniform(0.1, 0.115)
    hood, roof = rng.uniform(0.25, 0.28), rng.uniform(0.4, 0.45)
    body = box((w, 1, hood - 0.09), (0, 0, 0.09), edge=0.03)
    cabin = hull(
        box((w - 0.02, 0.62, 0.02), (0, 0.08, hood - 0.02)), box((0.82 * w, 0.36, 0.02), (0, 0.1, roof - 0.02))
    )
    glass_side = hull(
        box((w, 0.5, 0.02), (0, 0.08, hood + 0.01)), box((0.82 * w + 0.02, 0.34, 0.02), (0, 0.1, roof - 0.05))
    )
    glass_ends = hull(
        box((0.8 * w, 0.62, 0.02), (0, 0.08, hood + 0.01)), box((0.7 * w, 0.42, 0.02), (0, 0.1, roof - 0.05))
    )
    wheels = [wheel(r, 0.1, (x, y, r)) for x in (-w / 2 + 0.03, w / 2 - 0.03) for y in (-0.29, 0.3)]
    lamps = [disc(0.045, 0.03, (x, -0.5, hood - 0.07)) for x in (-0.32 * w, 0.32 * w)]
    return {"body": [body, cabin], "wheels": wheels, "windows": [glass_side, glass_ends], "lamps": lamps}


@noun(
    size=7.0,
    of="steel",
    parts={"cab": "red blue orange green", "cargo": "white grey yellow", "wheels": "black grey"},
    details={"windows": "cyan", "lamps": "yellow white"},
)
def _truck(rng: Rng) -> Solids:
    w, h, r = rng.uniform(0.34, 0.38), rng.uniform(0.42, 0.5), 0.085
    cab = box((w, 0.24, 0.3), (0, -0.37, 0.08), edge=0.03)
    cargo = box((w + 0.03, 0.66, h - 0.06), (0, 0.16, 0.12))
    chassis = box((0.7 * w, 0.9, 0.07), (0, 0.02, 0.07))
    wheels = [wheel(r, 0.08, (x, y, r)) for x in (-w / 2 + 0.02, w / 2 - 0.02) for y in (-0.34, 0.17, 0.36)]
    panes = [box((0.8 * w, 0.03, 0.1), (0, -0.485, 0.22)), box((w + 0.02, 0.12, 0.1), (0, -0.38, 0.22))]
    lamps = [disc(0.035, 0.03, (x, -0.49, 0.15)) for x in (-0.35 * w, 0.35 * w)]
    return {"cab": [cab], "cargo": [cargo], "wheels": [*wheels, chassis], "windows": panes, "lamps": lamps}


@noun(
    size=10.0,
    of="steel",
    parts={"body": "red yellow blue", "wheels": "black", "windows": "cyan white"},
    details={"lamps": "yellow white"},
)
def _bus(rng: Rng) -> Solids:
    w, h, r = rng.uniform(0.28, 0.32), rng.uniform(0.34, 0.4), 0.075
    body = box((w, 1, h), (0, 0, 0.05), edge=0.025)
    panes = [box((w + 0.015, 0.13, 0.13), (0, y, h - 0.12)) for y in np.linspace(-0.36, 0.39, 5)]
    panes += [box((0.85 * w, 1.012, 0.15), (0, 0, h - 0.14))]
    wheels = [wheel(r, 0.07, (x, y, r)) for x in (-w / 2 + 0.02, w / 2 - 0.02) for y in (-0.3, 0.3)]
    lamps = [disc(0.03, 0.03, (x, -0.5, 0.12)) for x in (-0.34 * w, 0.34 * w)]
    return {"body": [body], "wheels": wheels, "windows": panes, "lamps": lamps}


@noun(
    size=9.0,
    of="steel",
    parts={"body": "black green red blue", "wheels": "red black grey", "chimney": "="},
    details={"lamp": "yellow"},
)
def _train(rng: Rng) -> Solids:
    r, h = rng.uniform(0.14, 0.165), rng.uniform(0.5, 0.56)
    boiler = rod((0, -0.48, 0.3), (0, 0.2, 0.3), r, segments=24)
    cab = [box((0.36, 0.3, h - 0.14), (0, 0.32, 0.14)), box((0.42, 0.36, 0.04), (0, 0.32, h))]
    frame = box((0.3, 0.94, 0.08), (0, 0.0, 0.11))
    guard = hull(box((0.36, 0.02, 0.02), (0, -0.56, 0.02)), box((0.3, 0.04, 0.14), (0, -0.46, 0.05)))
    chimney = [rod((0, -0.34, 0.4), (0, -0.34, 0.56), 0.045), rod((0, -0.34, 0.55), (0, -0.34, 0.64), 0.05, 0.08)]
    dome = rod((0, -0.05, 0.4), (0, -0.05, 0.5), 0.06)
    wheels = [wheel(s, 0.06, (x, y, s)) for x in (-0.16, 0.16) for y, s in ((-0.33, 0.08), (-0.12, 0.08), (0.2, 0.13))]
    return {
        "body": [boiler, frame, guard, dome, *cab],
        "wheels": wheels,
        "chimney": chimney,
        "lamp": [disc(0.06, 0.05, (0, -0.49, 0.3))],
    }


@noun(
    size=6.0,
    of="wood",
    parts={"hull": "brown red blue white", "sail": "white yellow red"},
    details={"mast": "brown grey"},
)
def _boat(rng: Rng) -> Solids:
    w, deck, h = rng.uniform(0.26, 0.32), rng.uniform(0.16, 0.2), 1.0
    ribs = [(-0.42, 0.02, 0.02), (-0.2, 0.75, 0.0), (0.1, 1.0, 0.0), (0.36, 0.75, 0.02)]
    bottom = [box((w * s * 0.55 + 0.02, 0.02, 0.02), (0, 0.9 * y, z)) for y, s, z in ribs]
    top = [box((w * s + 0.02, 0.02, 0.02), (0, y * 1.1, deck - 0.02)) for y, s, _ in ribs]
    sail = side_plate([(-0.06, deck + 0.1), (0.4, deck + 0.12), (-0.06, h - 0.03)], 0.025)
    jib = side_plate([(-0.1, deck + 0.1), (-0.44, deck + 0.05), (-0.1, 0.85 * h)], 0.025)
    boom = rod((0, -0.06, deck + 0.1), (0, 0.4, deck + 0.12), 0.02)
    mast = rod((0, -0.08, deck - 0.05), (0, -0.08, h), 0.025)
    return {"hull": [hull(*bottom, *top)], "sail": [sail, jib], "mast": [mast, boom]}


@noun(
    size=12.0,
    of="aluminium",
    parts={"body": "white grey yellow", "wings": "= red blue", "tail": "= red blue"},
    details={"windows": "blue black"},
)
def _plane(rng: Rng) -> Solids:
    r, span, sweep = rng.uniform(0.075, 0.09), rng.uniform(0.45, 0.5), rng.uniform(0.05, 0.16)
    body = turned((0, -0.5), (0.9 * r, -0.46), (r, -0.3), (r, 0.15), (0.25 * r, 0.5), (0, 0.5), segments=20).rotate(
        (-90, 0, 0)
    )
    body = body.translate((0, 0, 0.2))
    wing = flat_plate([(0, -0.14), (span, -0.06 + sweep), (span, 0.04 + sweep), (0, 0.1)], 0.03, (0, 0, 0.17))
    fin = side_plate([(0.3, 0.2), (0.42, 0.44), (0.5, 0.44), (0.48, 0.2)], 0.03)
    small = flat_plate([(0, 0.36), (0.2, 0.44), (0.2, 0.5), (0, 0.48)], 0.025, (0, 0, 0.21))
    engines = [rod((i * 0.22, -0.16, 0.13), (i * 0.22, 0.03, 0.13), 0.042) for i in (-1, 1)]
    windows = [box((2 * r + 0.012, 0.035, 0.035), (0, float(y), 0.215)) for y in np.linspace(-0.26, 0.14, 6)]
    windows += [box((0.09, 0.05, 0.04), (0, -0.42, 0.225))]
    gear = [rod((x, y, 0), (x, y, 0.2), 0.022) for x, y in ((-0.1, 0.05), (0.1, 0.05), (0, -0.36))]
    return {
        "body": [body, *gear],
        "wings": [*mirrored(wing), *engines],
        "tail": [fin, *mirrored(small)],
        "windows": windows,
    }


@noun(
    size=10.0,
    of="plastic",
    parts={"body": "red blue yellow", "windows": "cyan white", "tail": "="},
    details={"rotor": "grey black"},
)
def _helicopter(rng: Rng) -> Solids:
    r, tail = rng.uniform(0.16, 0.19), rng.uniform(0.42, 0.48)
    body = ball((r, 0.27, r), (0, -0.12, 0.28))
    windows = ball((0.92 * r, 0.2, 0.85 * r), (0, -0.22, 0.31))
    boom = rod((0, 0.05, 0.32), (0, tail, 0.38), 0.06, 0.03)
    fin = side_plate([(tail - 0.06, 0.36), (tail + 0.06, 0.56), (tail + 0.1, 0.56), (tail + 0.03, 0.34)], 0.03)
    blades = [
        box((1.0, 0.06, 0.02), (0, -0.1, 0.52), turn=(0, 0, float(a))) for a in rng.uniform(0, 90) + np.array([0, 90])
    ]
    mast = rod((0, -0.1, 0.4), (0, -0.1, 0.54), 0.03)
    tail_rotor = rod((-0.045, tail + 0.05, 0.46), (0.045, tail + 0.05, 0.46), 0.085)
    skids = [
        bent((x, -0.38, 0.07), (x, -0.34, 0.02), (x, 0.1, 0.02), (x, 0.14, 0.02), radius=0.02, columns=6)
        for x in (-0.15, 0.15)
    ]
    struts = [rod((x, y, 0.02), (0.5 * x, y, 0.2), 0.018) for x in (-0.15, 0.15) for y in (-0.22, 0.0)]
    return {
        "body": [body],
        "windows": [windows],
        "tail": [boom, fin],
        "rotor": [*blades, mast, tail_rotor, *skids, *struts],
    }


@noun(
    size=20.0,
    of="aluminium",
    parts={"body": "white grey", "nose": "red blue", "fins": "red blue"},
    details={"window": "cyan", "flame": "orange"},
)
def _rocket(rng: Rng) -> Solids:
    r, neck = rng.uniform(0.13, 0.16), rng.uniform(0.64, 0.72)
    body = turned((0, 0.08), (0.75 * r, 0.08), (r, 0.3), (r, 0.5), (0.62 * r, neck + 0.02), (0, neck + 0.02))
    nose = turned((0, neck), (0.66 * r, neck), (0.4 * r, neck + 0.18), (0, 1.0))
    fin = plate([(0.5 * r, 0.4), (0.3, 0.14), (0.3, 0.0), (0.5 * r, 0.14)], 0.04)
    fins = [fin.rotate((0, 0, 30 + 120 * k)) for k in range(3)]
    window = disc(0.065, 2.0 * r + 0.03, (0, 0, 0.5)).trim_by_plane((0, -1, 0), 0.0)
    return {
        "body": [body],
        "nose": [nose],
        "fins": fins,
        "window": [window],
        "flame": [rod((0, 0, 0.02), (0, 0, 0.1), 0.06, 0.09)],
    }


@noun(size=18.0, of="fabric", parts={"envelope": "red yellow blue", "basket": "brown", "stripes": "white yellow"})
def _balloon(rng: Rng) -> Solids:
    r = rng.uniform(0.36, 0.4)
    profile = [(0, 0.24), (0.08, 0.24), (r + 0.1, 0.48), (r + 0.08, 0.98), (0, 1.0)]
    envelope = turned(*profile, rows=24, segments=24)
    stripe = turned(*[(x * 1.03, z) for x, z in profile], rows=24, segments=24)
    wedges = [
        hull(box((0.001, 0.01, 1.1)), box((0.2, 0.01, 1.1), (0, 0.7, 0))).rotate((0, 0, 60 * k + 30)) for k in range(6)
    ]
    stripes = [stripe ^ wedge for wedge in wedges]
    ropes = [
        rod((0.07 * x, 0.07 * y, 0.12), (0.06 * x, 0.06 * y, 0.3), 0.014, segments=6) for x in (-1, 1) for y in (-1, 1)
    ]
    return {"envelope": [envelope], "basket": [box((0.19, 0.19, 0.14), edge=0.02), *ropes], "stripes": stripes}


@noun(
    size=8.0,
    of="steel",
    parts={"body": "yellow grey blue", "windows": "cyan white", "tower": "="},
    details={"propeller": "grey black"},
)
def _submarine(rng: Rng) -> Solids:
    r = rng.uniform(0.17, 0.2)
    body = ball((r, 0.47, r), (0, 0, r), segments=24)
    tower = box((0.13, 0.24, 0.17), (0, -0.02, 2 * r - 0.06), edge=0.02)
    scope = bent((0, 0.02, 2 * r), (0, 0.02, 2 * r + 0.25), (0, -0.12, 2 * r + 0.25), radius=0.025)
    windows = [rod((-r - 0.015, y, r + 0.02), (r + 0.015, y, r + 0.02), 0.05) for y in (-0.2, 0.0, 0.2)]
    fins = [box((0.4, 0.1, 0.03), (0, 0.38, r)), box((0.03, 0.1, 0.4), (0, 0.38, r - 0.2))]
    propeller = [box((0.26, 0.03, 0.07), (0, 0.48, r - 0.03), turn=(0, a, 0)) for a in (45, -45)]
    return {
        "body": [body, *fins],
        "windows": windows,
        "tower": [tower, scope],
        "propeller": [disc(0.03, 0.12, (0, 0.46, r)), *propeller],
    }


@noun(
    size=3.5,
    of="steel",
    parts={"body": "green red blue", "wheels": "black", "cab": "= white"},
    details={"chimney": "grey black", "rims": "yellow"},
)
def _tractor(rng: Rng) -> Solids:
    big, small = rng.uniform(0.26, 0.29), rng.uniform(0.14, 0.16)
    hood = box((0.26, 0.52, 0.22), (0, -0.2, 0.22), edge=0.02)
    rear = box((0.3, 0.36, 0.26), (0, 0.2, 0.2))
    posts = [box((0.035, 0.035, 0.34), (x, y, 0.44)) for x in (-0.14, 0.14) for y in (0.05, 0.36)]
    roof = box((0.38, 0.42, 0.045), (0, 0.2, 0.76))
    wheels = [wheel(big, 0.13, (x, 0.22, big)) for x in (-0.22, 0.22)] + [
        wheel(small, 0.1, (x, -0.3, small)) for x in (-0.18, 0.18)
    ]
    rims = [
        wheel(0.5 * s, 0.03, (i * x, y, s)) for i in (-1, 1) for s, x, y in ((big, 0.285, 0.22), (small, 0.23, -0.3))
    ]
    pipe = rod((0.06, -0.26, 0.4), (0.06, -0.26, 0.66), 0.028)
    return {"body": [hood, rear], "wheels": wheels, "cab": [*posts, roof], "chimney": [pipe], "rims": rims}
