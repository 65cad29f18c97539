"""Rendered weights: how much each Gaussian shows in which part of which image; lifts labels of pixels to Gaussians.

A pixel blends C = Σᵢ cᵢ wᵢ with weights wᵢ = αᵢ Π(1 − αⱼ) that do not depend on the colours. So the gradient of
Σ_pixels [label = l] · C by the colour of Gaussian i is its weight Σ_pixels [label = l] · wᵢ, and the rasteriser's
backward pass is the machine that computes it. Letters: n Gaussians, h w image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose, small_pinhole
from scenekit.errors import InputError
from scenekit.render.splats import rasterization
from scenekit.splats import Splats

NO_LABEL = -1
"""Pixels with this label count for nothing."""


@dataclass(frozen=True)
class LabelImage:
    """Labels of the pixels of one view."""

    camera: Camera
    """A pinhole camera of the labels' size."""
    T_world_cam: Array
    """Camera to the frame of the Gaussians, shape (4, 4)."""
    labels: Tensor
    """Label of each pixel from 0 on, or `NO_LABEL`, integers, shape (h, w)."""


def rendered_weights(splats: Splats, views: Iterable[LabelImage], count: int, *, backend: str | None = None) -> Tensor:
    """Σ over all pixels of all views of each label of the weight αᵢ Π(1 − αⱼ) of each Gaussian [px], shape (n, count).

    Rows divided by their sums are votes: the share of a Gaussian's visible part that lies in each label. A row of zeros
    belongs to a Gaussian that no view shows.

    Args:
        splats: n Gaussians.
        views: Label images, in the frame of the Gaussians. They are taken one at a time.
        count: How many labels there are.
        backend: As in `rasterization`.

    Raises:
        InputError: If a camera is no pinhole, or labels are of another size than it or not below `count`.
    """
    weights = splats.means.new_zeros(len(splats), count)
    for view in views:
        _check(view, count)
        present = view.labels.unique()
        present = present[present != NO_LABEL].long()
        if len(present):
            chosen = (view.labels[..., None].to(present) == present).to(splats.means)
            weights[:, present] += _weights(splats, view.camera, view.T_world_cam, chosen, backend)
    return weights


def view_weights(splats: Splats, camera: Camera, T_world_cam: Array, *, backend: str | None = None) -> Tensor:
    """Σ over all pixels of one view of the weight of each Gaussian [px], shape (n,); 0 for what is outside."""
    everywhere = splats.means.new_ones(camera.height, camera.width, 1)
    return _weights(splats, camera, T_world_cam, everywhere, backend)[:, 0]


def views_that_see(
    splats: Splats,
    views: Iterable[tuple[Camera, Array]],
    *,
    min_weight: float = 0.05,
    max_side: int = 480,
    backend: str | None = None,
) -> Tensor:
    """How many views show each Gaussian, int64, shape (n,). A Gaussian behind others is not seen.

    Args:
        splats: n Gaussians.
        views: Cameras and their poses `T_world_cam`; a lens distortion is left out, which shifts only the border.
        min_weight: A view counts if the Gaussian's weights in it sum up to more than this [px of the smaller image].
        max_side: Cameras are made smaller to this longest side [px].
        backend: As in `rasterization`.
    """
    counts = torch.zeros(len(splats), dtype=torch.int64, device=splats.means.device)
    for camera, T_world_cam in views:
        counts += view_weights(splats, small_pinhole(camera, max_side), T_world_cam, backend=backend) > min_weight
    return counts


def _weights(splats: Splats, camera: Camera, T_world_cam: Array, chosen: Tensor, backend: str | None) -> Tensor:
    """Gradient of Σ chosen · image by the colours; `chosen` (h, w, d) → (n, d)."""
    colors = splats.means.new_zeros(len(splats), chosen.shape[-1]).requires_grad_()
    with torch.enable_grad():
        image, _, _ = rasterization(
            splats.means.detach(),
            splats.quats.detach(),
            splats.scales.detach(),
            splats.opacities.detach(),
            colors,
            torch.as_tensor(inverse_pose(np.asarray(T_world_cam, dtype=np.float64))).to(splats.means)[None],
            torch.as_tensor(camera.K).to(splats.means)[None],
            camera.width,
            camera.height,
            rasterize_mode="antialiased" if splats.antialiased else "classic",
            backend=backend,
        )
    (weights,) = torch.autograd.grad(image, colors, chosen[None])
    return weights


def _check(view: LabelImage, count: int) -> None:
    camera, labels = view.camera, view.labels
    if not camera.is_pinhole:
        hint = "Undistort the photos and their labels first."
        raise InputError(f"{camera.name}: model", got=camera.model, wanted="no lens distortion", hint=hint)
    if tuple(labels.shape) != (camera.height, camera.width):
        raise InputError("labels", got=f"shape {tuple(labels.shape)}", wanted=f"({camera.height}, {camera.width})")
    if labels.numel() and not NO_LABEL <= int(labels.min()) <= int(labels.max()) < count:
        raise InputError("labels", got=f"{int(labels.min())} to {int(labels.max())}", wanted=f"-1 to {count - 1}")
