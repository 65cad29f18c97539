"""Matter in blocks: particles in the order of the grid's blocks, the tiles they share, and the launches of a substep.

What `SolverMPM` moves; `kernels/mpm.py` says how the arrays lie.
Letters: p particles, b bodies, n blocks of 4×4×4 nodes with particles in them, m those and all around them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.mpm as kernels
from scenekit._kernels.mpm_laws import LAWS
from scenekit.sim import stress
from scenekit.sim.body_motion import BodyMotion
from scenekit.sim.control import Control
from scenekit.sim.model import Domain, Model
from scenekit.sim.particles import Particles
from scenekit.sim.solver import SimulationError
from scenekit.sim.state import State

FEWEST = 2000
"""Particles of a thread; for less, another one costs more than it brings."""

CHANGING = ("x", "v", "C", "F", "total", "memory")
"""What of the particles a state holds, and this solver moves."""

ELASTIC = ("fixed-corotated", "neo-hookean")
"""Laws whose elastic deformation is the whole one."""


class Matter:
    """All particles of a model, sorted, and one grid.

    `take` reads a state and `put` writes one. Between them, a substep is `solve` and then `go_on`; `begin` comes before
    the first `solve`, and `end` instead of the last `go_on`.

    Args:
        model: With particles and a domain.
        motion: The bodies that carry the model's colliders.
    """

    begin: Callable[[], None]
    """Particles give to the grid."""
    solve: Callable[[], None]
    """The grid finds its velocities."""
    go_on: Callable[[], None]
    """Particles take from the grid, move, deform, and give again."""
    end: Callable[[], None]
    """Particles take from the grid, move and deform."""

    def __init__(self, model: Model, motion: BodyMotion):
        assert model.particles is not None and model.domain is not None
        self._model = model
        self._particles: Particles = model.particles
        self._domain: Domain = model.domain
        self._gravity, self._motion = model.gravity, motion
        materials, p = self._particles.materials, len(self._particles)
        self.h = torch.zeros(1)
        """Length of a substep [s], shape (1,)."""
        self._parameters = wp.from_torch(stress.parameters(materials))
        self._laws = torch.tensor([LAWS[m.law.name] for m in materials], dtype=torch.int32)
        self._is_elastic = all(m.law.name in ELASTIC for m in materials)
        self._blocks = tuple((nodes - 1) // 4 + 3 for nodes in self._domain.shape)
        self._sorted = {
            **{name: torch.zeros(p, 3) for name in ("x", "v", "a")},
            **{name: torch.zeros(p, 3, 3) for name in ("C", "F", "total")},
            "memory": torch.zeros(p),
        }
        self._given = self._taken = self._lanes = self._grid = torch.zeros(0)
        self._whole, self._pushed = False, False
        self._starts = torch.zeros(1, dtype=torch.int32)

    def take(self, state: State, control: Control) -> None:
        """Reads the particles of a state, sorted anew, so that what follows depends on nothing but the state.

        Raises:
            SimulationError: If one is outside of the domain.
        """
        self._whole = not (self._is_elastic and torch.equal(state.particle_total, state.particle_F))
        self._pushed = bool(control.particle_a.any())
        self._sort(state.particle_x)
        self._collect(state, control)
        self._record()

    def put(self, state: State) -> None:
        """Writes the particles of a state."""
        own = [self._sorted[name] for name in CHANGING]
        theirs = [getattr(state, f"particle_{name}") for name in CHANGING]
        inputs = [int(self._whole), *self._place(), *map(_array, own), *map(_array, theirs)]
        kernels.launch(kernels.restore, len(self._starts) - 1, inputs, "cpu")

    @property
    def strayed(self) -> float:
        """Cells by which a particle is outside of its block, at most."""
        return float(self._watch[:, 0].max())

    @property
    def fastest(self) -> float:
        """Speed of the fastest particle [m/s]."""
        return float(self._watch[:, 1].max()) ** 0.5

    @property
    def is_broken(self) -> bool:
        """True if a value is not finite any more."""
        return not bool(self._watch[:, 2].sum() == 0)

    @property
    def worst(self) -> int:
        """Material of a particle that is not finite, or else of the fastest one."""
        speed = self._sorted["v"].norm(dim=1) + 0 * self._sorted["F"].sum((1, 2))
        return int(self._constant["material"][int(speed.nan_to_num(torch.inf, torch.inf).argmax())])

    @property
    def impulses(self) -> Tensor:
        """What the last `solve` gave to each body [N s, N m s], float64, shape (b, 6)."""
        return self._impulses.sum(0, dtype=torch.float64)

    def _collect(self, state: State, control: Control) -> None:
        theirs = [*(getattr(state, f"particle_{name}") for name in CHANGING), control.particle_a]
        own = [self._sorted[name] for name in (*CHANGING, "a")]
        flags = [int(self._whole), int(self._pushed)]
        inputs = [*flags, *self._place(), *map(_array, theirs), *map(_array, own), wp.from_torch(self._watch)]
        kernels.launch(kernels.collect, len(self._starts) - 1, inputs, "cpu")

    def _place(self) -> list[object]:
        """Arguments that say where sorted particles are."""
        low, cell = wp.vec3(*self._domain.low), self._domain.cell
        return [low, cell, *(_array(t) for t in (self._starts, self._corners, self._order))]

    def _sort(self, x: Tensor) -> None:
        """Finds the blocks that hold particles and the order of these."""
        domain, p = self._domain, len(x)
        check_inside(self._model, x)
        key = torch.empty(p, dtype=torch.int32)
        low = wp.vec3(*domain.low)
        kernels.launch(kernels.locate, p, [wp.vec3i(*self._blocks), low, domain.cell, _array(x), _array(key)], "cpu")
        key, order = torch.sort(key, stable=True)
        blocks, counts = torch.unique_consecutive(key >> 6, return_counts=True)
        self._order = order.int()
        self._starts = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int()
        self._corners = self._corners_of(blocks)
        self._constant = {
            name: getattr(self._particles, name)[order].contiguous() for name in ("material", "mass", "volume")
        }
        self._connect(blocks)

    def _connect(self, blocks: Tensor) -> None:
        """Which blocks are around which, and room for their nodes."""
        _, rows, columns = self._blocks
        steps = [(i * rows + j) * columns + k for i, j, k in product((-1, 0, 1), repeat=3)]
        around = blocks[:, None] + torch.tensor(steps, dtype=blocks.dtype)
        active = torch.unique(around)
        slot = torch.zeros(self._blocks[0] * rows * columns, dtype=torch.int32)
        slot[active] = torch.arange(len(active), dtype=torch.int32)
        self._near = slot[around]
        slot.zero_()
        slot[blocks] = torch.arange(1, len(blocks) + 1, dtype=torch.int32)
        self._near_active = slot[(active[:, None] + torch.tensor(steps)).clamp(0, len(slot) - 1)]
        self._corners_active = self._corners_of(active)
        n, m, bodies = len(blocks), len(active), len(self._motion.model.bodies)
        self._watch = torch.zeros(n, 3)
        self._given = _room(self._given, (n + 1) * kernels.TILE)
        self._taken = _room(self._taken, n * kernels.TILE)
        self._lanes = _room(self._lanes, n * kernels.LANES)
        self._grid = _room(self._grid, m * kernels.BLOCK)
        self._impulses = torch.zeros(m, bodies, 6)

    def _corners_of(self, blocks: Tensor) -> Tensor:
        """First node of each block, which are numbered from one before the domain, int32, shape (n, 3)."""
        _, rows, columns = self._blocks
        index = torch.stack([blocks // (rows * columns), blocks // columns % rows, blocks % columns], 1)
        return (4 * (index - 1)).int()

    def _record(self) -> None:
        """Prepares the launches of a substep."""
        n, cell = len(self._starts) - 1, self._domain.cell
        most = max(1, len(self._particles) // FEWEST)
        grid, h, given = (_array(t) for t in (self._grid, self.h, self._given))
        s = self._sorted
        rest = [
            *(
                h,
                _array(self._starts),
                wp.from_torch(self._near),
                grid,
                _array(self._taken),
                _array(self._lanes),
                given,
            ),
            *(_array(self._laws), self._parameters),
            *(_array(self._constant[name]) for name in ("material", "mass", "volume")),
            *(_array(s[name]) for name in ("a", *CHANGING)),
            wp.from_torch(self._watch),
        ]

        def transfer(gathers: int, scatters: int) -> Callable[[], None]:
            inputs = [gathers, scatters, int(self._whole), int(self._pushed), cell, *rest]
            kernel = kernels.transfer_elastic if self._is_elastic else kernels.transfer
            return kernels.record(kernel, n, inputs, "cpu", interleaved=True, most=most)

        self.begin, self.go_on, self.end = transfer(0, 1), transfer(1, 1), transfer(1, 0)
        shape, low = wp.vec3i(*self._domain.shape), wp.vec3(*self._domain.low)
        nodes = [shape, low, cell, wp.vec3(*self._gravity), h, _array(self._corners_active)]
        nodes += [wp.from_torch(self._near_active), given, self._motion.collider_arrays.struct]
        nodes += [wp.from_torch(self._impulses), grid]
        self.solve = kernels.record(kernels.solve, len(self._corners_active), nodes, "cpu", interleaved=True, most=most)


def _room(buffer: Tensor, size: int) -> Tensor:
    """The buffer if it is large enough, else a larger one of zeros: what is never written must stay finite."""
    return buffer if len(buffer) >= size else torch.zeros(size + size // 4)


def _array(tensor: Tensor) -> Any:
    """A view for kernels: vectors of 3, matrices of 3×3, or numbers."""
    whole = tensor.dtype == torch.int32
    if tensor.shape[1:] == (3,):
        return wp.from_torch(tensor, dtype=wp.vec3i if whole else wp.vec3)
    return wp.from_torch(tensor, dtype=wp.mat33) if tensor.shape[1:] == (3, 3) else wp.from_torch(tensor)


def check_inside(model: Model, x: Tensor) -> None:
    """Sees whether particles at x (p, 3) have all of their nodes in the grid.

    Raises:
        SimulationError: If one has not, or is not anywhere.
    """
    assert model.particles is not None and model.domain is not None
    domain = model.domain
    ends = (torch.stack([x.amin(0), x.amax(0)]) - torch.tensor(domain.low)) / domain.cell
    if bool((ends[0] >= 0.5).all() and (ends[1] < torch.tensor(domain.shape) - 2.5).all()):
        return
    at = (x - torch.tensor(domain.low)) / domain.cell
    outside = ~((at >= 0.5) & (at < torch.tensor(domain.shape) - 2.5)).all(1)
    first = int(outside.int().argmax())
    name = model.particles.materials[int(model.particles.material[first])].name
    low, high = (_point(torch.tensor(corner)) for corner in (domain.low, domain.high))
    hint = "Make the domain larger, or look at what put it there."
    raise SimulationError(name, got=f"a particle at {_point(x[first])} m", wanted=f"{low} to {high} m", hint=hint)


def _point(x: Tensor) -> str:
    return "(" + ", ".join(f"{float(value):.4g}" for value in x) + ")"
