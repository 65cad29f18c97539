"""Nouns that are plain bodies, tools, clothes and signs."""

from __future__ import annotations

import numpy as np

from scenekit.datasets.shapes_parts import (
    Rng,
    Solids,
    around,
    bent,
    box,
    circle,
    cut,
    disc,
    flat_plate,
    hull,
    lathe,
    noun,
    plate,
    rod,
    turned,
)
from scenekit.datasets.shapes_parts import (
    ball as round_ball,
)
from scenekit.datasets.shapes_parts import (
    ring as torus,
)


@noun(size=0.2, of="rubber", parts={"body": "red blue orange", "stripe": "white yellow"})
def _ball(rng: Rng) -> Solids:
    tilt = rng.uniform(-25, 25)
    w = rng.uniform(0.05, 0.08)
    stripe = (
        lathe((0.3, -w), (0.508, -w), (0.515, 0), (0.508, w), (0.3, w))
        .rotate((float(tilt), float(tilt), 0))
        .translate((0, 0, 0.5))
    )
    return {"body": [round_ball(0.5, (0, 0, 0.5), segments=32)], "stripe": [stripe]}


@noun(size=0.1, of="wood", parts={"body": "red blue green yellow"}, carries=True)
def _cube(rng: Rng) -> Solids:
    return {"body": [box((1, 1, 1), edge=rng.uniform(0.0, 0.05))]}


@noun(size=0.1, of="plastic", parts={"body": "orange yellow red purple"})
def _cone(rng: Rng) -> Solids:
    return {"body": [rod((0, 0, 0), (0, 0, 1), rng.uniform(0.38, 0.48), 0.0, segments=32)]}


@noun(size=0.1, of="stone", parts={"body": "yellow brown orange"})
def _pyramid(rng: Rng) -> Solids:
    return {"body": [rod((0, 0, 0), (0, 0, rng.uniform(0.75, 1.0)), 0.7, 0.0, segments=4).rotate((0, 0, 45))]}


@noun(size=0.1, of="wood", parts={"body": "green purple red"}, carries=True)
def _cylinder(rng: Rng) -> Solids:
    return {"body": [rod((0, 0, 0), (0, 0, 1), rng.uniform(0.3, 0.4), segments=32)]}


@noun(size=0.1, of="foam", parts={"dough": "brown orange", "icing": "pink white"}, details={"sprinkles": "blue green"})
def _donut(rng: Rng) -> Solids:
    thick = rng.uniform(0.15, 0.18)
    r = 0.5 - thick
    dough = torus(r, thick, (0, 0, thick))
    icing = torus(r, thick * 1.03, (0, 0, thick * 1.06)).trim_by_plane((0, 0, 1), thick * 1.15)
    points = around(9, r, 2.06 * thick)
    sprinkles = [
        box((0.07, 0.025, 0.03), (x * s, y * s, z - 0.025), turn=(0, 0, float(a)))
        for (x, y, z), s, a in zip(points, rng.uniform(0.9, 1.1, 9), rng.uniform(0, 180, 9), strict=True)
    ]
    return {"dough": [dough], "icing": [icing], "sprinkles": sprinkles}


@noun(size=0.03, of="steel", parts={"band": "yellow grey", "gem": "cyan red green"})
def _ring(rng: Rng) -> Solids:
    thick = rng.uniform(0.045, 0.06)
    band = torus(0.36, thick, (0, 0, 0.36 + thick), turn=(90, 0, 0))
    top = 0.72 + 2 * thick
    gem = lathe((0, top - 0.05), (0.06, top - 0.03), (0.15, top + 0.1), (0.1, top + 0.17), (0, top + 0.17), segments=8)
    return {"band": [band], "gem": [gem]}


@noun(size=0.3, of="fabric", parts={"body": "black brown grey", "band": "red white blue"})
def _hat(rng: Rng) -> Solids:
    r, h = rng.uniform(0.26, 0.29), rng.uniform(0.5, 0.62)
    brim = turned((0, 0), (0.44, 0.0), (0.5, 0.06), (0.5, 0.09), (0.3, 0.05), (0, 0.05))
    crown = lathe((0, 0.02), (r, 0.02), (1.08 * r, h), (0, h))
    return {"body": [brim, crown], "band": [rod((0, 0, 0.05), (0, 0, 0.18), r + 0.02, segments=32)]}


@noun(size=0.3, of="steel", parts={"body": "yellow grey", "gems": "red blue green"})
def _crown(rng: Rng) -> Solids:
    count, h = int(rng.integers(5, 7)), rng.uniform(0.55, 0.65)
    wall = cut(
        rod((0, 0, 0), (0, 0, h), 0.4, 0.48, segments=36), rod((0, 0, -0.1), (0, 0, h + 0.1), 0.35, 0.44, segments=36)
    )
    notch = plate([(-0.25, h + 0.01), (0.25, h + 0.01), (0, 0.24)], 1.0, (0, -0.5, 0))
    start = -90 + 180 / count
    notches = [notch.rotate((0, 0, 360 / count * k + start + 90)) for k in range(count)]
    tips = [round_ball(0.055, point, segments=12) for point in around(count, 0.45, h - 0.01, start=-90)]
    gems = [round_ball(0.06, point, segments=12) for point in around(count, 0.41, 0.14, start=-90)]
    return {"body": [cut(wall, *notches), *tips], "gems": gems}


