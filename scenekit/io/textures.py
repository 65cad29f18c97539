"""Textures in files: images with upper limits, PNG that comes back exactly, and colours between sRGB and linear."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from scenekit.errors import FileError

FREE_PIXELS = 2048**2
"""A texture of this many pixels is decoded however small its file is."""

PIXELS_PER_BYTE = 32
"""A larger one must not hold more pixels than this in a byte of its file; photographs hold 2 to 20."""

FORMATS = ("PNG", "JPEG", "WEBP")
"""What glTF and USD allow; other decoders are not let near a file."""


def read_texture(path: Path, data: bytes | memoryview) -> Tensor:
    """The pixels of an encoded image, sRGB with alpha, uint8, row 0 on top, shape (h, w, 4).

    Args:
        path: The file it came from, for the message.
        data: The image's file.

    Raises:
        FileError: If it is no PNG, JPEG or WebP, is damaged, or is larger than its bytes can honestly say.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_size(path, image, len(data))
            return torch.from_numpy(np.array(image.convert("RGBA")))
    except FileError:
        raise
    except Exception as error:  # decoders raise whatever they like on corrupt data
        raise FileError(path, got=f"a texture that cannot be read ({error})", wanted="a whole PNG or JPEG") from error


def check_size(path: Path, image: Image.Image, stored: int) -> None:
    """Refuses an image, not decoded yet, that would swell out of `stored` bytes."""
    if image.width * image.height > max(FREE_PIXELS, PIXELS_PER_BYTE * stored):
        got = f"a texture of {image.width}x{image.height} pixels in {stored} bytes"
        raise FileError(path, got=got, wanted=f"at most {FREE_PIXELS} pixels, or {PIXELS_PER_BYTE} in a byte")


def png(texture: Tensor) -> bytes:
    """A texture (h, w, 4) as PNG, exactly; one that would shrink so much that we would not read it stays unpacked."""
    image = Image.fromarray(texture.cpu().numpy())
    packed = _encoded(image, level=6)
    honest = image.width * image.height <= max(FREE_PIXELS, PIXELS_PER_BYTE * len(packed))
    return packed if honest else _encoded(image, level=0)


def _encoded(image: Image.Image, *, level: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=level)
    return file.getvalue()


def linear_from_srgb(srgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Linear RGBA 0..1 of sRGB with alpha in bytes (IEC 61966-2-1); alpha is linear already. Shapes (..., 4)."""
    x = srgb / 255.0
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return np.concatenate([linear[..., :3], x[..., 3:]], -1).astype(np.float32)


def srgb_from_linear(linear: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The inverse, rounded; what is out of range is clamped. Shapes (..., 4)."""
    x = np.clip(linear.astype(np.float64), 0, 1)
    srgb = np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.round(255 * np.concatenate([srgb[..., :3], x[..., 3:]], -1)).astype(np.uint8)
