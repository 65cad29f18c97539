"""The room around the table: walls, lights, furniture, pictures. [m], world frame, Z up, floor at z = 0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import scenekit.datasets.tabletop_prints as prints
import scenekit.datasets.tabletop_textures as paint
from scenekit.datasets.tabletop_objects import Thing, moved
from scenekit.datasets.tabletop_shapes import box, curve, revolved, sheet, smooth_curve

ROOM = (4.8, 4.2, 2.6)
"""Inner size of the room [m]; the table stands in the middle of its floor."""


def room() -> list[Thing]:
    """Everything behind the table: one mesh in the truth."""
    return [*_shell(), *_lights(), *_furniture(), *_posters()]


def _shell() -> Iterator[Thing]:
    x, y, z = ROOM
    coarse: dict[str, Any] = {"texel": 0.004, "light_texel": 0.06}
    floor = paint.wood((0.55, 0.40, 0.27), (0.28, 0.17, 0.10), board=0.145, scale=1.3, wear=0.4)
    yield Thing("floor", sheet((0, 0, 0), (x, 0, 0), (0, -y, 0), cells=8), floor, texel=0.003, light_texel=0.03)
    yield Thing(
        "ceiling",
        sheet((0, 0, z), (x, 0, 0), (0, y, 0), cells=8),
        paint.plain(0.93, 0.92, 0.90),
        texel=0.01,
        light_texel=0.08,
    )
    pale, warm = paint.plaster(0.80, 0.79, 0.74), paint.plaster(0.52, 0.60, 0.58)
    yield Thing("wall north", sheet((0, y / 2, z / 2), (x, 0, 0), (0, 0, -z), cells=8), warm, **coarse)
    yield Thing("wall south", sheet((0, -y / 2, z / 2), (-x, 0, 0), (0, 0, -z), cells=8), pale, **coarse)
    yield Thing("wall east", sheet((x / 2, 0, z / 2), (0, -y, 0), (0, 0, -z), cells=8), pale, **coarse)
    yield Thing("wall west", sheet((-x / 2, 0, z / 2), (0, y, 0), (0, 0, -z), cells=8), pale, **coarse)
    white = paint.plain(0.88, 0.87, 0.84)
    for name, size, at in (
        ("north", (x, 0.015, 0.09), (0, y / 2 - 0.0075)), ("south", (x, 0.015, 0.09), (0, -y / 2 + 0.0075)),
        ("east", (0.015, y, 0.09), (x / 2 - 0.0075, 0)), ("west", (0.015, y, 0.09), (-x / 2 + 0.0075, 0)),
    ):  # fmt: skip
        yield Thing(f"skirting {name}", moved(box(size), (*at, 0)), white, texel=0.004, light_texel=0.06)


WINDOW = ((-2.385, 0.15, 1.55), (0.0, 1.5, 0.0), (0.0, 0.0, -1.3))
"""Centre and edge vectors (right, down) of the window's panes [m]."""
LAMP = ((0.25, 0.1, 1.985), (0.26, 0.0, 0.0), (0.0, 0.26, 0.0))
"""Centre and edge vectors of the light in the pendant lamp's shade [m]; it faces down."""


def _lights() -> Iterator[Thing]:
    yield Thing(
        "window",
        sheet(*WINDOW),
        paint.plain(0.02, 0.02, 0.02),
        radiance=(13.5, 15.0, 17.0),
        texel=0.01,
        light_texel=0.3,
    )
    yield Thing(
        "bulb", sheet(*LAMP), paint.plain(0.02, 0.02, 0.02), radiance=(46.0, 34.0, 21.0), texel=0.01, light_texel=0.1
    )
    (cx, cy, cz), (_, width, _), (_, _, down) = WINDOW
    white, height = paint.plain(0.90, 0.89, 0.86), -down
    for name, size, at in (
        ("sill", (0.16, width + 0.2, 0.03), (cx + 0.05, cy, cz - height / 2 - 0.07)),
        ("head", (0.05, width + 0.14, 0.07), (cx, cy, cz + height / 2)),
        ("foot", (0.05, width + 0.14, 0.07), (cx, cy, cz - height / 2 - 0.04)),
        ("left", (0.05, 0.07, height + 0.1), (cx, cy - width / 2, cz - height / 2 - 0.04)),
        ("right", (0.05, 0.07, height + 0.1), (cx, cy + width / 2, cz - height / 2 - 0.04)),
        ("post", (0.05, 0.05, height), (cx, cy, cz - height / 2)),
        ("bar", (0.05, width, 0.04), (cx, cy, cz + 0.2)),
    ):
        yield Thing(f"window {name}", moved(box(size, radius=0.004), at), white, texel=0.004, light_texel=0.04)
    x, y, z = LAMP[0]
    cone = [
        (0.0, 0.03),
        (0.195, 0.03),
        (0.20, 0.0),
        (0.21, 0.0),
        (0.12, 0.19),
        (0.02, 0.21),
        (0.004, 0.24),
        (0.004, 0.60),
        (0.0, 0.60),
    ]
    shade = revolved(curve(*cone, rows=80), columns=48)
    yield Thing("lamp", moved(shade, (x, y, z - 0.005)), paint.plain(0.25, 0.34, 0.30), texel=0.004, light_texel=0.03)


