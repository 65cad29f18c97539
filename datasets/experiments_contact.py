"""Soft matter that touches: a block on inclines of every kind, friction that stops it, collisions with bodies."""

from __future__ import annotations

from dataclasses import replace
from math import cos, degrees, radians, sin, sqrt

import numpy as np
import torch
import trimesh

from scenekit.datasets.experiments import Outcome, grid_points, matter, run
from scenekit.datasets.experiments_elastic import ball, soft
from scenekit.meshes import Mesh
from scenekit.plots import Series
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.colliders import Collider
from scenekit.sim.coupled import SolverCoupled
from scenekit.sim.energy import Meter
from scenekit.sim.model import Domain, Model
from scenekit.sim.mpm import SolverMPM
from scenekit.sim.shapes import Box, Capsule, DistanceField, Plane, Shape, Sphere

G = 9.81
"""[m/s²]."""

FAR = 50.0
"""Radius of curved inclines, so large that they are flat where the block is [m]."""


def grounds() -> dict[str, tuple[Shape, Pose]]:
    """Every kind of collider as a ground whose top is at z = 0.08 in a domain of 0.7 m by 0.28 m."""
    top = 0.08
    plate = trimesh.creation.box((2.0, 1.0, 0.1))
    mesh = Mesh(torch.from_numpy(plate.vertices).float(), torch.from_numpy(np.array(plate.faces)).long())
    lying = (sqrt(0.5), 0.0, sqrt(0.5), 0.0)
    return {
        "plane": (Plane(), Pose((0.0, 0.0, top))),
        "box": (Box((2.0, 1.0, 0.5)), Pose((0.3, 0.15, top - 0.5))),
        "sphere": (Sphere(FAR), Pose((0.2, 0.14, top - FAR))),
        "capsule": (Capsule(FAR, 5.0), Pose((0.2, 0.14, top - FAR), lying)),
        "mesh": (DistanceField.from_mesh(mesh, voxel=0.01), Pose((0.3, 0.15, top - 0.05))),
    }


def slide(ground: tuple[Shape, Pose], *, friction: float, tilt: float, seconds: float = 0.3) -> tuple[float, float]:
    """Acceleration and speed at the end of a block on a ground [m/s², m/s]; gravity is tilted instead of the ground.

    Args:
        ground: Shape and place.
        friction: μ.
        tilt: Of the ground, down towards +x [degrees].
        seconds: How long it slides; the first third of it is left out of the fit.
    """
    cell, top = 0.02, 0.08
    points = grid_points((0.12, 0.1, top), (0.24, 0.18, top + 0.06), cell / 2)
    angle = radians(tilt)
    collider = Collider(*ground, friction=friction)
    domain = Domain((0.0, 0.0, 0.0), (0.7, 0.28, 0.24), cell)
    block = matter(points, cell / 2, soft(youngs_modulus=2e5, poissons_ratio=0.2))
    model = Model((G * sin(angle), 0.0, -G * cos(angle)), domain, block, colliders=(collider,))
    times, speeds = [], []
    for state in run(model, SolverMPM(model), seconds=seconds, frame=0.01):
        times.append(state.time)
        speeds.append(float(state.particle_v[:, 0].double().mean()))
    late = len(times) // 3
    return float(np.polyfit(times[late:], speeds[late:], 1)[0]), speeds[-1]


def inclines_slide() -> Outcome:
    """On every kind of collider a block slides with g (sin θ − μ cos θ)."""
    mu, tilt = 0.3, 30.0
    theory = G * (sin(radians(tilt)) - mu * cos(radians(tilt)))
    found = {kind: slide(ground, friction=mu, tilt=tilt)[0] for kind, ground in grounds().items()}
    worst = max(abs(a / theory - 1) for a in found.values())
    detail = f"theory {theory:.3f} m/s²; " + ", ".join(f"{kind} {a:.3f}" for kind, a in found.items())
    return Outcome("block slides on an incline", "error of the acceleration", worst, 0.03, detail)


