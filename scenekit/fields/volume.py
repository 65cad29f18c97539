"""Volume rendering (Max 1995; Mildenhall et al. 2020): what a ray brings back from its samples.

wᵢ = Tᵢ (1 − exp(−σᵢ δᵢ)), Tᵢ = exp(−Σ_{j<i} σⱼ δⱼ). Letters: n rays, k packed samples, c channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.ray_march as kernels
from scenekit._kernels.launch import launch
from scenekit.fields.occupancy import Samples


class Blended(NamedTuple):
    """What rays bring back."""

    rgb: Tensor
    """Colour, over the background, shape (n, 3)."""
    alpha: Tensor
    """Opacity 0..1, shape (n,)."""
    depth: Tensor
    """Mean distance along the ray of what is seen [m], 0 where nothing is, shape (n,)."""
    median: Tensor
    """Distance by which half of the light is taken [m], infinite where less ever is; no gradient, shape (n,)."""
    weights: Tensor
    """w of each sample, shape (k,)."""
    thickness: Tensor
    """σ δ of each sample, shape (k,)."""


def blend_weights(thickness: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Weights w and arriving light T of packed samples, each (k,); the gradient is that of w.

    Args:
        thickness: Optical thickness σ δ of each sample, shape (k,).
        offsets: First sample of each ray, and k; int32, shape (n + 1,).
    """
    if thickness.dtype != torch.float32:
        return _blend_weights_torch(thickness, offsets)
    weights, arrived = _Weights.apply(thickness, offsets)
    return weights, arrived


def _blend_weights_torch(thickness: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """The same in plain torch, any dtype: rays as padded rows."""
    counts = offsets.diff().long()
    inside = torch.arange(int(counts.max()) if len(counts) else 0) < counts[:, None]
    rows = thickness.new_zeros(inside.shape).masked_scatter(inside, thickness)
    arrived = (rows - rows.cumsum(1)).exp()
    return (arrived * -torch.expm1(-rows))[inside], arrived[inside]


def accumulate(weights: Tensor, values: Tensor, samples: Samples) -> Tensor:
    """Σ wᵢ vᵢ of each ray, values (k, c) → (n, c)."""
    sums = values.new_zeros(len(samples.offsets) - 1, values.shape[1])
    return sums.index_add(0, samples.rays, weights[:, None] * values)


def blend(density: Tensor, colors: Tensor, samples: Samples, *, background: Tensor | None = None) -> Blended:
    """Blend samples front to back.

    Args:
        density: σ of each sample [1/m], shape (k,).
        colors: Of each sample, shape (k, 3).
        samples: Where they are.
        background: Colour behind everything, shape (3,) or (n, 3); black if None.
    """
    thickness = density * samples.lengths
    weights, arrived = blend_weights(thickness, samples.offsets)
    sums = accumulate(
        weights, torch.cat([colors, samples.middles[:, None], torch.ones_like(colors[:, :1])], 1), samples
    )
    rgb, distance, alpha = sums[:, :3], sums[:, 3], sums[:, 4]
    if background is not None:
        rgb = rgb + (1 - alpha)[:, None] * background
    with torch.no_grad():
        half = (arrived >= 0.5) & (arrived - weights < 0.5)
        median = torch.full_like(alpha, torch.inf)
        # Where in the sample the light falls to a half: exp(−σ s) = 0.5 / T.
        into = (2 * arrived[half]).log() / density[half].clamp(min=1e-12)
        median[samples.rays[half]] = samples.begins[half] + torch.minimum(into, samples.lengths[half])
    return Blended(rgb, alpha, distance / alpha.clamp(min=1e-6), median, weights, thickness)


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, thickness: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        thickness = thickness.detach().contiguous()
        weights, arrived = torch.empty_like(thickness), torch.empty_like(thickness)
        _run(kernels.blend, offsets, thickness, weights, arrived)
        ctx.save_for_backward(thickness, offsets, weights, arrived)
        ctx.mark_non_differentiable(arrived)
        return weights, arrived

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_weights: Tensor, _: Tensor) -> tuple[Tensor, None]:
        thickness, offsets, weights, arrived = ctx.saved_tensors
        d_thickness = torch.empty_like(thickness)
        _run(kernels.blend_backward, offsets, thickness, weights, arrived, d_weights.contiguous(), d_thickness)
        return d_thickness, None


def _run(kernel: wp.Kernel, offsets: Tensor, *tensors: Tensor) -> None:
    arrays = [wp.from_torch(t.detach(), return_ctype=True) for t in (offsets, *tensors)]
    launch(kernel, len(offsets) - 1, arrays, str(offsets.device), interleaved=True)
