"""Nouns with a face; it looks along −y."""

from __future__ import annotations

from scenekit.datasets.shapes_parts import (
    Rng,
    Solids,
    ball,
    bent,
    box,
    disc,
    hull,
    lathe,
    mirrored,
    noun,
    rod,
    side_plate,
    turned,
)


@noun(
    size=1.6,
    of="snow",
    parts={"body": "white", "hat": "black red blue", "nose": "orange", "scarf": "red green blue"},
    details={"coal": "black"},
)
def _snowman(rng: Rng) -> Solids:
    low, mid, top = rng.uniform(0.25, 0.28), rng.uniform(0.18, 0.2), rng.uniform(0.13, 0.145)
    belly = 1.55 * low + mid
    head = belly + 0.8 * mid + top
    body = [
        ball(low, (0, 0, 0.95 * low)).trim_by_plane((0, 0, 1), 0.0),
        ball(mid, (0, 0, belly)),
        ball(top, (0, 0, head)),
    ]
    brim = head + 0.6 * top
    hat = [rod((0, 0, brim), (0, 0, brim + 0.03), 1.25 * top), rod((0, 0, brim), (0, 0, brim + 0.17), 0.8 * top)]
    nose = rod((0, -0.8 * top, head), (0, -2.1 * top, head - 0.01), 0.035, 0.005)
    coal = [ball(0.024, (x, -0.9 * top, head + 0.045), segments=10) for x in (-0.05, 0.05)]
    coal += [ball(0.026, (0, -0.97 * mid, belly + z), segments=10) for z in (-0.07, 0.05)]
    arms = [rod((0.8 * mid * i, 0, belly + 0.03), (i * 0.42, 0, belly + 0.16), 0.018) for i in (-1, 1)]
    scarf = [
        lathe((0.03, -0.05), (0.95 * top, -0.04), (0.95 * top, 0.03), (0.03, 0.04)).translate((0, 0, head - 0.85 * top))
    ]
    scarf += [box((0.06, 0.05, 0.17), (0.07, -0.95 * mid + 0.03, belly - 0.02))]
    return {"body": body, "hat": hat, "nose": [nose], "scarf": scarf, "coal": [*coal, *arms]}


@noun(
    size=0.3,
    of="aluminium",
    parts={"body": "grey blue red yellow", "head": "=", "arms": "=", "legs": "="},
    details={"eyes": "yellow cyan", "panel": "black white", "antenna": "red orange"},
)
def _robot(rng: Rng) -> Solids:
    w, d = rng.uniform(0.34, 0.4), rng.uniform(0.22, 0.26)
    head = [box((0.3, 0.22, 0.22), (0, 0, 0.66), edge=0.02), rod((0, 0, 0.58), (0, 0, 0.68), 0.07)]
    arms = [
        solid
        for i in (-1, 1)
        for solid in (
            box((0.09, 0.11, 0.3), (i * (w / 2 + 0.06), 0, 0.31)),
            rod((i * (w / 2 - 0.02), 0, 0.56), (i * (w / 2 + 0.11), 0, 0.56), 0.06),
        )
    ]
    legs = [
        solid
        for i in (-1, 1)
        for solid in (box((0.11, 0.13, 0.26), (i * 0.1, 0, 0)), box((0.14, 0.22, 0.07), (i * 0.1, -0.03, 0)))
    ]
    eyes = [disc(0.045, 0.05, (x, -0.11, 0.8)) for x in (-0.07, 0.07)]
    panel = [box((0.2, 0.03, 0.15), (0, -d / 2, 0.38)), box((0.16, 0.03, 0.03), (0, -0.11, 0.69))]
    antenna = [rod((0, 0, 0.86), (0, 0, 0.97), 0.014), ball(0.035, (0, 0, 0.97), segments=12)]
    return {
        "body": [box((w, d, 0.37), (0, 0, 0.24), edge=0.02)],
        "head": head,
        "arms": arms,
        "legs": legs,
        "eyes": eyes,
        "panel": panel,
        "antenna": antenna,
    }


