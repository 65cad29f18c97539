"""Nouns that grow."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from scenekit.datasets.shapes_parts import (
    Rng,
    Solids,
    around,
    ball,
    bent,
    box,
    cut,
    flat_plate,
    hull,
    lathe,
    noun,
    ring,
    rod,
    turned,
)
from scenekit.datasets.tabletop_shapes import smooth_curve


@noun(size=5.0, of="wood", parts={"crown": "green orange", "trunk": "brown"})
def _tree(rng: Rng) -> Solids:
    h, r = rng.uniform(0.32, 0.4), rng.uniform(0.26, 0.3)
    blobs = [ball((r, r, 0.28), (0, 0, 0.7))]
    blobs += [
        ball(0.62 * r, (x, y, rng.uniform(0.55, 0.72)), segments=16)
        for x, y, _ in around(5, 0.72 * r, start=rng.uniform(0, 70))
    ]
    branches = [rod((0, 0, 0.25), (0.2 * i, 0.05 * i, 0.5), 0.03) for i in (-1, 1)]
    return {"crown": blobs, "trunk": [rod((0, 0, 0), (0, 0, h + 0.2), 0.075, 0.045), *branches]}


@noun(size=8.0, of="wood", parts={"needles": "green cyan white", "trunk": "brown"})
def _pine(rng: Rng) -> Solids:
    r, tiers = rng.uniform(0.3, 0.36), 4
    z = np.linspace(0.16, 0.74, tiers)
    cones = [
        rod((0, 0, float(a)), (0, 0, float(a) + 0.3), r * (1 - 0.8 * (float(a) - 0.16)), 0.03, segments=16)
        for a in z[:-1]
    ]
    cones += [rod((0, 0, 0.68), (0, 0, 1.0), 0.52 * r, 0.0, segments=16)]
    return {"needles": cones, "trunk": [rod((0, 0, 0), (0, 0, 0.3), 0.06)]}


@noun(size=6.0, of="wood", parts={"leaves": "green", "trunk": "brown"}, details={"coconuts": "brown orange"})
def _palm(rng: Rng) -> Solids:
    lean = rng.uniform(0.05, 0.14)
    trunk = bent((0, 0, 0), (0, 0, 0.3), (lean, 0, 0.55), (lean, 0, 0.82), radius=0.045, columns=8)
    leaf = [(0.02, 0.84, 0.02), (0.16, 0.93, 0.07), (0.3, 0.89, 0.075), (0.42, 0.74, 0.02)]
    fronds = []
    for angle in np.arange(0, 360, 60) + rng.uniform(0, 60):
        pieces = [box((0.02, 2 * w, 0.025), (x, 0, z)) for x, z, w in leaf]
        fronds += [hull(a, b).rotate((0, 0, float(angle))).translate((lean, 0, 0)) for a, b in pairwise(pieces)]
    nuts = [ball(0.05, (lean + x, y, 0.8), segments=12) for x, y, _ in around(3, 0.06)]
    return {"leaves": fronds, "trunk": [trunk], "coconuts": nuts}


@noun(size=0.3, of="fruit", parts={"body": "green", "pot": "orange brown red", "flower": "pink yellow"})
def _cactus(rng: Rng) -> Solids:
    r = rng.uniform(0.1, 0.12)
    low, high = rng.uniform(0.4, 0.5), rng.uniform(0.48, 0.58)
    body = [bent((0, 0, 0.2), (0, 0, 0.6), (0, 0, 0.95), radius=r, rows=5, columns=12)]
    arms = [
        bent((0, 0, low), (-0.26, 0, low), (-0.26, 0, low + 0.26), radius=0.6 * r, columns=10),
        bent((0, 0, high), (0.25, 0, high), (0.25, 0, high + 0.26), radius=0.55 * r, columns=10),
    ]
    pot = [rod((0, 0, 0), (0, 0, 0.24), 0.15, 0.2, segments=24), rod((0, 0, 0.2), (0, 0, 0.28), 0.23, segments=24)]
    return {"body": body + arms, "pot": pot, "flower": [ball(0.06, (0, 0, 0.95 + r), segments=12)]}


@noun(size=0.1, of="foam", parts={"cap": "red brown orange", "stem": "white"}, details={"spots": "white yellow"})
def _mushroom(rng: Rng) -> Solids:
    r, h = rng.uniform(0.42, 0.48), rng.uniform(0.46, 0.56)
    top = rng.uniform(0.32, 0.4)
    angle = np.radians(np.linspace(0, 90, 8))
    cap = lathe((0, h + 0.05), (0.7 * r, h), *zip(r * np.cos(angle), h + 0.02 + top * np.sin(angle), strict=True))
    stem = turned((0, 0), (0.22, 0), (0.12, 0.2), (0.15, h + 0.1), (0, h + 0.1))
    spots = [ball((0.08, 0.08, 0.05), (0, 0, h + 0.02 + top), segments=12)]
    for count, tilt, start in ((4, 48, 45), (7, 20, 10)):
        c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
        spots += [
            ball(0.06, (x, y, h + 0.02 + top * float(s)), segments=12)
            for x, y, _ in around(count, float(r * c) - 0.02, start=start)
        ]
    return {"cap": [cap], "stem": [stem], "spots": spots}


@noun(
    size=0.4,
    of="fruit",
    parts={"petals": "red yellow pink purple white", "centre": "yellow brown orange"},
    details={"stem": "green"},
)
def _flower(rng: Rng) -> Solids:
    r, count = rng.uniform(0.13, 0.16), int(rng.integers(6, 9))
    z = 1 - 1.9 * r
    petals = [
        ball((0.09, 0.03, r), (0, 0, 0), segments=14)
        .translate((0, 0, r))
        .rotate((0, 360 / count * k, 0))
        .translate((0, -0.02, z))
        for k in range(count)
    ]
    centre = ball((0.1, 0.06, 0.1), (0, -0.04, z))
    leaf = ball((0.15, 0.06, 0.03), (0.13, 0, 0), turn=(0, -35, 0))
    leaves = [leaf.translate((0, 0, 0.22)), leaf.mirror((1, 0, 0)).translate((0, 0, 0.32))]
    stem = rod((0, 0.01, 0.0), (0, 0.01, z), 0.03)
    return {"petals": petals, "centre": [centre], "stem": [stem, *leaves, rod((0, 0.01, 0), (0, 0.01, 0.03), 0.07)]}


@noun(size=0.08, of="fruit", parts={"body": "red green yellow", "leaf": "green"}, details={"stem": "brown"})
def _apple(rng: Rng) -> Solids:
    r, h = rng.uniform(0.45, 0.5), rng.uniform(0.82, 0.92)
    body = turned(
        (0, 0.06), (0.18, 0), (r * 1.08, 0.15), (r * 1.22, 0.75 * h), (0.34, h * 1.06), (0, 0.78 * h), rows=24
    )
    stem = rod((0, 0, 0.72 * h), (0.05, 0, h + 0.16), 0.03)
    leaf = ball((0.16, 0.08, 0.03), (0.17, 0, h + 0.1), turn=(0, -20, 0), segments=14)
    return {"body": [body], "leaf": [leaf], "stem": [stem]}


@noun(size=0.1, of="fruit", parts={"body": "green yellow", "leaf": "green"}, details={"stem": "brown"})
def _pear(rng: Rng) -> Solids:
    r, neck = rng.uniform(0.33, 0.37), rng.uniform(0.14, 0.17)
    body = turned(
        (0, 0.02), (0.2, 0), (r * 1.2, 0.1), (r * 1.1, 0.45), (0.8 * neck, 0.56), (neck, 0.88), (0, 0.9), rows=24
    )
    leaf = ball((0.14, 0.07, 0.025), (0.15, 0, 0.95), turn=(0, -25, 0), segments=14)
    return {"body": [body], "leaf": [leaf], "stem": [rod((0, 0, 0.82), (0.04, 0, 1.0), 0.025)]}


@noun(size=0.2, of="fruit", parts={"body": "yellow green", "tips": "brown black"})
def _banana(rng: Rng) -> Solids:
    reach, thick = rng.uniform(62, 72), rng.uniform(0.1, 0.12)
    angles = np.radians(np.linspace(-reach, reach, 13))
    radius = thick * (np.cos(np.linspace(-1.35, 1.35, 13)) * 0.75 + 0.25)
    centres = [(0.5 * float(np.sin(a)), 0.0, 0.5 + thick - 0.5 * float(np.cos(a))) for a in angles]
    beads = [ball(float(r), c, segments=12) for r, c in zip(radius, centres, strict=True)]
    body = [hull(a, b) for a, b in pairwise(beads)]
    (x, _, z), tilt = centres[-1], angles[-1]
    stalk = rod((x, 0, z), (x + 0.1 * float(np.cos(tilt)), 0, z + 0.1 * float(np.sin(tilt)) + 0.05), 0.04)
    return {"body": body, "tips": [stalk, ball(0.055, centres[0], segments=12)]}


@noun(size=0.2, of="fruit", parts={"body": "orange purple", "leaves": "green"})
def _carrot(rng: Rng) -> Solids:
    r, shoulder = rng.uniform(0.13, 0.16), rng.uniform(0.62, 0.68)
    body = turned(
        (0, 0), (0.03, 0.0), (r * 1.05, 0.8 * shoulder), (r * 1.15, shoulder + 0.03), (0, shoulder + 0.02), segments=20
    )
    grooves = [ring(r * s, 0.012, (0, 0, z), segments=20) for s, z in ((0.97, 0.52), (0.7, 0.3))]
    leaves = [
        ball((0.05, 0.05, 0.19), (0, 0, 0.17), segments=12)
        .rotate((24 * float(np.sin(a)), 24 * float(np.cos(a)), 0))
        .translate((0, 0, shoulder))
        for a in np.arange(5) * 2 * np.pi / 5
    ]
    return {
        "body": [cut(body, *grooves)],
        "leaves": [*leaves, ball((0.06, 0.06, 0.18), (0, 0, shoulder + 0.16), segments=12)],
    }


@noun(size=0.35, of="fruit", parts={"body": "orange green white", "stem": "green brown"})
def _pumpkin(rng: Rng) -> Solids:
    ribs, h = int(rng.integers(8, 11)), rng.uniform(0.34, 0.4)
    lobes = [ball((0.17, 0.27, h), (0.0, 0.22, h), segments=16).rotate((0, 0, 360 / ribs * k)) for k in range(ribs)]
    stem = bent((0, 0, 1.6 * h), (0, 0, 2.1 * h), (0.12, 0, 2.4 * h), radius=0.055, columns=8)
    return {"body": [*lobes, rod((0, 0, 0.1), (0, 0, 1.8 * h), 0.2)], "stem": [stem]}


@noun(size=0.25, of="fruit", parts={"body": "orange yellow brown", "leaves": "green"})
def _pineapple(rng: Rng) -> Solids:
    r, h = rng.uniform(0.24, 0.27), rng.uniform(0.55, 0.6)
    body = turned((0, 0), (0.2, 0), (r * 1.15, 0.15), (r * 1.1, 0.45), (0.13, h), (0, h), segments=20)
    scales = [
        ball(0.05, point, segments=8)
        for k, z in enumerate(np.linspace(0.1, 0.48, 5))
        for point in around(9, r * (0.95 if 0 < k < 4 else 0.86), float(z), start=20 * (k % 2))
    ]
    spike = lathe((0, 0), (0.045, 0.04), (0.04, 0.15), (0, 0.4), segments=8)
    crown = [
        spike.rotate((tilt * float(np.sin(a)), tilt * float(np.cos(a)), 0)).translate((0, 0, h - 0.05))
        for tilt, count in ((45, 7), (20, 5))
        for a in np.arange(count) * 2 * np.pi / count
    ]
    return {"body": [body, *scales], "leaves": [*crown, spike.translate((0, 0, h - 0.02))]}


@noun(size=0.04, of="fruit", parts={"body": "red pink", "leaves": "green"}, details={"seeds": "yellow white"})
def _strawberry(rng: Rng) -> Solids:
    r = rng.uniform(0.38, 0.43)
    profile = [(0, 0), (0.14, 0.0), (r * 1.1, 0.45), (r * 1.2, 0.86), (0.12, 0.9), (0, 0.86)]
    body = turned(*profile, rows=24, segments=24)
    rising = smooth_curve(*profile, rows=24)[:20]
    seeds = [
        ball((0.035, 0.035, 0.05), point, segments=8)
        for k, z in enumerate((0.2, 0.4, 0.6))
        for point in around(7, float(np.interp(z, rising[:, 1], rising[:, 0])), z, start=25 * (k % 2))
    ]
    leaves = [
        flat_plate([(0.0, -0.05), (0.15, -0.09), (0.34, 0), (0.15, 0.09), (0, 0.05)], 0.04)
        .scale((1.1, 1.3, 1.5))
        .rotate((0, 14, 72 * k + 18))
        .translate((0, 0, 0.86))
        for k in range(5)
    ]
    return {"body": [body], "leaves": [*leaves, rod((0, 0, 0.75), (0.03, 0, 1.05), 0.045)], "seeds": seeds}
