"""Photos that were not fitted, and what the splats look like from there. Letters: h w image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from scenekit.capture.views import View
from scenekit.evaluate import affine_fit, matched_halves, photo
from scenekit.fit.camera_poses import PoseRefinement
from scenekit.fit.exposure import exposed, held
from scenekit.fit.losses import PhotometricLoss
from scenekit.render.splats import rasterization
from scenekit.splats import Splats

STEPS, FACTOR = 60, 2.0
"""Steps of an alignment, and what multiplies the rate of poses in it."""


def drawn_at(splats: Splats, view: View, *, degree: int | None = None) -> Tensor:
    """What the splats look like from a view, over black, shape (h, w, 3); differentiable."""
    image, _, _ = rasterization(
        splats.means,
        splats.quats,
        splats.scales,
        splats.opacities,
        splats.sh,
        view.viewmat[None],
        view.K[None],
        view.width,
        view.height,
        sh_degree=splats.sh_degree if degree is None else degree,
        rasterize_mode="antialiased" if splats.antialiased else "classic",
    )
    return image[0]


def mean_psnr(splats: Splats, views: Sequence[View], *, degree: int | None = None, matched: bool = False) -> float:
    """Mean of `psnrs` [dB]."""
    values = psnrs(splats, views, degree=degree, matched=matched)
    return sum(values) / len(values)


@torch.no_grad()
def psnrs(splats: Splats, views: Sequence[View], *, degree: int | None = None, matched: bool = False) -> list[float]:
    """PSNR [dB] of the render of each view, clamped to 0..1, over black, where its mask is true.

    Args:
        splats: The scene.
        views: The photos to compare with.
        degree: SH degree in use; all if None.
        matched: Compare `matched_halves`, for photos that have exposures of their own.
    """
    values = []
    for view in views:
        view = view.on(splats.means.device)
        image = drawn_at(splats, view, degree=degree).clamp(0, 1)
        target = photo(view).to(image)
        if matched:
            image = matched_halves(image, target, mask=view.mask)
        error = (image - target).square()
        values.append(decibel(float((error if view.mask is None else error[view.mask]).mean())))
    return values


def aligned(splats: Splats, views: Sequence[View], *, exposure: bool = False) -> list[View]:
    """The views with poses that fit frozen splats best, from the given ones on.

    Splats fitted with refined poses stand in a world that is a little off that of the given poses; a photo held out
    must first find its place in it (BARF, Lin et al. 2021, §4.2). The six numbers of a pose can learn little else.

    Args:
        splats: The scene, as it is.
        views: The photos with about their poses.
        exposure: Compare through the affine map of colours that fits the photo best.
    """
    frozen = splats.map(Tensor.detach)
    return [_aligned(frozen, view, exposure) for view in views]


def _aligned(splats: Splats, view: View, exposure: bool) -> View:
    view = view.on(splats.means.device)
    poses, compare = PoseRefinement([view], splats.means), PhotometricLoss()
    for step in range(STEPS):
        image = drawn_at(splats, poses.seen(view, 0))
        if exposure:
            image = held(exposed(image, affine_fit(image.detach(), photo(view).to(image), view.mask)), view.image)
        loss = compare(image, view.image, mask=view.mask)
        image.backward(loss.gradient)
        poses.step(FACTOR, step / STEPS)
    return replace(view, viewmat=poses.viewmats[0])


def decibel(mse: float) -> float:
    """−10 log10 of a mean squared error [dB]."""
    return -10 * math.log10(max(mse, 1e-12))
