"""Real spherical harmonics in the order and with the signs of 3DGS files, and how they turn. k = (degree + 1)²."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor


def sh_basis(directions: Tensor, degree: int) -> Tensor:
    """Real spherical harmonics with the signs of 3DGS files, of unit directions (n, 3), shape (n, (degree + 1)²)."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    pi = math.pi
    bands = [[torch.full_like(x, math.sqrt(1 / (4 * pi)))]]
    a = math.sqrt(3 / (4 * pi))
    bands.append([-a * y, a * z, -a * x])
    a, b, c = math.sqrt(15 / (4 * pi)), math.sqrt(5 / (16 * pi)), math.sqrt(15 / (16 * pi))
    bands.append([a * x * y, -a * y * z, b * (2 * zz - xx - yy), -a * x * z, c * (xx - yy)])
    a, b, c = math.sqrt(35 / (32 * pi)), math.sqrt(105 / (4 * pi)), math.sqrt(21 / (32 * pi))
    d, e = math.sqrt(7 / (16 * pi)), math.sqrt(105 / (16 * pi))
    bands.append(
        [
            *(-a * y * (3 * xx - yy), b * x * y * z, -c * y * (4 * zz - xx - yy), d * z * (2 * zz - 3 * xx - 3 * yy)),
            *(-c * x * (4 * zz - xx - yy), e * z * (xx - yy), -a * x * (xx - 3 * yy)),
        ]
    )
    a, b = 0.75 * math.sqrt(35 / pi), 0.75 * math.sqrt(35 / (2 * pi))
    c, d, e = 0.75 * math.sqrt(5 / pi), 0.75 * math.sqrt(5 / (2 * pi)), 3 / 16 * math.sqrt(1 / pi)
    bands.append(
        [
            *(a * x * y * (xx - yy), -b * y * z * (3 * xx - yy), c * x * y * (7 * zz - 1), -d * y * z * (7 * zz - 3)),
            *(e * (35 * zz * zz - 30 * zz + 3), -d * x * z * (7 * zz - 3), 0.5 * c * (xx - yy) * (7 * zz - 1)),
            *(-b * x * z * (xx - 3 * yy), 0.25 * a * (xx * (xx - 3 * yy) - yy * (3 * xx - yy))),
        ]
    )
    return torch.stack([y_lm for band in bands[: degree + 1] for y_lm in band], -1)


def sh_rotation(R: Tensor, degree: int) -> Tensor:
    """Matrices D that turn coefficients along with the scene: Y(R d)·(D c) = Y(d)·c for every direction d.

    D is block-diagonal, one real Wigner matrix of size 2l + 1 per band l. Harmonics are polynomials, so D follows
    exactly from their values at sufficiently many directions, for rotations and for mirrors (where it is a matrix of
    signs in the axes' planes): D = Y(R d)⁺ Y(d).

    Args:
        R: Orthogonal matrices of determinant ±1, shape (..., 3, 3).
        degree: 0 to 4.

    Returns:
        Float64, shape (..., k, k).
    """
    R = R.to(torch.float64)
    directions, values = _samples(degree)
    turned = sh_basis(directions @ R, degree)  # rows are Rᵀd: D c at d is c at Rᵀd
    D = torch.linalg.pinv(values) @ turned
    band = torch.tensor([l for l in range(degree + 1) for _ in range(2 * l + 1)])
    whole = D.round()  # a mirror in an axis is made of 0, 1 and −1: no rounding error of the fit may blur that
    return torch.where((D - whole).abs() < 1e-12, whole, D) * (band[:, None] == band)


@functools.cache
def _samples(degree: int) -> tuple[Tensor, Tensor]:
    """Directions spread evenly over the sphere (a Fibonacci spiral) and the harmonics there."""
    count = 4 * (degree + 1) ** 2
    i = torch.arange(count, dtype=torch.float64) + 0.5
    z, angle = 1 - 2 * i / count, math.pi * (1 + math.sqrt(5)) * i
    r = (1 - z * z).sqrt()
    directions = torch.stack([r * angle.cos(), r * angle.sin(), z], -1)
    return directions, sh_basis(directions, degree)