@noun(
    size=0.12,
    of="rubber",
    parts={"body": "yellow white brown", "beak": "orange red", "wings": "="},
    details={"eyes": "black white"},
)
def _duck(rng: Rng) -> Solids:
    r = rng.uniform(0.2, 0.23)
    body = ball((0.29, 0.42, 0.25), (0, 0.06, 0.25)).trim_by_plane((0, 0, 1), 0.04)
    tail = hull(ball(0.12, (0, 0.36, 0.33), segments=12), ball(0.03, (0, 0.54, 0.5), segments=12))
    head = ball(r, (0, -0.24, 0.66))
    neck = rod((0, -0.22, 0.35), (0, -0.24, 0.6), 0.17)
    beak = hull(
        ball((0.1, 0.03, 0.05), (0, -0.24 - 0.9 * r, 0.63), segments=12),
        ball((0.1, 0.05, 0.02), (0, -0.28 - 1.5 * r, 0.6), segments=12),
    )
    wings = mirrored(ball((0.06, 0.25, 0.14), (0.28, 0.1, 0.3), turn=(15, 0, 0)))
    eyes = mirrored(ball(0.04, (0.42 * r, -0.24 - 0.76 * r, 0.66 + 0.42 * r), segments=10))
    return {"body": [body, tail, head, neck], "beak": [beak], "wings": wings, "eyes": eyes}


@noun(
    size=0.3,
    of="fruit",
    parts={"body": "orange blue yellow", "fins": "= red", "tail": "= red"},
    details={"eyes": "black white"},
)
def _fish(rng: Rng) -> Solids:
    h, w = rng.uniform(0.2, 0.25), rng.uniform(0.1, 0.13)
    z = 0.32
    body = ball((w, 0.36, h), (0, -0.1, z))
    tail = side_plate([(0.18, z), (0.5, z + 0.24), (0.42, z), (0.5, z - 0.24)], 0.05)
    fins = [side_plate([(-0.22, z + 0.8 * h), (-0.02, z + h + 0.14), (0.14, z + 0.6 * h)], 0.04)]
    fins += [side_plate([(-0.12, z - 0.8 * h), (0.04, z - h - 0.1), (0.08, z - 0.7 * h)], 0.04)]
    fins += mirrored(ball((0.03, 0.1, 0.05), (w + 0.02, -0.08, z - 0.06), turn=(-20, 0, 25), segments=12))
    eyes = mirrored(ball(0.04, (0.62 * w, -0.35, z + 0.07), segments=12))
    return {"body": [body], "fins": fins, "tail": [tail], "eyes": eyes}


@noun(
    size=0.7,
    of="fabric",
    parts={"body": "brown white black grey", "ears": "= brown black", "collar": "red blue"},
    details={"nose": "black white"},
)
def _dog(rng: Rng) -> Solids:
    leg, length = rng.uniform(0.26, 0.34), rng.uniform(0.5, 0.58)
    back = leg + 0.1
    trunk = [box((0.24, length, 0.24), (0, 0.06, leg - 0.02), edge=0.05)]
    legs = [
        box((0.085, 0.09, leg + 0.05), (x, y, 0))
        for x in (-0.075, 0.075)
        for y in (0.06 - length / 2 + 0.06, 0.06 + length / 2 - 0.06)
    ]
    front = 0.06 - length / 2
    neck = hull(
        box((0.16, 0.12, 0.02), (0, front + 0.08, back)), box((0.15, 0.12, 0.02), (0, front - 0.03, back + 0.24))
    )
    head = [
        box((0.23, 0.24, 0.22), (0, front - 0.08, back + 0.18), edge=0.04),
        box((0.13, 0.18, 0.11), (0, front - 0.25, back + 0.18), edge=0.03),
    ]
    ears = mirrored(box((0.05, 0.11, 0.2), (0.13, front - 0.05, back + 0.17), edge=0.02))
    tail = bent(
        (0, 0.04 + length / 2, back + 0.08),
        (0, 0.16 + length / 2, back + 0.12),
        (0, 0.18 + length / 2, back + 0.32),
        radius=0.032,
        columns=8,
    )
    collar = hull(
        box((0.2, 0.16, 0.02), (0, front + 0.04, back + 0.08)), box((0.2, 0.16, 0.02), (0, front + 0.01, back + 0.14))
    )
    nose = [
        ball(0.042, (0, front - 0.34, back + 0.27), segments=10),
        *mirrored(ball(0.027, (0.06, front - 0.2, back + 0.34), segments=10)),
    ]
    return {"body": [*trunk, *legs, neck, *head, tail], "ears": ears, "collar": [collar], "nose": nose}


