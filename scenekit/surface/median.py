"""The depth at which half of a pixel's light is gone. Letters: n Gaussians, m of them met by a ray, h w image."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.splat_median as kernels
from scenekit._kernels.launch import launch
from scenekit.cameras import Camera
from scenekit.render.splats_torch import ALPHA_MAX, ALPHA_MIN, PAIRS_AT_ONCE, conics, covariances, project, rotations
from scenekit.splats import Splats

NOTHING = -1
"""The number at pixels where at least half of the light passes through everything."""

FLATTEST = 1e-3
"""Deviations below this part of a Gaussian's largest count as this: Σ⁻¹ must stay within float32."""

HALVINGS = 50
"""Of the twin, which has float64 to fill."""


class MedianSurface(NamedTuple):
    """Where the rays of a picture stop."""

    depth: Tensor
    """Along the optical axis [m], 0 where they do not, shape (h, w)."""
    stops: Tensor
    """The Gaussian that takes most light there, or `NOTHING`, int64, shape (h, w)."""


class Bodies(NamedTuple):
    """Gaussians as one camera's rays meet them."""

    means: Tensor
    """In the camera's frame [m], shape (n, 3)."""
    precisions: Tensor
    """Σ⁻¹ in the camera's frame [1/m²], shape (n, 3, 3)."""
    centres: Tensor
    """In the picture [px], shape (n, 2)."""
    conics: Tensor
    """Σ'⁻¹ in the picture as xx, xy, yy [1/px²], shape (n, 3)."""
    opacities: Tensor
    """As drawn, shape (n,)."""

    def some(self, ids: Tensor) -> Bodies:
        """Those of any numbers."""
        return Bodies(*(part[ids] for part in self))


def median_surface(splats: Splats, camera: Camera, viewmat: Tensor, meta: dict[str, Any]) -> MedianSurface:
    """The depth z of each pixel at which the transmittance T(z) of its ray falls to ½; differentiable in the splats.

    Along a ray o + z r with r of unit depth, the opacity of a Gaussian rises as it does in space up to its densest
    point at depth z*, and stays what the picture has, α:

        T(z) = Π (1 − α exp(−½ rᵀΣ⁻¹r min(z − z*, 0)²)),     z* = rᵀΣ⁻¹(μ − o) / rᵀΣ⁻¹r

    So the front of a fat opaque Gaussian is a surface, not the plane through its centre, which is 1.2 deviations behind
    where half of the light is gone. Source: Yu et al. 2024 (Gaussian Opacity Fields, §4.1), with T = ½ for the level.

    The gradient is that of the implicit function, dz = −∂T/∂θ / ∂T/∂z dθ.

    Args:
        splats: n Gaussians.
        camera: A pinhole camera.
        viewmat: World → camera, shape (4, 4).
        meta: What `rasterization` says of the picture, of its one camera. The Warp back-end's has tiles, and the kernel
            walks them; of any other's, every pixel meets every Gaussian in plain torch, the kernel's twin.
    """
    differentiable = any(part.requires_grad for part in splats.tensors().values())
    bodies = _bodies(splats, camera, viewmat.to(splats.means), meta, differentiable=differentiable)
    with torch.no_grad():
        search = _by_tiles if "bins" in meta else _by_pixels
        depth, stops, met = search(bodies, camera, meta, keep=differentiable)
    if differentiable:
        depth = _implicit(depth, met, bodies, camera)
    return MedianSurface(depth, stops)


def _bodies(splats: Splats, camera: Camera, viewmat: Tensor, meta: dict[str, Any], *, differentiable: bool) -> Bodies:
    R, t = viewmat[:3, :3], viewmat[:3, 3]
    log_scales = torch.maximum(splats.log_scales, splats.log_scales.amax(-1, keepdim=True) + math.log(FLATTEST))
    axes = (R @ rotations(splats.quats)) * (-log_scales).exp()[:, None]
    seen = [meta[name][0] for name in ("means2d", "conics", "opacities")]
    if differentiable:  # back-ends need not let gradients through what they say of a picture
        options, K = meta["options"], torch.as_tensor(camera.K).to(viewmat)
        view = project(splats.means, covariances(splats.quats, splats.scales), viewmat, K, options)
        opacities = splats.opacities * view.compensations if options.antialiased else splats.opacities
        seen = [view.means2d, conics(view.covs2d), opacities]
    return Bodies(splats.means @ R.T + t, axes @ axes.mT, *seen)


