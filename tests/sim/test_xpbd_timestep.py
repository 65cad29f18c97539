"""How small XPBD's substeps are made."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch

from scenekit.material import Material
from scenekit.poses import Pose
from scenekit.quantities import Quantity as Q
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import Collider
from scenekit.sim.model import Model
from scenekit.sim.ropes import rope
from scenekit.sim.shapes import Box, Capsule, Plane, Sphere
from scenekit.sim.xpbd import SolverXPBD
from scenekit.sim.xpbd_timestep import extents, reach, stiff_timestep

BAR = Material("bar", Q(1000), Q(1e7), Q(0.3), Q(0.5), Q(0))


def points(n: int) -> torch.Tensor:
    return torch.linspace(0, 1, n)[:, None] * torch.tensor([1.0, 0, 0])


def test_a_vertex_may_move_by_its_radius_and_most_of_half_of_the_thinnest_collider() -> None:
    line = rope(points(5), BAR, radius=0.01)
    assert reach(line, ()) == inf and reach(line, (Collider(Plane()),)) == inf
    thin = (Collider(Box((1, 1, 0.05))), Collider(Sphere(0.2)), Collider(Capsule(0.1, 1.0)))
    assert reach(line, thin) == pytest.approx(0.01 + 0.9 * 0.05)


def test_the_step_of_a_bar_goes_with_the_square_root_of_softness_over_stiffness() -> None:
    """h² (B/l³) (1 + 4 + 1)/m = softness, but for the ends, whose vertices have half of the mass."""
    bar = rope(points(11), BAR, radius=0.01, bending=2.0)
    mass = 1000 * np.pi * 1e-4 * 0.1
    assert stiff_timestep(bar, 0.05) == pytest.approx((0.05 * 1e-3 / 2.0 * mass / 7) ** 0.5, rel=1e-4)
    assert stiff_timestep(rope(points(11), BAR, radius=0.01), 0.05) == inf


def test_a_solver_takes_the_shortest_of_all_but_not_too_short() -> None:
    soft = Model(elements=rope(points(11), BAR, radius=0.01))
    assert SolverXPBD(soft).timestep == 3e-4
    assert SolverXPBD(replace(soft, elements=rope(points(11), BAR, radius=0.01, bending=1e6))).timestep == 2e-5


def test_a_body_reaches_as_far_as_its_colliders() -> None:
    body = RigidBody("/b", "static", Pose(), mass=1.0, centre=(0.0, 0.0, 1.0), inertia=np.eye(3))
    arms = (Collider(Sphere(0.5), Pose((0, 0, 3)), body=0), Collider(Box((3, 4, 0)), Pose((0, 0, 1)), body=0))
    assert extents(Model(bodies=(body,), colliders=arms)).tolist() == [5.0]
