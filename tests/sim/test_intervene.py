"""Interventions: what changes, and that nothing else does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.errors import InputError
from scenekit.laws import NeoHookean
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import Collider
from scenekit.sim.intervene import intervene
from scenekit.sim.model import Domain, Matter, Model
from scenekit.sim.particles import Particles
from scenekit.sim.shapes import Sphere

JELLY = replace(materials["jelly"], law=NeoHookean())


def model() -> Model:
    """Two lumps of jelly and a ball."""
    p, rng = 20, torch.Generator().manual_seed(0)
    x = torch.rand(p, 3, generator=rng)
    every = torch.ones(p)
    particles = Particles(x, 0 * x, every / 100, every * 1e-5, torch.zeros(p, dtype=torch.int32), (JELLY,))
    ball = RigidBody("/ball", "dynamic", Pose((0, 0, 2)), 2.0, (0.1, 0, 0), np.diag([1.0, 2.0, 2.5]), friction=0.5)
    return Model(
        domain=Domain((0, 0, 0), (1, 1, 1), 0.1),
        particles=particles,
        bodies=(ball,),
        colliders=(Collider(Sphere(0.1), body=0), Collider(Sphere(0.1), Pose((0, 0, -1)))),
        matter=(Matter("/a", (0, 12)), Matter("/b", (12, 20)), Matter("/ball", body=0)),
    )


def test_a_mass_is_scaled_where_it_is_and_nowhere_else() -> None:
    before = model()
    after, state = intervene(before, before.state(), "/b", mass=0.4)
    assert after.particles is not None
    assert before.particles is not None
    assert float(after.particles.mass[12:].sum()) == pytest.approx(0.4)
    assert torch.equal(after.particles.mass[:12], before.particles.mass[:12])
    assert not any(state.differences(before.state()).values())
    body, _ = intervene(before, before.state(), "/ball", mass=4.0)
    assert body.bodies[0].mass == 4.0
    assert np.allclose(body.bodies[0].inertia, 2 * before.bodies[0].inertia)


def test_the_given_model_and_state_stay_as_they_are() -> None:
    before, state = model(), model().state()
    copy = state.clone()
    intervene(before, state, "/a", mass=9.0, velocity=(1, 2, 3), by=Pose((1, 0, 0)))
    assert not any(state.differences(copy).values())
    assert before.particles is not None
    assert float(before.particles.mass[0]) == pytest.approx(0.01)


def test_a_new_material_brings_its_density() -> None:
    heavy = replace(JELLY, name="heavy", density=Quantity(3000.0))
    after, _ = intervene(model(), model().state(), "/a", material=heavy)
    assert after.particles is not None
    assert after.particles.materials[-1] is heavy
    assert torch.allclose(after.particles.mass[:12], torch.tensor(0.03))
    assert after.particles.material.tolist() == [1] * 12 + [0] * 8


def test_a_spin_gives_the_angular_momentum_of_a_rigid_body() -> None:
    before = model()
    w = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    _, state = intervene(before, before.state(), "/a", velocity=(1, 0, 0), spin=tuple(w.tolist()))
    x, v = state.particle_x[:12].double(), state.particle_v[:12].double()
    y = x - x.mean(0)
    assert torch.allclose(v.mean(0), torch.tensor([1.0, 0, 0], dtype=torch.float64), atol=1e-6)
    inertia = (y.square().sum(1)[:, None, None] * torch.eye(3) - y[:, :, None] * y[:, None, :]).sum(0)
    assert torch.allclose(torch.linalg.cross(y, v).sum(0), inertia @ w, atol=1e-6)
    assert torch.allclose(state.particle_C[:12].double() @ y[:, :, None], (v - v.mean(0))[:, :, None], atol=1e-6)
    assert not state.particle_v[12:].any()


def test_a_motion_of_the_world_keeps_shape_and_turns_what_points() -> None:
    before, by = model(), Pose((0, 0, 1), (np.sqrt(0.5), 0, 0, np.sqrt(0.5)))
    start = before.state()
    start.body_v[0] = torch.tensor([1.0, 0, 0])
    _, state = intervene(before, start, "/ball", by=by)
    assert torch.allclose(state.body_x[0], torch.tensor([0.0, 0, 3], dtype=torch.float64))
    assert torch.allclose(state.body_v[0], torch.tensor([0.0, 1, 0], dtype=torch.float64), atol=1e-12)
    _, state = intervene(before, start, "/a", by=by)
    gaps = [torch.cdist(s.particle_x[:12], s.particle_x[:12]) for s in (start, state)]
    assert torch.allclose(*gaps, atol=1e-5)
    turn = torch.from_numpy(by.matrix[:3, :3]).float()
    assert torch.allclose(state.particle_F[:12], turn.expand(12, 3, 3))
    assert torch.equal(state.particle_F[12:], start.particle_F[12:])


def test_friction_reaches_the_colliders_of_the_body_alone() -> None:
    after, _ = intervene(model(), model().state(), "/ball", friction=0.9)
    assert [c.friction for c in after.colliders] == [0.9, 0.5]
    assert after.bodies[0].friction == 0.9


def test_gravity_needs_no_path_and_everything_else_does() -> None:
    after, _ = intervene(model(), model().state(), gravity=(0, 0, -1.62))
    assert after.gravity == (0, 0, -1.62)
    with pytest.raises(InputError, match="/ball"):
        intervene(model(), model().state(), mass=1.0)
    with pytest.raises(InputError, match="a node that moves"):
        intervene(model(), model().state(), "/mug", mass=1.0)
    with pytest.raises(InputError, match="made of particles"):
        intervene(model(), model().state(), "/ball", material=JELLY)
