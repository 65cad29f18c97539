"""What stands in the room: shapes, paints, physical materials and poses. [m, kg], world frame, Z up, floor at z = 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scenekit.datasets import tabletop_textures as paint
from scenekit.datasets.tabletop_shapes import Shape, box, curve, mug, revolved, sheet, smooth_curve, tube

Array = NDArray[np.float64]

TABLE_TOP = 0.75
"""Height of the table's surface [m]."""
SHEET = 0.003
"""Thickness of the newspaper [m]; two things stand on it."""
ROOM = (4.8, 4.2, 2.6)
"""Inner size of the room [m]; the table stands in the middle of its floor."""


@dataclass(frozen=True)
class Material:
    """What simulation needs to know; handbook values, authored here, not measured on anything."""

    name: str
    """Common name."""
    density: float
    """[kg/m³]."""
    friction: float
    """Coulomb coefficient against wood."""
    restitution: float
    """Coefficient of restitution against wood."""


OAK = Material("oak", 700.0, 0.45, 0.45)
BEECH = Material("beech", 710.0, 0.45, 0.5)
STONEWARE = Material("stoneware", 2300.0, 0.4, 0.3)
PORCELAIN = Material("porcelain", 2400.0, 0.35, 0.3)
PAPER = Material("paper", 850.0, 0.4, 0.1)
CARTON = Material("filled carton", 220.0, 0.4, 0.15)
TIN = Material("filled tin", 620.0, 0.35, 0.25)
FRUIT = Material("fruit", 950.0, 0.5, 0.3)
STEEL = Material("steel", 7850.0, 0.3, 0.6)
CEDAR = Material("cedar", 380.0, 0.4, 0.45)
PLASTER = Material("plaster", 1200.0, 0.6, 0.2)


@dataclass(frozen=True)
class Thing:
    """One named part of the scene."""

    name: str
    shape: Shape
    painter: paint.Painter
    material: Material | None = None
    """None for what is part of the room."""
    T_world_thing: NDArray[np.float64] | None = None
    """Pose, shape (4, 4); None is the identity."""
    texel: float = 0.001
    """Size of a texel of its texture [m]."""
    light_texel: float = 0.008
    """Size of a texel of its light map [m]."""
    specular: float = 0.0
    """Reflectance at normal incidence; 0 is matt."""
    radiance: tuple[float, float, float] | None = None
    """Emitted light of a lamp [arbitrary linear units]."""

    @property
    def pose(self) -> Array:
        """T_world_thing, shape (4, 4)."""
        return np.eye(4) if self.T_world_thing is None else self.T_world_thing


def placed(x: float, y: float, z: float = TABLE_TOP, *, yaw: float = 0.0, pitch: float = 0.0) -> Array:
    """Pose at (x, y, z) [m], pitched about the local y axis, then turned about z [degrees], shape (4, 4)."""
    (cy, sy), (cp, sp) = ((np.cos(np.radians(a)), np.sin(np.radians(a))) for a in (yaw, pitch))
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = turn, (x, y, z)
    return T


