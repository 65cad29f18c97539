"""Soft matter and rigid bodies together: what one loses the other gains, and things can stand on one another."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.datasets.experiments import grid_points, matter
from scenekit.datasets.experiments_elastic import soft
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.colliders import Collider
from scenekit.sim.coupled import SolverCoupled
from scenekit.sim.energy import Meter
from scenekit.sim.model import Domain, Model
from scenekit.sim.shapes import Box, Plane

CELL = 0.02


def box(mass: float, half: tuple[float, float, float], at: tuple[float, float, float]) -> RigidBody:
    squares = np.square(half)
    inertia = mass / 3 * np.diag(squares.sum() - squares)
    return RigidBody("/box", "dynamic", Pose(at), mass, (0, 0, 0), inertia, (Piece(Box(half)),))


def jelly_and_box(mass: float, *, gravity: float, gap: float, youngs_modulus: float = 3e4) -> Model:
    """A block of jelly on a floor, or afloat if there is no gravity, and a box of 8 cm above it."""
    floor = 4.5 * CELL
    points = grid_points((0.16, 0.16, floor), (0.28, 0.28, floor + 0.08), CELL / 2)
    half = (0.04, 0.04, 0.04)
    body = box(mass, half, (0.21, 0.22, floor + 0.08 + gap + 0.04))
    ground = (Collider(Plane(), Pose((0, 0, floor))),) if gravity else ()
    return Model(
        (0.0, 0.0, -gravity),
        Domain((0.0, 0.0, 0.0), (0.44, 0.44, 0.5), CELL),
        matter(points, CELL / 2, soft(youngs_modulus=youngs_modulus)),
        bodies=(body,),
        colliders=(*ground, Collider(Box(half), body=0, friction=0.4)),
    )


@pytest.mark.parametrize("mass", [0.02, 0.5, 50.0])
def test_a_free_collision_keeps_both_momenta_whatever_the_masses(mass: float) -> None:
    model = jelly_and_box(mass, gravity=0.0, gap=0.005)
    state, solver = model.state(), SolverCoupled(model)
    state.particle_v[:, 2] = 1.0
    before = Meter(model)(state)
    for _ in range(4):
        solver.step(state, state, model.control(), 0.01)
    after = Meter(model)(state)
    assert state.body_v[0, 2] > 0.05 * min(1.0, 1 / mass)
    assert state.particle_x.isfinite().all()
    for name, bar in {"momentum": 1e-4, "angular_momentum": 1e-3}.items():
        old, new = (np.array(getattr(balance, name)) for balance in (before, after))
        assert np.linalg.norm(new - old) < bar * np.linalg.norm(old), name


def test_a_box_comes_to_rest_on_jelly_which_bears_its_weight() -> None:
    model = jelly_and_box(0.5, gravity=9.81, gap=0.0)
    state, solver = model.state(), SolverCoupled(model)
    control = model.control()
    for _ in range(60):
        control.particle_a.copy_(-8 * state.particle_v)
        control.body_force.copy_(-4 * state.body_v)
        solver.step(state, state, control, 0.02)
    given = torch.zeros(6, dtype=torch.float64)
    for _ in range(10):
        solver.step(state, state, control, 0.02)
        given += solver.impulses[0]
    assert float(given[2]) / 0.2 == pytest.approx(0.5 * 9.81, rel=0.05)
    top = 4.5 * CELL + 0.08
    assert top - 0.03 < float(state.body_x[0, 2]) - 0.04 < top + CELL


def test_control_reaches_the_body_and_steps_are_cut_to_the_timestep() -> None:
    model = replace(jelly_and_box(2.0, gravity=0.0, gap=0.1), gravity=(0.0, 0.0, 0.0))
    state, nxt, control = model.state(), model.state(), model.control()
    control.body_force[0, 2] = 3.0
    SolverCoupled(model, timestep=1e-3).step(state, nxt, control, 0.05)
    assert float(nxt.body_v[0, 2]) == pytest.approx(3.0 / 2.0 * 0.05)
    assert nxt.time == pytest.approx(0.05)
    assert state.time == 0


def test_a_timestep_or_a_step_of_nothing_is_refused() -> None:
    model = jelly_and_box(1.0, gravity=0.0, gap=0.1)
    with pytest.raises(InputError, match="timestep"):
        SolverCoupled(model, timestep=0.0)
    with pytest.raises(InputError, match="dt"):
        SolverCoupled(model).step(model.state(), model.state(), model.control(), float("nan"))
