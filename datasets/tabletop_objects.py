"""What stands in the room: shapes, paints, physical materials and poses. [m, kg], world frame, Z up, floor at z = 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scenekit.datasets.tabletop_prints as prints
import scenekit.datasets.tabletop_textures as paint
from scenekit.datasets.tabletop_shapes import Shape, box, curve, mug, revolved, smooth_curve, tube

Array = NDArray[np.float64]

TABLE_TOP = 0.75
"""Height of the table's surface [m]."""
SHEET = 0.003
"""Thickness of the newspaper [m]; two things stand on it."""


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
    fine: dict[str, Any] = {"texel": 0.0006, "light_texel": 0.004}
    on_paper, on_atlas = TABLE_TOP + SHEET, TABLE_TOP + 0.034
    clay = paint.stoneware((0.55, 0.62, 0.58), (0.80, 0.76, 0.66), (0.25, 0.15, 0.08))
    white = paint.plain(0.93, 0.92, 0.90, mottle=0.006)
    petrol = paint.plain(0.02, 0.25, 0.24, mottle=0.15, cell=0.02)
    grey = paint.plain(0.45, 0.45, 0.47, mottle=0.1)
    atlas = prints.book("Atlas of Small Things", (0.16, 0.28, 0.30), (0.86, 0.72, 0.42))
    novel = prints.book("Salt Wind", (0.62, 0.20, 0.16), (0.93, 0.87, 0.72))
    beech = paint.wood((0.80, 0.60, 0.38), (0.45, 0.26, 0.12), scale=0.5)
    tea = prints.label("ASSAM", (0.10, 0.24, 0.20), (0.84, 0.68, 0.34))
    red_apple = paint.skin((0.70, 0.66, 0.22), (0.66, 0.10, 0.09))
    peel = paint.skin((0.93, 0.52, 0.08), (0.90, 0.44, 0.06), streak=0.0, pores=0.6)
    ripe = paint.skin((0.72, 0.70, 0.28), (0.68, 0.50, 0.20), streak=0.3, pores=0.8)
    yellow = paint.pencil((0.85, 0.58, 0.08))
    crackers, daily = box((0.145, 0.05, 0.20), radius=0.0015), box((0.29, 0.38, SHEET), radius=0.0008)
    thick, thin = box((0.26, 0.19, 0.034), radius=0.0015), box((0.18, 0.12, 0.022), radius=0.0015)
    lying = placed(-0.10, -0.28, TABLE_TOP + 0.0035, yaw=-12, pitch=90)
    return [
        Thing("mug", mug(0.041, 0.095, 0.004), clay, STONEWARE, placed(-0.13, -0.10, yaw=75), specular=0.045, **fine),
        Thing("bowl", _bowl(), white, PORCELAIN, placed(0.27, 0.15), light_texel=0.005, specular=0.035),
        Thing("vase", _vase(), prints.vase, PORCELAIN, placed(0.03, 0.20, yaw=20), specular=0.04, **fine),
        Thing("ball", _ball(0.048), petrol, STONEWARE, placed(0.13, -0.16), specular=0.07, **fine),
        Thing("atlas", thick, atlas, PAPER, placed(-0.37, -0.17, yaw=18), **fine),
        Thing("novel", thin, novel, PAPER, placed(-0.37, -0.17, on_atlas, yaw=-14), **fine),
        Thing("block", box((0.07, 0.055, 0.045)), beech, BEECH, placed(0.47, -0.27, on_paper, yaw=33), **fine),
        Thing("carton", crackers, prints.carton, CARTON, placed(-0.36, 0.18, yaw=-24), **fine),
        Thing("tin", _tin(), tea, TIN, placed(-0.14, 0.12, yaw=-40), **fine),
        Thing("apple", _apple(), red_apple, FRUIT, placed(0.36, -0.13, on_paper, yaw=60), specular=0.035, **fine),
        Thing("orange", _orange(), peel, FRUIT, placed(0.46, 0.09, yaw=10), specular=0.02, **fine),
        Thing("pear", _pear(), ripe, FRUIT, placed(0.16, -0.30, yaw=200), specular=0.02, **fine),
        Thing("pencil", _pencil(), yellow, CEDAR, lying, texel=0.0004, light_texel=0.002),
        Thing("spring", _spring(), grey, STEEL, placed(0.42, 0.28, yaw=-25), light_texel=0.004, specular=0.45),
        Thing("newspaper", daily, prints.newspaper, PAPER, placed(0.40, -0.19, yaw=-9), **fine),
    ]


