"""The photometric loss on a GPU, a number of the image at a time. Letters: h w image."""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.ssim_pixels as kernels
from scenekit._kernels.launch import launch
from scenekit._kernels.warp_lanes import LANES
from scenekit.render.splats_pixels import described


def compare_by_pixels(image: Tensor, photo: Tensor, mask: Tensor | None, ssim_weight: float) -> tuple[Tensor, Tensor]:
    """The means l1, mse and dssim, float64, and ∂total/∂image; see `PhotometricLoss`, which has checked the arguments.

    Args:
        image: The render, contiguous float32, shape (h, w, 3).
        photo: The photo, contiguous uint8, shape (h, w, 3).
        mask: True where a pixel counts, bool, shape (h, w).
        ssim_weight: λ.
    """
    size, row, device = image.numel(), 3 * image.shape[1], image.device
    lanes = LANES if device.type == "cuda" else 1
    items = -(-size // LANES) * LANES  # all lanes of the last warp take part in its sum
    count = size if mask is None else 3.0 * int(mask.sum())
    blurred, by = (torch.empty(rows, size, device=device) for rows in (5, 3))
    sums = torch.empty(-(-size // lanes), 3, device=device)
    gradient = torch.empty_like(image)
    counts = photo.new_empty(0) if mask is None else mask.contiguous().view(torch.uint8).view(-1)
    given = [image.view(-1), photo.view(-1), counts]

    def run(kernel: wp.Kernel, items: int, numbers: list[float], tensors: list[Tensor]) -> None:
        arrays = described(kernel, 2 + len(numbers), tensors)
        launch(kernel, items, [*numbers, *arrays], str(device))

    run(kernels.blur_products, size, [row], [*given, blurred])
    run(kernels.compare, items, [row], [*given, blurred, by, sums])
    run(kernels.blur_derivatives, size, [row], [by, blurred])
    weights = [(1 - ssim_weight) / count, -ssim_weight / count]
    run(kernels.gradient, size, [row, *weights], [*given, blurred, gradient.view(-1)])
    return sums.sum(0, dtype=torch.float64) / count, gradient
