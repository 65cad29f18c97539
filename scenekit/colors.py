"""Recolouring: linear maps of colour, and what they do to splats and meshes.

Fitted colours are sRGB-encoded, as the photos were. A map rgb ↦ A rgb of encoded colours is exact on splats, since
½ + Σ Y c is linear in the coefficients: every c becomes A c, and the constant one also takes what A does to ½.
A gain g of light becomes the gain g^(1/2.2) of encoded values: exact for a display of gamma 2.2, and near sRGB's.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.splats import SH_C0, Splats

GAMMA = 2.2
"""Exponent of the display that turns encoded values into light."""

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Rec. 709 weights of brightness."""

DAYLIGHT = 6504.0
"""Colour temperature of sRGB's white [K]."""


def gain(light: Array) -> Array:
    """Map that multiplies the light of each channel by `light` (3,), shape (3, 3)."""
    return np.diag(np.asarray(light, dtype=np.float64) ** (1 / GAMMA))


def exposure(stops: float) -> Array:
    """Map that doubles the light `stops` times [EV], shape (3, 3)."""
    return gain(np.full(3, 2.0**stops))


def white_balance(temperature: float, tint: float) -> Array:
    """Map that makes light of a colour temperature [K] white, shape (3, 3).

    The gains are the inverse of the Planckian light's linear sRGB, relative to daylight's 6504 K and with green kept.

    Args:
        temperature: Of the light that lit the photos [K], 1667 to 25000.
        tint: Stops of green that are taken away, so that positive is towards magenta [EV].

    Raises:
        InputError: If the temperature is out of range.
    """
    if not 1667 <= temperature <= 25000:
        raise InputError("temperature", got=temperature, wanted="1667 to 25000 K")
    light = planckian_rgb(DAYLIGHT) / planckian_rgb(temperature)
    light = light / light[1] * [1.0, 2.0**-tint, 1.0]
    return gain(light)


def planckian_rgb(temperature: float) -> Array:
    """Linear sRGB of a black body's light [K], of luminance 1, shape (3,).

    Chromaticity by the cubic spline of Kim et al. 2002 (US 7024034), then the sRGB primaries (IEC 61966-2-1).
    """
    u = 1e3 / temperature
    if temperature <= 4000:
        x = -0.2661239 * u**3 - 0.2343589 * u**2 + 0.8776956 * u + 0.179910
    else:
        x = -3.0258469 * u**3 + 2.1070379 * u**2 + 0.2226347 * u + 0.240390
    if temperature <= 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif temperature <= 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    rgb_from_xyz = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    rgb: Array = (rgb_from_xyz @ xyz).clip(0.01)  # a candle has no blue light in sRGB
    return rgb


def hue(angle: float) -> Array:
    """Map that turns hues about the grey axis by an angle [degrees], red → green → blue, shape (3, 3)."""
    c, s, third = math.cos(math.radians(angle)), math.sin(math.radians(angle)), 1 / 3
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    result: Array = c * np.eye(3) + (1 - c) * third * np.ones((3, 3)) + s * cross
    return result


def saturation(factor: float) -> Array:
    """Map that takes colours away from the grey of their brightness by a factor; 0 leaves greys, shape (3, 3)."""
    result: Array = factor * np.eye(3) + (1 - factor) * np.outer(np.ones(3), LUMA)
    return result


def recolored_splats(splats: Splats, A: Array, mask: Tensor) -> Splats:
    """The splats with rgb ↦ A rgb for those of a mask (n,), exact for every direction of view; shapes stay."""
    if not mask.any():
        return splats
    M = torch.from_numpy(A)
    sh = splats.sh.double()
    sh = torch.einsum("ij,nkj->nki", M.to(sh.device), sh)
    sh[:, 0] += (M.sum(1) * 0.5 - 0.5).to(sh.device) / SH_C0  # A (½ + …) = ½ + (A ½ − ½) + A …
    chosen = mask.to(sh.device)[:, None, None]
    return replace(splats, sh=torch.where(chosen, sh.to(splats.sh.dtype), splats.sh))


def recolored_mesh(mesh: Mesh, A: Array) -> Mesh:
    """The mesh with rgb ↦ A rgb on its texture, else on its vertex colours, else on its one colour; rounded to 8 bits.

    Where several multiply, a map that mixes channels is applied to the first of these alone.
    """
    if mesh.texture is not None:
        return replace(mesh, texture=_recolored_bytes(mesh.texture, A))
    if mesh.vertex_colors is not None:
        return replace(mesh, vertex_colors=_recolored_bytes(mesh.vertex_colors, A))
    encoded = A @ encoded_srgb(np.array(mesh.base_color[:3]))
    red, green, blue = linear_srgb(encoded.clip(0, 1)).tolist()
    return replace(mesh, base_color=(red, green, blue, mesh.base_color[3]))


def encoded_srgb(linear: Array) -> Array:
    """sRGB's curve: light 0..1 → encoded values (IEC 61966-2-1)."""
    result: Array = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    return result


def linear_srgb(encoded: Array) -> Array:
    """The inverse of `encoded_srgb`."""
    result: Array = np.where(encoded <= 0.04045, encoded / 12.92, ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4)
    return result


def _recolored_bytes(rgba: Tensor, A: Array) -> Tensor:
    rgb = rgba[..., :3].double() @ torch.from_numpy(A).T
    return torch.cat([rgb.round().clamp(0, 255).to(torch.uint8), rgba[..., 3:]], -1)
