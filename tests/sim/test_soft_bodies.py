"""Soft bodies of tetrahedra: mass, surface, and stretch against the closed form of their law."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import fsolve

from scenekit.errors import InputError
from scenekit.material import Material
from scenekit.meshes import Mesh
from scenekit.quantities import Quantity as Q
from scenekit.sim.model import Model
from scenekit.sim.soft_bodies import boundary, soft_body
from scenekit.sim.xpbd import SolverXPBD, XPBDConfig
from scenekit.validation.surface import Surface

JELLY = Material("jelly", Q(1000), Q(1e5), Q(0.3), Q(0.5), Q(0))


def test_a_body_weighs_its_density_by_its_volume_and_has_a_closed_surface(block: Any) -> None:
    x, tets = block((3, 2, 2), 0.1)
    body = soft_body(x, tets, JELLY)
    assert float(body.mass.sum()) == pytest.approx(1000 * 12e-3, rel=1e-5)
    assert Surface(Mesh(x, boundary(tets))).is_closed
    a, b, c = x.double()[body.faces.long()].unbind(1)
    assert float((a * torch.linalg.cross(b, c)).sum()) / 6 == pytest.approx(12e-3, rel=1e-5)  # it looks outwards


@pytest.mark.parametrize("stress", [1e3, 2e4, 8e4])
def test_a_block_under_a_dead_load_stretches_as_the_law_says(stress: float, block: Any) -> None:
    """ψ = μ/2 (tr FᵀF − 3) − μ (J − 1) + λ'/2 (J − 1)²: P = ∂ψ/∂F is the load along z, and zero across."""
    n, cell = (2, 2, 4), 0.05
    x, tets = block(n, cell)
    body = soft_body(x, tets, JELLY)
    mu, lam = 1e5 / 2.6, 1e5 * 0.3 / (1.3 * 0.4)

    def load(stretch: np.ndarray) -> list[float]:
        along, across = stretch
        volume = along * across**2 - 1
        pressure = (lam + mu) * volume - mu
        return [mu * along + pressure * across**2 - stress, mu * across + pressure * along * across]

    along, across = fsolve(load, [1.0, 1.0])
    model = Model(elements=body, gravity=(0, 0, 0))
    solver, state, control = (
        SolverXPBD(model, XPBDConfig(damping=8.0, self_contact=False)),
        model.state(),
        model.control(),
    )
    a, b, c = x.double()[body.faces.long()].unbind(1)
    area = torch.linalg.cross(b - a, c - a)[:, 2] / 2  # above zero on top, below at the bottom, zero elsewhere
    force = torch.zeros(len(x)).double().index_add_(0, body.faces.long().reshape(-1), area.repeat_interleave(3) / 3)
    control.vertex_a[:, 2] = (stress * force / body.mass).float()
    for _ in range(60):
        solver.step(state, state, control, 1 / 60)
    size = state.vertex_x.amax(0) - state.vertex_x.amin(0)
    assert float(size[2]) / (n[2] * cell) - 1 == pytest.approx(along - 1, rel=0.03)
    assert float(size[0]) / (n[0] * cell) - 1 == pytest.approx(across - 1, rel=0.05)


def test_a_body_pressed_flat_comes_back(block: Any) -> None:
    x, tets = block((2, 2, 2), 0.05)
    model = Model(elements=soft_body(x, tets, JELLY), gravity=(0, 0, 0))
    solver, state = SolverXPBD(model, XPBDConfig(damping=5.0, self_contact=False)), model.state()
    state.vertex_x[:, 2] *= 0.05
    for _ in range(60):
        solver.step(state, state, model.control(), 1 / 60)
    apart = torch.cdist(state.vertex_x.double(), state.vertex_x.double()) - torch.cdist(x.double(), x.double())
    assert float(apart.abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, t: (x, t[:0]), "tetrahedra"),
        (lambda x, t: (x, t[:, [1, 0, 2, 3]]), "6 of 6 bad, first number 0"),
        (lambda x, t: (torch.cat([x, x[:1]]), t), "vertices|1 of 9"),
        (lambda x, t: (x * torch.nan, t), "finite"),
        (lambda x, t: (x * 0, t), "positive volume"),
    ],
)
def test_what_is_no_body_is_refused(change, message: str, block: Any) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        soft_body(*change(*block((1, 1, 1), 0.1)), JELLY)
