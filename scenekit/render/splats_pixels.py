"""The Warp back-end's tiles on a GPU: lists by sorting, one thread for each pixel. Letters: n Gaussians, d channels.

The stages of `splats_warp` on a CPU walk a tile at a time; a GPU has more threads than there are tiles.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.splat_binning as splat_binning
import scenekit._kernels.splat_tiles as splat_tiles
from scenekit._kernels.launch import launch
from scenekit._kernels.splat_pixels import pixel_kernels
from scenekit.errors import InputError

PIXELS = splat_tiles.TILE**2
"""Items of a tile."""
PAIRS_MAX = 2**31 - 1
"""Most (tile, Gaussian) pairs."""


def tile_lists(grid: tuple[int, int], centres: Tensor, shapes: Tensor, depths: Tensor, radii: Tensor) -> list[Tensor]:
    """Order by depth (n,), where each tile's list starts (tiles + 1,), and the lists (pairs,), all int32.

    Args:
        grid: Tiles to the right and down.
        centres: Of one camera [px], shape (n, 2).
        shapes: See `splat_tiles`, shape (n, 4).
        depths: [m], shape (n,).
        radii: 0 for what is not drawn, int32, shape (n, 2).
    """
    n, device = len(depths), centres.device
    # Positive floats sort like their bits; what is not drawn has no tiles, wherever it comes.
    order = depths.view(torch.int32).sort(stable=True).indices
    spans = torch.empty(n, dtype=torch.int32, device=device)
    arrays = described(splat_binning.spread, 4, [centres, shapes, radii, spans])
    launch(splat_binning.spread, n, [*grid, *arrays], str(device))
    starts = torch.nn.functional.pad(spans[order].cumsum(0), (1, 0))
    pairs = int(starts[-1])
    check_pairs(pairs)
    tiles, ids = (torch.empty(pairs, dtype=torch.int32, device=device) for _ in range(2))
    arrays = described(splat_binning.list_tiles, 4, [order, starts, centres, shapes, tiles, ids])
    launch(splat_binning.list_tiles, n, [*grid, *arrays], str(device))
    count = grid[0] * grid[1]
    tiles, moved = (tiles.short() if count < 1 << 15 else tiles).sort(stable=True)  # half the bits, half the time
    offsets = torch.searchsorted(tiles, torch.arange(count + 1, dtype=tiles.dtype, device=device), out_int32=True)
    return [order.int(), offsets, ids[moved]]


def check_pairs(pairs: int) -> None:
    """Raises:
    InputError: If more pairs would be drawn than numbers of 32 bits can count.
    """
    if pairs > PAIRS_MAX:
        raise InputError("scales", got=f"{pairs} tiles touched", wanted=f"at most {PAIRS_MAX}", hint="Draw fewer.")


def blend(kernel_inputs: list[int], lists: list[Tensor], parts: list[Tensor], *, chunks: list[tuple[int, int]]) -> None:
    """Draw one camera's image, channel by channel chunk.

    Args:
        kernel_inputs: Tiles to the right, width and height [px].
        lists: Offsets and ids of `tile_lists`.
        parts: Centres, shapes, features, background; then what is written, image (h w, d) and alphas (h w,).
        chunks: First channel and how many, of each pass.
    """
    for channel, count in chunks:
        kernel, _ = pixel_kernels(count, False)
        arrays = described(kernel, 6, [*lists, *parts])
        launch(kernel, PIXELS * (len(lists[0]) - 1), [*kernel_inputs, channel, *arrays], str(parts[0].device))


def blend_backward(
    kernel_inputs: list[int],
    lists: list[Tensor],
    parts: list[Tensor],
    gradients: list[Tensor],
    *,
    chunks: list[tuple[int, int]],
    absgrad: bool,
) -> None:
    """Go back through `blend`.

    Args:
        kernel_inputs: As there.
        lists: As there.
        parts: Centres, shapes, features, image, alphas, and the gradients of the last two.
        gradients: What is written: of centres, shapes, features, and the absolute ones of the centres.
        chunks: As there.
        absgrad: Whether the last is wanted.
    """
    n, device = len(parts[0]), parts[0].device
    for channel, count in chunks:
        _, kernel = pixel_kernels(count, absgrad)
        rows = torch.zeros(n, 16, device=device)
        arrays = described(kernel, 6, [*lists, *parts, rows])
        launch(kernel, PIXELS * (len(lists[0]) - 1), [*kernel_inputs, channel, *arrays], str(device))
        tensors = [*_one_pair_each(n, device), parts[1], rows, *gradients]
        arrays = described(splat_tiles.reduce, 7, tensors)
        fresh = 2 if channel == 0 else 1
        launch(splat_tiles.reduce, n, [fresh, channel, count, 0, n, *arrays], str(device))


def described(kernel: wp.Kernel, first: int, tensors: list[Tensor]) -> list[Any]:
    """Warp's descriptors of tensors, without copies, as the arguments of `kernel` from `first` on declare them."""
    declared: list[Any] = kernel.adj.args[first:]
    return [
        wp.from_torch(t.detach(), dtype=arg.type.dtype, return_ctype=True)
        for t, arg in zip(tensors, declared, strict=True)
    ]


@functools.lru_cache(maxsize=1)
def _one_pair_each(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What makes `reduce` take row g for Gaussian g's only pair: where its pairs start, and which they are."""
    numbers = torch.arange(n + 1, dtype=torch.int32, device=device)
    return numbers, numbers[:-1]
