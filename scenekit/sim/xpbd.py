"""XPBD: cloth, ropes and soft bodies by constraints, in small substeps. Letters: v vertices, b bodies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf
from typing import Any

import numpy as np
import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.xpbd as kernels
from scenekit._kernels.launch import record, threads
from scenekit.errors import InputError
from scenekit.sim.body_motion import BodyMotion
from scenekit.sim.colliders import ColliderArrays
from scenekit.sim.coloring import by_color
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.self_contact import SelfContact
from scenekit.sim.solver import SimulationError
from scenekit.sim.state import State
from scenekit.sim.xpbd_collisions import Collisions, Holds, Launch
from scenekit.sim.xpbd_timestep import extents, reach, stiff_timestep

WORTH_SPLITTING = 20_000
"""Constraints of a colour, or vertices, that are worth a second thread: waking one costs as much as some thousands."""

MOST_SUBSTEPS = 1_000_000
"""In one step; more is a mistake."""


@dataclass(frozen=True)
class XPBDConfig:
    """How finely XPBD steps.

    Raises:
        InputError: If a value is out of range.
    """

    timestep: float = 3e-4
    """Longest substep [s]; one iteration each (Macklin et al. 2019)."""
    shortest: float = 2e-5
    """Substeps are not made shorter than this for stiff elements [s]; these are then softer than they should be."""
    softness: float = 0.05
    """Part by which bends and solids may be softer than they should be, from steps that are not short enough."""
    damping: float = 0.0
    """Part of the velocity that is lost per second, as if in thick air [1/s]."""
    retardation: float = 0.0
    """Time by which stress runs ahead of strain, σ = E (ε + τ dε/dt), which damps vibrations but not motion [s]."""
    self_contact: bool = True
    """Whether elements touch each other and themselves."""

    def __post_init__(self) -> None:
        for name in ("timestep", "shortest", "softness"):
            if not 0 < getattr(self, name) < inf:
                raise InputError(f"xpbd: {name}", got=getattr(self, name), wanted="more than 0")
        for name in ("damping", "retardation"):
            if not 0 <= getattr(self, name) < inf:
                raise InputError(f"xpbd: {name}", got=getattr(self, name), wanted="0 or more")


class SolverXPBD:
    """Extended position-based dynamics (Macklin, Müller & Chentanez 2016) with one iteration per substep.

    A substep predicts, solves all constraints one colour after the other, lets colliders push vertices out, and takes
    velocities from what moved. In between, gravity acts at half substeps (leapfrog), so free flight is exact.

    Args:
        model: Its elements, bodies and colliders.
        config: How finely it steps.
        device: Where kernels run.

    Raises:
        InputError: If the model has no elements, or one is held by a body that is not there.
    """

    def __init__(self, model: Model, config: XPBDConfig | None = None, *, device: str = "cpu"):
        if model.elements is None or not len(model.elements):
            raise InputError("model.elements", got="none", wanted="elements for XPBD to move")
        self.model, self.config, self.device = model, config or XPBDConfig(), device
        self.elements = elements = model.elements
        self.impulses: Tensor = torch.zeros(len(model.bodies), 6, dtype=torch.float64)
        self._motion = BodyMotion(model, device=device)
        self._reach, self._extents = reach(elements, model.colliders), extents(model)
        stiff = stiff_timestep(elements, self.config.softness)
        self.timestep = min(self.config.timestep, max(self.config.shortest, stiff))
        v = len(elements)
        self._gravity = torch.tensor(model.gravity, dtype=torch.float32)
        self._inverse_mass = torch.where(elements.mass > 0, 1 / elements.mass, 0.0)
        self._w = self._array(self._inverse_mass, wp.float32)
        self._x, self._low, self._d, self._v, self._a = (wp.zeros(v, dtype=wp.vec3, device=device) for _ in range(5))
        self._h = wp.zeros(2, dtype=wp.float32, device=device)
        self._limit, self._keep = (wp.zeros(1, dtype=wp.float32, device=device) for _ in range(2))
        self._holds = Holds(elements, len(model.bodies), self._array)
        self._self = SelfContact(elements, self._w, self._x, self._d, array=self._array, record=self._record)
        touch = [self._self.solve] if self.config.self_contact else []
        self._collisions = Collisions(self._motion, elements, self._array)
        out = self._collisions.launches(self._h, self._limit, [self._w, self._x, self._d], self._record, self._colored)
        self._sweep = [self._predict(), *self._constraints(), *touch, *out, self._finish()]

    @property
    def colliders(self) -> ColliderArrays:
        """The colliders, where they were at the end of the last step."""
        return self._motion.collider_arrays

    def step(self, state: State, nxt: State, control: Control, dt: float) -> None:
        """Moves on by `dt` [s]; see `Solver.step`."""
        if not 0 < dt < inf:
            raise InputError("dt", got=dt, wanted="more than 0 s")
        self._motion.begin(state, control)
        count = self._substeps(state, control, dt)
        h = dt / count
        self._begin(state, control, h)
        left = 0.0
        for _ in range(count):
            left = self._find(left, dt) - h
            self._substep(h)
        self._end(state, nxt, control, h)
        nxt.time = state.time + dt

    def _substep(self, h: float) -> None:
        self._motion.advance(h)
        self._holds.move(self._motion)
        for launch in self._sweep:
            launch()
        if self.model.bodies:
            self._motion.push(self._collisions.given() + self._holds.given(self._motion))

    def _find(self, left: float, dt: float) -> float:
        """For how long the pairs in contact will do [s]; if not for longer than `left`, looks for them anew."""
        if left > 0 or not self.config.self_contact:
            return left
        self._self.find()
        return self._self.lasts(wp.to_torch(self._v), float(self._pull.norm(dim=1).max()), dt)

    def _begin(self, state: State, control: Control, h: float) -> None:
        self._h.assign([h, self.config.retardation])
        self._keep.fill_(max(0.0, 1 - self.config.damping * h))
        self._limit.fill_(self._reach)
        self._pull = (self._gravity + control.vertex_a) * (self._inverse_mass > 0)[:, None]
        wp.copy(self._x, self._array(state.vertex_x, wp.vec3))
        wp.copy(self._a, self._array(control.vertex_a, wp.vec3))
        wp.copy(self._v, self._array(state.vertex_v - h / 2 * self._pull, wp.vec3))
        self._low.zero_()

    def _end(self, state: State, nxt: State, control: Control, h: float) -> None:
        x, v = (wp.to_torch(values).cpu() for values in (self._x, self._v))
        bad = ~(x.isfinite().all(1) & v.isfinite().all(1))
        if bad.any():
            got = f"{int(bad.sum())} vertices that are not finite, first number {int(bad.nonzero()[0])}"
            hint = "Forces or speeds are beyond all measure; look at masses and compliances."
            raise SimulationError("xpbd", got=got, wanted="finite positions", hint=hint)
        nxt.copy_(state)
        nxt.vertex_x.copy_(x)
        nxt.vertex_v.copy_(v + h / 2 * self._pull)
        self._motion.end(nxt, control)
        self.impulses.copy_(self._motion.impulses)

    def _substeps(self, state: State, control: Control, dt: float) -> int:
        """As many as the configuration wants, or so that at its present speed no vertex passes through a collider."""
        pull = self._gravity + control.vertex_a
        speed = float(state.vertex_v.norm(dim=1).max()) + dt * float(pull.norm(dim=1).max())
        speed += self._motion.fastest(self._extents)
        count = max(dt / self.timestep, speed * dt / self._reach)
        if not count < MOST_SUBSTEPS:
            got = f"{speed:.3g} m/s, and {self._reach:.3g} m that a vertex may move at once"
            raise InputError("xpbd: step", got=got, wanted=f"at most {MOST_SUBSTEPS} substeps", hint="Make dt smaller.")
        return ceil(count - 1e-6)

    def _predict(self) -> Launch:
        inputs = [self._h, wp.vec3(*self.model.gravity), self._w, self._a, self._v, self._d]
        return self._record(kernels.predict, len(self.elements), inputs)

    def _constraints(self) -> list[Launch]:
        e, moving = self.elements, [self._w, self._x, self._d]
        return [
            *self._colored(kernels.edges, [e.edges, e.edge_rest, e.edge_compliance], moving),
            *self._colored(kernels.bends, [e.bends, e.bend_rest, e.bend_compliance], moving),
            *self._colored(kernels.rods, [e.rods, e.rod_compliance], moving),
            *self._colored(kernels.tets, [e.tets, e.tet_inverse_rest, e.tet_volume, e.tet_mu, e.tet_lambda], moving),
            self._holds.record(self._h, moving, self._record),
        ]

    def _colored(self, kernel: Any, rows: list[Tensor], after: list[Any], before: tuple[Any, ...] = ()) -> list[Launch]:
        """Launches of a kind of constraint, whose vertices are the first of `rows`: one for each colour.

        On one thread they run one after the other whatever their colour, so one launch in that order is the same.
        """
        if not len(rows[0]):
            return []
        order, cuts = by_color(rows[0], len(self.elements))
        if self.device == "cpu" and (threads() == 1 or np.diff(cuts).max() < WORTH_SPLITTING):
            cuts = cuts[[0, -1]]
        arrays = [self._array(row[torch.from_numpy(order)], _DTYPES[row.ndim, row.dtype]) for row in rows]
        return [
            self._record(kernel, int(end - begin), [self._h, *before, *(a[begin:end] for a in arrays), *after])
            for begin, end in pairwise(cuts)
        ]

    def _finish(self) -> Launch:
        inputs = [self._h, self._keep, self._x, self._low, self._d, self._v]
        return self._record(kernels.finish, len(self.elements), inputs)

    def _record(self, kernel: Any, count: int, inputs: list[Any], *, most: int | None = None) -> Launch:
        most = most if most or count >= WORTH_SPLITTING else 1
        return record(kernel, count, inputs, self.device, most=most)

    def _array(self, values: Tensor, dtype: Any) -> Any:
        return wp.from_torch(values.contiguous().to(self.device), dtype=dtype)


_DTYPES = {
    (1, torch.float32): wp.float32,
    (1, torch.int32): wp.int32,
    (2, torch.int32): wp.int32,
    (3, torch.float32): wp.mat33,
}
"""Warp's types of rows."""