def objects() -> list[Thing]:
    """What stands on the table; each is one closed mesh that rests on what is below it."""
    fine = {"texel": 0.0006, "light_texel": 0.004}
    return [
        Thing("mug", mug(0.041, 0.095, 0.004), paint.stoneware((0.55, 0.62, 0.58), (0.80, 0.76, 0.66), (0.25, 0.15, 0.08)),
              STONEWARE, placed(-0.13, -0.10, yaw=75), specular=0.045, **fine),
        Thing("bowl", _bowl(), paint.plain(0.93, 0.92, 0.90, mottle=0.006), PORCELAIN, placed(0.27, 0.15),
              texel=0.001, light_texel=0.005, specular=0.035),
        Thing("vase", _vase(), paint.vase, PORCELAIN, placed(0.03, 0.20, yaw=20), specular=0.04, **fine),
        Thing("ball", _ball(0.048), paint.plain(0.02, 0.25, 0.24, mottle=0.15, cell=0.02), STONEWARE,
              placed(0.13, -0.16), specular=0.07, **fine),
        Thing("atlas", box((0.26, 0.19, 0.034), radius=0.0015), paint.book("Atlas of Small Things", (0.16, 0.28, 0.30), (0.86, 0.72, 0.42)),
              PAPER, placed(-0.37, -0.17, yaw=18), **fine),
        Thing("novel", box((0.18, 0.12, 0.022), radius=0.0015), paint.book("Salt Wind", (0.62, 0.20, 0.16), (0.93, 0.87, 0.72)),
              PAPER, placed(-0.37, -0.17, TABLE_TOP + 0.034, yaw=-14), **fine),
        Thing("block", box((0.07, 0.055, 0.045), radius=0.002), paint.wood((0.80, 0.60, 0.38), (0.45, 0.26, 0.12), scale=0.5),
              BEECH, placed(0.47, -0.27, TABLE_TOP + SHEET, yaw=33), **fine),
        Thing("carton", box((0.145, 0.05, 0.20), radius=0.0015), paint.carton, CARTON, placed(-0.36, 0.18, yaw=-24), **fine),
        Thing("tin", _tin(), paint.label("ASSAM", (0.10, 0.24, 0.20), (0.84, 0.68, 0.34)), TIN, placed(-0.14, 0.12, yaw=-40),
              specular=0.04, **fine),
        Thing("apple", _apple(), paint.skin((0.70, 0.66, 0.22), (0.66, 0.10, 0.09)), FRUIT, placed(0.36, -0.13, TABLE_TOP + SHEET, yaw=60),
              specular=0.035, **fine),
        Thing("orange", _orange(), paint.skin((0.93, 0.52, 0.08), (0.90, 0.44, 0.06), streak=0.0, pores=0.6), FRUIT,
              placed(0.46, 0.09, yaw=10), specular=0.02, **fine),
        Thing("pear", _pear(), paint.skin((0.72, 0.70, 0.28), (0.68, 0.50, 0.20), streak=0.3, pores=0.8), FRUIT,
              placed(0.16, -0.30, yaw=200), specular=0.02, **fine),
        Thing("pencil", _pencil(), paint.pencil((0.85, 0.58, 0.08)), CEDAR,
              placed(-0.10, -0.28, TABLE_TOP + 0.0035, yaw=-12, pitch=90), texel=0.0004, light_texel=0.002),
        Thing("spring", _spring(), paint.plain(0.45, 0.45, 0.47, mottle=0.1), STEEL, placed(0.42, 0.28, yaw=-25),
              texel=0.001, light_texel=0.004, specular=0.45),
        Thing("newspaper", box((0.29, 0.38, SHEET), radius=0.0008), paint.newspaper, PAPER, placed(0.40, -0.19, yaw=-9), **fine),
    ]  # fmt: skip


def _bowl() -> Shape:
    outer = [(0.085, 0.060), (0.080, 0.036), (0.062, 0.014), (0.042, 0.006), (0.040, 0.0), (0.034, 0.0)]
    inner = [(0.0, 0.010), (0.045, 0.011), (0.065, 0.022), (0.078, 0.042), (0.081, 0.060), (0.083, 0.062)]
    return revolved(smooth_curve(*inner, *outer, (0.030, 0.004), (0.0, 0.004), rows=140))


def _vase() -> Shape:
    outer = [(0.033, 0.262), (0.024, 0.225), (0.026, 0.195), (0.058, 0.140), (0.066, 0.085), (0.050, 0.030), (0.036, 0.008), (0.038, 0.0)]
    inner = [(0.0, 0.012), (0.028, 0.014), (0.046, 0.035), (0.061, 0.085), (0.053, 0.138), (0.021, 0.195), (0.019, 0.225), (0.029, 0.262)]
    return revolved(smooth_curve(*inner, (0.031, 0.266), *outer, (0.033, 0.0), (0.0, 0.0), rows=180))


def _ball(r: float) -> Shape:
    angle = np.linspace(0, np.pi, 97)
    return revolved(np.stack([r * np.sin(angle), r * (1 + np.cos(angle))], 1), columns=128)


def _tin() -> Shape:
    lid = [(0.0, 0.118), (0.036, 0.118), (0.038, 0.116), (0.038, 0.100), (0.0372, 0.0995)]
    return revolved(curve(*lid, (0.0372, 0.003), (0.036, 0.0), (0.0, 0.0), rows=160))


