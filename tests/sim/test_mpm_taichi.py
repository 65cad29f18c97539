"""MPM in Taichi against the Warp solver, all laws."""

from __future__ import annotations

import pytest
import torch

from scenekit.errors import BackendError, InputError
from scenekit.sim.colliders import Collider
from scenekit.sim.model import Model
from scenekit.sim.mpm import SolverMPM, longest_substep
from scenekit.sim.mpm_taichi import SolverTaichi
from scenekit.sim.shapes import Plane
from scenekit.sim.solver import Solver
from tests.sim.test_mpm import LAWS, block


def thrown(model: Model) -> torch.Tensor:
    """Velocities of a block that turns as it hits the floor."""
    assert model.particles is not None
    arm = model.particles.x - model.particles.x.mean(0)
    return torch.linalg.cross(torch.tensor([2.0, 1.0, 3.0]).expand_as(arm), arm) - torch.tensor([0.0, 0.0, 2.0])


@pytest.mark.parametrize("law", LAWS)
def test_a_hundred_substeps_are_those_of_warp(law: str) -> None:
    pytest.importorskip("taichi")
    model = block(law, low=(0.4, 0.4, 0.13), size=(0.15, 0.15, 0.15))
    dt = 100 * longest_substep(model, 0.4)
    solvers: tuple[Solver, Solver] = SolverMPM(model), SolverTaichi(model)
    moved = []
    for solver in solvers:
        state = model.state()
        state.particle_v += thrown(model)
        for _ in range(4):
            solver.step(state, state, model.control(), dt / 4)
        moved.append(state)
    for name in ("x", "v", "F", "total", "memory"):
        ours, theirs = (getattr(state, f"particle_{name}").double() for state in moved)
        # What laws remember is a strain, which is measured against one, as F; speeds against those at the begin.
        size = {"v": thrown(model), "memory": torch.ones_like(ours)}.get(name, theirs).norm()
        assert (ours - theirs).norm() <= 1e-4 * size, name


def test_colliders_are_refused() -> None:
    with pytest.raises(InputError, match="1 colliders"):
        SolverTaichi(block(colliders=(Collider(Plane()),)))


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenekit.sim.mpm_taichi.find_spec", lambda name: None)
    with pytest.raises(BackendError, match="no package taichi"):
        SolverTaichi(block())


def test_an_unknown_arch_is_refused() -> None:
    with pytest.raises(InputError, match="one of cpu, cuda, vulkan, metal"):
        SolverTaichi(block(), arch="abacus")  # type: ignore[arg-type]
