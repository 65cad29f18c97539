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
from scenekit.sim.model import Domain, Model
from scenekit.sim.mpm import SolverMPM, longest_substep
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


def momenta(model: Model, state: State) -> tuple[torch.Tensor, torch.Tensor]:
    """Linear momentum, and angular momentum about the origin: Σ m (x × v) and that of the affine field, float64.

    APIC carries Σ m cell²/4 axial(C) within particles (Jiang et al. 2015, section 5.3.2).
    """
    assert model.particles is not None and model.domain is not None
    m = model.particles.mass.double()[:, None]
    x, v, C = (getattr(state, f"particle_{name}").double() for name in ("x", "v", "C"))
    axial = torch.stack([C[:, 2, 1] - C[:, 1, 2], C[:, 0, 2] - C[:, 2, 0], C[:, 1, 0] - C[:, 0, 1]], 1)
    return (m * v).sum(0), (m * (torch.linalg.cross(x, v) + model.domain.cell**2 / 4 * axial)).sum(0)


def spun(model: Model, w: tuple[float, float, float]) -> State:
    """A state that turns with w [rad/s] about the middle of the domain."""
    state, W = model.state(), torch.tensor(w)
    arm = state.particle_x - 0.5
    state.particle_v += torch.linalg.cross(W.expand_as(arm), arm)
    state.particle_C += torch.linalg.cross(W.expand(3, 3), torch.eye(3)).T
    return state


def run(model: Model, state: State, seconds: float, *, steps: int = 1, **options: float) -> State:
    solver, control = SolverMPM(model, **options), model.control()
    for _ in range(steps):
        solver.step(state, state, control, seconds / steps)
    return state


@pytest.mark.parametrize("law", ["fixed-corotated", "neo-hookean"])
def test_a_free_spinning_body_keeps_its_momenta(law: str) -> None:
    model = block(law, gravity=(0.0, 0.0, 0.0))
    state = spun(model, (3.0, 2.0, 5.0))
    state.particle_v += torch.tensor([0.1, 0.2, -0.1])
    before = momenta(model, state)
    for then, now in zip(before, momenta(model, run(model, state, 0.5, steps=10)), strict=True):
        assert (now - then).norm() <= 0.5e-5 * then.norm()


def test_a_projectile_flies_a_parabola() -> None:
    model = block(low=(0.3, 0.4, 0.3), size=(0.1, 0.1, 0.1))
    state = model.state()
    start = state.particle_x.double().mean(0)
    state.particle_v += torch.tensor([0.5, 0.0, 2.0])
    run(model, state, 0.4, steps=8)
    flown = state.particle_x.double().mean(0) - start
    wanted = torch.tensor([0.5, 0.0, 2.0]).double() * 0.4 + 0.5 * torch.tensor(model.gravity).double() * 0.4**2
    longest = _substep_length(model)
    # Symplectic Euler falls g h t / 2 farther than the parabola, which is exact in the limit.
    assert (flown - wanted - 0.5 * torch.tensor(model.gravity).double() * 0.4 * longest).norm() <= 1e-4 * wanted.norm()


def _substep_length(model: Model, dt: float = 0.05) -> float:
    from math import ceil

    from scenekit.sim.mpm import COURANT, longest_substep

    return dt / ceil(dt / longest_substep(model, COURANT) - 1e-9)


@pytest.mark.parametrize("law", LAWS)
def test_two_runs_are_equal_bit_for_bit_and_so_are_threads(law: str) -> None:
    model = block(law, low=(0.4, 0.4, 0.16), size=(0.3, 0.3, 0.2))
    threads, states = launch.threads(), []
    try:
        for count in (1, 2, 2):
            launch.set_threads(count)
            state = disturbed(model)
            states.append(run(model, state, 0.02, steps=2))
    finally:
        launch.set_threads(threads)
    for other in states[1:]:
        assert all(difference == 0 for difference in states[0].differences(other).values())


def test_the_order_of_particles_is_the_users() -> None:
    model = block()
    assert model.particles is not None
    shuffled = torch.randperm(len(model.particles), generator=torch.Generator().manual_seed(1))
    parts = {name: getattr(model.particles, name)[shuffled] for name in ("x", "v", "mass", "volume", "material")}
    other = replace(model, particles=replace(model.particles, **parts))
    a, b = (run(m, m.state(), 0.05) for m in (model, other))
    torch.testing.assert_close(b.particle_x, a.particle_x[shuffled], atol=1e-5, rtol=0)


def test_a_step_in_pieces_is_a_step() -> None:
    model = block()
    h = 10 * _substep_length(model)
    whole, pieces = (run(model, disturbed(model), h, steps=steps) for steps in (1, 10))
    torch.testing.assert_close(pieces.particle_v, whole.particle_v, atol=1e-4, rtol=1e-3)
    assert whole.time == pytest.approx(pieces.time)


