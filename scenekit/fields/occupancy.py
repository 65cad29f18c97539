"""Occupancy: which parts of a field's region hold anything (Müller et al. 2022, §E.2), and the marching through them.

Letters: n rays, k samples, c cells along a side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.ray_march as kernels
from scenekit._kernels.launch import launch
from scenekit.errors import InputError
from scenekit.fields.contraction import Region


class Rays(NamedTuple):
    """n half-lines."""

    origins: Tensor
    """Where they start [m], shape (n, 3)."""
    directions: Tensor
    """Unit vectors, shape (n, 3)."""


class Samples(NamedTuple):
    """k intervals of rays, packed ray by ray, near to far."""

    begins: Tensor
    """Distance at which each begins [m], shape (k,)."""
    lengths: Tensor
    """Length of each [m], shape (k,)."""
    rays: Tensor
    """Its ray, int64, shape (k,)."""
    offsets: Tensor
    """First sample of each ray, and k; int32, shape (n + 1,)."""

    @property
    def middles(self) -> Tensor:
        """Distance of each interval's middle [m], shape (k,)."""
        return self.begins + self.lengths / 2

    def of(self, rays: Rays) -> tuple[Tensor, Tensor]:
        """Positions of the middles [m] and directions, each (k, 3)."""
        directions = rays.directions[self.rays]
        return rays.origins[self.rays] + self.middles[:, None] * directions, directions

    def keep(self, mask: Tensor) -> Samples:
        """Some of the samples: a mask (k,)."""
        counts = torch.bincount(self.rays[mask], minlength=len(self.offsets) - 1)
        return Samples(self.begins[mask], self.lengths[mask], self.rays[mask], offsets_of(counts))


@dataclass(frozen=True)
class Stepping:
    """How far apart samples are."""

    step: float
    """Shortest step [m]."""
    cone: float = 0.0
    """Step over distance, where that is longer; 1/256 in the paper's unbounded scenes."""
    bend: float = 0.0
    """Step over squared distance, where that is longer still [1/m]: even steps of contracted space."""
    near: float = 0.0
    """Where rays start [m]."""
    far: float = 1e6
    """Where they end [m]."""
    most: int = 1024
    """Samples of one ray."""

    def __post_init__(self) -> None:
        if not (self.step > 0 and self.cone >= 0 and self.bend >= 0 and 0 <= self.near < self.far and self.most >= 1):
            raise InputError("stepping", got=self, wanted="a positive step, near before far, at least one sample")