@noun(size=0.3, of="steel", parts={"head": "grey black red", "handle": "brown yellow"})
def _hammer(rng: Rng) -> Solids:
    length, w = rng.uniform(0.44, 0.52), rng.uniform(0.13, 0.16)
    z = 1 - w / 2
    face = rod((-0.5 * length, 0, z), (0.05, 0, z), w / 2)
    claw = hull(box((0.04, w, w), (0.02, 0, z - w / 2)), box((0.02, w, 0.04), (0.55 * length, 0, z - w / 2 - 0.03)))
    neck = box((0.12, 0.12, w), (0, 0, z - w / 2))
    handle = [rod((0, 0, 0), (0, 0, 1.0 - w / 2), 0.05, 0.04), rod((0, 0, 0), (0, 0, 0.35), 0.06)]
    return {"head": [face, claw, neck], "handle": handle}


@noun(size=0.07, of="steel", parts={"body": "yellow grey"})
def _key(rng: Rng) -> Solids:
    r, depth = rng.uniform(0.17, 0.2), 0.09
    z = 1 - r
    bow = cut(disc(r, depth, (0, 0, z)), disc(0.5 * r, 1.0, (0, 0, z)))
    shaft = box((0.1, depth, z - 0.8 * r), (0, 0, 0))
    teeth = [box((0.17, depth, 0.07), (0.12, 0, a)) for a in (0.0, 0.13)] + [box((0.11, depth, 0.06), (0.08, 0, 0.25))]
    return {"body": [bow, shaft, *teeth]}


@noun(size=1.0, of="steel", parts={"blade": "grey white", "hilt": "yellow brown"})
def _sword(rng: Rng) -> Solids:
    w = rng.uniform(0.05, 0.065)
    blade = plate([(0, 0), (w, 0.1), (w, 0.72), (-w, 0.72), (-w, 0.1)], 0.04)
    hilt = [
        box((0.34, 0.07, 0.05), (0, 0, 0.7)),
        rod((0, 0, 0.72), (0, 0, 0.93), 0.032),
        round_ball(0.05, (0, 0, 0.95), segments=14),
    ]
    return {"blade": [blade], "hilt": hilt}


@noun(size=0.9, of="fabric", parts={"canopy": "red blue yellow purple", "handle": "brown black"})
def _umbrella(rng: Rng) -> Solids:
    r, drop = 0.5, rng.uniform(0.24, 0.3)
    angle = np.linspace(0, np.pi / 2, 7)
    outer = [(r * float(np.sin(a)), 0.95 - drop + drop * float(np.cos(a))) for a in angle]
    inner = [(0.95 * x, z - 0.04) for x, z in reversed(outer)]
    canopy = lathe(*outer, *inner, segments=8)
    stick = rod((0, 0, 0.12), (0, 0, 1.0), 0.022)
    hook = bent((0, 0, 0.2), (0, 0, 0.0), (0.16, 0, 0.0), (0.16, 0, 0.12), radius=0.03, columns=8)
    return {"canopy": [canopy], "handle": [stick, hook]}


@noun(size=0.2, of="steel", parts={"body": "yellow grey"}, details={"handle": "brown black", "clapper": "black grey"})
def _bell(rng: Rng) -> Solids:
    r, h = rng.uniform(0.36, 0.42), rng.uniform(0.58, 0.66)
    body = turned((0, 0.1), (r - 0.08, 0.06), (r, 0.06), (0.62 * r, 0.2), (0.6 * r, 0.55), (0.3 * r, h), (0, h))
    handle = torus(0.1, 0.035, (0, 0, h + 0.09), turn=(90, 0, 0), segments=18)
    return {"body": [body], "handle": [handle], "clapper": [round_ball(0.09, (0, 0, 0.09), segments=14)]}


@noun(size=0.3, of="plastic", parts={"body": "yellow red blue"})
def _star(rng: Rng) -> Solids:
    inner = rng.uniform(0.19, 0.23)
    angle = np.pi / 2 + np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2, inner, 0.52)
    outline = np.stack([radius * np.cos(angle), 0.42 + radius * np.sin(angle)], 1)
    rim, middle = plate(outline, 0.06), (0.0, 0.42)
    peaks = [
        hull(
            plate(np.array([outline[k], outline[(k + 1) % 10], middle]), 0.06),
            round_ball(0.02, (0, y, 0.42), segments=8),
        )
        for k in range(10)
        for y in (-0.13, 0.13)
    ]
    return {"body": [rim, *peaks]}


