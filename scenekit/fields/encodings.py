"""Encodings without parameters: positions as waves, directions as spherical harmonics. Letters: n points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from scenekit.harmonics import sh_basis


def positional_encoding(x: Tensor, frequencies: int, *, with_input: bool = True) -> Tensor:
    """(sin 2⁰πx, cos 2⁰πx, …, sin 2^{L−1}πx, cos 2^{L−1}πx) (Mildenhall et al. 2020, Eq. 4), after x itself.

    Args:
        x: In −1..1, shape (n, d).
        frequencies: L.
        with_input: Put x before, as the published code does.

    Returns:
        Shape (n, d · (2 L + with_input)).
    """
    scales = math.pi * 2.0 ** torch.arange(frequencies, dtype=x.dtype, device=x.device)
    angles = x[:, None] * scales[:, None]
    waves = torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
    return torch.cat([x, waves], -1) if with_input else waves


def direction_encoding(directions: Tensor, degree: int = 3) -> Tensor:
    """Spherical harmonics of unit directions (n, 3), shape (n, (degree + 1)²)."""
    return sh_basis(directions, degree)
