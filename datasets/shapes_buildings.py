"""Nouns of the town."""

from __future__ import annotations

import numpy as np

from scenekit.datasets.shapes_parts import (
    Rng,
    Solids,
    box,
    circle,
    cut,
    lathe,
    noun,
    plate,
    rod,
    side_plate,
    vessel,
)


@noun(
    size=9.0,
    of="concrete",
    parts={
        "walls": "white yellow red cyan",
        "roof": "red brown grey",
        "door": "brown blue",
        "windows": "cyan blue",
    },
    details={"chimney": "brown grey"},
)
def _house(rng: Rng) -> Solids:
    w, d, wall = rng.uniform(0.7, 0.8), rng.uniform(0.55, 0.7), rng.uniform(0.4, 0.48)
    ridge = wall + rng.uniform(0.32, 0.4)
    body = plate([(-w / 2, 0), (w / 2, 0), (w / 2, wall), (0, ridge - 0.03), (-w / 2, wall)], d)
    slope = (ridge - wall) / (w / 2)
    eave = w / 2 + 0.08
    low = wall - 0.08 * slope
    roof = plate(
        [(-eave, low), (0, ridge - 0.02), (eave, low), (eave, low + 0.08), (0, ridge + 0.06), (-eave, low + 0.08)],
        d + 0.12,
    )
    windows = [box((0.14, d + 0.03, 0.15), (x, 0, 0.2)) for x in (-0.28 * w, 0.28 * w)]
    windows += [box((w + 0.03, 0.16, 0.15), (0, 0, 0.2))]
    door = box((0.16, 0.05, 0.29), (0, -d / 2, 0))
    chimney = box((0.1, 0.1, 0.3), (0.24 * w, 0.1, ridge - 0.17))
    return {"walls": [body], "roof": [roof], "door": [door], "windows": windows, "chimney": [chimney]}


@noun(
    size=30.0,
    of="stone",
    parts={"walls": "grey brown white", "roof": "red blue green"},
    details={"windows": "black", "door": "brown black"},
)
def _tower(rng: Rng) -> Solids:
    r, h = rng.uniform(0.14, 0.17), rng.uniform(0.62, 0.7)
    walls = [
        rod((0, 0, 0), (0, 0, h), 1.1 * r, r, segments=20),
        rod((0, 0, h - 0.06), (0, 0, h + 0.02), 1.3 * r, segments=20),
    ]
    roof = rod((0, 0, h + 0.01), (0, 0, 1.0), 1.45 * r, 0.0, segments=20)
    windows = [box((2.3 * r, 0.06, 0.1), (0, 0, z), turn=(0, 0, a)) for z, a in ((0.3, 90), (0.45, 0))]
    return {"walls": walls, "roof": [roof], "windows": windows, "door": [box((0.11, 0.05, 0.16), (0, -1.08 * r, 0))]}


@noun(size=50.0, of="stone", parts={"walls": "grey brown white", "roofs": "blue red", "gate": "brown black"})
def _castle(rng: Rng) -> Solids:
    half, h, r = 0.37, rng.uniform(0.26, 0.32), rng.uniform(0.1, 0.12)
    outer = box((2 * half, 2 * half, h))
    walls = cut(outer, box((2 * half - 0.16, 2 * half - 0.16, h), (0, 0, 0.06)))
    teeth = [
        box((0.07, 0.07, 0.06), (x, y, h - 0.01))
        for t in np.linspace(-0.2, 0.2, 3)
        for x, y in ((t, -half + 0.04), (t, half - 0.04), (-half + 0.04, t), (half - 0.04, t))
    ]
    corners = [(x, y) for x in (-half, half) for y in (-half, half)]
    towers = [rod((x, y, 0), (x, y, h + 0.18), r, segments=14) for x, y in corners]
    roofs = [rod((x, y, h + 0.17), (x, y, h + 0.42), 1.25 * r, 0.0, segments=14) for x, y in corners]
    keep = box((0.26, 0.26, h + 0.25), (0, 0.05, 0))
    crown = [box((0.07, 0.07, 0.06), (x, 0.05 + y, h + 0.24)) for x in (-0.1, 0.1) for y in (-0.1, 0.1)]
    gate = plate([(-0.08, 0), (0.08, 0), (0.08, 0.14), (0.04, 0.19), (-0.04, 0.19), (-0.08, 0.14)], 0.06, (0, -half, 0))
    return {"walls": [walls, *teeth, *towers, keep, *crown], "roofs": roofs, "gate": [gate]}