def _furniture() -> Iterator[Thing]:
    yield Thing(
        "rug",
        moved(box((2.6, 1.8, 0.009), radius=0.004), (0.05, -0.05, 0)),
        prints.rug,
        texel=0.002,
        light_texel=0.025,
    )
    pine = paint.wood((0.74, 0.56, 0.36), (0.48, 0.30, 0.16), scale=1.2)
    x, y = -0.3, ROOM[1] / 2 - 0.15
    for k in range(5):
        yield Thing(
            f"shelf {k}", moved(box((1.8, 0.27, 0.025)), (x, y, 0.02 + 0.36 * k)), pine, texel=0.003, light_texel=0.03
        )
    for k in (-1, 1):
        yield Thing(
            f"shelf side {k}",
            moved(box((0.025, 0.28, 1.55)), (x + k * 0.91, y, 0)),
            pine,
            texel=0.003,
            light_texel=0.03,
        )
    yield from _books(x, y)
    dark = paint.wood((0.42, 0.27, 0.17), (0.20, 0.11, 0.06), scale=1.0)
    yield Thing(
        "chest",
        moved(box((0.45, 1.3, 0.72), radius=0.006), (ROOM[0] / 2 - 0.24, -0.3, 0)),
        dark,
        texel=0.003,
        light_texel=0.04,
    )
    seat = smooth_curve(
        (0.0, 0.45),
        (0.16, 0.45),
        (0.165, 0.43),
        (0.15, 0.42),
        (0.05, 0.41),
        (0.035, 0.2),
        (0.04, 0.04),
        (0.15, 0.02),
        (0.15, 0.0),
        (0.0, 0.0),
    )
    yield Thing(
        "stool",
        moved(revolved(seat, columns=48), (1.1, 1.25, 0)),
        paint.plain(0.62, 0.30, 0.16, mottle=0.15),
        texel=0.002,
        light_texel=0.02,
    )
    grey = paint.wood((0.62, 0.55, 0.46), (0.48, 0.40, 0.32), along_rows=True)
    door = moved(box((0.86, 0.04, 2.0), radius=0.006), (1.4, -ROOM[1] / 2 + 0.01, 0))
    yield Thing("door", door, grey, texel=0.004, light_texel=0.05)


def _books(x: float, y: float) -> Iterator[Thing]:
    rng = np.random.default_rng(11)  # the room's inventory is the same for every seed; only its surfaces change
    for row in range(4):
        edge = x - 0.88
        while edge < x + 0.82:
            wide, tall = rng.uniform(0.018, 0.055), rng.uniform(0.17, 0.30)
            hue = np.clip((rng.normal(0.38, 0.2) + rng.normal(0, 0.06, 3)) * [1.15, 0.95, 0.8], 0.04, 0.9)
            accent = tuple(np.clip(hue + (0.45 if hue.mean() < 0.5 else -0.4), 0, 1))
            if rng.uniform() > 0.07:
                at = (edge + wide / 2, y - 0.03 + rng.uniform(-0.02, 0.01), 0.045 + 0.36 * row)
                volume = box((wide, 0.19, tall), radius=0.002, steps=1)
                yield Thing(
                    f"volume {row} {edge:.3f}",
                    moved(volume, at),
                    prints.spine(tuple(hue), accent),
                    texel=0.002,
                    light_texel=0.05,
                )
            edge += wide + 0.001


def _posters() -> Iterator[Thing]:
    x, y, _ = ROOM
    walls = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
    for name, along, height, size, title, ground, accent in (
        ("north", 1.35, 1.45, (0.70, 0.95), "HARVEST 1894", (0.90, 0.86, 0.74), (0.72, 0.36, 0.16)),
        ("north", -0.3, 2.05, (1.1, 0.55), "NORTH WIND", (0.84, 0.88, 0.88), (0.20, 0.42, 0.56)),
        ("south", -0.1, 1.45, (0.75, 1.0), "ORCHARD", (0.92, 0.88, 0.78), (0.30, 0.52, 0.24)),
        ("south", 0.85, 1.50, (0.60, 0.80), "KILN & CLAY", (0.16, 0.17, 0.20), (0.80, 0.46, 0.28)),
        ("south", 1.75, 1.40, (0.70, 0.90), "TIDE TABLES", (0.86, 0.90, 0.88), (0.16, 0.46, 0.54)),
        ("east", -1.1, 1.50, (0.80, 1.05), "GEOMETRY", (0.93, 0.91, 0.86), (0.70, 0.20, 0.22)),
        ("east", 0.1, 1.55, (0.90, 0.70), "RIVER MAP", (0.82, 0.84, 0.74), (0.36, 0.52, 0.60)),
        ("east", 1.25, 1.45, (0.65, 0.90), "LANTERNS", (0.12, 0.14, 0.24), (0.90, 0.66, 0.26)),
        ("west", -1.35, 1.45, (0.60, 0.85), "COPPER", (0.91, 0.85, 0.77), (0.66, 0.36, 0.22)),
        ("west", 1.55, 1.50, (0.60, 0.80), "WILLOW", (0.86, 0.90, 0.82), (0.32, 0.44, 0.30)),
    ):  # fmt: skip
        nx, ny = walls[name]
        right = np.array([ny, -nx, 0.0])  # as seen from inside the room
        centre = np.array([nx * x / 2, ny * y / 2, height]) + right * along
        back = np.array([nx, ny, 0.0])
        frame = box(
            (
                abs(right[0]) * (size[0] + 0.06) + abs(nx) * 0.03,
                abs(right[1]) * (size[0] + 0.06) + abs(ny) * 0.03,
                size[1] + 0.06,
            )
        )
        low = centre - back * 0.012 - [0, 0, size[1] / 2 + 0.03]
        yield Thing(
            f"frame {title}", moved(frame, tuple(low)), paint.plain(0.14, 0.11, 0.09), texel=0.004, light_texel=0.05
        )
        print_centre = tuple(centre - back * 0.0285)
        yield Thing(f"poster {title}", sheet(print_centre, right * size[0], (0, 0, -size[1]), cells=2),
                    prints.poster(title, ground, accent), texel=0.0015, light_texel=0.05)  # fmt: skip