def _bowl() -> Shape:
    outer = [(0.085, 0.060), (0.080, 0.036), (0.062, 0.014), (0.042, 0.006), (0.040, 0.0), (0.034, 0.0)]
    inner = [(0.0, 0.010), (0.045, 0.011), (0.065, 0.022), (0.078, 0.042), (0.081, 0.060), (0.083, 0.062)]
    return revolved(smooth_curve(*inner, *outer, (0.030, 0.004), (0.0, 0.004), rows=140))


def _vase() -> Shape:
    outer = [
        (0.033, 0.262),
        (0.024, 0.225),
        (0.026, 0.195),
        (0.058, 0.140),
        (0.066, 0.085),
        (0.050, 0.030),
        (0.036, 0.008),
        (0.038, 0.0),
    ]
    inner = [
        (0.0, 0.012),
        (0.028, 0.014),
        (0.046, 0.035),
        (0.061, 0.085),
        (0.053, 0.138),
        (0.021, 0.195),
        (0.019, 0.225),
        (0.029, 0.262),
    ]
    return revolved(smooth_curve(*inner, (0.031, 0.266), *outer, (0.033, 0.0), (0.0, 0.0), rows=180))


def _ball(r: float) -> Shape:
    angle = np.linspace(0, np.pi, 97)
    return revolved(np.stack([r * np.sin(angle), r * (1 + np.cos(angle))], 1), columns=128)


def _tin() -> Shape:
    lid = [(0.0, 0.118), (0.036, 0.118), (0.038, 0.116), (0.038, 0.100), (0.0372, 0.0995)]
    return revolved(curve(*lid, (0.0372, 0.003), (0.036, 0.0), (0.0, 0.0), rows=160))


def _apple() -> Shape:
    profile = [
        (0.0, 0.062),
        (0.006, 0.060),
        (0.014, 0.073),
        (0.034, 0.072),
        (0.043, 0.048),
        (0.036, 0.018),
        (0.022, 0.0),
        (0.010, 0.0),
        (0.0, 0.008),
    ]
    return revolved(
        smooth_curve(*profile), swell=lambda a, v: 1 + 0.025 * np.cos(5 * a) * np.sin(np.pi * v) + 0.03 * np.cos(a + 1)
    )


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
    profile = [
        (0.0, 0.098),
        (0.010, 0.100),
        (0.020, 0.090),
        (0.021, 0.068),
        (0.036, 0.042),
        (0.040, 0.020),
        (0.024, 0.0),
        (0.009, 0.0),
        (0.0, 0.004),
    ]
    return revolved(
        smooth_curve(*profile), swell=lambda a, v: 1 + 0.04 * np.cos(a) * v + 0.02 * np.cos(3 * a) * np.sin(np.pi * v)
    )


def _pencil() -> Shape:
    def hexagon(a: Array, v: Array) -> Array:
        corner = 1 / np.cos((a + np.pi / 6) % (np.pi / 3) - np.pi / 6)
        return np.where((v > 0.11) & (v < 0.88), corner, 1.0 + 0 * a)

    profile = curve(
        (0.0, 0.180), (0.0008, 0.1795), (0.0035, 0.160), (0.0035, 0.0004), (0.0031, 0.0), (0.0, 0.0), rows=120
    )
    return revolved(profile, columns=48, swell=hexagon)


def _spring() -> Shape:
    turn = np.linspace(0, 2 * np.pi * 9, 9 * 28)
    path = np.stack([0.09 * (turn / turn[-1] - 0.5), 0.021 * np.sin(turn), 0.0222 - 0.021 * np.cos(turn)], 1)
    return tube(path, 0.0012, columns=10)


def moved(shape: Shape, by: tuple[float, float, float]) -> Shape:
    """The shape shifted by a vector [m]."""
    return [replace(patch, points=patch.points + np.asarray(by)) for patch in shape]


def table() -> Thing:
    """The table: a top and four legs that meet it."""
    top = moved(box((1.25, 0.82, 0.032), radius=0.004), (0, 0, TABLE_TOP - 0.032))
    legs = [
        moved(box((0.06, 0.06, TABLE_TOP - 0.032), radius=0.003), (x, y, 0))
        for x in (-0.56, 0.56)
        for y in (-0.345, 0.345)
    ]
    wood = paint.wood((0.66, 0.47, 0.30), (0.30, 0.17, 0.09), board=0.137)
    return Thing("table", top + [patch for leg in legs for patch in leg], wood, OAK, texel=0.0008, light_texel=0.006)
