"""Rigid bodies, ropes and cloth: rolling, bouncing, standing and hanging as mechanics has it."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin

import numpy as np
import torch
from scipy.optimize import brentq

from scenekit.datasets.experiments import Outcome, run
from scenekit.material import materials
from scenekit.plots import Series
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.rigid import SolverRigid
from scenekit.sim.ropes import rope
from scenekit.sim.shapes import Box, Plane, Sphere
from scenekit.sim.state import State
from scenekit.sim.xpbd import SolverXPBD

G = 9.81
"""[m/s²]."""

GROUND = RigidBody("/ground", "static", Pose(), 1.0, (0, 0, 0), np.eye(3), (Piece(Plane()),), friction=1.0)
"""A floor at z = 0."""


def sphere(*, radius: float, height: float, restitution: float = 0.0, friction: float = 1.0) -> RigidBody:
    """A solid ball of a kilogram whose lowest point is at a height [m]."""
    inertia = 0.4 * radius**2 * np.eye(3)
    place = Pose((0.0, 0.0, height + radius))
    ball = RigidBody("/ball", "dynamic", place, 1.0, (0, 0, 0), inertia, (Piece(Sphere(radius)),))
    return replace(ball, restitution=restitution, friction=friction)


def rolling_sphere() -> Outcome:
    """A ball rolls down a slope with 5/7 g sin θ."""
    tilt = radians(15.0)
    model = Model((G * sin(tilt), 0.0, -G * cos(tilt)), bodies=(GROUND, sphere(radius=0.1, height=0.0)))
    states = [(s.time, float(s.body_v[1, 0])) for s in run(model, SolverRigid(model), seconds=1.0, frame=0.02)]
    time, speed = np.array(states).T
    acceleration = float(np.polyfit(time[10:], speed[10:], 1)[0])
    theory = 5 / 7 * G * sin(tilt)
    curves = (Series("scenekit", time, speed), Series("5/7 g sin θ t", time, theory * time))
    detail = f"{acceleration:.4f} m/s², theory {theory:.4f}"
    error = abs(acceleration / theory - 1)
    return Outcome(
        "ball rolls down", "error of the acceleration", error, 0.02, detail, curves, ("t [s]", "speed [m/s]")
    )


def restitution() -> Outcome:
    """A ball that falls bounces with e times its speed."""
    found: dict[float, float] = {}
    curves = []
    for e in (0.3, 0.6, 0.9):
        ground = replace(GROUND, restitution=e)
        model = Model(bodies=(ground, sphere(radius=0.05, height=0.5, restitution=e)))
        states = [
            (s.time, float(s.body_x[1, 2]), float(s.body_v[1, 2]))
            for s in run(model, SolverRigid(model), seconds=0.6, frame=1e-3)
        ]
        time, height, speed = np.array(states).T
        found[e] = float(speed.max() / -speed.min())
        curves.append(Series(f"e = {e}", time, height))
    worst = max(abs(value - e) / e for e, value in found.items())
    detail = ", ".join(f"e = {e}: {value:.3f}" for e, value in found.items())
    return Outcome("ball bounces", "error of e", worst, 0.03, detail, tuple(curves), ("t [s]", "height [m]"))


def stack_of_boxes() -> Outcome:
    """Ten boxes on one another stand for ten seconds."""
    side = 0.1
    inertia = side**2 / 6 * np.eye(3)
    boxes = [
        RigidBody(
            f"/box_{i}", "dynamic", Pose((0.0, 0.0, side * (i + 0.5))), 1.0, (0, 0, 0), inertia,
            (Piece(Box((side / 2,) * 3)),), friction=0.6,
        )
        for i in range(10)
    ]  # fmt: skip
    model = Model(bodies=(GROUND, *boxes))
    state = model.state()
    rest = state.body_x.clone()
    for _ in run(model, SolverRigid(model), seconds=10.0, frame=0.1, state=state):
        pass
    moved = (state.body_x - rest).norm(dim=1)
    fastest = float(state.body_v.norm(dim=1).max())
    detail = f"box that moved most: {float(moved.max()) * 1e3:.2f} mm; fastest {fastest:.1e} m/s at the end"
    return Outcome("ten boxes stand 10 s", "largest way [m]", float(moved.max()), 0.01, detail)


def catenary() -> Outcome:
    """A rope that hangs between two points takes the shape of the catenary."""
    span, length, v = 1.0, 1.5, 61
    a = brentq(lambda a: 2 * a * np.sinh(span / 2 / a) - length, 0.1, 10.0)
    s = np.linspace(-length / 2, length / 2, v)
    theory = np.stack([a * np.arcsinh(s / a), np.sqrt(a * a + s * s) - np.hypot(a, length / 2)], 1)
    points = torch.zeros(v, 3, dtype=torch.float64)
    points[:, 0] = torch.from_numpy(s)
    elements = rope(points, materials["steel"], radius=1e-3)
    elements.mass[0] = elements.mass[-1] = 0.0
    state = (model := Model(elements=elements)).state()
    state.vertex_x[:, 0] = torch.from_numpy(np.linspace(-span / 2, span / 2, v)).float()
    slack = np.sqrt((length / (v - 1)) ** 2 - (span / (v - 1)) ** 2)  # a zigzag of the right length to begin with
    state.vertex_x[1::2, 1] = float(slack)

    def damped(state: State, control: Control) -> None:
        control.vertex_a.copy_(-4 * state.vertex_v)

    for _ in run(model, SolverXPBD(model), seconds=8.0, frame=0.02, state=state, command=damped):
        pass
    x, z = state.vertex_x[:, 0].double().numpy(), state.vertex_x[:, 2].double().numpy()
    sag = -theory[:, 1].min()
    error = float(np.abs(z - theory[:, 1]).max() / sag)
    detail = f"sag {-z.min():.4f} m, theory {sag:.4f} m"
    curves = (Series("rope", x, z, marks=True), Series("catenary", *theory.T))
    figure = "largest distance from the catenary per sag"
    return Outcome("hanging rope", figure, error, 0.02, detail, curves, ("x [m]", "z [m]"))