@noun(
    size=15.0,
    of="wood",
    parts={"walls": "white brown", "roof": "red brown", "sails": "white grey"},
    details={"door": "brown black"},
)
def _windmill(rng: Rng) -> Solids:
    low, high, h = rng.uniform(0.2, 0.23), rng.uniform(0.12, 0.14), rng.uniform(0.52, 0.58)
    hub = h + 0.06
    walls = rod((0, 0, 0), (0, 0, h), low, high, segments=8)
    cap = lathe((0, h - 0.02), (high + 0.03, h - 0.02), (high * 0.9, h + 0.1), (0, h + 0.18), segments=16)
    turn = rng.uniform(15, 75)
    arm = box((0.035, 0.03, 0.42), (0, -0.2, -0.02))
    cloth = box((0.11, 0.02, 0.32), (0.05, -0.2, 0.09))
    sails = [
        part.rotate((0, float(turn) + 90 * k, 0)).translate((0, 0, hub)) for k in range(4) for part in (arm, cloth)
    ]
    axle = rod((0, -0.24, hub), (0, 0, hub), 0.045)
    door = box((0.1, 0.08, 0.17), (0, -0.94 * low, 0))
    return {"walls": [walls], "roof": [cap, axle], "sails": sails, "door": [door]}


@noun(
    size=25.0,
    of="concrete",
    parts={"body": "white", "stripes": "red blue black", "lantern": "yellow"},
    details={"cap": "red black"},
)
def _lighthouse(rng: Rng) -> Solids:
    low, high, h = rng.uniform(0.17, 0.2), rng.uniform(0.1, 0.12), 0.76

    def radius(z: float) -> float:
        return low + (high - low) * z / h

    stripes = [
        rod((0, 0, a), (0, 0, b), radius(a) + 0.012, radius(b) + 0.012, segments=24)
        for a, b in ((0.12, 0.27), (0.42, 0.57))
    ]
    gallery = rod((0, 0, h - 0.02), (0, 0, h + 0.02), 1.6 * high, segments=24)
    cap = rod((0, 0, h + 0.12), (0, 0, 1.0), 1.05 * high, 0.0, segments=20)
    body = rod((0, 0, 0), (0, 0, h), low, high, segments=24)
    return {
        "body": [body],
        "stripes": stripes,
        "lantern": [rod((0, 0, h), (0, 0, h + 0.13), 0.75 * high)],
        "cap": [cap, gallery],
    }


@noun(
    size=3.0,
    of="fabric",
    parts={"body": "orange green blue red", "opening": "black brown"},
    details={"poles": "brown grey"},
)
def _tent(rng: Rng) -> Solids:
    w, h = rng.uniform(0.75, 0.9), rng.uniform(0.55, 0.65)
    body = plate([(-w / 2, 0), (w / 2, 0), (0.02, h), (-0.02, h)], 1.0)
    opening = plate([(-0.2 * w, 0), (0.2 * w, 0), (0, 0.72 * h)], 0.03, (0, -0.5, 0))
    poles = [rod((0, y, 0), (0, y, h + 0.06), 0.02) for y in (-0.49, 0.49)]
    return {"body": [body], "opening": [opening], "poles": poles}