@noun(
    size=0.4,
    of="fabric",
    parts={"body": "white brown grey", "ears": "= pink", "tail": "white"},
    details={"eyes": "black", "nose": "pink red"},
)
def _rabbit(rng: Rng) -> Solids:
    ear, r = rng.uniform(0.17, 0.21), rng.uniform(0.15, 0.17)
    body = ball((0.22, 0.26, 0.25), (0, 0.06, 0.24)).trim_by_plane((0, 0, 1), 0.02)
    head = ball((r, r, r), (0, -0.14, 0.54))
    feet = mirrored(ball((0.07, 0.15, 0.06), (0.13, -0.14, 0.06), segments=14)) + mirrored(
        ball((0.05, 0.07, 0.13), (0.09, -0.19, 0.2), segments=12)
    )
    ears = mirrored(ball((0.05, 0.035, ear), (0.075, -0.1, 0.63 + ear), turn=(0, 9, 0), segments=14))
    eyes = mirrored(ball(0.03, (0.085, -0.14 - 0.82 * r, 0.58), segments=10))
    return {
        "body": [body, head, *feet],
        "ears": ears,
        "tail": [ball(0.09, (0, 0.32, 0.16), segments=12)],
        "eyes": eyes,
        "nose": [ball(0.03, (0, -0.14 - r, 0.53), segments=10)],
    }


@noun(
    size=0.4,
    of="fabric",
    parts={"body": "brown pink white", "snout": "orange white brown", "bow": "red blue"},
    details={"eyes": "black"},
)
def _teddy(rng: Rng) -> Solids:
    r, belly = rng.uniform(0.19, 0.21), rng.uniform(0.22, 0.25)
    head = 0.28 + belly + 0.55 * r
    body = [
        ball((belly, 0.2, 0.25), (0, 0, 0.29)),
        ball(r, (0, 0, head)),
        *mirrored(ball(0.085, (0.16, 0, head + 0.17), segments=14)),
    ]
    arms = mirrored(ball((0.08, 0.08, 0.19), (0.28, -0.08, 0.36), turn=(35, 35, 0), segments=14))
    legs = mirrored(ball((0.1, 0.22, 0.1), (0.17, -0.2, 0.1), turn=(0, 0, 18), segments=14))
    snout = ball((0.09, 0.09, 0.07), (0, -0.9 * r, head - 0.05), segments=14)
    eyes = [
        *mirrored(ball(0.028, (0.08, -0.87 * r, head + 0.06), segments=10)),
        ball(0.035, (0, -0.9 * r - 0.085, head - 0.03), segments=10),
    ]
    soles = mirrored(ball((0.07, 0.03, 0.07), (0.23, -0.41, 0.1), turn=(0, 0, 18), segments=12))
    neck = head - 0.85 * r
    tie = [rod((i * 0.13, -0.17, neck - 0.06), (i * 0.13, -0.17, neck + 0.06), 0.03) for i in (-1, 1)]
    bow = [hull(ball((0.03, 0.06, 0.03), (0, -0.16, neck), segments=8), end) for end in tie]
    return {"body": [*body, *arms, *legs], "snout": [snout, *soles], "bow": bow, "eyes": eyes}


@noun(
    size=0.6,
    of="rubber",
    parts={"body": "black blue", "belly": "white", "beak": "orange yellow", "feet": "orange yellow"},
    details={"eyes": "white black"},
)
def _penguin(rng: Rng) -> Solids:
    w, h = rng.uniform(0.22, 0.26), rng.uniform(0.68, 0.74)
    body = turned(
        (0, 0.04), (w, 0.04), (w * 1.2, 0.3), (0.16, h), (0.19, 0.9), (0.1, 1.0), (0, 1.0), rows=22, segments=24
    )
    belly = ball((0.8 * w, 0.1, 0.27), (0, -0.72 * w, 0.34))
    beak = rod((0, -0.1, 0.82), (0, -0.3, 0.79), 0.055, 0.01)
    wings = mirrored(ball((0.035, 0.09, 0.24), (w + 0.04, 0, 0.42), turn=(0, -14, 0), segments=14))
    feet = mirrored(ball((0.09, 0.14, 0.045), (0.1, -0.13, 0.045), segments=12))
    eyes = mirrored(ball(0.035, (0.07, -0.125, 0.88), segments=10))
    return {"body": [body, *wings], "belly": [belly], "beak": [beak], "feet": feet, "eyes": eyes}


