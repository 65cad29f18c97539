"""Rigid bodies and joints, moved by MuJoCo. Letters: b bodies."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from scenekit._libraries import mujoco
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.sim import coulomb
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.mujoco_model import TIMESTEP, spec
from scenekit.sim.mujoco_state import MujocoState
from scenekit.sim.solver import SimulationError
from scenekit.sim.state import State

LONGEST = 2e-3
"""Longest timestep at which bounces and stacks were checked [s]."""

FULL = (mujoco.mjtWarning.mjWARN_CONTACTFULL, mujoco.mjtWarning.mjWARN_CNSTRFULL)
"""What MuJoCo counts when it drops contacts."""


@dataclass(frozen=True)
class ContactPoint:
    """Where two bodies touch."""

    bodies: tuple[int, int]
    """Their numbers."""
    position: Array
    """In the world [m], shape (3,)."""
    normal: Array
    """From the first to the second body, shape (3,)."""
    depth: float
    """How far they are in each other [m]."""
    force: Array
    """Of the first on the second, world axes [N], shape (3,)."""


class SolverRigid:
    """MuJoCo, with nothing remembered between steps: the state alone determines the future, bit by bit.

    Args:
        model: Its bodies.
        timestep: Longest step of MuJoCo [s], at most 2 ms; a step of the solver is cut into equal ones.

    Raises:
        InputError: If the timestep is out of range, or MuJoCo cannot make something of the model.
    """

    def __init__(self, model: Model, *, timestep: float | None = None):
        self.model, self.timestep = model, TIMESTEP if timestep is None else timestep
        if not 0 < self.timestep <= LONGEST:
            raise InputError("timestep", got=self.timestep, wanted=f"more than 0, at most {LONGEST} s")
        self.impulses: Tensor = torch.zeros(len(model.bodies), 6, dtype=torch.float64)
        try:
            self.mujoco = spec(model, timestep=self.timestep).compile()
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError("bodies", got=str(error), wanted="a model that MuJoCo can compile") from None
        self._data = mujoco.MjData(self.mujoco)
        self._coordinates = MujocoState(model, self.mujoco)
        self._number = {int(i): number for number, i in enumerate(self._coordinates.ids)}
        geoms = [self._number[int(i)] for i in self.mujoco.geom_bodyid]
        self._restitution = np.array([model.bodies[i].restitution for i in geoms])

    def step(self, state: State, nxt: State, control: Control, dt: float) -> None:
        """Moves the bodies on by `dt` [s]; see `Solver.step`."""
        if not 0 < dt < np.inf:
            raise InputError("dt", got=dt, wanted="more than 0 s")
        count = ceil(dt / self.timestep - 1e-9)
        self._set_timestep(dt / count)
        data, coordinates = self._data, self._coordinates
        coordinates.read(state, control, data)
        for i in range(count):
            coordinates.drive(state, control, dt * i / count, data)
            self._accelerate()
            if not (np.isfinite(data.qacc).all() and np.isfinite(data.qvel).all()):
                got = f"values that are not finite at {state.time + dt * i / count:.4g} s"
                hint = "A smaller timestep, or less extreme masses, forces and gains."
                raise SimulationError("rigid bodies", got=got, wanted="finite ones", hint=hint)
            coordinates.integrate(data)
        if any(data.warning[kind].number for kind in FULL):
            raise SimulationError("contacts", got=f"{data.ncon}, more than memory was set aside for", wanted="fewer")
        coordinates.drive(state, control, dt, data)
        begin = state if nxt is not state else state.clone()
        nxt.copy_(begin)
        coordinates.write(begin, control, dt, data, nxt)
        nxt.time = begin.time + dt

    def contacts(self, state: State, control: Control | None = None) -> list[ContactPoint]:
        """Where bodies touch in a state, how deep, and with what force while these commands are given."""
        control = control or self.model.control()
        self._set_timestep(self.timestep)
        self._coordinates.read(state, control, self._data)
        self._coordinates.drive(state, control, 0.0, self._data)
        self._accelerate()
        return [self._contact(k) for k in range(self._data.ncon)]

    def _set_timestep(self, h: float) -> None:
        self.mujoco.opt.timestep = h
        self.mujoco.geom_margin[:] = coulomb.REACH * h

    def _accelerate(self) -> None:
        """All forces and accelerations in the data's coordinates."""
        compiled, data = self.mujoco, self._data
        mujoco.mj_step1(compiled, data)
        mujoco.mj_fwdActuation(compiled, data)
        mujoco.mj_fwdAcceleration(compiled, data)
        coulomb.solve(compiled, data, self._restitution)

    def _contact(self, number: int) -> ContactPoint:
        contact, force = self._data.contact[number], np.zeros(6)
        mujoco.mj_contactForce(self.mujoco, self._data, number, force)
        frame = contact.frame.reshape(3, 3)
        first, second = (self._number[int(self.mujoco.geom_bodyid[geom])] for geom in contact.geom)
        position, pushed = contact.pos.copy(), force[:3] @ frame
        return ContactPoint((first, second), position, frame[0].copy(), -float(contact.dist), pushed)
