"""MPM with a thread for each particle against MPM in blocks."""

from dataclasses import replace

import numpy as np
import pytest
import warp as wp

from scenekit.datasets.experiments import grid_points, matter
from scenekit.laws import DruckerPrager, FixedCorotated, Fluid, HerschelBulkley, Law, NeoHookean, Snow, VonMises
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import Collider
from scenekit.sim.model import Domain, Model
from scenekit.sim.mpm import SolverMPM
from scenekit.sim.mpm_particles import ParticleMatter
from scenekit.sim.shapes import Plane, Sphere

CELL = 0.05
LAWS: list[Law] = [
    *(NeoHookean(), FixedCorotated(), VonMises(Quantity(2e3)), DruckerPrager(Quantity(30.0)), Snow()),
    *(Fluid(Quantity(5e4), Quantity(1.0)), HerschelBulkley(Quantity(200.0), Quantity(50.0))),
]


def scene(law: Law) -> Model:
    """A block that falls between a floor and a ball that may move."""
    points = grid_points((0.3, 0.3, 0.3), (0.5, 0.5, 0.5), CELL / 2)
    substance = replace(materials["jelly"], law=law, youngs_modulus=Quantity(5e4))
    ball = RigidBody("/ball", "dynamic", Pose((0.45, 0.42, 0.6)), 0.3, (0, 0, 0), 1e-3 * np.eye(3))
    colliders = (Collider(Plane(), Pose((0, 0, 0.28)), friction=0.3), Collider(Sphere(0.12), body=0, friction=0.2))
    domain = Domain((0.0, 0.0, 0.0), (0.9, 0.9, 0.9), CELL)
    return Model(domain=domain, particles=matter(points, CELL / 2, substance), bodies=(ball,), colliders=colliders)


BARS = {"x": 1e-6, "v": 1e-4, "F": 1e-4, "total": 1e-4, "memory": 1e-4, "C": 5e-3, "impulses": 1e-3}
"""Difference of each array after 0.02 s that rounding may make, per its largest value or 1."""


def differences(law: Law, device: str) -> dict[str, float]:
    """How far blocks on the CPU and threads for particles on a device are apart, as in `BARS`."""
    model = scene(law)
    blocks, particles = SolverMPM(model), SolverMPM(model)
    particles._matter = ParticleMatter(model, particles._motion, device=device)
    states = [model.state(), model.state()]
    for state, solver in zip(states, (blocks, particles), strict=True):
        state.particle_v[:, 2] = 1.0
        control = model.control()
        control.particle_a[:, 0] = 2.0
        solver.step(state, state, control, 0.02)
    assert float(blocks.impulses.norm()) > 0, "the block has not met the ball"
    pairs = {name: [getattr(state, f"particle_{name}") for state in states] for name in BARS if name != "impulses"}
    apart = {name: float((a - b).abs().max()) / max(1.0, float(a.abs().max())) for name, (a, b) in pairs.items()}
    off = (blocks.impulses - particles.impulses).norm() / blocks.impulses.norm()
    return apart | {"impulses": float(off)}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_thread_for_each_particle_does_what_blocks_do(law: Law) -> None:
    apart = differences(law, "cpu")
    assert {name for name, bar in BARS.items() if not apart[name] < bar} == set()


@pytest.mark.gpu
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_gpu_does_what_a_cpu_does(law: Law) -> None:
    if not wp.is_cuda_available():
        pytest.skip("no CUDA device")
    apart = differences(law, "cuda")
    assert {name for name, bar in BARS.items() if not apart[name] < bar} == set()
