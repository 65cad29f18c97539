"""Depth supervision from sparse points, which photos have seen at a known depth. Letters: h w image, k points."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from scenekit.capture.views import View
from scenekit.errors import InputError

ALPHA_MIN = 1e-3
"""Where less than this is opaque there is no surface."""

NEAREST = 1e-3
"""What is nearer than this times the scene's radius is a wrong match, right before the lens."""


def sparse_depth(depths: Tensor, alpha: Tensor, view: View, *, extent: float) -> Tensor:
    """Mean over the points that a photo has seen of e |1/D − 1/z|, z their depth and D the expected depth drawn there.

    D = Σ w z(μ) / Σ w, both sums between the pixels by bilinear interpolation. Differences of 1/z count near and far
    alike in the photo, by parallax; times the scene's radius e they have no unit. Where nothing is drawn, nothing
    pulls. Points and depths follow the view's pose as it is now.

    Sources: Deng et al. 2022 (DS-NeRF) for the supervision; gsplat's simple_trainer for this form of it.

    Args:
        depths: Σ w z(μ) [m], shape (h, w).
        alpha: Σ w, shape (h, w).
        view: Gives the points, the camera and the mask.
        extent: Radius of the scene, e [m].
    """
    pixels, z = sightings(view, nearest=NEAREST * extent)
    if len(z) == 0:
        return 0 * alpha.sum()
    drawn, opaque = sampled(torch.stack([depths, alpha]), pixels)
    seen = (opaque > ALPHA_MIN) & (drawn > 0)
    inverse = opaque / torch.where(seen, drawn, torch.ones_like(drawn))
    return extent * ((inverse - 1 / z).abs() * seen).mean()


def sightings(view: View, *, nearest: float) -> tuple[Tensor, Tensor]:
    """Where the view's points are in the photo [px], shape (k, 2), and their depths [m], shape (k,).

    Without those outside, behind what the mask hides, or nearer than `nearest` [m].
    """
    if view.points is None:
        return view.image.new_zeros(0, 2, dtype=torch.float32), view.image.new_zeros(0, dtype=torch.float32)
    T, K = view.viewmat.to(view.points), view.K.to(view.points)
    xyz = view.points @ T[:3, :3].T + T[:3, 3]
    xyz = xyz[xyz[:, 2] > nearest]
    pixels = xyz[:, :2] / xyz[:, 2:] * K.diagonal()[:2] + K[:2, 2]
    inside = (pixels > 0).all(-1) & (pixels < pixels.new_tensor([view.width, view.height])).all(-1)
    pixels, z = pixels[inside], xyz[inside, 2]
    if view.mask is None:
        return pixels, z
    u, v = pixels.long().unbind(-1)
    counts = view.mask[v, u]
    return pixels[counts], z[counts]


def sampled(channels: Tensor, pixels: Tensor) -> Tensor:
    """Channels (c, h, w) between pixels, whose centres are at +0.5, by bilinear interpolation, shape (c, k).

    Within half a pixel of the border it is the border's.

    Args:
        channels: What is sampled.
        pixels: Where [px], shape (k, 2).
    """
    height, width = channels.shape[1:]
    places = 2 * pixels / pixels.new_tensor([width, height]) - 1
    found = torch.nn.functional.grid_sample(
        channels[None], places[None, None].to(channels), padding_mode="border", align_corners=False
    )
    return found[0, :, 0]


def check_sightings(views: Sequence[View]) -> None:
    """Raises:
    InputError: If there is no photo of which it is known which points it has seen.
    """
    if not any(view.points is not None and len(view.points) for view in views):
        hint = (
            "A COLMAP model with tracks says it, and so does our own structure from motion (`--capture.poses sfm`); "
            "transforms.json and point clouds do not. Or leave depth at 0."
        )
        wanted = "photos of which it is known which sparse points they have seen"
        raise InputError("surface.depth", got="none", wanted=wanted, hint=hint)
