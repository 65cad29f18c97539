"""Disturbances of cut-out pictures, so that a judge of clean ones can judge renderings. Letters: b batch, s side."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SCALE, SHIFT, ROLL = 0.18, 0.1, math.radians(8)
"""Most that a picture is scaled, shifted [half sides] and rolled [rad]."""
GAIN, OFFSET, NOISE = 0.15, 0.06, 0.06
"""Most that colours are multiplied and shifted by, and the noise's standard deviation."""
BLUR = 1.4
"""Most blur, standard deviation [px]."""
CLEAN = 0.4
"""Share of pictures that keep their sharpness and have no noise."""


def disturbed(rgba: Tensor, generator: torch.Generator) -> Tensor:
    """Cut-outs moved about, over other backgrounds, with other contrast, blurred and noisy, shape (b, 3, s, s).

    Args:
        rgba: Display colours multiplied by the coverage, and that, uint8, shape (b, s, s, 4).
        generator: Chance.
    """
    cut = _moved(rgba.permute(0, 3, 1, 2).float() / 255, generator)
    pictures = cut[:, :3] + (1 - cut[:, 3:]) * _backgrounds(len(cut), cut.shape[-1], generator)
    luck = torch.rand(len(cut), 4, 1, 1, 1, generator=generator)
    pictures = pictures * (1 + GAIN * (2 * luck[:, 0] - 1)) + OFFSET * (2 * luck[:, 1] - 1)
    pictures = torch.where(luck[:, 2] < CLEAN, pictures, _blurred(pictures, generator))
    noise = torch.randn(pictures.shape, generator=generator)
    return (pictures + NOISE * (luck[:, 3] - CLEAN).clamp(min=0) * noise).clamp(0, 1)


def _moved(cut: Tensor, generator: torch.Generator) -> Tensor:
    """Scaled, shifted, rolled a little."""
    luck = 2 * torch.rand(len(cut), 4, generator=generator) - 1
    scale, roll = 1 + SCALE * luck[:, 0], ROLL * luck[:, 1]
    rows = torch.stack([
        scale * roll.cos(), -scale * roll.sin(), SHIFT * luck[:, 2],
        scale * roll.sin(), scale * roll.cos(), SHIFT * luck[:, 3],
    ], -1)  # fmt: skip
    grid = functional.affine_grid(rows.reshape(-1, 2, 3), list(cut.shape), align_corners=False)
    return functional.grid_sample(cut, grid, align_corners=False)


def _backgrounds(b: int, s: int, generator: torch.Generator) -> Tensor:
    """One colour, for a third of pictures with soft patches of others."""
    colour = torch.rand(b, 1, 1, 1, generator=generator) + 0.3 * (torch.rand(b, 3, 1, 1, generator=generator) - 0.5)
    patches = functional.interpolate(torch.rand(b, 3, 4, 4, generator=generator) - 0.5, (s, s), mode="bilinear")
    strength = 1.2 * (torch.rand(b, 1, 1, 1, generator=generator) - 0.67).clamp(min=0)
    return (colour + strength * patches).clamp(0, 1)


def _blurred(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """With one Gaussian for all."""
    sigma = 0.3 + (BLUR - 0.3) * float(torch.rand(1, generator=generator))
    x = torch.arange(-4, 5)
    line = torch.exp(-(x**2) / (2 * sigma**2))
    line = (line / line.sum()).expand(3, 1, 1, 9)
    padded = functional.pad(pictures, (4, 4, 4, 4), mode="replicate")
    across = functional.conv2d(padded, line, groups=3)
    return functional.conv2d(across, line.transpose(2, 3), groups=3)
