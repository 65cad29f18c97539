"""Metrics of rendered against photographed views; docs/evaluation.md is the protocol.

Letters: h w image, d channels, c cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose, pinhole
from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.render.splats import render
from scenekit.splats import Splats

Picture = Callable[[Camera, Array], Tensor]
"""What a model looks like to a camera at T_world_cam: colours, shape (h, w, 3)."""

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
"""Side and standard deviation of the Gaussian window of SSIM [px]."""

SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
"""The constants that stabilise SSIM's quotients, for colours in 0..1."""

LPIPS_WEIGHTS = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}
"""The files in torch hub's checkpoint folder without which LPIPS is left out; nothing is downloaded."""


def psnr(image: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio −10 log10 MSE [dB] of colours in 0..1, a scalar; infinite for equal images.

    Args:
        image: The render, shape (h, w, d).
        target: The photo, shape (h, w, d).
        mask: True where a pixel counts, shape (h, w).

    Raises:
        InputError: If the shapes differ or no pixel counts.
    """
    counts = _counting(image, target, mask)
    return -10.0 * (image - target).square()[counts].mean().log10()


def ssim(image: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Mean of `ssim_map` over the pixels that count and over channels, a scalar; arguments and errors as in `psnr`.

    Where the mask is false the render is replaced by the photo, so that nothing there reaches into the windows.
    """
    counts = _counting(image, target, mask)
    return ssim_map(torch.where(counts[..., None], image, target), target)[counts].mean()


def ssim_map(image: Tensor, target: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004, Eq. 13) of each pixel and channel, shape (h, w, d).

    (2 μx μy + C1)(2 σxy + C2) / ((μx² + μy² + C1)(σx² + σy² + C2)), with local moments under a Gaussian window of
    11 × 11 px and σ = 1.5 px. Beyond the border both images are zero, as in 3D Gaussian Splatting's evaluation.
    """
    x, y = image.permute(2, 0, 1), target.permute(2, 0, 1)
    mu_x, mu_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mu_x * mu_x, _blur(y * y) - mu_y * mu_y
    cov = _blur(x * y) - mu_x * mu_y
    numerator = (2 * mu_x * mu_y + SSIM_C1) * (2 * cov + SSIM_C2)
    return (numerator / ((mu_x**2 + mu_y**2 + SSIM_C1) * (var_x + var_y + SSIM_C2))).permute(1, 2, 0)


def _blur(channels: Tensor) -> Tensor:
    """Each channel, shape (d, h, w), under the separable Gaussian window, with zeros beyond the border."""
    offsets = torch.arange(SSIM_WINDOW, dtype=channels.dtype, device=channels.device) - SSIM_WINDOW // 2
    window = (-0.5 * (offsets / SSIM_SIGMA).square()).exp()
    window = window / window.sum()
    rows = F.conv2d(channels[:, None], window[None, None, None], padding=(0, SSIM_WINDOW // 2))
    return F.conv2d(rows, window[None, None, :, None], padding=(SSIM_WINDOW // 2, 0))[:, 0]


def matched_halves(image: Tensor, target: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """The render in the colours of the photo, clamped to 0..1: each half, left and right, under the affine map of
    colours that fits the other half best; arguments and errors as in `psnr`.

    A photo held out has an exposure that nothing else tells. No pixel is judged by a map that it had a part in, as in
    the protocol of NeRF in the Wild (Martin-Brualla et al. 2021, §4), here with 12 numbers and on both halves.
    """
    counts = _counting(image, target, mask)
    middle = image.shape[1] // 2
    halves = []
    for mine, other in ((slice(None, middle), slice(middle, None)), (slice(middle, None), slice(None, middle))):
        fit = affine_fit(image[:, other], target[:, other], counts[:, other])
        halves.append(image[:, mine] @ fit[:, :3].T + fit[:, 3])
    return torch.cat(halves, 1).clamp(0, 1)


def affine_fit(image: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """The map rgb ↦ A rgb + b of an image (h, w, 3) nearest to another by least squares, [A b] of shape (3, 4).

    Where the target is saturated, which hides how far beyond it is, a pixel does not count. The map is drawn
    towards the identity by a thousandth of a pixel, which is what is left of it without any that count.
    """
    counts = (target < 1).all(-1)
    counts = counts if mask is None else counts & mask
    x = torch.nn.functional.pad(image[counts].double(), (0, 1), value=1.0)
    y = target[counts].double()
    prior = 1e-3 * torch.eye(4, dtype=torch.float64, device=image.device)
    fit: Tensor = torch.linalg.solve(x.T @ x + prior, x.T @ y + prior[:, :3])
    return fit.T.to(image)


def _counting(image: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """The mask, or a mask of all pixels, shape (h, w), after checking that the three fit together."""
    if image.shape != target.shape or image.ndim != 3:
        got = f"{tuple(image.shape)} and {tuple(target.shape)}"
        raise InputError("image and target", got=got, wanted="one shape (h, w, d)")
    if mask is None:
        return torch.ones(image.shape[:2], dtype=torch.bool, device=image.device)
    if mask.shape != image.shape[:2] or mask.dtype != torch.bool or not mask.any():
        got = f"{mask.dtype} {tuple(mask.shape)} with {int(mask.sum())} pixels set"
        raise InputError("mask", got=got, wanted=f"bool {tuple(image.shape[:2])} with at least one pixel set")
    return mask.to(image.device)


@dataclass(frozen=True)
class ViewScore:
    """Metrics of one view."""

    name: str
    """Name of the photo."""
    psnr: float
    """Peak signal-to-noise ratio [dB]."""
    ssim: float
    """Mean structural similarity."""
    lpips: float | None = None
    """Learned perceptual distance (Zhang et al. 2018, AlexNet), or None where its weights are not on this machine."""
    matched_psnr: float | None = None
    """PSNR of `matched_halves` [dB]: without what an affine map of colours, as of exposure, can explain."""


@dataclass(frozen=True)
class Scores:
    """Metrics of several views."""

    views: list[ViewScore]
    """One row per view, in the order of the views."""

    @property
    def psnr(self) -> float:
        """Mean PSNR of the views [dB]."""
        return fmean(view.psnr for view in self.views)

    @property
    def ssim(self) -> float:
        """Mean SSIM of the views."""
        return fmean(view.ssim for view in self.views)

    @property
    def matched_psnr(self) -> float | None:
        """Mean PSNR of the matched views [dB], or None."""
        values = [view.matched_psnr for view in self.views if view.matched_psnr is not None]
        return fmean(values) if values else None

    @property
    def lpips(self) -> float | None:
        """Mean LPIPS of the views, or None."""
        values = [view.lpips for view in self.views if view.lpips is not None]
        return fmean(values) if values else None

    def as_dict(self) -> dict[str, object]:
        """Means and rows for JSON; what is not a finite number becomes None."""
        rows = [{key: _json_number(value) for key, value in asdict(view).items()} for view in self.views]
        means = {name: getattr(self, name) for name in ("psnr", "ssim", "lpips", "matched_psnr")}
        return {key: _json_number(value) for key, value in means.items()} | {"views": rows}


def _json_number(value: object) -> object:
    return None if isinstance(value, float) and not isfinite(value) else value


def evaluate(splats: Splats, views: Sequence[View], *, backend: str | None = None) -> Scores:
    """Renders each view and compares it with its photo; masks are honoured.

    Args:
        splats: The scene.
        views: The photos to compare with, at least one; never those it was fitted to.
        backend: Rasteriser back-end; None takes the best that is there.

    Raises:
        InputError: If there are no views.
    """
    return scored(renders(splats, views, backend=backend), views)


def scored(pictures: Iterable[Tensor], views: Sequence[View]) -> Scores:
    """Compares what anything looks like from each view, colours 0..1 of shape (h, w, 3), with its photo.

    Raises:
        InputError: If there are no views.
    """
    if not views:
        raise InputError("views", got="none", wanted="at least one held-out view")
    perceptual = lpips_metric()
    rows = []
    for view, image in zip(views, pictures, strict=True):
        target = photo(view).to(image)
        rows.append(
            ViewScore(
                name=view.name,
                psnr=float(psnr(image, target, mask=view.mask)),
                ssim=float(ssim(image, target, mask=view.mask)),
                lpips=perceptual(image, target) if perceptual else None,
                matched_psnr=float(psnr(matched_halves(image, target, mask=view.mask), target, mask=view.mask)),
            )
        )
    return Scores(rows)


def photo(view: View) -> Tensor:
    """The photo of a view as float32 colours in 0..1, shape (h, w, 3)."""
    return view.image.float() / 255


def renders(splats: Splats, views: Sequence[View], *, backend: str | None = None) -> Iterator[Tensor]:
    """What the splats look like from each view: colours clamped to 0..1 on black, shape (h, w, 3)."""
    return drawn(lambda camera, T_world_cam: render(splats, camera, T_world_cam, backend=backend).rgb, views)


def drawn(picture: Picture, views: Sequence[View]) -> Iterator[Tensor]:
    """What anything looks like from each view: colours clamped to 0..1, shape (h, w, 3), one at a time."""
    for view in views:
        with torch.no_grad():
            yield picture(lens(view), inverse_pose(view.viewmat.cpu().double().numpy())).clamp(0, 1)


def lens(view: View) -> Camera:
    """The pinhole camera of a view."""
    fx, fy, cx, cy = (float(view.K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return pinhole(view.width, view.height, fx, fy, cx, cy)


class PoseErrors(NamedTuple):
    """How far estimated cameras are from the true ones, after the best similarity alignment of their centres."""

    position: Array
    """Distances of the centres [m of the truth], shape (c,)."""
    rotation: Array
    """Angles between the orientations [rad], shape (c,)."""
    scale: float
    """True metres per estimated metre."""


def pose_errors(estimated: Array, truth: Array) -> PoseErrors:
    """Compares `T_world_cam` of the same cameras in two worlds, each of shape (c, 4, 4), by their `similarity`.

    Raises:
        InputError: If the shapes differ, there are fewer than three cameras, or all centres coincide.
    """
    if estimated.shape != truth.shape or len(truth) < 3:
        got = f"{estimated.shape} and {truth.shape}"
        raise InputError("poses", got=got, wanted="the same number of poses, at least three")
    T = similarity(estimated[:, :3, 3], truth[:, :3, 3])
    scale = float(np.cbrt(np.linalg.det(T[:3, :3])))
    R = T[:3, :3] / scale
    position = np.linalg.norm(estimated[:, :3, 3] @ T[:3, :3].T + T[:3, 3] - truth[:, :3, 3], axis=1)
    turned = R @ estimated[:, :3, :3]
    chord = np.linalg.norm(turned - truth[:, :3, :3], axis=(1, 2))  # 2√2 sin(θ/2); exact where arccos of a trace is not
    return PoseErrors(position, 2 * np.arcsin(np.clip(chord / np.sqrt(8), 0, 1)), scale)


def similarity(x: Array, y: Array) -> Array:
    """The similarity [[s R, t], [0, 1]] that minimises Σ |y − (s R x + t)|², Umeyama's (1991, Eq. 40–43), shape (4, 4).

    Args:
        x: Points, shape (n, 3).
        y: Where they belong, shape (n, 3).

    Raises:
        InputError: If all points coincide.
    """
    x0, y0 = x - x.mean(0), y - y.mean(0)
    spread = (x0**2).sum()
    if spread < 1e-18:
        raise InputError("poses", got="centres that coincide", wanted="cameras in different places")
    U, D, Vt = np.linalg.svd(y0.T @ x0)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])
    T = np.eye(4)
    T[:3, :3] = (D * signs).sum() / spread * (U @ np.diag(signs) @ Vt)
    T[:3, 3] = y.mean(0) - T[:3, :3] @ x.mean(0)
    return T


def lpips_metric(
    network: Literal["alex", "vgg"] = "alex", *, scaled: bool = True
) -> Callable[[Tensor, Tensor], float] | None:
    """LPIPS as a function of two images (h, w, 3) in 0..1, or None where package or weights are missing.

    Args:
        network: AlexNet, or VGG as the tables of 3D Gaussian Splatting and its followers have it.
        scaled: Take colours to −1..1, as the network was made for; the code of 3DGS leaves them as they are.
    """
    if not (Path(torch.hub.get_dir()) / "checkpoints" / LPIPS_WEIGHTS[network]).is_file():
        return None
    try:
        import lpips
    except ImportError:
        return None
    model = lpips.LPIPS(net=network, verbose=False).eval()

    def distance(image: Tensor, target: Tensor) -> float:
        with torch.no_grad():
            pair = [t.cpu().float().permute(2, 0, 1)[None] for t in (image, target)]
            return float(model(*([2 * t - 1 for t in pair] if scaled else pair)))

    return distance