class OccupancyGrid:
    """A running maximum of the density in each cell of the unit cube, and which cells count as occupied."""

    def __init__(self, region: Region, cells: int = 64, *, threshold: float = 0.01, decay: float = 0.95):
        """Everything is occupied at first.

        Args:
            region: Of the field.
            cells: Along a side.
            threshold: Optical thickness of a step above which a cell is occupied; so is one above the mean density.
            decay: What is left of a cell's density at each update.
        """
        if not 1 <= cells <= 512:
            raise InputError("occupancy: cells", got=cells, wanted="1 to 512")
        self.region, self.cells, self.threshold, self.decay = region, cells, threshold, decay
        self.density = torch.zeros(cells**3)
        """Running maximum [1/m], shape (c³,), z fastest."""
        self.occupied = torch.ones(cells**3, dtype=torch.uint8)
        """1 where samples are taken, shape (c³,)."""

    @torch.no_grad()
    def update(
        self, density: Callable[[Tensor], Tensor], stepping: Stepping, rng: torch.Generator, *, everywhere: bool
    ) -> None:
        """Look at one random point in each cell, or, past the warm-up, in an eighth of all and of the occupied ones.

        σ ← max(decay · σ, density), so a cell that is missed once stays occupied for long.

        Args:
            density: Of positions (n, 3) in the world, (n,) [1/m].
            stepping: The steps that thickness is measured by.
            rng: Of the points.
            everywhere: Look into every cell.
        """
        chosen = self.reachable
        if not everywhere:
            some = chosen[torch.randint(len(chosen), (len(chosen) // 8,), generator=rng)]
            full = self.occupied.nonzero()[:, 0]
            pick = torch.randint(max(len(full), 1), (len(full) // 8,), generator=rng)
            chosen = torch.cat([some, full[pick]]).unique()
        self.density[chosen] *= self.decay
        for part in chosen.split(1 << 17):
            corner = torch.stack([part // self.cells**2, part // self.cells % self.cells, part % self.cells], -1)
            u = (corner + torch.rand(len(part), 3, generator=rng)) / self.cells
            self.density[part] = torch.maximum(self.density[part], density(self.region.world(u)).float())
        # Without the mean, a field that is thin everywhere at first would be given up before it has learned anything.
        least = torch.clamp(self.threshold / self._steps(stepping), max=float(self.density[self.reachable].mean()))
        self.occupied = (self.density > least).to(torch.uint8)

    @cached_property
    def reachable(self) -> Tensor:
        """Numbers of the cells that space is contracted into: half of the cube's; all of a bounded region."""
        every = torch.arange(self.cells**3)
        if not self.region.unbounded:
            return every
        line = ((torch.arange(self.cells) + 0.5) / self.cells - 0.5).abs() - 0.5 / self.cells
        nearest = torch.cartesian_prod(line, line, line).clamp(min=0).norm(dim=-1)
        return every[nearest < 0.5]

    def _steps(self, stepping: Stepping) -> Tensor:
        """The step that a ray from the region's middle would take in each cell [m], shape (c³,)."""
        if stepping.cone == 0 and stepping.bend == 0:
            return torch.full_like(self.density, stepping.step)
        line = (torch.arange(self.cells) + 0.5) / self.cells
        x = self.region.world(torch.cartesian_prod(line, line, line)) - torch.tensor(self.region.middle)
        t = x.norm(dim=-1).clamp(max=stepping.far)
        return (t * (stepping.bend * t).clamp(min=stepping.cone)).clamp(min=stepping.step)


def march(rays: Rays, grid: OccupancyGrid, stepping: Stepping, *, jitter: Tensor | None = None) -> Samples:
    """Samples of the rays in the occupied cells; see `kernels/ray_march.py`.

    Args:
        rays: n rays.
        grid: Where to sample.
        stepping: How densely.
        jitter: Part of the first step that each ray starts later, 0..1, shape (n,); a half if None.
    """
    n, device = len(rays.origins), "cpu"
    near, far = grid.region.crossing(*rays, near=stepping.near, far=stepping.far)
    jitter = torch.full((n,), 0.5) if jitter is None else jitter
    floats = [_vectors(rays.origins), _vectors(rays.directions), *map(_numbers, (near, far, jitter))]
    inputs = [_constants(grid, stepping), *floats, wp.from_torch(grid.occupied, return_ctype=True)]
    counts = torch.zeros(n, dtype=torch.int32)
    launch(kernels.count, n, [*inputs, _integers(counts)], device, interleaved=True)
    offsets = offsets_of(counts)
    k = int(offsets[-1])
    begins, lengths, index = torch.empty(k), torch.empty(k), torch.empty(k, dtype=torch.int64)
    outputs = [_integers(offsets), _numbers(begins), _numbers(lengths), wp.from_torch(index, return_ctype=True)]
    launch(kernels.fill, n, [*inputs, *outputs], device, interleaved=True)
    return Samples(begins, lengths, index, offsets)


def offsets_of(counts: Tensor) -> Tensor:
    """0, c₀, c₀ + c₁, …; int32."""
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0)).to(torch.int32)


def _constants(grid: OccupancyGrid, stepping: Stepping) -> Any:
    m, region = kernels.March(), grid.region
    m.middle, m.half, m.unbounded, m.cells = wp.vec3(*region.middle), region.half, int(region.unbounded), grid.cells
    m.step, m.cone, m.bend, m.most = stepping.step, stepping.cone, stepping.bend, stepping.most
    return m


def _vectors(t: Tensor) -> Any:
    return wp.from_torch(t.detach().float().contiguous(), dtype=wp.vec3, return_ctype=True)


def _numbers(t: Tensor) -> Any:
    return wp.from_torch(t.detach().float().contiguous(), return_ctype=True)


def _integers(t: Tensor) -> Any:
    return wp.from_torch(t, return_ctype=True)
