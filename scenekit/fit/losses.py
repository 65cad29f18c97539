"""The photometric loss of 3D Gaussian splatting and its gradient. Letters: h w image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import warp as wp
from torch import Tensor

import scenekit._kernels.ssim as kernels
from scenekit._kernels.launch import launch
from scenekit.errors import InputError
from scenekit.fit.losses_pixels import compare_by_pixels


@dataclass(frozen=True)
class Loss:
    """The loss of one render and its gradient; means over the numbers (pixels × channels) that count."""

    means: Tensor
    """l1, mse and dssim, float64, where they were computed: reading one waits for a GPU."""
    ssim_weight: float
    """λ."""
    gradient: Tensor
    """∂total/∂image, shape (h, w, 3); overwritten by the next call of the `PhotometricLoss`."""

    @property
    def l1(self) -> float:
        """Mean |x − y|."""
        return self.means[0].item()

    @property
    def mse(self) -> float:
        """Mean (x − y)²; PSNR is −10 log10 of it."""
        return self.means[1].item()

    @property
    def dssim(self) -> float:
        """Mean of 1 − SSIM."""
        return self.means[2].item()

    @property
    def total(self) -> float:
        """(1 − λ)·l1 + λ·dssim."""
        return (1 - self.ssim_weight) * self.l1 + self.ssim_weight * self.dssim


class PhotometricLoss:
    """L = (1 − λ)·L1 + λ·(1 − SSIM) (Kerbl et al. 2023, Eq. 7) with its gradient by the image, in one call.

    SSIM is `scenekit.evaluate.ssim`: 11 × 11 Gaussian window of σ = 1.5 px, zeros beyond the border. Where the mask is
    false a pixel neither counts nor gets a gradient; the render is replaced by the photo there.

    Work space for each image size is kept for the next call of that size.
    """

    def __init__(self, *, ssim_weight: float = 0.2):
        if not 0 <= ssim_weight <= 1:
            raise InputError("ssim_weight", got=ssim_weight, wanted="0 to 1")
        self.ssim_weight = ssim_weight
        self._spaces: dict[tuple[int, int, str], _Space] = {}

    def __call__(self, image: Tensor, photo: Tensor, *, mask: Tensor | None = None) -> Loss:
        """Compare a render with a photo.

        Args:
            image: The render, nominally 0..1, float32, shape (h, w, 3).
            photo: The photo, 0..255, uint8, shape (h, w, 3).
            mask: True where a pixel counts, bool, shape (h, w).

        Raises:
            InputError: If shapes or types disagree, or no pixel counts.
        """
        _check(image, photo, mask)
        if image.device.type != "cpu":
            means, gradient = compare_by_pixels(image.detach().contiguous(), photo.contiguous(), mask, self.ssim_weight)
            return Loss(means, self.ssim_weight, gradient)
        height, width, _ = image.shape
        key = (height, width, str(image.device))
        if key not in self._spaces:
            self._spaces[key] = _Space.make(height, width, image.device)
        return self._compare(self._spaces[key], image.detach().contiguous(), photo.contiguous(), mask)

    def _compare(self, space: _Space, image: Tensor, photo: Tensor, mask: Tensor | None) -> Loss:
        height, width, _ = image.shape
        rows, pitch = kernels.padded_shape(height, width)
        blocks = (pitch - 2 * kernels.MARGIN) // kernels.BLOCK
        weights, count = space.weights, 3.0 * height * width
        if mask is not None:
            weights, count = _padded(mask, rows, pitch), 3.0 * int(mask.sum())
        w, planes, device = weights.data_ptr(), space.pointers, str(image.device)
        fill = [3 * width, pitch, image.data_ptr(), photo.data_ptr(), w, planes]
        launch(kernels.fill_planes, height, fill, device)
        launch(kernels.compare, height * blocks, [blocks, pitch, planes, w, wp.from_torch(space.sums)], device)
        by_l1, by_ssim = (1 - self.ssim_weight) / count, -self.ssim_weight / count
        d_image = wp.from_torch(space.gradient.view(-1))
        inputs = [blocks, 3 * width, pitch, by_l1, by_ssim, planes, w, d_image]
        launch(kernels.gradient, height * blocks, inputs, device)
        return Loss(space.sums.sum(0, dtype=torch.float64) / count, self.ssim_weight, space.gradient)


def opacity_outside(alpha: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the photo of the opacity (h, w) where mask (h, w) and all its eight neighbours are false, a scalar.

    Without a mask it is 0. A pixel at the rim of a mask is neither: shrunk masks are false wherever they are not wholly
    true.
    """
    if mask is None:
        return 0 * alpha.sum()
    near = torch.nn.functional.max_pool2d(mask.to(alpha)[None], 3, stride=1, padding=1)[0]
    return (alpha * (1 - near)).mean()


@dataclass(frozen=True)
class _Space:
    """Work space for one image size."""

    planes: Tensor
    """x, y and SSIM's three derivatives, with borders that stay zero, shape (5, rows, pitch)."""
    weights: Tensor
    """1 inside the image, 0 on the border, shape (rows, pitch)."""
    sums: Tensor
    """Σ|x − y|, Σ(x − y)², Σ(1 − SSIM) of each block."""
    gradient: Tensor
    """∂L/∂image, shape (h, w, 3)."""
    pointers: Any = field(repr=False)
    """Addresses of the planes."""

    @staticmethod
    def make(height: int, width: int, device: torch.device) -> _Space:
        rows, pitch = kernels.padded_shape(height, width)
        planes = torch.zeros(5, rows, pitch, device=device)
        weights = _padded(torch.ones(height, width, dtype=torch.bool, device=device), rows, pitch)
        blocks = (pitch - 2 * kernels.MARGIN) // kernels.BLOCK
        sums = torch.zeros(height * blocks, 3, device=device)
        addresses = [plane.data_ptr() for plane in planes]
        pointers: Any = wp.array(addresses, dtype=wp.uint64, device=str(device))
        return _Space(planes, weights, sums, torch.zeros(height, width, 3, device=device), pointers)


def _padded(mask: Tensor, rows: int, pitch: int) -> Tensor:
    """The mask as numbers, once per channel, in the place of the image in a plane, shape (rows, pitch)."""
    height, width = mask.shape
    weights = torch.zeros(rows, pitch, device=mask.device)
    inside = weights[kernels.HALO : kernels.HALO + height, kernels.MARGIN : kernels.MARGIN + 3 * width]
    inside.copy_(mask[..., None].expand(-1, -1, 3).reshape(height, 3 * width))
    return weights


def _check(image: Tensor, photo: Tensor, mask: Tensor | None) -> None:
    if image.ndim != 3 or image.shape[-1] != 3 or image.dtype != torch.float32:
        raise InputError("image", got=f"{image.dtype} {tuple(image.shape)}", wanted="float32 (h, w, 3)")
    if photo.shape != image.shape or photo.dtype != torch.uint8:
        raise InputError("photo", got=f"{photo.dtype} {tuple(photo.shape)}", wanted=f"uint8 {tuple(image.shape)}")
    if mask is not None and (mask.shape != image.shape[:2] or mask.dtype != torch.bool or not mask.any()):
        wanted = f"bool {tuple(image.shape[:2])} with at least one pixel set"
        raise InputError("mask", got=f"{mask.dtype} {tuple(mask.shape)}", wanted=wanted)
