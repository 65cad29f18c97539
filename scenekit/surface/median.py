"""Which Gaussian a pixel's ray stops in. Letters: n Gaussians, p pixels, h w image."""

from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.splat_median as kernels
from scenekit._kernels.launch import launch
from scenekit.render.splats_torch import ALPHA_MAX, ALPHA_MIN, PAIRS_AT_ONCE

NOTHING = -1
"""The number at pixels where at least half of the light passes through everything."""


def median_gaussians(meta: dict[str, Any], *, camera: int = 0) -> Tensor:
    """The Gaussian at which the transmittance of each pixel, Π (1 − α), first falls to ½; int64, shape (h, w).

    Args:
        meta: What `rasterization` says of a picture. The Warp back-end's has the tiles, and the kernel walks them; of
            any other back-end's, every pixel meets every Gaussian in plain torch, the kernel's twin.
        camera: Which of the pictures.
    """
    centres, conics, opacities = (meta[name][camera].detach() for name in ("means2d", "conics", "opacities"))
    width, height = meta["width"], meta["height"]
    if "bins" in meta:
        return _by_tiles(meta["bins"][camera], centres, conics, opacities, width, height)
    visible = (meta["radii"][camera] > 0).all(-1).nonzero()[:, 0]
    order = visible[meta["depths"][camera][visible].argsort(stable=True)]
    return _by_pixels(order, centres, conics, opacities, width, height)


def _by_tiles(bins: Any, centres: Tensor, conics: Tensor, opacities: Tensor, width: int, height: int) -> Tensor:
    found = torch.empty(height * width, dtype=torch.int32, device=centres.device)
    arrays = [wp.from_torch(t.contiguous()) for t in (bins.offsets, bins.ids, centres, conics, opacities, found)]
    inputs = [bins.tiles_x, width, height, *arrays]
    launch(kernels.median, bins.tiles_x * bins.tiles_y, inputs, str(centres.device), interleaved=True)
    return found.long().reshape(height, width)


def _by_pixels(order: Tensor, centres: Tensor, conics: Tensor, opacities: Tensor, width: int, height: int) -> Tensor:
    x = torch.arange(width, dtype=centres.dtype, device=centres.device) + 0.5
    xx, xy, yy = conics[order].unbind(-1)
    rows, found = max(1, PAIRS_AT_ONCE // max(1, width * len(order))), []
    ids = torch.cat([order, order.new_tensor([NOTHING])])
    for first in range(0, height, rows):
        y = torch.arange(first, min(first + rows, height), dtype=x.dtype, device=x.device) + 0.5
        pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 1, 2)
        dx, dy = (pixels - centres[order]).unbind(-1)
        alpha = opacities[order] * torch.exp(-0.5 * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
        alpha = torch.where(alpha >= ALPHA_MIN, alpha.clamp(max=ALPHA_MAX), torch.zeros_like(alpha))
        found.append(ids[(torch.cumprod(1 - alpha, 1) > 0.5).sum(1)])
    return torch.cat(found).reshape(height, width)