@noun(size=20.0, of="stone", parts={"body": "grey brown red", "railing": "="})
def _bridge(rng: Rng) -> Solids:
    w, h, r = rng.uniform(0.24, 0.3), rng.uniform(0.34, 0.4), 0.15
    deck = [(-0.5, 0), (0.5, 0), (0.5, h - 0.1), (0.2, h), (-0.2, h), (-0.5, h - 0.1)]
    arches = [plate(circle((r, 1.75 * r), (x, 0)), 1.0) for x in (-0.24, 0.24)]
    top = [
        (-0.5, h - 0.1),
        (-0.2, h),
        (0.2, h),
        (0.5, h - 0.1),
        (0.5, h - 0.02),
        (0.2, h + 0.08),
        (-0.2, h + 0.08),
        (-0.5, h - 0.02),
    ]
    railings = [plate([(x, z - 0.01) for x, z in top], 0.035, (0, y, 0)) for y in (-w / 2 + 0.017, w / 2 - 0.017)]
    return {"body": [cut(plate(deck, w), *arches)], "railing": railings}


@noun(size=4.0, of="snow", parts={"body": "white"}, details={"opening": "black", "grooves": "grey"})
def _igloo(rng: Rng) -> Solids:
    r = rng.uniform(0.42, 0.46)
    angle = np.radians(np.linspace(0, 90, 10))
    dome = lathe((0, 0), *zip(r * np.cos(angle), r * np.sin(angle), strict=True), segments=28)
    arch = [(-0.17, 0), (0.17, 0), (0.17, 0.12), (0.12, 0.23), (0.0, 0.28), (-0.12, 0.23), (-0.17, 0.12)]
    tunnel = plate(arch, 0.3, (0, -0.44, 0))
    opening = plate([(0.72 * x, 0.78 * z) for x, z in arch], 0.03, (0, -0.59, 0))
    rings = [
        lathe((0.9 * r * np.cos(a), r * np.sin(a) - 0.008), (r * np.cos(a) + 0.008, r * np.sin(a) - 0.008),
              (r * np.cos(a) + 0.003, r * np.sin(a) + 0.012), (0.9 * r * np.cos(a), r * np.sin(a) + 0.012), segments=28)
        for a in np.radians([20, 40, 60])
    ]  # fmt: skip
    return {"body": [dome, tunnel], "opening": [opening], "grooves": rings}


@noun(size=1.2, of="stone", parts={"body": "grey brown red", "roof": "red brown", "bucket": "brown"})
def _well(rng: Rng) -> Solids:
    r, h = rng.uniform(0.3, 0.34), rng.uniform(0.28, 0.34)
    basin = vessel((r, 0), (r, h), wall=0.07, segments=20)
    posts = [box((0.06, 0.06, 0.78), (x, 0, 0)) for x in (-r + 0.037, r - 0.037)]
    beam = rod((-r, 0, 0.62), (r, 0, 0.62), 0.03)
    roof = side_plate([(-0.34, 0.74), (0.34, 0.74), (0, 1.0)], 2 * r + 0.16)
    pail = rod((0, 0, 0.3), (0, 0, 0.44), 0.07, 0.09)
    rope = rod((0, 0, 0.43), (0, 0, 0.62), 0.014)
    return {"body": [basin], "roof": [roof, *posts, beam], "bucket": [pail, rope]}


@noun(size=1.5, of="wood", parts={"body": "white brown green"})
def _fence(rng: Rng) -> Solids:
    h, count = rng.uniform(0.42, 0.52), 6
    w = 0.11
    pickets = [
        plate([(x - w / 2, 0), (x + w / 2, 0), (x + w / 2, h - 0.07), (x, h), (x - w / 2, h - 0.07)], 0.04)
        for x in np.linspace(-0.445, 0.445, count)
    ]
    rails = [box((1, 0.04, 0.06), (0, 0.035, z)) for z in (0.22 * h, 0.68 * h)]
    return {"body": pickets + rails}
