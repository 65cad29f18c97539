"""Terms of the loss that make Gaussians lie on surfaces. Letters: n Gaussians, h w image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.fit.sparse_depth import ALPHA_MIN, sparse_depth
from scenekit.render.planes import plane_channels, plane_depth
from scenekit.render.splats_torch import sh_to_rgb
from scenekit.splats import Splats


@dataclass(frozen=True)
class SurfaceTerms:
    """Weights λ of what is added to the photometric loss; a term of weight 0 costs nothing.

    A photograph does not say at what depth its light was stopped: Gaussians that float in front of each other, stand
    across the surface or are thick may look right. Each term takes one of these freedoms away.
    """

    depth_normal: float = 0.0
    """λ of `depth_normal`, what normals and depth disagree on; published 0.05 (2DGS), 0.015 (PGSR's code)."""
    distortion: float = 0.0
    """λ of `distortion`, how far apart in depth the light of a pixel is stopped."""
    flatten: float = 0.0
    """λ of `thickness`, the mean smallest deviation by the scene's extent."""
    depth: float = 0.0
    """λ of `sparse_depth`, how far the depth drawn is from the sparse points of the photo; gsplat's 0.01."""
    start: float = 0.3
    """Progress from which the terms but `depth` act: before, Gaussians must be free to find the surface."""

    def __post_init__(self) -> None:
        for name in ("depth_normal", "distortion", "flatten", "depth", "start"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"surface.{name}", got=value, wanted="a finite number, at least 0")

    def at(self, progress: float) -> SurfaceTerms:
        """The terms that act at this progress."""
        return self if progress >= self.start else SurfaceTerms(depth=self.depth)

    @property
    def of_pixels(self) -> bool:
        """True if a render must blend `channels`; `flatten` looks at the Gaussians alone."""
        return self.depth_normal > 0 or self.distortion > 0 or self.depth > 0

    def channels(self, splats: Splats, view: View, degree: int, *, extent: float) -> Tensor:
        """What a render blends: colours up to an SH degree; for the distortion m and m²; for the depth–normal term ν in
        the camera's frame and ν·(μ − o); for that or `depth` z(μ). Shape (n, 3 to 10); eight are one pass over the
        tiles.
        """
        R, t = view.viewmat.to(splats.means).split((3, 1), dim=1)
        to_gaussian = splats.means + (R[:3].T @ t[:3])[:, 0]  # the camera's centre is −Rᵀ t
        depths = to_gaussian @ R[2, :, None]
        blended = [sh_to_rgb(splats.sh, to_gaussian, degree)]
        if self.distortion > 0:
            m = bounded_depth(depths, extent)
            blended += [m, m.square()]
        if self.depth_normal > 0:
            planes = plane_channels(splats, to_gaussian)
            blended += [planes[:, :3] @ R[:3].T, planes[:, 3:]]
        if self.depth_normal > 0 or self.depth > 0:
            blended.append(depths)
        return torch.cat(blended, -1)

    def losses(self, splats: Splats, view: View, image: Tensor, alpha: Tensor, *, extent: float) -> dict[str, Tensor]:
        """Each term times its weight, by name, without those of weight 0.

        Args:
            splats: What was drawn.
            view: From where.
            image: The blended `channels` (h, w, ...), if `of_pixels`.
            alpha: Opacity along the ray, shape (h, w).
            extent: Radius of the scene [m].
        """
        found = {}
        if self.depth_normal > 0:
            found["depth_normal"] = self.depth_normal * depth_normal(image[..., -5:], alpha, view)
        if self.distortion > 0:
            found["distortion"] = self.distortion * distortion(image[..., 3:5], alpha, view.mask)
        if self.flatten > 0:
            found["flatten"] = self.flatten * thickness(splats, extent)
        if self.depth > 0:
            found["depth"] = self.depth * sparse_depth(image[..., -1], alpha, view, extent=extent)
        return found


def depth_normal(planes: Tensor, alpha: Tensor, view: View) -> Tensor:
    """Mean over pixels of e Σᵢ wᵢ (1 − νᵢ·n) = e (α − N·n): how far Gaussians are from lying along the surface drawn.

    N = Σ w ν is the blended normal, n the `depth_normals` of where the rays meet the blended planes, both away from the
    eye; e is `edge_weights`, as depth may jump where the photo does.

    Sources: Huang et al. 2024 (2DGS, Eq. 14–15); n from the depth of blended planes and its weight by edges, Chen et
    al. 2024 (PGSR, Eq. 5–6, with |n − N|).

    Args:
        planes: Σ w ν in the camera's frame, Σ w ν·(μ − o), Σ w z(μ), shape (h, w, 5).
        alpha: Σ w, shape (h, w).
        view: Gives the rays, and the photo with its edges and mask.
    """
    if min(alpha.shape) < 3:  # no pixel has four neighbours
        return 0 * alpha.sum()
    rays = view.rays.to(planes)
    # Channel by channel in memory, where what follows is twice as fast.
    N, distances, depths = planes.movedim(-1, 0).contiguous().movedim(0, -1).split((3, 1, 1), dim=-1)
    depth = plane_depth(N, distances[..., 0], rays, otherwise=depths[..., 0] / alpha.clamp(min=ALPHA_MIN))
    seen = (alpha > ALPHA_MIN) & (depth > 0)
    n = depth_normals(torch.where(seen, depth, torch.ones_like(depth)), rays, view.K)
    apart = alpha[1:-1, 1:-1] - (N[1:-1, 1:-1] * n).sum(-1)
    counts = _with_neighbours(torch.ones_like(seen) if view.mask is None else view.mask)
    weights = edge_weights(view.image, counts).to(apart) * (counts & _with_neighbours(seen))
    return (weights * apart).sum() / counts.sum().clamp(min=1)


def depth_normals(depth: Tensor, rays: Tensor, K: Tensor) -> Tensor:
    """Unit normals of a depth map > 0 (h, w), away from the eye, in the camera's frame, shape (h − 2, w − 2, 3).

    Each is along the cross product of the differences between the points right and left and below and above of its
    pixel, which on rays (x, y, 1) is (−a, −b, 1 + a x + b y), a = fx (z_right − z_left) / (z_right + z_left), b alike.
    """
    right, left, below, above = depth[1:-1, 2:], depth[1:-1, :-2], depth[2:, 1:-1], depth[:-2, 1:-1]
    a, b = K[0, 0] * (right - left) / (right + left), K[1, 1] * (below - above) / (below + above)
    x, y, _ = rays[1:-1, 1:-1].unbind(-1)
    along = torch.stack([-a, -b, 1 + a * x + b * y])
    return (along / along.square().sum(0).sqrt()).movedim(0, -1)


def edge_weights(photo: Tensor, counts: Tensor) -> Tensor:
    """(1 − |∇I| / max |∇I|)² of the grey photo (h, w, 3), by central differences, shape (h − 2, w − 2).

    The largest gradient is that where `counts` (h − 2, w − 2), and at least one of 256 grey levels a pixel.
    Source: Chen et al. 2024 (PGSR, TVCG, Eq. 6; the preprint has another power).
    """
    grey = photo.float().mean(-1)
    across, down = grey[1:-1, 2:] - grey[1:-1, :-2], grey[2:, 1:-1] - grey[:-2, 1:-1]
    slope = torch.hypot(across, down) / 2 * counts
    return (1 - slope / slope.max().clamp(min=1)).square()


def distortion(moments: Tensor, alpha: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over pixels of Σᵢⱼ wᵢ wⱼ (mᵢ − mⱼ)² = 2 (Σw Σwm² − (Σwm)²), with m the `bounded_depth` of the centres.

    Squares, not the |mᵢ − mⱼ| of Mip-NeRF 360 (Barron et al. 2022, Eq. 15) and of 2DGS (Huang et al. 2024, Eq. 13),
    because two blended channels then give the double sum exactly, with gradients to depths and weights by the
    rasteriser as it is; it is also what 2DGS computes (Appendix A), once for each pair.

    Args:
        moments: Σ w m and Σ w m², shape (h, w, 2).
        alpha: Σ w, shape (h, w).
        mask: True where a pixel counts, bool, shape (h, w).
    """
    first, second = moments.unbind(-1)
    spread = 2 * (alpha * second - first.square())
    return spread.mean() if mask is None else (spread * mask).sum() / mask.sum()


def bounded_depth(depths: Tensor, extent: float) -> Tensor:
    """m = (z − e) / (z + e) in −1..1 for depths z ≥ 0 and the scene's radius e, both [m].

    As 1 − near / z, it counts differences by their share of the depth, but stays bounded in front of the camera and
    has no unit; it is about 0 at what cameras around a scene look at, where Σw Σwm² − (Σwm)² then cancels little.
    """
    z = depths.clamp(min=0)
    return (z - extent) / (z + extent)


def thickness(splats: Splats, extent: float) -> Tensor:
    """Mean smallest deviation of the Gaussians by the scene's radius: thin ones are discs, of one clear normal.

    Source: Chen et al. 2024 (PGSR, Eq. 1), in units of the scene.
    """
    return splats.log_scales.amin(-1).exp().mean() / extent


def _with_neighbours(true: Tensor) -> Tensor:
    """True where a pixel and its four neighbours are, shape (h, w) → (h − 2, w − 2)."""
    middle = true[1:-1, 1:-1]
    return middle & true[1:-1, 2:] & true[1:-1, :-2] & true[2:, 1:-1] & true[:-2, 1:-1]
