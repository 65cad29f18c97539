"""Multiresolution hash encoding (Müller et al. 2022). Letters: n points, l levels, f features."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import torch
import warp as wp
from torch import Tensor, nn

import scenekit._kernels.hash_grid as kernels
from scenekit._kernels.launch import launch
from scenekit.errors import InputError

Backend = Literal["warp", "torch"]

PRIMES = (1, 2_654_435_761, 805_459_861)
"""Factors of the spatial hash."""
MAX_ROWS = 2**26
"""Rows of all tables that the kernels can address."""
MAX_NUMBERS = 2**30
"""Numbers of an encoding that they can."""
BLOCKS = 16
"""Blocks of points in an item of a launch."""


@dataclass(frozen=True)
class HashGridConfig:
    """Sizes of the encoding, by default those of the paper.

    Raises:
        InputError: If a number is out of range.
    """

    levels: int = 16
    """Resolutions."""
    features: int = 2
    """Numbers in a row of a table."""
    log2_rows: int = 19
    """Most rows of a level's table, as a power of two."""
    coarsest: int = 16
    """Cells along a side at the coarsest level."""
    finest: int = 2048
    """Cells along a side at the finest."""
    spread: float = 1e-4
    """Tables start uniform in ±this."""

    def __post_init__(self) -> None:
        ranges = {"levels": 64, "features": 8, "log2_rows": 24, "coarsest": 2**16, "finest": 2**20}
        for name, most in ranges.items():
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"hash grid: {name}", got=getattr(self, name), wanted=f"1 to {most}")
        if self.finest < self.coarsest:
            raise InputError("hash grid: finest", got=self.finest, wanted=f"at least coarsest, {self.coarsest}")
        if self.levels * 2**self.log2_rows > MAX_ROWS:
            got = f"{self.levels} levels of 2^{self.log2_rows} rows"
            raise InputError("hash grid: tables", got=got, wanted=f"at most {MAX_ROWS} rows together")

    @property
    def resolutions(self) -> list[int]:
        """Cells along a side of each level: ⌊N_min bˡ⌋, b = (N_max / N_min)^(1 / (levels − 1))."""
        growth = (self.finest / self.coarsest) ** (1 / max(self.levels - 1, 1))
        return [int(self.coarsest * growth**level + 1e-6) for level in range(self.levels)]

    @property
    def rows(self) -> list[int]:
        """Rows of each level's table: one for each corner, or the most allowed."""
        return [min((r + 1) ** 3, 2**self.log2_rows) for r in self.resolutions]


class HashGrid(nn.Module):
    """Positions in the unit cube → features of all levels, with gradients of tables and positions.

    The gradient of the positions is that of the trilinear interpolation, which jumps from cell to cell. It cannot be
    differentiated once more; normals that the loss shall act on are made of finite differences.
    """

    def __init__(self, config: HashGridConfig = HashGridConfig(), *, backend: Backend = "warp", seed: int = 0):
        super().__init__()
        self.config, self.backend = config, backend
        rng = torch.Generator().manual_seed(seed)
        start = torch.rand(sum(config.rows), config.features, generator=rng) * 2 - 1
        self.table = nn.Parameter(start * config.spread)
        """Tables of all levels below each other, shape (rows, f)."""

    @property
    def width(self) -> int:
        """Length of an encoding."""
        return self.config.levels * self.config.features

    def forward(self, positions: Tensor) -> Tensor:
        """Encode positions (n, 3), of which what is outside of the unit cube counts as on its side; (n, l · f)."""
        if self.backend == "warp" and self.table.dtype == torch.float32:
            encoded: Tensor = _Encode.apply(positions, self.table, self.config).T
            return encoded
        return encode(positions, self.table, self.config)


