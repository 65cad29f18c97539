"""SolverTaichi: SolverMPM's twin in Taichi, for Vulkan, Metal and CUDA; without colliders. Needs the package taichi."""

from __future__ import annotations

from importlib.util import find_spec
from math import ceil, inf
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from scenekit.errors import BackendError, InputError
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.mpm import COURANT, STRIDE, check_substeps, longest_substep
from scenekit.sim.mpm_blocks import check_inside
from scenekit.sim.solver import SimulationError
from scenekit.sim.state import State
from scenekit.sim.stress import parameters

Arch = Literal["cpu", "cuda", "vulkan", "metal"]


class SolverTaichi:
    """MLS-MPM with APIC, as `SolverMPM`: same substeps, same laws, same walls, but no colliders and no bodies.

    Sums are atomic, so runs on several threads differ by rounding.

    Args:
        model: With particles and a domain, without colliders.
        courant: Cells that the fastest sound may go in a substep.
        arch: What Taichi compiles for. It runs one per process: the first one stays.
        threads: Of a CPU; all cores if None.

    Raises:
        BackendError: If Taichi is not installed, or cannot run on `arch`.
        InputError: If the model has no particles or domain, or has colliders.
    """

    def __init__(self, model: Model, *, courant: float = COURANT, arch: Arch = "cpu", threads: int | None = None):
        if model.particles is None or not len(model.particles) or model.domain is None:
            raise InputError("model", got="no particles or no domain", wanted="both, for SolverTaichi")
        if model.colliders:
            raise InputError("model", got=f"{len(model.colliders)} colliders", wanted="none for SolverTaichi")
        ti = _taichi(arch, threads)
        import scenekit._kernels.mpm_taichi as kernels
        from scenekit._kernels.mpm_laws import LAWS

        self.model, self._kernels, self._ti = model, kernels, ti
        self.impulses: Tensor = torch.zeros(len(model.bodies), 6, dtype=torch.float64)
        self._momentum = ti.Vector.ndarray(3, ti.f32, shape=model.domain.shape)
        self._weight = ti.ndarray(ti.f32, shape=model.domain.shape)
        materials = model.particles.materials
        laws = torch.tensor([LAWS[m.law.name] for m in materials], dtype=torch.int32)
        self._law = laws, parameters(materials), model.particles.material
        self._tau = torch.zeros(len(model.particles), 3, 3)
        self._longest = longest_substep(model, courant)

    def step(self, state: State, nxt: State, control: Control, dt: float) -> None:
        """Moves on by `dt` [s]; see `Solver.step`."""
        if not 0 < dt < inf:
            raise InputError("dt", got=dt, wanted="more than 0 s")
        assert self.model.particles is not None and self.model.domain is not None
        begin = state.time
        nxt.copy_(state)
        check_inside(self.model, nxt.particle_x)
        speed = float(nxt.particle_v.norm(dim=1).max())
        longest = min(self._longest, STRIDE * self.model.domain.cell / speed if speed else inf)
        check_substeps(dt, longest)
        count = max(1, ceil(dt / longest - 1e-9))
        self._substeps(nxt, control, count, dt / count)
        nxt.time = begin + dt
        if not bool(nxt.particle_v.isfinite().all()):
            got, hint = "values that are not finite", "Try a smaller courant or a softer push."
            raise SimulationError(f"particles at {nxt.time:.4g} s", got=got, wanted="steps that are stable", hint=hint)

    def _substeps(self, state: State, control: Control, count: int, h: float) -> None:
        """`count` substeps of length h, in place."""
        kernels, particles, domain = self._kernels, self.model.particles, self.model.domain
        assert particles is not None and domain is not None
        vec3, cell = self._ti.types.vector(3, self._ti.f32), domain.cell
        low, gravity = vec3(*domain.low), vec3(*self.model.gravity)
        x, v, C = state.particle_x, state.particle_v, state.particle_C
        F, total, memory = state.particle_F, state.particle_total, state.particle_memory
        grid: tuple[Any, Any] = self._momentum, self._weight
        kernels.begin(*self._law, C, F, memory, self._tau)
        for _ in range(count):
            for field in grid:
                field.fill(0)
            kernels.give(h, cell, low, particles.mass, particles.volume, control.particle_a, x, v, C, self._tau, *grid)
            kernels.solve(h, gravity, *grid)
            kernels.take(h, cell, low, *self._law, x, v, C, F, total, memory, self._tau, self._momentum)


def _taichi(arch: str, threads: int | None) -> Any:
    """The package, started."""
    if arch not in get_args(Arch):
        raise InputError("arch", got=repr(arch), wanted="one of " + ", ".join(get_args(Arch)))
    if find_spec("taichi") is None:
        hint = "pip install scenekit[taichi]; SolverMPM needs nothing more."
        raise BackendError("SolverTaichi", got="no package taichi", wanted="taichi 1.7 or later", hint=hint)
    import taichi as ti

    if ti.lang.impl.get_runtime().prog is None:
        limit = {} if threads is None else {"cpu_max_num_threads": threads}
        ti.init(arch=getattr(ti, arch), log_level=ti.ERROR, **limit)
    running = ti.cfg.arch
    if running != getattr(ti, arch) and not (arch == "cpu" and running in (ti.x64, ti.arm64)):
        raise BackendError("SolverTaichi", got=f"Taichi on {running.name}", wanted=f"Taichi on {arch}")
    return ti
