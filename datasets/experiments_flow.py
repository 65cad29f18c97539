"""Matter that flows: a dam that breaks, columns of sand that fall, heaps that rest, against laboratories."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, sqrt

import numpy as np
from scipy.optimize import minimize_scalar
from torch import Tensor

from scenekit.cameras import Array
from scenekit.datasets.experiments import Outcome, grid_points, matter, run
from scenekit.laws import DruckerPrager, Fluid
from scenekit.material import Material, materials
from scenekit.plots import Series
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import Collider, Contact
from scenekit.sim.control import Control
from scenekit.sim.model import Domain, Model
from scenekit.sim.mpm import SolverMPM
from scenekit.sim.shapes import Plane
from scenekit.sim.state import State

MARTIN_MOYCE = np.array(
    [
        *((0.832, 1.217), (1.219, 1.474), (1.997, 2.292), (2.547, 2.995), (3.345, 4.134), (4.034, 4.944)),
        *((4.418, 5.881), (5.091, 6.980), (5.685, 7.945), (6.306, 8.966), (6.822, 9.986), (7.439, 10.963)),
        *((8.031, 11.977), (8.633, 13.005), (9.237, 13.970)),
    ]
)
"""Front of a collapsing column of water, a = 2.25 in wide, 2a high: T = t √(2g/a), Z = z/a (Martin and Moyce 1952)."""

GRAVITY = 9.81
"""[m/s²]."""

WALL = 4.5
"""Cells between the edge of the grid and the matter: walls half a cell from nodes hold matter just where they are."""

WIDTH = 1
"""Cells across a channel."""


def channel(
    points: Tensor, cell: float, length: float, height: float, material: Material, *, floor: Contact, friction: float
) -> Model:
    """Matter in a channel with smooth walls: a thin slice of something that goes on to both sides.

    Args:
        points: Where matter is, from the corner of the channel on; y within `WALL` cells [m], shape (p, 3).
        cell: Of the grid [m].
        length: Of the channel [m].
        height: Of the grid [m].
        material: What flows.
        floor: What the floor does to what touches it.
        friction: Of the floor.
    """
    edge, width = WALL * cell, float(points[:, 1].max()) + cell / 4
    colliders = (
        Collider(Plane(), Pose((0, 0, edge)), contact=floor, friction=friction, name="floor"),
        Collider(Plane(), Pose((edge, 0, 0), (sqrt(0.5), 0, sqrt(0.5), 0)), friction=0.0, name="wall"),
        Collider(Plane(), Pose((0, edge, 0), (sqrt(0.5), -sqrt(0.5), 0, 0)), contact="slip", name="near side"),
        Collider(Plane(), Pose((0, edge + width, 0), (sqrt(0.5), sqrt(0.5), 0, 0)), contact="slip", name="far side"),
    )
    high = (length + 2 * edge, width + 2 * edge, height + 2 * edge)
    domain = Domain((0.0, 0.0, 0.0), tuple(cell * ceil(h / cell) for h in high), cell)  # type: ignore[arg-type]
    return Model((0, 0, -GRAVITY), domain, matter(points + edge, cell / 2, material), colliders=colliders)


def dam_break(*, cells: int = 16) -> Outcome:
    """A column of water collapses: how far its front has come, against Martin and Moyce.

    Args:
        cells: Of the grid along the width of the column.
    """
    a = 0.05715
    cell, speed = a / cells, sqrt(2 * GRAVITY * 2 * a)
    water = replace(materials["water"], law=Fluid(Quantity(1000 * (10 * speed) ** 2), Quantity(1e-3)))
    points = grid_points((0, 0, 0), (a, WIDTH * cell, 2 * a), cell / 2)
    model = channel(points, cell, 17 * a, 2.2 * a, water, floor="separate", friction=0.0)
    times, fronts = [], []
    for state in run(model, SolverMPM(model), seconds=9.4 / sqrt(2 * GRAVITY / a), frame=2e-3):
        times.append(state.time * sqrt(2 * GRAVITY / a))
        fronts.append(front(surface(state.particle_x[:, 0].double().numpy() - WALL * cell, cell), cell) / a)
    rms = _rms(times, fronts, 0.0)
    late = minimize_scalar(lambda shift: _rms(times, fronts, shift), bounds=(0, 1), method="bounded")
    curves = (
        Series("scenekit", times, fronts),
        Series("Martin & Moyce 1952", MARTIN_MOYCE[:, 0], MARTIN_MOYCE[:, 1], marks=True),
    )
    detail = f"{len(points)} particles; {late.fun:.3f} if the water began to move at T = {late.x:.2f}"
    axes = ("T = t √(2g/a)", "Z = z/a")
    return Outcome("dam break", "relative RMS of the front", rms, 0.08, detail, curves, axes)


def _rms(times: list[float], fronts: list[float], delay: float) -> float:
    """Relative RMS distance from the laboratory's front if that began by a delay in T later."""
    found = np.interp(MARTIN_MOYCE[:, 0] - delay, times, fronts)
    return float(np.sqrt(np.mean((found / MARTIN_MOYCE[:, 1] - 1) ** 2)))