def encode(positions: Tensor, table: Tensor, config: HashGridConfig) -> Tensor:
    """The encoding in plain torch, of any dtype: the twin of the kernels.

    Args:
        positions: In the unit cube, shape (n, 3).
        table: Tables of all levels, shape (rows, f).
        config: Sizes.

    Returns:
        Features level by level, shape (n, l · f).
    """
    corners = torch.tensor([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)], device=positions.device)
    features, first = [], 0
    for cells, rows in zip(config.resolutions, config.rows, strict=True):
        x = positions.clamp(0, 1) * cells
        cell = x.detach().long().clamp(max=cells - 1)
        fraction = (x - cell)[:, None]
        weights = torch.where(corners > 0, fraction, 1 - fraction).prod(-1)
        at = cell[:, None] + corners
        if rows == (cells + 1) ** 3:
            row = at[..., 0] + (cells + 1) * (at[..., 1] + (cells + 1) * at[..., 2])
        else:
            row = (at[..., 0] * PRIMES[0] ^ at[..., 1] * PRIMES[1] ^ at[..., 2] * PRIMES[2]) & (rows - 1)
        values = table.index_select(0, (row + first).reshape(-1)).reshape(*row.shape, -1)
        features.append((weights[..., None] * values).sum(1))
        first += rows
    return torch.cat(features, -1)


class _Encode(torch.autograd.Function):
    """Positions (n, 3), table → features (l · f, n)."""

    @staticmethod
    def forward(ctx: Any, positions: Tensor, table: Tensor, config: HashGridConfig) -> Tensor:
        if positions.dtype != torch.float32 or positions.shape[1:] != (3,):
            got = f"{positions.dtype} {tuple(positions.shape)}"
            raise InputError("positions", got=got, wanted="float32 (n, 3)", hint="backend='torch' takes any dtype.")
        if len(positions) * max(3, config.levels * config.features) >= MAX_NUMBERS:
            raise InputError("positions", got=f"{len(positions)} at once", wanted="fewer", hint="Encode them in parts.")
        positions, table = positions.detach().contiguous(), table.detach().contiguous()
        out = positions.new_empty(config.levels * config.features, len(positions))
        _run("encode", config, positions, table, out, table)
        ctx.save_for_backward(positions, table)
        ctx.config = config
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        positions, table = ctx.saved_tensors
        d_out, d_positions, d_table = d_out.contiguous(), None, None
        if ctx.needs_input_grad[1]:
            d_table = torch.zeros_like(table)
            task = "gradient" if table.device.type == "cpu" else "atomic gradient"
            _run(task, ctx.config, positions, d_table, d_out, d_table)
        if ctx.needs_input_grad[0]:
            d_positions = torch.zeros_like(positions)
            _run("positions", ctx.config, positions, table, d_out, d_positions)
        return d_positions, d_table, None


def _run(task: str, config: HashGridConfig, *tensors: Tensor) -> None:
    """Launch the kernel for a task on positions, table, features and gradient of the positions."""
    n, device = len(tensors[0]), str(tensors[0].device)
    whole = max(1, -(-n // kernels.BLOCK))
    blocks = {"encode": BLOCKS, "gradient": whole, "atomic gradient": 1, "positions": 1 + whole // 16}[task]
    chunks, together = -(-n // (kernels.BLOCK * blocks)), config.levels if task == "positions" else 1
    inputs = [n, chunks, blocks, together, _levels(config, device), *(tensor.data_ptr() for tensor in tensors)]
    items = config.levels // together * chunks
    launch(kernels.grid_kernel(config.features, task), items, inputs, device, interleaved=True)


@functools.lru_cache(maxsize=64)
def _levels(config: HashGridConfig, device: str) -> Any:
    """The kernels' description of the levels."""
    levels, first = [], 0
    for cells, rows in zip(config.resolutions, config.rows, strict=True):
        level = kernels.Level()
        level.cells, level.row, level.mask = float(cells), first, rows - 1
        level.step = cells + 1 if rows == (cells + 1) ** 3 else 0
        levels.append(level)
        first += rows
    return wp.array(levels, dtype=kernels.Level, device=device)
