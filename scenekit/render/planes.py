"""Gaussians as planes that one camera sees, blended into one plane for each pixel. Letters: n Gaussians."""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.render.splats_torch import rotations
from scenekit.splats import Splats

GRAZING = 0.05
"""Cosine between ray and normal below which the ray meets the plane too far away to believe."""


def plane_normals(splats: Splats, to_gaussian: Tensor) -> Tensor:
    """Unit ν along Σ⁻¹ (μ − o), which points away from the eye, for lines of sight μ − o, shape (n, 3).

    Σ⁻¹ is taken times the square of the smallest deviation, which keeps flat Gaussians finite and changes no direction.
    """
    R = rotations(splats.quats)
    log_scales = splats.log_scales - splats.log_scales.detach().amin(-1, keepdim=True)
    local = (R.mT @ to_gaussian[..., None])[..., 0] * (-2 * log_scales).exp()
    return torch.nn.functional.normalize((R @ local[..., None])[..., 0], dim=-1)


def plane_channels(splats: Splats, to_gaussian: Tensor) -> Tensor:
    """ν and ν·(μ − o) [m] of each Gaussian, to be blended, for lines of sight μ − o (n, 3); shape (n, 4).

    Sources: Chen et al. 2024 (PGSR, Eq. 2–3); ν and its plane, Zhang et al. 2024 (RaDe-GS, §3).
    """
    normals = plane_normals(splats, to_gaussian)
    return torch.cat([normals, (normals * to_gaussian).sum(-1, keepdim=True)], -1)


def plane_depth(normals: Tensor, distances: Tensor, rays: Tensor, *, otherwise: Tensor) -> Tensor:
    """Depth at which rays of unit depth meet blended planes {x : ν·(x − o) = d} (Chen et al. 2024, PGSR, Eq. 4).

    Args:
        normals: Σ w ν, shape (..., 3).
        distances: Σ w d, of the scale of the normals in each pixel, shape (...).
        rays: In the frame of ν, shape (..., 3).
        otherwise: The depth where the ray grazes the plane (`GRAZING`), shape (...).
    """
    along = (normals * rays).sum(-1)
    met = along.clamp(min=0).square() > GRAZING**2 * normals.square().sum(-1) * rays.square().sum(-1)
    # The inner where keeps the gradient of the branch that is not taken finite.
    return torch.where(met, distances / torch.where(met, along, torch.ones_like(along)), otherwise)
