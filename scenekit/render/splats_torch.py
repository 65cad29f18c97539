"""The rasteriser's plain twin: every pixel meets every Gaussian, in torch, in any dtype; the oracle of the kernels.

Memory grows with pixels × Gaussians, so it is for small scenes. Letters: n Gaussians, p pixels, d channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from scenekit.harmonics import sh_basis

if TYPE_CHECKING:
    from scenekit.render.splats import RasterOptions

ALPHA_MIN = 1.0 / 255.0
ALPHA_MAX = 0.999
TRANSMITTANCE_MIN = 1e-4
PAIRS_AT_ONCE = 1 << 24
"""Pixels × Gaussians that are blended in one go; bounds the peak of a forward pass."""


class Projection(NamedTuple):
    """Gaussians as one camera sees them."""

    means2d: Tensor
    """Centres [px], shape (n, 2)."""
    covs2d: Tensor
    """Covariances xx, xy, yy [px²], blur included, shape (n, 3)."""
    depths: Tensor
    """Depth along the optical axis [m], shape (n,)."""
    compensations: Tensor
    """√(det Σ' / det(Σ' + eps2d·I)): how much of the opacity is left after the blur, shape (n,)."""
    in_range: Tensor
    """True between the near and far plane, shape (n,)."""


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
    """See `scenekit.render.splats.Backend`."""
    viewmats, Ks = viewmats.to(means.device), Ks.to(means.device)
    covs = covariances(quats, scales)
    views = [project(means, covs, viewmat, K, options) for viewmat, K in zip(viewmats, Ks, strict=True)]
    means2d = torch.stack([view.means2d for view in views])
    blended, drawn = [], []
    for i, view in enumerate(views):
        own = colors[i] if colors is not None and colors.ndim == 3 and options.sh_degree is None else colors
        features = channels(means, quats, scales, own, view, viewmats[i], options)
        background = features.new_zeros(features.shape[1]) if backgrounds is None else backgrounds[i]
        opacity = torch.where(view.in_range, opacities, torch.zeros_like(opacities))
        drawn.append(opacity * view.compensations if options.antialiased else opacity)
        blended.append(blend(means2d, i, view, drawn[i], features, background, options))
    image, alphas = (torch.stack(t) for t in zip(*blended, strict=True))
    meta = {
        "means2d": means2d,
        "radii": torch.stack([radii(view, opacity, options) for view, opacity in zip(views, drawn, strict=True)]),
        "depths": torch.stack([view.depths for view in views]),
        "conics": torch.stack([conics(view.covs2d) for view in views]),
        "opacities": torch.stack(drawn),
    }
    return image, alphas, meta


def covariances(quats: Tensor, scales: Tensor) -> Tensor:
    """Σ = R S Sᵀ Rᵀ [m²], shape (n, 3, 3)."""
    M = rotations(quats) * scales[:, None, :]
    return M @ M.mT


def rotations(quats: Tensor) -> Tensor:
    """Rotation matrices of quaternions wxyz, normalised first, shape (n, 3, 3)."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def project(means: Tensor, covs: Tensor, viewmat: Tensor, K: Tensor, options: RasterOptions) -> Projection:
    """EWA splatting: Σ' = J W Σ Wᵀ Jᵀ + eps2d·I, with J at a point held within 1.3 × the frustum."""
    W, t = viewmat[:3, :3], viewmat[:3, 3]
    x, y, depths = (means @ W.T + t).unbind(-1)
    in_range = (depths >= options.near_plane) & (depths <= options.far_plane)
    z = torch.where(in_range, depths, torch.ones_like(depths))  # keeps what is behind the camera finite
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    means2d = torch.stack([fx * x / z + cx, fy * y / z + cy], -1) * in_range[:, None]

    margin_x, margin_y = 0.15 * options.width / fx, 0.15 * options.height / fy
    tx = z * torch.clamp(x / z, -cx / fx - margin_x, (options.width - cx) / fx + margin_x)
    ty = z * torch.clamp(y / z, -cy / fy - margin_y, (options.height - cy) / fy + margin_y)
    o = torch.zeros_like(z)
    J = torch.stack([fx / z, o, -fx * tx / z**2, o, fy / z, -fy * ty / z**2], -1).reshape(-1, 2, 3)
    cov = J @ W @ covs @ (J @ W).mT
    xx, xy, yy = cov[:, 0, 0], cov[:, 0, 1], cov[:, 1, 1]
    covs2d = torch.stack([xx + options.eps2d, xy, yy + options.eps2d], -1)
    share = (xx * yy - xy * xy) / determinant(covs2d)
    return Projection(means2d, covs2d, depths, share.clamp(min=1e-12).sqrt(), in_range)


def determinant(covs2d: Tensor) -> Tensor:
    """Determinants of xx, xy, yy, shape (n, 3) → (n,)."""
    xx, xy, yy = covs2d.unbind(-1)
    return xx * yy - xy * xy