def test_nxt_gets_the_step_and_state_stays() -> None:
    model = block()
    state, nxt = model.state(), model.state()
    SolverMPM(model).step(state, nxt, model.control(), 0.01)
    assert state.time == 0 and torch.equal(state.particle_x, model.state().particle_x)
    assert nxt.time == 0.01 and not torch.equal(nxt.particle_v, state.particle_v)


def test_control_accelerates_particles() -> None:
    model = block(gravity=(0.0, 0.0, 0.0))
    state, control = model.state(), model.control()
    control.particle_a[:, 0] = 2.0
    SolverMPM(model).step(state, state, control, 0.1)
    torch.testing.assert_close(state.particle_v[:, 0], torch.full((len(state.particle_v),), 0.2), atol=1e-4, rtol=0)


@pytest.mark.parametrize("law", ["neo-hookean", "fluid"])
@pytest.mark.parametrize("direction", [(1.0, 0.0, 0.0), (-1.0, -1.0, -1.0), (0.0, 0.0, 1.0)])
def test_matter_thrown_at_a_wall_stays_inside(law: str, direction: tuple[float, float, float]) -> None:
    model = block(law, gravity=(0.0, 0.0, 0.0))
    state = model.state()
    state.particle_v += 10 * torch.tensor(direction)
    run(model, state, 0.2, steps=4)
    assert float(state.particle_x.min()) > 0.5 * 0.05 and float(state.particle_x.max()) < 1 - 0.5 * 0.05


def resting(contact: Contact, friction: float, *, kind: str = "static") -> tuple[Model, State]:
    """A block on a floor at 0.2 m, thrown along x."""
    size = (0.2, 0.2, 0.1)
    collider = Collider(Plane(), Pose((0.0, 0.0, 0.2)), contact=contact, friction=friction, name="floor")
    model = block(low=(0.3, 0.4, 0.2), size=size, colliders=(collider,))
    state = model.state()
    state.particle_v[:, 0] = 0.5
    return model, state


@pytest.mark.parametrize("contact", ["sticky", "slip"])
def test_a_sticky_floor_holds_a_block_that_slides_on_a_slippery_one(contact: Contact) -> None:
    model, state = resting(contact, 0.0)
    start = float(state.particle_x[:, 0].mean())
    moved = float(run(model, state, 0.3, steps=6).particle_x[:, 0].mean()) - start
    if contact == "slip":
        assert moved == pytest.approx(0.15, rel=1e-3)
    else:
        assert abs(moved) < 0.03


def test_friction_takes_mu_times_what_the_floor_gives() -> None:
    model, state = resting("separate", 0.1)
    run(model, state, 0.1, steps=2)
    before = state.particle_v.mean(0)
    change = run(model, state, 0.2, steps=4).particle_v.mean(0) - before
    assert -float(change[0]) == pytest.approx(0.1 * (9.81 * 0.2 + float(change[2])), rel=1e-2)


def test_a_separating_ceiling_lets_a_block_go_and_a_slippery_one_does_not() -> None:
    fallen = {}
    for contact in ("separate", "slip"):
        ceiling = Pose((0.0, 0.0, 0.57), (0.0, 1.0, 0.0, 0.0))
        collider = Collider(Plane(), ceiling, contact=contact)  # type: ignore[arg-type]
        model = block(low=(0.4, 0.4, 0.5), size=(0.2, 0.2, 0.1), colliders=(collider,))
        fallen[contact] = 0.55 - float(run(model, model.state(), 0.1).particle_x[:, 2].mean())
    assert fallen["separate"] == pytest.approx(0.5 * 9.81 * 0.1**2, rel=0.05)
    assert fallen["slip"] < 0.25 * fallen["separate"]


def box(mass: float = 8.0) -> RigidBody:
    inertia = np.eye(3) * mass * 0.2**2 / 6
    return RigidBody("/box", "dynamic", Pose((0.5, 0.5, 0.31)), mass, (0.0, 0.0, 0.0), inertia)


def test_what_matter_loses_to_a_body_is_told() -> None:
    collider = Collider(Box((0.1, 0.1, 0.1)), body=0, friction=0.3)
    model = block(low=(0.42, 0.45, 0.42), gravity=(0.0, 0.0, 0.0), bodies=(box(),), colliders=(collider,))
    state, solver = model.state(), SolverMPM(model)
    state.particle_v += torch.tensor([0.3, 0.0, -1.0])
    before = momenta(model, state)
    solver.step(state, state, model.control(), 0.03)
    after = momenta(model, state)
    assert solver.impulses[0, 2] < -0.1
    torch.testing.assert_close(before[0] - after[0], solver.impulses[0, :3], atol=1e-4, rtol=1e-3)
    centre = torch.tensor([0.5, 0.5, 0.31], dtype=torch.float64)
    assert torch.equal(state.body_x[0], centre) and torch.equal(state.body_v[0], torch.zeros(3).double())
    angular = before[1] - after[1] - torch.linalg.cross(centre, solver.impulses[0, :3])
    # The body drifts by a millimetre during the step, so its centre does too.
    torch.testing.assert_close(angular, solver.impulses[0, 3:], atol=5e-3, rtol=0)


