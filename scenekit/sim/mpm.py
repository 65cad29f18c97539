"""SolverMPM: matter by the material point method, explicit, each particle with its own law.

    solver = SolverMPM(model)
    solver.step(state, nxt, control, dt)

A substep: particles give momentum and stress to the nodes of a grid (P2G); nodes take gravity, colliders and walls;
particles take their velocities back (G2P), move and deform.
"""

from __future__ import annotations

from math import ceil, inf

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.sim.body_motion import BodyMotion
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.mpm_blocks import CHANGING, Matter
from scenekit.sim.mpm_particles import ParticleMatter
from scenekit.sim.solver import SimulationError
from scenekit.sim.state import State
from scenekit.sim.stress import kinematic_viscosity, sound_speed
from scenekit.sim.xpbd_timestep import extents

COURANT = 0.4
"""Cells that sound may go in a substep."""

DIFFUSION = 0.1
"""Share of cell²/ν that a substep may last where matter is viscous."""

STRIDE = 0.25
"""Cells that matter may go in a substep, as planned."""

FASTEST = 0.33
"""Cells that it has gone in one when substeps are planned anew."""

MOST_SUBSTEPS = 1_000_000
"""Of one step; more is taken for a mistake."""


class SolverMPM:
    """MLS-MPM (Hu et al. 2018) with APIC transfers (Jiang et al. 2015) and quadratic B-splines, on a bounded grid.

    Substeps are as long as sound, viscosity and motion allow. Threads share nothing, so runs are bit-identical, on any
    number of threads. Walls three nodes inside of the domain's border hold matter back, without friction.

    Args:
        model: With particles and a domain.
        courant: Cells that the fastest sound may go in a substep, more than 0 and at most 1.
        device: Where the kernels run: on a CPU in blocks, else with a thread for each particle, and then runs are not
            equal bit by bit.

    Raises:
        InputError: If the model has no particles or no domain, or a step cannot be stable.
        SimulationError: If a particle is outside of the domain.
    """

    def __init__(self, model: Model, *, courant: float = COURANT, device: str = "cpu"):
        if model.particles is None or not len(model.particles) or model.domain is None:
            raise InputError("model", got="no particles or no domain", wanted="both, for SolverMPM")
        if not 0 < courant <= 1:
            raise InputError("courant", got=courant, wanted="more than 0, at most 1")
        self.model = model
        self.impulses: Tensor = torch.zeros(len(model.bodies), 6, dtype=torch.float64)
        self._motion = BodyMotion(model, device=device)
        on_cpu = device == "cpu"
        self._matter: Matter | ParticleMatter = (
            Matter(model, self._motion) if on_cpu else ParticleMatter(model, self._motion, device=device)
        )
        self._longest, self._extents = longest_substep(model, courant), extents(model)

    def step(self, state: State, nxt: State, control: Control, dt: float) -> None:
        """Moves on by `dt` [s]; see `Solver.step`."""
        if not 0 < dt < inf:
            raise InputError("dt", got=dt, wanted="more than 0 s")
        self._motion.begin(state, control)
        source, begin, done = state, state.time, 0.0
        while done < dt:
            self._matter.take(source, control)
            self._check(begin + done)
            if source is not nxt:
                _copy_others(source, nxt)
            done = self._run(begin, done, dt)
            self._matter.put(nxt)
            source = nxt
        nxt.time = begin + dt
        self._motion.end(nxt, control)
        self.impulses.copy_(self._motion.impulses)

    def _run(self, begin: float, done: float, dt: float) -> float:
        """Substeps until dt is over, particles must be sorted again or have become fast; returns how much is done."""
        matter, motion = self._matter, self._motion
        count, h = self._plan(dt - done)
        matter.h.fill_(h)
        matter.begin()
        for i in range(1, count + 1):
            matter.solve()
            if motion.is_moving:
                motion.push(matter.impulses.numpy())
                motion.advance(h)
            cells = matter.fastest * h / self._cell
            is_last = i == count or matter.strayed + 3 * cells > 1 or cells > FASTEST
            (matter.end if is_last else matter.go_on)()
            self._check(begin + done + i * h)
            if is_last:
                break
        return dt if i == count else done + i * h

    def _plan(self, left: float) -> tuple[int, float]:
        """Number and length [s] of equal substeps for the time that is left."""
        speed = max(self._matter.fastest, self._motion.fastest(self._extents))
        longest = min(self._longest, STRIDE * self._cell / speed if speed else inf)
        check_substeps(left, longest)
        count = max(1, ceil(left / longest - 1e-9))
        return count, left / count

    def _check(self, time: float) -> None:
        """Raises if values are not finite, or matter jumped farther than the kernels follow."""
        matter = self._matter
        if matter.is_broken or matter.strayed >= 1:
            assert self.model.particles is not None
            name = self.model.particles.materials[matter.worst].name
            got = "values that are not finite" if matter.is_broken else f"{matter.fastest:.3g} m/s all at once"
            hint = "Try a smaller courant or a softer push; see whether things begin inside each other."
            raise SimulationError(f"{name} at {time:.4g} s", got=got, wanted="steps that are stable", hint=hint)

    @property
    def _cell(self) -> float:
        assert self.model.domain is not None
        return self.model.domain.cell


def longest_substep(model: Model, courant: float) -> float:
    """What sound, viscosity and gravity allow [s]."""
    assert model.particles is not None and model.domain is not None
    cell, present = model.domain.cell, model.particles.material.unique().tolist()
    materials = [model.particles.materials[m] for m in present]
    sound, viscosity = max(map(sound_speed, materials)), max(map(kinematic_viscosity, materials))
    pull = sum(g * g for g in model.gravity) ** 0.5
    diffusion = DIFFUSION * cell**2 / viscosity if viscosity else inf
    return min(courant * cell / sound, diffusion, (STRIDE * cell / pull) ** 0.5 if pull else inf)


def check_substeps(dt: float, longest: float) -> None:
    """Refuses a step of `dt` [s] that would take absurdly many substeps of `longest` [s].

    Raises:
        InputError: If they are more than `MOST_SUBSTEPS`.
    """
    if dt > MOST_SUBSTEPS * longest:
        got = f"{dt / longest:.3g} of at most {longest:.3g} s"
        hint = "Take softer or less viscous materials, larger cells or shorter steps."
        raise InputError("substeps of a step", got=got, wanted=f"at most {MOST_SUBSTEPS}", hint=hint)


def _copy_others(state: State, nxt: State) -> None:
    """Copies what this solver does not move."""
    own = {f"particle_{name}" for name in CHANGING}
    for name, tensor in nxt.tensors().items():
        if name not in own:
            tensor.copy_(getattr(state, name))
