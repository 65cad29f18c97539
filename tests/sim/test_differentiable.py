"""Gradients of elastic rollouts against finite differences."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.laws import FixedCorotated, Fluid, Law, NeoHookean
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.colliders import Collider
from scenekit.sim.differentiable import ElasticRollout
from scenekit.sim.model import Domain, Model
from scenekit.sim.particles import Particles
from scenekit.sim.shapes import Plane

CELL, SIDE = 0.05, 6


def block(law: Law, *, floor: bool) -> Model:
    """A cube of jelly in the middle of a room of a metre, on the floor or afloat."""
    axis = (torch.arange(SIDE) + 0.5) * CELL / 2
    x = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3) + 0.4
    p, volume = len(x), (CELL / 2) ** 3
    jelly = replace(materials["jelly"], law=law)
    every = torch.ones(p)
    particles = Particles(x, 0 * x, 1050 * volume * every, volume * every, torch.zeros(p, dtype=torch.int32), (jelly,))
    colliders = (Collider(Plane(), Pose((0, 0, 0.4)), contact="slip"),) if floor else ()
    gravity = (0.0, 0.0, -9.81 if floor else 0.0)
    return Model(gravity, Domain((0, 0, 0), (1, 1, 1), CELL), particles, colliders=colliders)


def stretched(rollout: ElasticRollout, speed: Tensor, E: Tensor, nu: Tensor) -> Tensor:
    """How much a block is deformed after 0.04 s, having begun to shear and swell."""
    x, v, C, F = rollout.begin()
    y = x - 0.4
    flow = torch.stack([y[:, 1], -0.3 * y[:, 0], 5 * y[:, 2] ** 2], 1)
    _, _, _, F = rollout(x, v + speed * flow, C, F, E, nu, steps=40)
    return (F.double() - torch.eye(3)).square().sum()


@pytest.mark.parametrize("floor", [False, True], ids=["afloat", "on the floor"])
@pytest.mark.parametrize("law", [NeoHookean(), FixedCorotated()], ids=lambda law: law.name)
def test_gradients_of_velocity_and_stiffness_are_those_of_finite_differences(law: Law, floor: bool) -> None:
    rollout = ElasticRollout(block(law, floor=floor), dt=1e-3)
    values = [torch.tensor(3.0), torch.tensor([1e4]), torch.tensor([0.3])]
    inputs = [value.clone().requires_grad_() for value in values]
    stretched(rollout, *inputs).backward()
    for i, step in enumerate((1e-2, 50.0, 2e-3)):
        with torch.no_grad():
            up, down = (
                stretched(rollout, *(v + sign * step * (i == j) for j, v in enumerate(values))) for sign in (1, -1)
            )
        difference = float(up - down) / (2 * step)
        assert float(inputs[i].grad) == pytest.approx(difference, rel=5e-3)  # float32 rollouts, differences to 1e-3


def test_a_rollout_in_two_parts_has_the_gradient_of_one_in_one() -> None:
    rollout = ElasticRollout(block(NeoHookean(), floor=True), dt=1e-3)
    grads = []
    for parts in ((40,), (15, 25)):
        E, nu, state = torch.tensor([1e4], requires_grad=True), torch.tensor([0.3]), rollout.begin()
        for steps in parts:
            state = rollout(*state, E, nu, steps=steps)
        state[3].square().sum().backward()
        grads.append(float(E.grad))
    assert grads[0] == pytest.approx(grads[1], rel=1e-5)


def test_stiffness_is_found_from_where_particles_went() -> None:
    rollout = ElasticRollout(block(NeoHookean(), floor=True), dt=1e-3)
    nu = torch.tensor([0.3])
    with torch.no_grad():
        seen = rollout(*rollout.begin(), torch.tensor([2e4]), nu, steps=60)[0]
    log_E = torch.tensor([1e4]).log().requires_grad_()
    optimizer = torch.optim.Adam([log_E], lr=0.1)
    cooling = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
    for _ in range(60):
        optimizer.zero_grad()
        (rollout(*rollout.begin(), log_E.exp(), nu, steps=60)[0] - seen).square().sum().mul(1e6).backward()
        optimizer.step()
        cooling.step()
    assert float(log_E.detach().exp()) == pytest.approx(2e4, rel=0.02)


def test_a_law_that_flows_has_no_rollout_of_this_kind() -> None:
    model = block(NeoHookean(), floor=False)
    assert model.particles is not None
    water = replace(model.particles.materials[0], law=Fluid(Quantity(1e5)))
    with pytest.raises(InputError, match="fixed-corotated, neo-hookean"):
        ElasticRollout(replace(model, particles=replace(model.particles, materials=(water,))), dt=1e-3)