def test_a_kinematic_body_pushes_matter_and_goes_its_way() -> None:
    body = replace(box(), kind="kinematic", velocity=(0.0, 0.0, 0.5))
    collider = Collider(Box((0.2, 0.2, 0.1)), body=0, contact="sticky")
    model = block(low=(0.4, 0.4, 0.42), gravity=(0.0, 0.0, 0.0), bodies=(body,), colliders=(collider,))
    state = model.state()
    run(model, state, 0.2, steps=2)
    assert float(state.body_x[0, 2]) == pytest.approx(0.31 + 0.1, abs=1e-9)
    assert float(state.particle_v[:, 2].mean()) == pytest.approx(0.5, abs=0.3)
    assert float(state.particle_x[:, 2].min()) > 0.5


def test_values_that_are_not_finite_are_an_error() -> None:
    model = block()
    state = model.state()
    state.particle_v[7, 1] = torch.nan
    with pytest.raises(SimulationError, match=r"neo-hookean at 0 s: got values that are not finite"):
        SolverMPM(model).step(state, state, model.control(), 0.01)


def test_matter_outside_of_the_domain_is_an_error() -> None:
    model = block()
    state = model.state()
    state.particle_x[3] = torch.tensor([0.5, 0.5, 1.2])
    with pytest.raises(SimulationError, match=r"a particle at \(0.5, 0.5, 1.2\) m"):
        SolverMPM(model).step(state, state, model.control(), 0.01)


def test_a_step_of_absurdly_many_substeps_is_refused() -> None:
    model = block()
    assert model.particles is not None
    stiff = replace(model, particles=replace(model.particles, materials=(material("neo-hookean", E=1e17),)))
    with pytest.raises(InputError, match="at most 1000000"):
        SolverMPM(stiff).step(model.state(), model.state(), model.control(), 0.1)


def test_a_model_without_particles_is_refused() -> None:
    with pytest.raises(InputError, match="no particles"):
        SolverMPM(Model())


def test_materials_answer_each_by_its_own_law() -> None:
    model = block("fluid")
    assert model.particles is not None
    upper = model.particles.x[:, 2] > 0.5
    two = replace(
        model.particles, materials=(material("fluid"), material("neo-hookean")), material=upper.to(torch.int32)
    )
    model = replace(model, particles=two)
    state = run(model, model.state(), 0.1)
    F = state.particle_F[~upper]
    assert torch.equal(F, F[:, :1, :1] * torch.eye(3))
    assert not torch.equal(state.particle_F[upper], state.particle_F[upper][:, :1, :1] * torch.eye(3))


@pytest.mark.parametrize("law", ["neo-hookean", "drucker-prager", "fluid"])
def test_a_fresh_solver_goes_on_from_a_state_to_the_same_bits(law: str) -> None:
    model = block(law)
    state, control = disturbed(model), model.control()
    old, steps = SolverMPM(model), 6
    for step in range(steps):
        if step == steps // 2:
            other = state.clone()
        old.step(state, state, control, 0.01)
    new = SolverMPM(model)
    for _ in range(steps - steps // 2):
        new.step(other, other, control, 0.01)
    assert not any(state.differences(other).values())


def test_slow_strain_is_not_lost_beside_the_identity() -> None:
    """A block is stretched at 1e-4 per second, by a tenth of what float32 can tell from 1 in each substep."""
    model, rate = block(size=(0.1, 0.1, 0.1), gravity=(0.0, 0.0, 0.0)), 1e-4
    assert model.particles is not None
    model = replace(model, particles=replace(model.particles, materials=(material("neo-hookean", E=1.0),)))
    state, control = model.state(), model.control()
    middle = state.particle_x.mean(0)
    state.particle_v[:, 0] = rate * (state.particle_x[:, 0] - middle[0])
    state.particle_C[:, 0, 0] = rate
    solver, seconds = SolverMPM(model, courant=4e-5), 0.02
    solver.step(state, state, control, seconds)
    assert longest_substep(model, 4e-5) * rate < 6e-9
    strain = float(state.particle_F[:, 0, 0].double().mean()) - 1
    assert strain == pytest.approx(rate * seconds, rel=0.1)  # what a float32 state can say of 2e-6