@noun(
    size=0.1,
    of="fruit",
    parts={"body": "yellow grey pink", "shell": "brown orange red"},
    details={"spiral": "white yellow"},
)
def _snail(rng: Rng) -> Solids:
    r = rng.uniform(0.25, 0.29)
    body = bent((0, 0.5, 0.04), (0, 0.1, 0.09), (0, -0.36, 0.08), (0, -0.42, 0.42), radius=0.085, columns=10)
    horns = [
        solid
        for x in (-0.07, 0.07)
        for solid in (rod((0.4 * x, -0.42, 0.4), (x, -0.48, 0.62), 0.022), ball(0.035, (x, -0.48, 0.62), segments=10))
    ]
    centre = (0.1, 0.12 + r)
    shell = rod((-0.13, *centre), (0.13, *centre), r, segments=28)
    ridge = [rod((-0.13 - a, *centre), (0.13 + a, *centre), s * r, segments=24) for s, a in ((0.72, 0.04), (0.2, 0.1))]
    spiral = [rod((-0.13 - a, *centre), (0.13 + a, *centre), s * r, segments=24) for s, a in ((0.45, 0.07),)]
    return {"body": [body, *horns], "shell": [shell, *ridge], "spiral": spiral}


@noun(size=0.5, of="stone", parts={"shell": "green brown", "body": "yellow green"}, details={"eyes": "black"})
def _turtle(rng: Rng) -> Solids:
    w, h = rng.uniform(0.3, 0.34), rng.uniform(0.26, 0.3)
    shell = [
        ball((w, 0.36, h), (0, 0.05, 0.12)).trim_by_plane((0, 0, 1), 0.1),
        lathe((0, 0.09), (0.95, 0.09), (1.08, 0.12), (0.95, 0.15), (0, 0.15))
        .scale((w, 0.36, 1))
        .translate((0, 0.05, 0)),
    ]
    head = [ball((0.1, 0.13, 0.1), (0, -0.48, 0.24), segments=14), rod((0, -0.25, 0.14), (0, -0.45, 0.22), 0.07)]
    legs = [ball((0.1, 0.12, 0.09), (x, y, 0.08), segments=14) for x in (-0.8 * w, 0.8 * w) for y in (-0.2, 0.28)]
    tail = rod((0, 0.35, 0.1), (0, 0.52, 0.06), 0.05, 0.01)
    eyes = mirrored(ball(0.03, (0.06, -0.56, 0.28), segments=8))
    return {"shell": shell, "body": [*head, *legs, tail], "eyes": eyes}


@noun(size=0.3, of="ceramic", parts={"body": "pink", "snout": "= red", "ears": "="}, details={"eyes": "black"})
def _pig(rng: Rng) -> Solids:
    w, h = rng.uniform(0.23, 0.27), rng.uniform(0.22, 0.26)
    body = ball((w, 0.4, h), (0, 0.05, 0.16 + h))
    legs = [rod((x, y, 0), (x, y, 0.22), 0.075) for x in (-0.13, 0.13) for y in (-0.15, 0.27)]
    snout = [rod((0, -0.25, 0.14 + h), (0, -0.45, 0.14 + h), 0.11)]
    pits = [ball(0.026, (x, -0.455, 0.15 + h), segments=8) for x in (-0.045, 0.045)]
    ears = mirrored(
        hull(
            ball(0.03, (0.07, -0.18, 0.14 + 1.8 * h), segments=8),
            ball(0.03, (0.21, -0.17, 0.1 + 1.75 * h), segments=8),
            ball(0.02, (0.18, -0.22, 0.2 + 2.05 * h), segments=8),
        )
    )
    eyes = mirrored(ball(0.032, (0.11, -0.27, 0.16 + 1.45 * h), segments=10))
    tail = bent(
        (0, 0.42, 0.2 + h), (0, 0.52, 0.2 + h), (0.07, 0.54, 0.26 + h), (0, 0.5, 0.32 + h), radius=0.022, columns=6
    )
    return {"body": [body, *legs, tail], "snout": snout, "ears": ears, "eyes": [*eyes, *pits]}