def inclines_hold() -> Outcome:
    """A block slides if and only if tan θ > μ: the angle at which it begins, on every kind of collider."""
    mu = 0.4
    theory = degrees(np.arctan(mu))
    found = {kind: _threshold(ground, mu, theory) for kind, ground in grounds().items()}
    worst = max(abs(angle - theory) for angle in found.values())
    detail = f"theory {theory:.2f}°; " + ", ".join(f"{kind} {angle:.2f}°" for kind, angle in found.items())
    return Outcome("block begins to slide", "error of the angle [°]", worst, 0.5, detail)


def _threshold(ground: tuple[Shape, Pose], mu: float, near: float) -> float:
    """The tilt at which a block begins to slide, by bisection to 0.1° [degrees]."""
    low, high = near - 1.6, near + 1.6
    while high - low > 0.1:
        middle = (low + high) / 2
        acceleration, _ = slide(ground, friction=mu, tilt=middle, seconds=0.4)
        moves = acceleration > 0.5 * G * sin(radians(0.1))
        low, high = (low, middle) if moves else (middle, high)
    return (low + high) / 2


def stopping_distance(friction: float, *, speed: float = 1.0) -> float:
    """How far a block slides on a level plane before it rests [m]."""
    cell, top = 0.02, 0.08
    points = grid_points((0.1, 0.1, top), (0.22, 0.18, top + 0.06), cell / 2)
    block = matter(points, cell / 2, soft(youngs_modulus=2e5, poissons_ratio=0.2), velocity=(speed, 0.0, 0.0))
    ground = Collider(Plane(), Pose((0.0, 0.0, top)), friction=friction)
    domain = Domain((0.0, 0.0, 0.0), (0.7, 0.28, 0.24), cell)
    model = Model((0.0, 0.0, -G), domain, block, colliders=(ground,))
    state = model.state()
    for _ in run(model, SolverMPM(model), seconds=1.3 * speed / (friction * G), frame=0.02, state=state):
        pass
    return float((state.particle_x[:, 0] - points[:, 0].float()).mean())


def friction_counterfactual() -> Outcome:
    """Twice the friction halves the distance v²/2μg in which a sliding block stops."""
    once, twice = stopping_distance(0.2), stopping_distance(0.4)
    error = abs(once / twice / 2 - 1)
    detail = f"μ = 0.2: {once:.3f} m (theory {1 / 0.4 / G:.3f}), μ = 0.4: {twice:.3f} m (theory {1 / 0.8 / G:.3f})"
    return Outcome("twice the friction", "error of the ratio 2", error, 0.05, detail)


def rigid_soft_collision() -> Outcome:
    """A ball of jelly hits a free box off its middle: what one loses, the other gains."""
    model = ball(soft(youngs_modulus=5e4), radius=0.08, cells=5, room=12)
    half = (0.05, 0.08, 0.08)
    mass = 3.0
    inertia = (
        mass / 3 * np.diag([half[1] ** 2 + half[2] ** 2, half[0] ** 2 + half[2] ** 2, half[0] ** 2 + half[1] ** 2])
    )
    place = Pose((0.48 + 0.15, 0.48, 0.52))
    box = RigidBody("/box", "dynamic", place, mass, (0, 0, 0), inertia, (Piece(Box(half)),))
    model = replace(model, bodies=(box,), colliders=(Collider(Box(half), body=0, friction=0.3),))
    state = model.state()
    state.particle_v[:] = torch.tensor([2.0, 0.0, 0.0])
    meter, before = Meter(model), np.array(Meter(model)(state).momentum)
    rows = []
    for now in run(model, SolverCoupled(model), seconds=0.15, frame=5e-3, state=state):
        change = float(np.linalg.norm(np.array(meter(now).momentum) - before))
        rows.append((now.time, float(now.body_v[0, 0]), float(now.particle_v[:, 0].mean()), change))
    time, body, jelly, change = np.array(rows).T
    error = float(change.max() / np.linalg.norm(before))
    detail = f"box ends at {body[-1]:.3f} m/s, jelly at {jelly[-1]:.3f} m/s; relative change {error:.1e}"
    curves = (Series("box", time, body), Series("jelly", time, jelly))
    return Outcome(
        "jelly hits a box",
        "relative change of momentum",
        error,
        1e-4,
        detail,
        curves,
        ("t [s]", "velocity along x [m/s]"),
    )