def _apple() -> Shape:
    profile = [(0.0, 0.062), (0.006, 0.060), (0.014, 0.073), (0.034, 0.072), (0.043, 0.048), (0.036, 0.018), (0.022, 0.0), (0.010, 0.0), (0.0, 0.008)]
    return revolved(smooth_curve(*profile), swell=lambda a, v: 1 + 0.025 * np.cos(5 * a) * np.sin(np.pi * v) + 0.03 * np.cos(a + 1))


def _orange() -> Shape:
    rng = np.random.default_rng(7)
    waves = rng.normal(size=(60, 3)) * [18, 18, 1] * [1, 0.5, 1]
    waves[:, 0] = np.round(waves[:, 0])  # whole waves around, so that the skin closes

    def swell(a: Array, v: Array) -> Array:
        bumps = sum(np.cos(p * a + q * 6 * v + r * 6) for p, q, r in waves)
        return 1 + 0.0016 * np.asarray(bumps) * np.sin(np.pi * v)

    angle = np.linspace(0, np.pi, 128)
    profile = np.stack([0.039 * np.sin(angle), 0.037 * (1 + np.cos(angle))], 1)
    return revolved(profile, columns=160, swell=swell)


def _pear() -> Shape:
    profile = [(0.0, 0.098), (0.010, 0.100), (0.020, 0.090), (0.021, 0.068), (0.036, 0.042), (0.040, 0.020), (0.024, 0.0), (0.009, 0.0), (0.0, 0.004)]
    return revolved(smooth_curve(*profile), swell=lambda a, v: 1 + 0.04 * np.cos(a) * v + 0.02 * np.cos(3 * a) * np.sin(np.pi * v))


def _pencil() -> Shape:
    def hexagon(a: Array, v: Array) -> Array:
        corner = 1 / np.cos((a + np.pi / 6) % (np.pi / 3) - np.pi / 6)
        return np.where((v > 0.11) & (v < 0.88), corner, 1.0 + 0 * a)

    profile = curve((0.0, 0.180), (0.0008, 0.1795), (0.0035, 0.160), (0.0035, 0.0004), (0.0031, 0.0), (0.0, 0.0), rows=120)
    return revolved(profile, columns=48, swell=hexagon)


def _spring() -> Shape:
    turn = np.linspace(0, 2 * np.pi * 9, 9 * 28)
    path = np.stack([0.09 * (turn / turn[-1] - 0.5), 0.021 * np.sin(turn), 0.0222 - 0.021 * np.cos(turn)], 1)
    return tube(path, 0.0012, columns=10)


def table() -> Thing:
    """The table: a top and four legs that meet it."""
    top = _moved(box((1.25, 0.82, 0.032), radius=0.004), (0, 0, TABLE_TOP - 0.032))
    legs = [_moved(box((0.06, 0.06, TABLE_TOP - 0.032), radius=0.003), (x, y, 0)) for x in (-0.56, 0.56) for y in (-0.345, 0.345)]
    wood = paint.wood((0.66, 0.47, 0.30), (0.30, 0.17, 0.09), board=0.137)
    return Thing("table", top + [patch for leg in legs for patch in leg], wood, OAK, texel=0.0007, light_texel=0.006)


def _moved(shape: Shape, by: tuple[float, float, float]) -> Shape:
    return [replace(patch, points=patch.points + np.asarray(by)) for patch in shape]


def room() -> list[Thing]:
    """Everything behind the table: one mesh in the truth."""
    return [*_shell(), *_lights(), *_furniture(), *_posters()]


def _shell() -> Iterator[Thing]:
    x, y, z = ROOM
    coarse = {"texel": 0.003, "light_texel": 0.06}
    floor = paint.wood((0.55, 0.40, 0.27), (0.28, 0.17, 0.10), board=0.145, scale=1.3, wear=0.4)
    yield Thing("floor", sheet((0, 0, 0), (x, 0, 0), (0, -y, 0), cells=8), floor, texel=0.002, light_texel=0.03)
    yield Thing("ceiling", sheet((0, 0, z), (x, 0, 0), (0, y, 0), cells=8), paint.plain(0.93, 0.92, 0.90), texel=0.01, light_texel=0.08)
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
        yield Thing(f"skirting {name}", _moved(box(size), (*at, 0)), white, texel=0.004, light_texel=0.06)


