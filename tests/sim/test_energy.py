"""The balance: energies and momenta of motions that are known in closed form."""

import numpy as np
import pytest
import torch

from scenekit.laws import FixedCorotated
from scenekit.material import Material
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import Collider
from scenekit.sim.elements import elements_of
from scenekit.sim.energy import Meter, elastic_energy
from scenekit.sim.model import Domain, Model
from scenekit.sim.particles import Particles
from scenekit.sim.shapes import Plane

W = torch.tensor([0.0, 0.0, 3.0])
SOFT = Material("soft", Quantity(1000), Quantity(1e4), Quantity(0.3), Quantity(0.5), Quantity(0.0), FixedCorotated())


def lattice(side: float = 0.2, n: int = 8, z: float = 1.0) -> Model:
    """A cube of particles; their grid has twice their spacing."""
    spacing = side / n
    line = (torch.arange(n) + 0.5) * spacing - side / 2
    x = torch.cartesian_prod(line, line, line + z)
    volume = torch.full((len(x),), spacing**3)
    kinds = torch.zeros(len(x), dtype=torch.int32)
    particles = Particles(x, torch.zeros_like(x), 1000 * volume, volume, kinds, (SOFT,))
    return Model(domain=Domain((-1.0,) * 3, (1.0, 1.0, 3.0), 2 * spacing), particles=particles)


def test_a_spinning_cube_of_particles_has_the_energy_and_momentum_of_a_solid_one():
    model = lattice()
    state = model.state()
    state.particle_v.copy_(torch.linalg.cross(W.expand(len(state.particle_x), 3), state.particle_x))
    state.particle_C.copy_(torch.tensor([[0.0, -3, 0], [3, 0, 0], [0, 0, 0]]).expand(len(state.particle_x), 3, 3))
    found = Meter(model)(state)
    points = float((1000 * (0.2 / 8) ** 3 * state.particle_x[:, :2].double().square().sum(1)).sum())
    affine = 8.0 * (2 * 0.2 / 8) ** 2 / 4 * 2  # each particle carries m h²/4 along both axes
    assert found.angular_momentum == pytest.approx((0, 0, 3 * (points + affine)), rel=1e-5, abs=1e-6)
    assert found.kinetic == pytest.approx(4.5 * (points + affine), rel=1e-5)
    assert found.potential == pytest.approx(8.0 * 9.81, rel=1e-5)
    assert found.momentum == pytest.approx((0, 0, 0), abs=1e-6)


def test_stretched_matter_holds_the_energy_of_its_law():
    model = lattice()
    state = model.state()
    state.particle_F[:, 0, 0] = 1.1
    mu, la = 1e4 / 2.6, 1e4 * 0.3 / (1.3 * 0.4)
    assert Meter(model)(state).elastic == pytest.approx((mu * 0.01 + la / 2 * 0.01) * 0.008, rel=1e-4)


def test_a_free_body_has_the_energy_and_momentum_of_euler():
    inertia = np.diag([0.02, 0.03, 0.04])
    turned = Pose((0.0, 0.0, 2.0), (np.cos(np.pi / 4), 0.0, 0.0, np.sin(np.pi / 4)))  # x becomes y
    body = RigidBody("/b", "dynamic", turned, 2.0, (0.1, 0.0, 0.0), inertia, velocity=(1.0, 0, 0), spin=(0.0, 5.0, 0.0))
    fixed = RigidBody("/s", "static", Pose(), 0.0, (0.0, 0.0, 0.0), np.zeros((3, 3)))
    model = Model(bodies=(body, fixed))
    found = Meter(model)(model.state())
    assert found.kinetic == pytest.approx(1.0 + 0.5 * 0.02 * 25)
    assert found.momentum == pytest.approx((2.0, 0, 0))
    wanted = np.cross([0.0, 0.1, 2.0], [2.0, 0, 0]) + np.array([0, 0.02 * 5, 0])
    assert found.angular_momentum == pytest.approx(tuple(wanted))
    assert found.potential == pytest.approx(2.0 * 9.81 * 2.0)


def test_constraints_hold_half_their_square_over_their_compliance():
    x = torch.tensor([[0.0, 0, 0], [1.2, 0, 0], [2.0, 0, 0]])
    elements = elements_of(
        x=x,
        mass=torch.ones(3),
        radius=0.0,
        friction=0.0,
        edges=torch.tensor([[0, 1], [1, 2]], dtype=torch.int32),
        edge_rest=torch.ones(2),
        edge_compliance=torch.tensor([0.1, 0.0]),
    )
    assert float(elastic_energy(elements, x)) == pytest.approx(0.5 * 0.04 / 0.1, rel=1e-5)


def test_a_tetrahedron_is_at_zero_at_rest_and_its_slope_is_linear_elasticity():
    x = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    mu, la = 3.0, 5.0
    elements = elements_of(
        x=x, mass=torch.ones(4), radius=0.0, friction=0.0, tets=torch.tensor([[0, 1, 2, 3]], dtype=torch.int32),
        tet_inverse_rest=torch.eye(3)[None], tet_volume=torch.tensor([1 / 6]), tet_mu=torch.tensor([mu]),
        tet_lambda=torch.tensor([la]),
    )  # fmt: skip
    assert float(elastic_energy(elements, x)) == pytest.approx(0.0, abs=1e-6)
    strain = torch.diag(torch.tensor([2e-2, -1e-2, 0.5e-2]))
    wanted = (mu * strain.square().sum() + la / 2 * strain.trace() ** 2) / 6
    assert float(elastic_energy(elements, x + x @ strain)) == pytest.approx(float(wanted), rel=0.05)


def test_the_deepest_particle_is_the_penetration():
    above = lattice()
    model = Model(
        domain=above.domain, particles=above.particles, colliders=(Collider(Plane(), Pose((0.0, 0.0, 0.95))),)
    )
    assert Meter(model)(model.state()).penetration == pytest.approx(0.95 - (0.9 + 0.0125), abs=1e-6)
    assert Meter(above)(above.state()).penetration == 0.0
