"""Everything at once: soft matter and rigid bodies, which push each other with equal and opposite impulses."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.solver import Solver
from scenekit.sim.state import State

TIMESTEP = 2e-3
"""How long bodies go without hearing of soft matter, if not told otherwise [s]."""

BODIES = ("body_x", "body_quat", "body_v", "body_w", "joint_q", "joint_v")
"""What belongs to the rigid solver alone."""


class SolverCoupled:
    """Staggered: soft solvers go first and meet bodies that drift; then bodies take what they were given.

    The force on a body during a step of length h is J/h, with J what soft matter lost to it, so linear and angular
    momentum of both together change by what comes from outside alone.

    Args:
        model: Anything; solvers are made for what it holds.
        timestep: Longest h [s].
        device: Where the kernels of soft matter run.

    Raises:
        InputError: If the timestep is not above zero.
    """

    def __init__(self, model: Model, *, timestep: float = TIMESTEP, device: str = "cpu"):
        if not 0 < timestep < float("inf"):
            raise InputError("timestep", got=timestep, wanted="more than 0 s")
        self.model, self.timestep = model, timestep
        self.soft = _soft_solvers(model, device)
        self.rigid = _rigid_solver(model)
        self.impulses: Tensor = torch.zeros(len(model.bodies), 6, dtype=torch.float64)

    def step(self, state: State, nxt: State, control: Control, dt: float) -> None:
        """Moves on by `dt` [s] in equal steps of at most `timestep`; see `Solver.step`."""
        if not 0 < dt < float("inf"):
            raise InputError("dt", got=dt, wanted="more than 0 s")
        self.impulses.zero_()
        nxt.copy_(state)
        count, begin = ceil(dt / self.timestep - 1e-9), state.time
        for i in range(count):
            self._step(nxt, control, dt / count)
            nxt.time = begin + dt * (i + 1) / count

    def _step(self, state: State, control: Control, h: float) -> None:
        """One exchange between soft matter and bodies, in place."""
        bodies = {name: getattr(state, name).clone() for name in BODIES}
        given = torch.zeros_like(self.impulses)
        for solver in self.soft:
            solver.step(state, state, control, h)
            given += solver.impulses
            for name, tensor in bodies.items():
                getattr(state, name).copy_(tensor)
        self.impulses += given
        if self.rigid is not None:
            force, torque = control.body_force + given[:, :3] / h, control.body_torque + given[:, 3:] / h
            self.rigid.step(state, state, replace(control, body_force=force, body_torque=torque), h)


def _soft_solvers(model: Model, device: str) -> list[Solver]:
    from scenekit.sim.mpm import SolverMPM
    from scenekit.sim.xpbd import SolverXPBD

    solvers: list[Solver] = [] if model.particles is None else [SolverMPM(model, device=device)]
    return solvers if model.elements is None else [*solvers, SolverXPBD(model, device=device)]


def _rigid_solver(model: Model) -> Solver | None:
    from scenekit.sim.rigid import SolverRigid

    return SolverRigid(model) if model.bodies else None