WINDOW = ((-2.385, 0.15, 1.55), (0.0, 1.5, 0.0), (0.0, 0.0, -1.3))
"""Centre and edge vectors (right, down) of the window's panes [m]."""
LAMP = ((0.25, 0.1, 1.985), (0.26, 0.0, 0.0), (0.0, 0.26, 0.0))
"""Centre and edge vectors of the light in the pendant lamp's shade [m]; it faces down."""


def _lights() -> Iterator[Thing]:
    yield Thing("window", sheet(*WINDOW), paint.plain(0.02, 0.02, 0.02), radiance=(13.5, 15.0, 17.0), texel=0.01, light_texel=0.3)
    yield Thing("bulb", sheet(*LAMP), paint.plain(0.02, 0.02, 0.02), radiance=(46.0, 34.0, 21.0), texel=0.01, light_texel=0.1)
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
        yield Thing(f"window {name}", _moved(box(size, radius=0.004), at), white, texel=0.004, light_texel=0.04)
    x, y, z = LAMP[0]
    cone = [(0.0, 0.03), (0.195, 0.03), (0.20, 0.0), (0.21, 0.0), (0.12, 0.19), (0.02, 0.21), (0.004, 0.24), (0.004, 0.60), (0.0, 0.60)]
    shade = revolved(curve(*cone, rows=80), columns=48)
    yield Thing("lamp", _moved(shade, (x, y, z - 0.005)), paint.plain(0.25, 0.34, 0.30), texel=0.004, light_texel=0.03)


def _furniture() -> Iterator[Thing]:
    yield Thing("rug", _moved(box((2.6, 1.8, 0.009), radius=0.004), (0.05, -0.05, 0)), paint.rug, texel=0.002, light_texel=0.025)
    pine = paint.wood((0.74, 0.56, 0.36), (0.48, 0.30, 0.16), scale=1.2)
    x, y = -0.3, ROOM[1] / 2 - 0.15
    for k in range(5):
        yield Thing(f"shelf {k}", _moved(box((1.8, 0.27, 0.025)), (x, y, 0.02 + 0.36 * k)), pine, texel=0.002, light_texel=0.03)
    for k in (-1, 1):
        yield Thing(f"shelf side {k}", _moved(box((0.025, 0.28, 1.55)), (x + k * 0.91, y, 0)), pine, texel=0.002, light_texel=0.03)
    yield from _books(x, y)
    dark = paint.wood((0.42, 0.27, 0.17), (0.20, 0.11, 0.06), scale=1.0)
    yield Thing("chest", _moved(box((0.45, 1.3, 0.72), radius=0.006), (ROOM[0] / 2 - 0.24, -0.3, 0)), dark, texel=0.002, light_texel=0.03)
    seat = smooth_curve((0.0, 0.45), (0.16, 0.45), (0.165, 0.43), (0.15, 0.42), (0.05, 0.41), (0.035, 0.2), (0.04, 0.04), (0.15, 0.02), (0.15, 0.0), (0.0, 0.0))
    yield Thing("stool", _moved(revolved(seat, columns=48), (1.1, 1.25, 0)), paint.plain(0.62, 0.30, 0.16, mottle=0.15), texel=0.002, light_texel=0.02)
    yield Thing("door", _moved(box((0.86, 0.04, 2.0), radius=0.006), (1.4, -ROOM[1] / 2 + 0.01, 0)),
                paint.wood((0.62, 0.55, 0.46), (0.48, 0.40, 0.32), along_rows=True), texel=0.002, light_texel=0.05)  # fmt: skip


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
                yield Thing(f"volume {row} {edge:.3f}", _moved(volume, at), paint.spine(tuple(hue), accent), texel=0.0015, light_texel=0.03)
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
        frame = box((abs(right[0]) * (size[0] + 0.06) + abs(nx) * 0.03, abs(right[1]) * (size[0] + 0.06) + abs(ny) * 0.03, size[1] + 0.06))
        low = centre - back * 0.012 - [0, 0, size[1] / 2 + 0.03]
        yield Thing(f"frame {title}", _moved(frame, tuple(low)), paint.plain(0.14, 0.11, 0.09), texel=0.004, light_texel=0.05)
        print_centre = tuple(centre - back * 0.0285)
        yield Thing(f"poster {title}", sheet(print_centre, right * size[0], (0, 0, -size[1]), cells=2),
                    paint.poster(title, ground, accent), texel=0.0015, light_texel=0.05)  # fmt: skip