def channels(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    colors: Tensor | None,
    seen: Projection,
    viewmat: Tensor,
    options: RasterOptions,
) -> Tensor:
    """What is blended for one camera: colours, depth and normals side by side, shape (n, d)."""
    to_gaussian = means + viewmat[:3, :3].T @ viewmat[:3, 3]  # the camera's centre is −Wᵀ t
    parts = []
    if colors is not None:
        parts.append(colors if options.sh_degree is None else sh_to_rgb(colors, to_gaussian, options.sh_degree))
    if options.with_depth:
        parts.append(seen.depths[:, None])
    if options.with_normals:
        parts.append(facing_normals(quats, scales, to_gaussian))
    return torch.cat(parts, -1) if parts else means.new_zeros(len(means), 0)


def facing_normals(quats: Tensor, scales: Tensor, to_gaussian: Tensor) -> Tensor:
    """The shortest axis of each Gaussian, turned against the line of sight, world frame, shape (n, 3)."""
    shortest = scales.argmin(-1)[:, None, None].expand(-1, 3, 1)
    axis = rotations(quats).gather(2, shortest)[..., 0]
    away = (axis * to_gaussian).sum(-1, keepdim=True) > 0
    return torch.where(away, -axis, axis)


def sh_to_rgb(sh: Tensor, directions: Tensor, degree: int) -> Tensor:
    """max(0, ½ + Σ Y(direction)·sh), shape (n, 3), for coefficients (n, k, 3) and directions (n, 3) of any length."""
    basis = sh_basis(torch.nn.functional.normalize(directions, dim=-1), degree)
    return ((basis[..., None] * sh[:, : basis.shape[1]]).sum(1) + 0.5).clamp(min=0)


def conics(covs2d: Tensor) -> Tensor:
    """Inverses of covariances [1/px²], xx, xy, yy, shape (n, 3)."""
    xx, xy, yy = covs2d.unbind(-1)
    return torch.stack([yy, -xy, xx], -1) / determinant(covs2d)[:, None]


@torch.no_grad()
def radii(view: Projection, opacities: Tensor, options: RasterOptions) -> Tensor:
    """Half the box in which alpha reaches 1/255 [px], rounded up, int32 (n, 2); 0 for what no pixel can show."""
    reach = torch.log(255 * opacities.clamp(min=1e-30)).clamp(min=0)
    half = torch.sqrt(2 * reach[:, None] * view.covs2d[:, [0, 2]])
    size = torch.tensor([options.width, options.height], device=half.device)
    shown = ((view.means2d + half > 0) & (view.means2d - half < size)).all(-1) & (reach > 0)
    return torch.where(shown[:, None], half.ceil().clamp(max=2**30), torch.zeros_like(half)).to(torch.int32)


def blend(
    means2d: Tensor,
    camera: int,
    view: Projection,
    opacities: Tensor,
    features: Tensor,
    background: Tensor,
    options: RasterOptions,
) -> tuple[Tensor, Tensor]:
    """Front-to-back blending of every Gaussian in every pixel of one camera: image (h, w, d) and alpha (h, w, 1)."""
    order = torch.argsort(view.depths, stable=True)
    width, height = options.width, options.height
    x = torch.arange(width, dtype=means2d.dtype, device=means2d.device) + 0.5
    rows = max(1, PAIRS_AT_ONCE // max(1, width * len(order)))
    images, alphas = [], []
    for first in range(0, height, rows):
        y = torch.arange(first, min(first + rows, height), dtype=x.dtype, device=x.device) + 0.5
        pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 1, 2)
        centres = _PerPixel.apply(means2d, camera, len(pixels)) if options.absgrad else means2d[camera][None]
        alpha = _alphas(pixels - centres[:, order], view.covs2d[order], opacities[order])
        passed = torch.cumprod(1 - alpha, 1)
        before = torch.cat([torch.ones_like(passed[:, :1]), passed], 1)[:, :-1]
        weights = torch.where(passed > TRANSMITTANCE_MIN, alpha * before, torch.zeros_like(alpha))
        seen = weights.sum(1, keepdim=True)
        images.append(weights @ features[order] + (1 - seen) * background)
        alphas.append(seen)
    return torch.cat(images).reshape(height, width, -1), torch.cat(alphas).reshape(height, width, 1)


def _alphas(offsets: Tensor, covs2d: Tensor, opacities: Tensor) -> Tensor:
    """min(0.999, o·exp(−½ Δᵀ Σ'⁻¹ Δ)), and 0 where that is below 1/255, for offsets (p, n, 2), shape (p, n)."""
    dx, dy = offsets.unbind(-1)
    xx, xy, yy = covs2d.unbind(-1)
    sigma = 0.5 * (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant(covs2d)
    alpha = (opacities * torch.exp(-sigma)).clamp(max=ALPHA_MAX)
    return torch.where(alpha >= ALPHA_MIN, alpha, torch.zeros_like(alpha))


class _PerPixel(torch.autograd.Function):
    """Copies one camera's centres to every pixel; on the way back it also adds up the gradients without their signs."""

    @staticmethod
    def forward(ctx: Any, means2d: Tensor, camera: int, pixels: int) -> Tensor:
        ctx.means2d, ctx.camera = means2d, camera
        return means2d[camera][None].expand(pixels, -1, -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        means2d, camera = ctx.means2d, ctx.camera
        if getattr(means2d, "absgrad", None) is None:
            means2d.absgrad = torch.zeros_like(means2d)
        means2d.absgrad[camera] += grad.abs().sum(0)
        total = torch.zeros_like(means2d)
        total[camera] = grad.sum(0)
        return total, None, None