def _by_tiles(bodies: Bodies, camera: Camera, meta: dict[str, Any], *, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Depth, stops, and the m Gaussians met at each pixel (h, w, m), `NOTHING` after the last; m is 0 if not kept."""
    bins, device, (h, w) = meta["bins"][0], bodies.means.device, (camera.height, camera.width)
    depth = torch.empty(h, w, device=device)
    stops, count = (torch.empty(h, w, dtype=torch.int32, device=device) for _ in range(2))
    met = torch.full((h, w, kernels.MOST if keep else 0), NOTHING, dtype=torch.int32, device=device)
    packed = bodies.precisions[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    tensors = [bins.offsets, bins.ids, bodies.centres, bodies.conics, bodies.opacities, bodies.means, packed]
    arrays = [wp.from_torch(t.detach().contiguous()) for t in (*tensors, depth, stops, count, met)]
    lens = [camera.fx, camera.fy, camera.cx, camera.cy]
    launch(
        kernels.median, bins.tiles_x * bins.tiles_y, [bins.tiles_x, w, h, *lens, *arrays], str(device), interleaved=True
    )
    return depth, stops.long(), met[..., : int(count.max()) if keep else 0].long()


def _by_pixels(bodies: Bodies, camera: Camera, meta: dict[str, Any], *, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The same with all drawn Gaussians at each pixel, by bisection."""
    h, w = camera.height, camera.width
    visible = (meta["radii"][0] > 0).all(-1).nonzero()[:, 0]
    order = visible[meta["depths"][0][visible].argsort(stable=True)]
    drawn, pixels = bodies.some(order), torch.arange(h * w, device=order.device)
    rows = max(1, PAIRS_AT_ONCE // max(1, 8 * len(order)))
    depths, stopped = [], []
    for part in pixels.split(rows):
        a, z, c = _along(drawn, _places(part, camera, bodies.means))
        low, high = torch.zeros_like(z[:, 0]), z.amax(-1).clamp(min=0)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            over = _log_left(a, z, c, middle).exp() > 0.5
            low, high = torch.where(over, middle, low), torch.where(over, high, middle)
        half = (torch.log1p(-a).sum(-1).exp() <= 0.5) & (high > 0)
        most = _taken(a, z, c, high).argmax(-1)
        depths.append(torch.where(half, high, torch.zeros_like(high)))
        stopped.append(torch.where(half, order[most], torch.full_like(most, NOTHING)))
    met = order.expand(h, w, -1) if keep else order.new_zeros(h, w, 0)
    return torch.cat(depths).reshape(h, w), torch.cat(stopped).reshape(h, w), met


def _implicit(depth: Tensor, met: Tensor, bodies: Bodies, camera: Camera) -> Tensor:
    """The same depth with the gradient of the implicit function: one step of Newton's method, taken at the root."""
    flat, ids = depth.flatten(), met.flatten(0, 1)
    pixels = (flat > 0).nonzero()[:, 0]
    found = []
    for part in pixels.split(max(1, PAIRS_AT_ONCE // max(1, 8 * ids.shape[1]))):
        numbers = ids[part]
        a, z, c = _along(bodies.some(numbers.clamp(min=0)), _places(part, camera, bodies.means))
        a = torch.where(numbers >= 0, a, torch.zeros_like(a))
        at = flat[part]
        before = (at[:, None] - z).clamp(max=0)
        taken = _taken(a, z, c, at)
        slope = ((taken * c * before) / (1 - taken)).sum(-1).detach()  # of log T along the ray
        found.append(at - (_log_left(a, z, c, at) - _log_left(a, z, c, at).detach()) / slope.clamp(max=-1e-12))
    return flat.index_put((pixels,), torch.cat(found)).reshape(depth.shape) if found else depth


def _places(pixels: Tensor, camera: Camera, like: Tensor) -> tuple[Tensor, Tensor]:
    """Centres of pixels by number [px], (p, 2), and their rays of unit depth, (p, 3)."""
    at = torch.stack([pixels % camera.width, pixels // camera.width], -1).to(like) + 0.5
    rays = (at - at.new_tensor([camera.cx, camera.cy])) / at.new_tensor([camera.fx, camera.fy])
    return at, torch.nn.functional.pad(rays, (0, 1), value=1.0)


def _along(bodies: Bodies, places: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """α, z* and rᵀΣ⁻¹r of the m Gaussians at each of p pixels, (p, m) each; the bodies are (m, …) or (p, m, …)."""
    at, rays = (place[:, None] for place in places)
    dx, dy = (bodies.centres - at).unbind(-1)
    xx, xy, yy = bodies.conics.unbind(-1)
    alpha = bodies.opacities * torch.exp(-0.5 * (xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy))
    alpha = torch.where(alpha >= ALPHA_MIN, alpha.clamp(max=ALPHA_MAX), torch.zeros_like(alpha))
    weighted = (bodies.precisions * rays[..., None, :]).sum(-1)
    curvature = (weighted * rays).sum(-1)
    return alpha, (weighted * bodies.means).sum(-1) / curvature, curvature


def _taken(a: Tensor, z: Tensor, c: Tensor, depth: Tensor) -> Tensor:
    """Share of the light that each Gaussian takes before a depth, (p, m)."""
    return a * torch.exp(-0.5 * c * (depth[:, None] - z).clamp(max=0).square())


def _log_left(a: Tensor, z: Tensor, c: Tensor, depth: Tensor) -> Tensor:
    """Logarithm of the light that is left at a depth, (p,)."""
    return torch.log1p(-_taken(a, z, c, depth)).sum(-1)
