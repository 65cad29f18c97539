"""The splat rasteriser's one door: 3D Gaussians → image, differentiable, on whatever back-end is there.

Letters: c cameras, n Gaussians, k SH coefficients, d colour channels, h w image.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from scenekit.cameras import Camera, inverse_pose
from scenekit.errors import InputError
from scenekit.splats import Splats

BACKENDS = ("warp", "torch", "gsplat")
"""Back-ends by name: Warp kernels (CPU and CUDA), the plain torch twin (any dtype), gsplat (CUDA, when installed)."""

RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")
"""Colours, accumulated depth Σ w z, expected depth Σ w z / Σ w, and both together."""

RASTERIZE_MODES = ("classic", "antialiased")
"""Plain 3DGS, or Mip-Splatting's opacity compensation for the screen-space blur (Yu et al. 2024)."""

MAX_SIDE = 32_768
"""Largest image side [px] that is rendered in one call."""


@dataclass(frozen=True)
class RasterOptions:
    """What a back-end is asked for, after all checks."""

    width: int
    height: int
    near_plane: float
    far_plane: float
    eps2d: float
    sh_degree: int | None
    antialiased: bool
    absgrad: bool
    with_color: bool
    with_depth: bool
    with_normals: bool


Backend = Callable[..., tuple[Tensor, Tensor, dict[str, Any]]]
"""(means, quats, scales, opacities, colors, viewmats, Ks, backgrounds, options) → image, alphas, meta.

The image holds colours, depth and normals side by side, whichever `options` ask for, over `backgrounds` with as many
channels.
"""


