"""Matter with a thread for each particle: the device side of `SolverMPM` on a GPU. Letters: p particles, b bodies.

It has the interface of `mpm_blocks.Matter`, and the same arithmetic, but that additions on the grid come in any order.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.mpm_particles as kernels
from scenekit._kernels.mpm_laws import LAWS
from scenekit.sim import stress
from scenekit.sim.body_motion import BodyMotion
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.mpm_blocks import CHANGING, check_inside
from scenekit.sim.state import State


class ParticleMatter:
    """All particles of a model, in the order of the state, and the grid of the whole domain.

    Args:
        model: With particles and a domain.
        motion: The bodies that carry the model's colliders.
        device: Where the kernels run.
    """

    strayed = 0.0
    """Particles may go where they like in the domain, whose walls hold them."""

    def __init__(self, model: Model, motion: BodyMotion, *, device: str):
        assert model.particles is not None
        assert model.domain is not None
        self._model, self._particles, self._domain = model, model.particles, model.domain
        self._motion, self._device = motion, device
        materials, p = self._particles.materials, len(self._particles)
        self.h = torch.zeros(1, device=device)
        """Length of a substep [s], shape (1,)."""
        laws = torch.tensor([LAWS[m.law.name] for m in materials], dtype=torch.int32)
        parameters = stress.parameters(materials).contiguous().to(device)
        constant = {name: getattr(self._particles, name).to(device) for name in ("material", "mass", "volume")}
        self._now = {name: torch.zeros(p, 3, device=device) for name in ("x", "v", "a")}
        self._now |= {name: torch.zeros(p, 3, 3, device=device) for name in ("C", "F", "total", "tau")}
        self._now["memory"] = torch.zeros(p, device=device)
        self._nodes = torch.zeros(prod(self._domain.shape), 4, device=device)
        self._impulses = torch.zeros(max(1, len(model.bodies)), 6, device=device)
        self._arrays = {name: _array(t) for name, t in (self._now | constant).items()}
        self._h, self._grid = wp.from_torch(self.h), wp.from_torch(self._nodes, wp.vec4)
        self._laws = [wp.from_torch(laws.to(device)), wp.from_torch(parameters), self._arrays["material"]]
        self._eye = torch.eye(3, device=device)

    def take(self, state: State, control: Control) -> None:
        """Reads the particles of a state.

        Raises:
            SimulationError: If one is outside of the domain.
        """
        check_inside(self._model, state.particle_x)
        for name in CHANGING:
            self._now[name].copy_(getattr(state, f"particle_{name}"))
        self._now["a"].copy_(control.particle_a)
        low = torch.tensor(self._domain.low, device=self._device)
        self._now["x"].sub_(low).div_(self._domain.cell)
        for name in ("F", "total"):
            self._now[name].sub_(self._eye)

    def put(self, state: State) -> None:
        """Writes the particles of a state."""
        low = torch.tensor(self._domain.low, device=self._device)
        moved = {"x": self._now["x"] * self._domain.cell + low}
        moved |= {name: self._now[name] + self._eye for name in ("F", "total")}
        for name in CHANGING:
            getattr(state, f"particle_{name}").copy_(moved.get(name, self._now[name]))

    def begin(self) -> None:
        """Particles give to the grid."""
        self._launch(kernels.begin, [*self._laws, *self._of("C", "F", "memory", "tau")])
        self._scatter()

    def solve(self) -> None:
        """The grid finds its velocities."""
        self._impulses.zero_()
        domain = self._domain
        place = [wp.vec3i(*domain.shape), wp.vec3(*domain.low), domain.cell, wp.vec3(*self._model.gravity)]
        inputs = [*place, self._h, self._motion.collider_arrays.struct, wp.from_torch(self._impulses), self._grid]
        wp.launch(kernels.solve, len(self._nodes), inputs, device=self._device)

    def go_on(self) -> None:
        """Particles take from the grid, move, deform, and give again."""
        self.end()
        self._scatter()

    def end(self) -> None:
        """Particles take from the grid, move and deform."""
        changing = self._of("x", "v", "C", "F", "total", "memory", "tau")
        self._launch(kernels.gather, [*self._strides(), self._h, self._grid, *self._laws, *changing])

    @property
    def fastest(self) -> float:
        """Speed of the fastest particle [m/s]."""
        return float(self._now["v"].square().sum(1).max()) ** 0.5

    @property
    def is_broken(self) -> bool:
        """True if a value is not finite any more."""
        return not bool(self._now["v"].isfinite().all() & self._now["tau"].isfinite().all())

    @property
    def worst(self) -> int:
        """Material of a particle that is not finite, or else of the fastest one."""
        speed = self._now["v"].norm(dim=1) + 0 * self._now["tau"].sum((1, 2))
        return int(self._particles.material[int(speed.nan_to_num(torch.inf, torch.inf).argmax())])

    @property
    def impulses(self) -> Tensor:
        """What the last `solve` gave to each body [N s, N m s], float64, shape (b, 6)."""
        return self._impulses[: len(self._model.bodies)].double().cpu()

    def _scatter(self) -> None:
        self._nodes.zero_()
        given = self._of("mass", "volume", "a", "x", "v", "C", "tau")
        self._launch(kernels.scatter, [*self._strides(), self._h, *given, self._grid])

    def _strides(self) -> list[Any]:
        return [self._domain.cell, *self._domain.shape[1:]]

    def _of(self, *names: str) -> list[Any]:
        return [self._arrays[name] for name in names]

    def _launch(self, kernel: Any, inputs: list[Any]) -> None:
        wp.launch(kernel, len(self._particles), inputs, device=self._device)


def _array(tensor: Tensor) -> Any:
    """A view for kernels: vectors of 3, matrices of 3×3, or numbers."""
    kind = {(3,): wp.vec3, (3, 3): wp.mat33}.get(tuple(tensor.shape[1:]))
    return wp.from_torch(tensor) if kind is None else wp.from_torch(tensor, dtype=kind)
