"""The rasteriser's CUDA back-end: gsplat (Ye et al. 2025), where it is installed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from scenekit.errors import BackendError
from scenekit.render import splats_torch

if TYPE_CHECKING:
    from scenekit.render.splats import RasterOptions


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor | None,
    viewmats: Tensor,
    Ks: Tensor,
    backgrounds: Tensor | None,
    options: RasterOptions,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """See `scenekit.render.splats.Backend`.

    Raises:
        BackendError: If gsplat is not installed or the tensors are not on a CUDA device.
    """
    if importlib.util.find_spec("gsplat") is None:
        hint = "pip install gsplat, or backend='warp', which runs on CUDA too."
        raise BackendError("backend gsplat", got="no such package", wanted="gsplat ≥ 1.5", hint=hint)
    if not means.is_cuda:
        raise BackendError("backend gsplat", got=f"tensors on {means.device}", wanted="tensors on a CUDA device")
    from gsplat import rasterization

    viewmats, Ks = (t.to(means.device, non_blocking=True) for t in (viewmats, Ks))
    mode, sh_degree = ("RGB" if options.with_color else "") + ("+D" if options.with_depth else ""), options.sh_degree
    if options.with_normals:
        colors, mode, sh_degree = _side_by_side(means, quats, scales, colors, viewmats, options), "RGB", None
    elif backgrounds is not None:
        backgrounds = backgrounds[:, : backgrounds.shape[-1] - options.with_depth]  # gsplat adds that of depth itself
    return rasterization(
        means,
        quats,
        scales,
        opacities,
        colors if colors is not None else means,
        viewmats,
        Ks,
        options.width,
        options.height,
        near_plane=options.near_plane,
        far_plane=options.far_plane,
        eps2d=options.eps2d,
        sh_degree=sh_degree,
        packed=False,
        backgrounds=backgrounds,
        render_mode=mode.removeprefix("+"),
        rasterize_mode="antialiased" if options.antialiased else "classic",
        absgrad=options.absgrad,
    )


def _side_by_side(
    means: Tensor, quats: Tensor, scales: Tensor, colors: Tensor | None, viewmats: Tensor, options: RasterOptions
) -> Tensor:
    """Colours, depth and normals of each Gaussian as channels, shape (c, n, d): gsplat knows no normals."""
    from gsplat import spherical_harmonics

    to_gaussian = means + (viewmats[:, :3, :3].mT @ viewmats[:, :3, 3:]).mT  # camera centres are −Wᵀ t, (c, n, 3)
    parts = []
    if colors is not None and options.sh_degree is not None:
        coefficients = colors.expand(len(viewmats), *colors.shape)
        parts += [(spherical_harmonics(options.sh_degree, to_gaussian, coefficients) + 0.5).clamp(min=0)]
    elif colors is not None:
        parts += [colors.expand(len(viewmats), *colors.shape[-2:])]
    if options.with_depth:
        parts += [means @ viewmats[:, 2, :3, None] + viewmats[:, 2, 3, None, None]]
    parts += [torch.stack([splats_torch.facing_normals(quats, scales, to) for to in to_gaussian])]
    return torch.cat(parts, -1)
