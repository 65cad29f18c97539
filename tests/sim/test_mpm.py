"""MPM: the solver against a plain MLS-MPM in float64, closed forms and conservation."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

import scenekit._kernels.launch as launch
from scenekit.errors import InputError
from scenekit.laws import DruckerPrager, FixedCorotated, Fluid, HerschelBulkley, Law, NeoHookean, Snow, VonMises
from scenekit.material import Material
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim import stress
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import Collider, Contact
from scenekit.sim.control import Control
from scenekit.sim.model import Domain, Model
from scenekit.sim.mpm import SolverMPM
from scenekit.sim.particles import Particles
from scenekit.sim.shapes import Box, Plane
from scenekit.sim.solver import SimulationError
from scenekit.sim.state import State

LAWS: dict[str, Law] = {
    "fixed-corotated": FixedCorotated(),
    "neo-hookean": NeoHookean(),
    "von-mises": VonMises(Quantity(2e3), Quantity(1e4)),
    "drucker-prager": DruckerPrager(Quantity(30.0), Quantity(50.0)),
    "snow": Snow(),
    "fluid": Fluid(Quantity(5e4), Quantity(2.0)),
    "herschel-bulkley": HerschelBulkley(Quantity(200.0), Quantity(50.0), Quantity(0.7)),
}


def material(law: str, *, E: float = 1e5) -> Material:
    return Material(law, Quantity(1000.0), Quantity(E), Quantity(0.3), Quantity(0.5), Quantity(0.0), LAWS[law])


def block(
    law: str = "neo-hookean",
    *,
    low: tuple[float, float, float] = (0.4, 0.4, 0.4),
    size: tuple[float, float, float] = (0.2, 0.2, 0.2),
    cell: float = 0.05,
    **model: object,
) -> Model:
    """A block of eight particles per cell in a domain of a metre."""
    axes = [np.arange(lo + cell / 4, lo + side, cell / 2) for lo, side in zip(low, size, strict=True)]
    x = torch.tensor(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3), dtype=torch.float32)
    p, volume = len(x), cell**3 / 8
    particles = Particles(
        x,
        torch.zeros(p, 3),
        torch.full((p,), 1000 * volume),
        torch.full((p,), volume),
        torch.zeros(p, dtype=torch.int32),
        (material(law),),
    )
    return Model(domain=Domain((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), cell), particles=particles, **model)  # type: ignore[arg-type]


def disturbed(model: Model, seed: int = 0) -> State:
    """A state in which everything is a little off."""
    g, state = torch.Generator().manual_seed(seed), model.state()
    p = len(state.particle_x)
    state.particle_v += torch.randn(p, 3, generator=g)
    state.particle_C += torch.randn(p, 3, 3, generator=g)
    state.particle_F += 0.02 * torch.randn(p, 3, 3, generator=g)
    state.particle_total += 0.02 * torch.randn(p, 3, 3, generator=g)
    return state


def substep_by_the_book(model: Model, state: State, h: float) -> dict[str, torch.Tensor]:
    """One substep in float64 with loops over the 27 nodes of all particles at once; one material, no colliders."""
    particles, domain = model.particles, model.domain
    assert particles is not None and domain is not None
    cell, law = domain.cell, particles.materials[0]
    x, v, C, F, total, memory = (
        getattr(state, f"particle_{name}").double() for name in ("x", "v", "C", "F", "total", "memory")
    )
    tau = stress.respond(law, F, memory, C, 0.0).tau
    mass, volume = particles.mass.double()[:, None], particles.volume.double()[:, None, None]
    A = mass[:, :, None] * C - 4 * h / cell**2 * volume * tau
    base = torch.floor(x / cell - 0.5).long()
    f = x / cell - base - 0.5
    w = torch.stack([0.5 * (1 - f) ** 2, 0.75 - (f - 0.5) ** 2, 0.5 * f**2], 1)
    nodes = torch.zeros(*domain.shape, 4, dtype=torch.float64)
    stencil = [(torch.tensor(o), w[:, o[0], 0] * w[:, o[1], 1] * w[:, o[2], 2]) for o in product(range(3), repeat=3)]
    for offset, weight in stencil:
        d = (base + offset) * cell - x
        rows = torch.cat([mass * v + (A @ d[:, :, None])[:, :, 0], mass], 1)
        nodes.index_put_(tuple((base + offset).T), weight[:, None] * rows, accumulate=True)
    velocity = nodes[..., :3] / nodes[..., 3:].clamp(min=1e-300) + h * torch.tensor(model.gravity).double()
    v, B = torch.zeros_like(v), torch.zeros_like(C)
    for offset, weight in stencil:
        at_node = weight[:, None] * velocity[tuple((base + offset).T)]
        v, B = v + at_node, B + at_node[:, :, None] * ((base + offset) * cell - x)[:, None, :]
    C = 4 / cell**2 * B
    F, memory, _ = stress.respond(law, F + h * C @ F, memory, C, h)
    return {"x": x + h * v, "v": v, "C": C, "F": F, "total": total + h * C @ total, "memory": memory}


@pytest.mark.parametrize("law", LAWS)
def test_a_substep_is_that_of_the_book(law: str) -> None:
    model = block(law)
    state, solver = disturbed(model), SolverMPM(model)
    wanted = substep_by_the_book(model, state, 1e-4)
    solver.step(state, state, model.control(), 1e-4)
    if law in ("fixed-corotated", "neo-hookean"):
        assert not torch.equal(state.particle_F, state.particle_total)
    for name, value in wanted.items():
        found = getattr(state, f"particle_{name}").double()
        assert (found - value).norm() <= 1e-5 * value.norm(), name