def rasterization(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor | None,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    backgrounds: Tensor | None = None,
    render_mode: str = "RGB",
    rasterize_mode: str = "classic",
    absgrad: bool = False,
    normals: bool = False,
    backend: str | None = None,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Draw 3D Gaussians into c cameras; the call of `gsplat.rasterization`, with gradients to all but `Ks`.

    Each Gaussian becomes a 2D Gaussian by the local affine map of the projection (EWA splatting, Zwicker et al. 2002):
    Σ' = J W Σ Wᵀ Jᵀ + eps2d·I. Pixels blend them front to back, C = Σᵢ cᵢ αᵢ Πⱼ₍ⱼ﹤ᵢ₎(1 − αⱼ) with
    α = min(0.999, o·exp(−½ Δᵀ Σ'⁻¹ Δ)); α < 1/255 is not drawn, and a pixel ends before its transmittance would
    fall to 1e-4 (Kerbl et al. 2023, §4–6). Pixel centres lie at +0.5.

    Args:
        means: Centres in the world [m], shape (n, 3).
        quats: Rotations wxyz, normalised here, shape (n, 4).
        scales: Standard deviations [m], shape (n, 3).
        opacities: In 0..1, shape (n,).
        colors: Any d channels, shape (n, d) or (c, n, d); with `sh_degree`, SH coefficients (n, k, 3), which give
            max(0, ½ + Σ Y·sh) seen from the camera's centre. None where only depth is asked for.
        viewmats: World → camera, OpenCV axes, shape (c, 4, 4); on the CPU they, and `Ks`, are checked without waiting
            for a GPU that draws.
        Ks: Pinhole matrices [px], shape (c, 3, 3).
        width: Image width [px].
        height: Image height [px].
        near_plane: Gaussians with centres nearer than this are not drawn [m].
        far_plane: Nor those beyond this [m].
        eps2d: Variance added to each projected Gaussian [px²].
        sh_degree: Degree up to which `colors` is evaluated as spherical harmonics; None for plain colours.
        backgrounds: What shines through, shape (c, d); black if None. Depth and normals have background 0.
        render_mode: One of `RENDER_MODES`; depth is the last channel.
        rasterize_mode: One of `RASTERIZE_MODES`.
        absgrad: Fill `meta["means2d"].absgrad` in backward: Σ over pixels of |∂L/∂means2d| (AbsGS, Ye et al. 2024).
            More than 8 channels are blended in passes of 8 in Warp (32 in gsplat), whose magnitudes are added up.
        normals: Also blend normals into `meta["normals"]`: each Gaussian's shortest axis, turned to face the camera,
            in the world frame, weighted by alpha and not normalised, shape (c, h, w, 3).
        backend: One of `BACKENDS`; None takes gsplat for CUDA tensors if it is installed, else Warp.

    Returns:
        Image (c, h, w, channels), alphas (c, h, w, 1), and meta with `means2d` [px] (c, n, 2), part of the graph, and
        `radii` [px] (c, n, 2), 0 for what is not drawn; `depths` [m] (c, n), `conics` [1/px²] (c, n, 3) as Σ'⁻¹'s
        xx, xy, yy, `opacities` (c, n), the size, and what the back-end adds about its tiles.

    Raises:
        InputError: If shapes disagree, the size is not positive, a pose is not finite, or a mode is unknown.
        BackendError: If the back-end needs a device or a package that is not there.
    """
    _check_modes(render_mode, rasterize_mode, backend)
    _check_size(width, height)
    mode_color, mode_depth = render_mode.startswith("RGB"), render_mode.endswith("D")
    colors = colors if mode_color else None
    _check_shapes(means, quats, scales, opacities, colors, viewmats, Ks, backgrounds, sh_degree, mode_color)
    _check_poses(viewmats, Ks)
    options = RasterOptions(
        width=width,
        height=height,
        near_plane=near_plane,
        far_plane=far_plane,
        eps2d=eps2d,
        sh_degree=sh_degree if mode_color else None,
        antialiased=rasterize_mode == "antialiased",
        absgrad=absgrad,
        with_color=mode_color,
        with_depth=mode_depth,
        with_normals=normals,
    )
    draw = _backend(backend, means)
    behind = _padded(backgrounds, options)
    image, alphas, meta = draw(means, quats, scales, opacities, colors, viewmats, Ks, behind, options)
    if normals:
        image, meta["normals"] = image[..., :-3], image[..., -3:]
    if render_mode.endswith("ED"):
        depth = image[..., -1:] / alphas.clamp(min=1e-10)
        image = torch.cat([image[..., :-1], depth], -1)
    meta |= {"width": width, "height": height, "n_cameras": len(viewmats), "options": options}
    return image, alphas, meta


class Frame(NamedTuple):
    """One rendered view."""

    rgb: Tensor
    """Colours, nominally 0..1, shape (h, w, 3)."""
    alpha: Tensor
    """Opacity along the ray, shape (h, w)."""
    depth: Tensor
    """Expected depth along the optical axis [m], 0 where nothing is seen, shape (h, w)."""
    normals: Tensor | None
    """Blended world-frame normals, not normalised, shape (h, w, 3), if asked for."""


def render(
    splats: Splats,
    camera: Camera,
    T_world_cam: ArrayLike,
    *,
    sh_degree: int | None = None,
    background: Tensor | None = None,
    normals: bool = False,
    backend: str | None = None,
) -> Frame:
    """Draw `splats` as `camera` at pose `T_world_cam` (4, 4) sees them; differentiable in the splats.

    Args:
        splats: What to draw.
        camera: A pinhole camera.
        T_world_cam: Camera → world, shape (4, 4), array or tensor.
        sh_degree: Degree up to which colours depend on the view; None uses all coefficients.
        background: Colour behind everything, shape (3,); black if None.
        normals: Also draw normals.
        backend: As in `rasterization`.

    Raises:
        InputError: If the camera is not a pinhole camera, or the pose is not a finite 4×4 matrix.
    """
    if not camera.is_pinhole:
        hint = "Undistort the photos first; splats are drawn through a pinhole."
        raise InputError(f"{camera.name}: model", got=camera.model, wanted="no lens distortion", hint=hint)
    pose = np.asarray(T_world_cam, dtype=np.float64)
    if pose.shape != (4, 4):
        raise InputError("T_world_cam", got=f"shape {pose.shape}", wanted="shape (4, 4)")
    image, alphas, meta = rasterization(
        splats.means,
        splats.quats,
        splats.scales,
        splats.opacities,
        splats.sh,
        torch.as_tensor(inverse_pose(pose)).to(splats.means)[None],
        torch.as_tensor(camera.K).to(splats.means)[None],
        camera.width,
        camera.height,
        sh_degree=splats.sh_degree if sh_degree is None else sh_degree,
        backgrounds=None if background is None else background[None],
        render_mode="RGB+ED",
        rasterize_mode="antialiased" if splats.antialiased else "classic",
        normals=normals,
        backend=backend,
    )
    return Frame(image[0, ..., :3], alphas[0, ..., 0], image[0, ..., 3], meta["normals"][0] if normals else None)


def _backend(name: str | None, means: Tensor) -> Backend:
    """The back-end's function; imported here, so that a machine without Warp or gsplat can use the others."""
    if name is None:
        name = "gsplat" if means.is_cuda and importlib.util.find_spec("gsplat") else "warp"
    return importlib.import_module(f"scenekit.render.splats_{name}").rasterize


def _padded(backgrounds: Tensor | None, options: RasterOptions) -> Tensor | None:
    """Backgrounds with zeros for the depth and normal channels."""
    if backgrounds is None or not options.with_color:
        return None
    return torch.nn.functional.pad(backgrounds, (0, options.with_depth + 3 * options.with_normals))


def _check_modes(render_mode: str, rasterize_mode: str, backend: str | None) -> None:
    for name, got, known in (
        ("render_mode", render_mode, RENDER_MODES),
        ("rasterize_mode", rasterize_mode, RASTERIZE_MODES),
        ("backend", backend, (None, *BACKENDS)),
    ):
        if got not in known:
            raise InputError(name, got=repr(got), wanted="one of " + ", ".join(map(str, known)))


def _check_size(width: int, height: int) -> None:
    for name, side in (("width", width), ("height", height)):
        if not 0 < side <= MAX_SIDE:
            raise InputError(name, got=side, wanted=f"1 to {MAX_SIDE} px")


def _check_shapes(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor | None,
    viewmats: Tensor,
    Ks: Tensor,
    backgrounds: Tensor | None,
    sh_degree: int | None,
    mode_color: bool,
) -> None:
    """Letters of the docstring of `rasterization`: n and c are set by `means` and `viewmats`, the rest must agree."""
    n, c = len(means), len(viewmats)
    if mode_color and colors is None:
        raise InputError("colors", got=None, wanted="colours, or a render_mode of D or ED")
    if sh_degree is not None and not 0 <= sh_degree <= 4:
        raise InputError("sh_degree", got=sh_degree, wanted="0 to 4, or None for plain colours")
    d = 0 if colors is None else colors.shape[-1]
    k = 0 if sh_degree is None else (sh_degree + 1) ** 2
    expected: list[tuple[str, Tensor | None, list[tuple[int, ...]]]] = [
        ("means", means, [(n, 3)]),
        ("quats", quats, [(n, 4)]),
        ("scales", scales, [(n, 3)]),
        ("opacities", opacities, [(n,)]),
        ("viewmats", viewmats, [(c, 4, 4)]),
        ("Ks", Ks, [(c, 3, 3)]),
        ("backgrounds", backgrounds if mode_color else None, [(c, d)]),
    ]
    if sh_degree is None:
        expected.append(("colors", colors, [(n, d), (c, n, d)]))
    for name, tensor, shapes in expected:
        if tensor is not None and tuple(tensor.shape) not in shapes:
            raise InputError(name, got=f"shape {tuple(tensor.shape)}", wanted="shape " + " or ".join(map(str, shapes)))
    if colors is not None and k and not (colors.ndim == 3 and len(colors) == n and colors.shape[1] >= k and d == 3):
        wanted = f"SH coefficients of shape ({n}, at least {k}, 3) for sh_degree={sh_degree}"
        raise InputError("colors", got=f"shape {tuple(colors.shape)}", wanted=wanted)
    if c == 0 or (colors is not None and d == 0):
        raise InputError("viewmats, colors", got=f"{c} cameras, {d} channels", wanted="at least one of each")


def _check_poses(viewmats: Tensor, Ks: Tensor) -> None:
    if not torch.isfinite(viewmats).all():
        raise InputError("viewmats", got="NaN or infinity", wanted="finite world → camera matrices")
    if not (torch.isfinite(Ks).all() and (Ks[:, 0, 0] > 0).all() and (Ks[:, 1, 1] > 0).all()):
        raise InputError("Ks", got="NaN, infinity or a focal length ≤ 0", wanted="finite K with positive focal lengths")