def dry_sand(friction_angle: float) -> Material:
    """Sand of this angle of internal friction [degrees]."""
    return replace(materials["sand"], law=DruckerPrager(Quantity(friction_angle)), youngs_modulus=Quantity(3e5))


def run_out(aspect: float, *, cells: int = 24, friction_angle: float = 30.0) -> tuple[float, Array]:
    """How far a column of sand spreads in a channel, (L∞ − L₀)/L₀, and the heap's profile (x/L₀, z/L₀).

    Args:
        aspect: Height over length of the column.
        cells: Of the grid along the length.
        friction_angle: Of the sand [degrees]; the floor is as rough.
    """
    L = 0.1
    cell = L / cells
    points = grid_points((0, 0, 0), (L, WIDTH * cell, aspect * L), cell / 2)
    sand = dry_sand(friction_angle)
    model = channel(points, cell, (4.5 + aspect) * L, aspect * L, sand, floor="sticky", friction=0.0)
    fall = sqrt(aspect * L / GRAVITY)
    state = model.state()
    for _ in run(model, SolverMPM(model), seconds=6 * fall + 0.3, frame=0.02, state=state):
        pass
    profile = surface(state.particle_x[:, 0].double().numpy() - WALL * cell, cell)
    return front(profile, cell) / L - 1, profile / L


def surface(x: Array, cell: float) -> Array:
    """Height of the heap over each cell along x: the volume in it over its area [m], shape (cells, 2)."""
    edges = np.arange(0, x.max() + 2 * cell, cell)
    volume, area = (cell / 2) ** 3 * np.histogram(x, edges)[0], cell * WIDTH * cell
    return np.stack([(edges[:-1] + edges[1:]) / 2, volume / area], 1)


def front(profile: Array, cell: float) -> float:
    """Where less than a layer of particles, half a cell, is left [m]."""
    last = int(np.flatnonzero(profile[:, 1] > cell / 2)[-1])
    beyond = profile[last + 1, 1] if last + 1 < len(profile) else 0.0
    here = profile[last, 1]
    return float(profile[last, 0] + cell * (here - cell / 2) / (here - beyond))


def lube(aspect: float) -> float:
    """Run-out of a column of grains in a channel: 1.2 a up to a = 1.8, 1.9 a^⅔ above 2.8 (Lube et al. 2005)."""
    return 1.2 * aspect if aspect <= 1.8 else 1.9 * aspect ** (2 / 3)


def sand_columns() -> Outcome:
    """Columns of sand of three aspect ratios collapse."""
    aspects = (0.6, 1.2, 3.5)
    results = {aspect: run_out(aspect) for aspect in aspects}
    errors = [abs(results[aspect][0] / lube(aspect) - 1) for aspect in aspects]
    detail = "; ".join(f"a = {a}: {results[a][0]:.2f}, Lube {lube(a):.2f}" for a in aspects)
    curves = tuple(Series(f"a = {aspect}", *results[aspect][1].T) for aspect in aspects)
    axes = ("x / L₀", "z / L₀")
    return Outcome("sand columns", "error of the run-out", max(errors), 0.15, detail, curves, axes)