@noun(size=0.3, of="plastic", parts={"body": "red pink purple"})
def _heart(rng: Rng) -> Solids:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    z = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    outline = np.stack([x, z + 17], 1) / 33
    depth = rng.uniform(0.24, 0.3)
    bevel = np.stack([x * 0.82, (z + 2) * 0.82 + 15], 1) / 33
    return {"body": [plate(outline, 0.6 * depth), plate(bevel, depth)]}


@noun(size=0.3, of="steel", parts={"weights": "black red grey", "bar": "grey black"})
def _dumbbell(rng: Rng) -> Solids:
    big = rng.uniform(0.19, 0.23)
    weights = [
        rod((i * a, 0, big), (i * b, 0, big), s * big, segments=24)
        for i in (-1, 1)
        for a, b, s in ((0.22, 0.34, 1.0), (0.33, 0.44, 0.76))
    ]
    return {"weights": weights, "bar": [rod((-0.5, 0, big), (0.5, 0, big), 0.045)]}


@noun(size=0.3, of="steel", parts={"body": "grey yellow black"})
def _gear(rng: Rng) -> Solids:
    teeth, depth = int(rng.integers(8, 11)), rng.uniform(0.16, 0.22)
    r = 0.37
    tooth = plate([(-0.085, r - 0.05), (0.085, r - 0.05), (0.055, 0.5), (-0.055, 0.5)], depth)
    around_rim = [tooth.rotate((0, 360 / teeth * k, 0)).translate((0, 0, 0.5)) for k in range(teeth)]
    return {"body": [cut(disc(r, depth, (0, 0, 0.5), segments=36), disc(0.15, 1.0, (0, 0, 0.5))), *around_rim]}


@noun(size=0.3, of="rubber", parts={"body": "brown black red white", "sole": "white black", "laces": "white yellow"})
def _shoe(rng: Rng) -> Solids:
    h = rng.uniform(0.42, 0.48)
    sole = flat_plate(circle((0.17, 0.5)), 0.09)
    upper = hull(
        flat_plate(circle((0.15, 0.46)), 0.05, (0, 0, 0.07)), flat_plate(circle((0.12, 0.4)), 0.02, (0, -0.02, 0.2))
    )
    ankle = hull(
        flat_plate(circle((0.14, 0.24), (0, 0.2)), 0.02, (0, 0, 0.1)),
        flat_plate(circle((0.12, 0.18), (0, 0.24)), 0.02, (0, 0, h)),
    )
    ankle = cut(ankle, flat_plate(circle((0.085, 0.14), (0, 0.24)), 0.3, (0, 0, h - 0.12)))
    laces = [
        box((0.2, 0.045, 0.04), (0, y, z), turn=(-35, 0, 0)) for y, z in ((-0.17, 0.17), (-0.08, 0.2), (0.0, 0.27))
    ]
    return {"body": [upper, ankle], "sole": [sole], "laces": laces}


@noun(size=0.9, of="steel", parts={"body": "grey black"})
def _anvil(rng: Rng) -> Solids:
    w = rng.uniform(0.2, 0.25)
    foot = hull(box((0.56, w + 0.12, 0.08)), box((0.4, w, 0.04), (0, 0, 0.12)))
    waist = box((0.28, 0.7 * w, 0.3), (0, 0, 0.1))
    top = box((0.56, w, 0.18), (0.1, 0, 0.36))
    horn = hull(box((0.02, w, 0.18), (-0.17, 0, 0.36)), round_ball(0.03, (-0.5, 0, 0.49), segments=10))
    return {"body": [foot, waist, top, horn]}


@noun(
    size=0.5,
    of="wood",
    parts={"body": "red blue green white", "rims": "white yellow"},
    details={"skins": "white yellow"},
    carries=True,
)
def _drum(rng: Rng) -> Solids:
    r, h = 0.45, rng.uniform(0.5, 0.6)
    rims = [rod((0, 0, z), (0, 0, z + 0.07), r + 0.03, segments=32) for z in (0.0, h - 0.06)]
    skin = rod((0, 0, h), (0, 0, h + 0.02), r - 0.02, segments=32)
    zigzag = [
        rod(
            (*around(12, r, start=30 * k)[0][:2], 0.05),
            (*around(12, r, start=30 * (k + 1))[0][:2], h - 0.03),
            0.018,
            segments=6,
        )
        for k in range(0, 12, 2)
    ]
    zigzag += [
        rod(
            (*around(12, r, start=30 * k)[0][:2], h - 0.03),
            (*around(12, r, start=30 * (k + 1))[0][:2], 0.05),
            0.018,
            segments=6,
        )
        for k in range(1, 12, 2)
    ]
    return {"body": [rod((0, 0, 0.02), (0, 0, h), r, segments=32)], "rims": [*rims, *zigzag], "skins": [skin]}
