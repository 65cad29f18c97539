"""Depth and normals of the surface that Gaussians stand for, as one camera sees it. Letters: n Gaussians, h w image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose
from scenekit.errors import InputError
from scenekit.render.planes import plane_channels, plane_depth
from scenekit.render.raycast import pixel_rays
from scenekit.render.splats import rasterization
from scenekit.render.splats_torch import sh_to_rgb
from scenekit.splats import Splats
from scenekit.surface.median import median_surface

DepthMode = Literal["plane", "expected", "median"]
"""Ways to tell the depth of a pixel; see `surface_view`."""

ALPHA_MIN = 1e-3
"""Where less than this is opaque there is nothing."""


@dataclass(frozen=True)
class SurfaceView:
    """What a camera sees of a surface."""

    camera: Camera
    """A pinhole camera."""
    T_world_cam: Array
    """Camera → world, shape (4, 4)."""
    rgb: Tensor
    """Colours, nominally 0..1, on black, shape (h, w, 3)."""
    alpha: Tensor
    """Opacity along the ray, shape (h, w)."""
    depth: Tensor
    """Along the optical axis [m], 0 where nothing is, shape (h, w)."""
    normals: Tensor
    """Unit normals in the world, turned to the camera, 0 where nothing is, shape (h, w, 3)."""
    stops: Tensor | None = None
    """With median depth: the Gaussian that each ray stops in, `NOTHING` where there is none, int64, shape (h, w)."""


def surface_view(
    splats: Splats,
    camera: Camera,
    T_world_cam: ArrayLike,
    *,
    depth: DepthMode = "plane",
    backend: str | None = None,
) -> SurfaceView:
    """The surface of `splats` as `camera` at pose `T_world_cam` (4, 4) sees it; differentiable in the splats.

    A Gaussian with covariance Σ and centre μ, seen from o, is densest along a ray near its centre on the plane through
    μ with normal ν = Σ⁻¹ (μ − o), up to length. For a flat Gaussian ν is its shortest axis, for a ball it is the line
    of sight. On a ray o + z r, with r of unit depth, that plane lies at z = ν·(μ − o) / ν·r. With blending weights w:

    | depth | of a pixel | suits |
    |---|---|---|
    | "plane" | Σ w ν·(μ − o) / Σ w ν·r: the plane with the blended normal and distance | surfaces: exact on planes |
    | "expected" | Σ w z(μ) / Σ w: the centres' depths | what is not flat |
    | "median" | where half of the light is gone, Gaussians being bodies: `median_surface` | meshes: fat Gaussians too |

    What shines through a surface from far behind moves the first two by its share of the light, not the median; and
    only the median knows that a fat opaque Gaussian is seen from its front. Where a ray grazes the blended plane
    (`planes.GRAZING`), the first falls back to "expected". Where the transmittance stays above ½ there is no median.

    Sources: blended planes, Chen et al. 2024 (PGSR, Eq. 2–4); ν and its plane, Zhang et al. 2024 (RaDe-GS, §3);
    the median, Yu et al. 2024 (Gaussian Opacity Fields, §4.1).

    Args:
        splats: What to look at.
        camera: A pinhole camera.
        T_world_cam: Camera → world, array or tensor.
        depth: Which depth.
        backend: As in `rasterization`; the median of other back-ends than Warp takes time pixels × Gaussians.

    Raises:
        InputError: If there are no splats, the camera is not a pinhole camera, the pose is not a finite 4×4 matrix, or
            the depth is unknown.
    """
    pose = _checked(splats, camera, T_world_cam, depth)
    centre = torch.as_tensor(pose[:3, 3]).to(splats.means)
    to_gaussian = splats.means - centre
    rgb = sh_to_rgb(splats.sh, to_gaussian, splats.sh_degree)
    channels = torch.cat([rgb, plane_channels(splats, to_gaussian)], -1)
    image, alpha, meta = _blended(splats, camera, pose, channels, backend)

    rays = torch.from_numpy(pixel_rays(camera) @ pose[:3, :3].T).to(image)
    seen, stops = alpha > ALPHA_MIN, None
    if depth == "median":
        z, stops = median_surface(splats, camera, torch.as_tensor(inverse_pose(pose)), meta)
    elif depth == "plane":
        z = plane_depth(image[..., 3:6], image[..., 6], rays, otherwise=image[..., 7])
    else:
        z = image[..., 7]
    facing = -torch.nn.functional.normalize(image[..., 3:6], dim=-1)
    nothing = torch.zeros((), dtype=z.dtype, device=z.device)
    return SurfaceView(
        camera,
        pose,
        image[..., :3],
        alpha,
        torch.where(seen & (z > 0), z, nothing),
        torch.where(seen[..., None], facing, nothing),
        stops,
    )


def _blended(
    splats: Splats, camera: Camera, pose: Array, channels: Tensor, backend: str | None
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Image (h, w, channels and expected depth), alpha (h, w) and meta; eight channels are one pass over the tiles."""
    image, alphas, meta = rasterization(
        splats.means,
        splats.quats,
        splats.scales,
        splats.opacities,
        channels,
        torch.as_tensor(inverse_pose(pose)).to(splats.means)[None],
        torch.as_tensor(camera.K).to(splats.means)[None],
        camera.width,
        camera.height,
        render_mode="RGB+ED",
        rasterize_mode="antialiased" if splats.antialiased else "classic",
        backend=backend,
    )
    return image[0], alphas[0, ..., 0], meta


def _checked(splats: Splats, camera: Camera, T_world_cam: ArrayLike, depth: str) -> Array:
    """The pose, after checking what belongs to it."""
    if depth not in get_args(DepthMode):
        raise InputError("depth", got=repr(depth), wanted="one of " + ", ".join(get_args(DepthMode)))
    if len(splats) == 0:
        raise InputError("splats", got="none", wanted="at least one Gaussian")
    if not camera.is_pinhole:
        hint = "Undistort the photos first; splats are drawn through a pinhole."
        raise InputError(f"{camera.name}: model", got=camera.model, wanted="no lens distortion", hint=hint)
    pose = np.asarray(T_world_cam, dtype=np.float64)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise InputError("T_world_cam", got=f"shape {pose.shape}", wanted="a finite matrix of shape (4, 4)")
    return pose