def bed_slides(tilt: float, friction_angle: float, *, cells: int = 12) -> float:
    """Acceleration of the middle of a long bed of sand on a rough plane, down the slope [m/s²].

    Args:
        tilt: Of the plane; gravity is tilted instead [degrees].
        friction_angle: Of the sand [degrees].
        cells: Of the grid through the bed.
    """
    cell, length, angle = 0.005, 100 * 0.005, np.radians(tilt)
    points = grid_points((0, 0, 0), (length, WIDTH * cell, cells * cell), cell / 2)
    sand = dry_sand(friction_angle)
    model = channel(points, cell, 1.4 * length, 1.5 * cells * cell, sand, floor="sticky", friction=0.0)
    model = replace(model, gravity=(0.0, 0.0, -GRAVITY * float(np.cos(angle))))
    state, solver = model.state(), SolverMPM(model)

    def settle(state: State, control: Control) -> None:
        control.particle_a.copy_(-200 * state.particle_v)

    def pull(state: State, control: Control) -> None:
        control.particle_a[:, 0] = GRAVITY * float(np.sin(angle))

    for _ in run(model, solver, seconds=0.04, frame=2e-3, state=state, command=settle):
        pass
    middle = (points[:, 0] > 0.35 * length) & (points[:, 0] < 0.6 * length)  # which its ends have not reached yet
    speeds = [
        float(now.particle_v[middle, 0].double().mean())
        for now in run(model, solver, seconds=0.12, frame=5e-3, state=state, command=pull)
    ]
    return float(np.polyfit(5e-3 * np.arange(12), speeds[-12:], 1)[0])


def angle_of_repose() -> Outcome:
    """Beds of sand of three angles of friction: the tilt up to which they lie still."""
    found, curves = {}, []
    for angle in (25.0, 30.0, 35.0):
        tilts = angle + np.array([2.0, 4.0, 6.0])
        slides = [bed_slides(float(tilt), angle) for tilt in tilts]
        a, b = np.polyfit(tilts, slides, 1)
        found[angle] = -b / a
        theory = GRAVITY * (np.sin(np.radians(tilts)) - np.cos(np.radians(tilts)) * np.tan(np.radians(angle)))
        curves += [Series(f"φ = {angle:g}°", tilts, slides, marks=True), Series("theory", tilts, theory)]
    worst = max(abs(value - angle) for angle, value in found.items())
    detail = "; ".join(f"φ = {angle:g}°: {value:.1f}°" for angle, value in found.items())
    axes = ("tilt [°]", "acceleration [m/s²]")
    return Outcome("angle of repose, tilted bed", "error of the angle [°]", worst, 2.0, detail, tuple(curves), axes)


def heap(friction_angle: float, *, cells: int = 24) -> tuple[float, Array]:
    """Angle [degrees] at which sand rests behind a wall that was drawn away slowly, and the heap's profile (x, z) [m].

    Args:
        friction_angle: Of the sand [degrees].
        cells: Of the grid along the height of the sand.
    """
    height, speed = 0.12, 0.05
    cell = height / cells
    length, edge = 1.5 * height, WALL * cell
    sand = dry_sand(friction_angle)
    points = grid_points((0, 0, 0), (length, WIDTH * cell, height), cell / 2)
    model = channel(points, cell, 4 * length, height, sand, floor="sticky", friction=0.0)
    gate = RigidBody("/gate", "kinematic", Pose(), 1.0, (0, 0, 0), np.eye(3), velocity=(speed, 0, 0))
    facing = Pose((edge + length, 0, 0), (sqrt(0.5), 0, -sqrt(0.5), 0))
    wall = Collider(Plane(), facing, body=0, friction=0.0, name="gate")
    model = replace(model, bodies=(gate,), colliders=(*model.colliders, wall))
    state = model.state()
    for _ in run(model, SolverMPM(model), seconds=2 * height / speed, frame=0.02, state=state):
        pass
    profile = surface(state.particle_x[:, 0].double().numpy() - edge, cell)
    on_slope = (profile[:, 1] > 0.2 * height) & (profile[:, 1] < 0.75 * height)
    slope = np.polyfit(profile[on_slope, 0], profile[on_slope, 1], 1)[0]
    return float(np.degrees(np.arctan(-slope))), profile


def heaps() -> Outcome:
    """Heaps of sand behind a wall that is drawn away: how flat they are when they come to rest."""
    angles = (25.0, 30.0, 35.0)
    found = {angle: heap(angle) for angle in angles}
    worst = max(abs(found[angle][0] - angle) for angle in angles)
    detail = "; ".join(f"φ = {angle:g}°: {found[angle][0]:.1f}°" for angle in angles)
    curves = tuple(Series(f"φ = {angle:g}°", *found[angle][1].T) for angle in angles)
    return Outcome("heaps come to rest", "error of the angle [°]", worst, 2.0, detail, curves, ("x [m]", "z [m]"))
