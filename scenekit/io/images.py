"""Images and masks from files: the one place where photos are decoded. Letters: h w image.

JPEG, PNG, WebP, HEIC and what else Pillow reads. The EXIF orientation is honoured everywhere, so that width and
height are those of the upright photo.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scenekit.errors import FileError
from scenekit.io.atomic import written_atomically

pillow_heif.register_heif_opener()

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".tif", ".tiff", ".bmp"})
"""Endings of photo files, in lower case."""

MAX_PIXELS = 178_956_970
"""Largest image [px] that is decoded: Pillow's own limit against decompression bombs."""

MAX_NAME = 200
"""Longest name of a file or folder [characters] that is believed; systems allow 255 bytes."""

ORIENTATION, MAKE, MODEL, EXIF_IFD, FOCAL, FOCAL_35MM = 0x0112, 0x010F, 0x0110, 0x8769, 0x920A, 0xA405
"""EXIF tags."""

GPS_IFD = 0x8825
"""EXIF tag of the table with N or S and E or W (1, 3), degrees, minutes and seconds (2, 4), and altitude (5, 6)."""


class ImageInfo(NamedTuple):
    """What the header of an image says."""

    width: int
    """Width of the upright image [px]."""
    height: int
    """Height of the upright image [px]."""
    format: str
    """Pillow's name of the format: "JPEG", "PNG", …"""
    mode: str
    """Pillow's pixel layout: "RGB", "RGBA", "I;16", …"""
    orientation: int
    """EXIF orientation 1..8; 1 is upright."""
    lens: tuple[str, ...]
    """Make, model and focal lengths as EXIF has them, empty strings where unknown: photos of one lens agree."""


def image_name(text: object, where: object) -> str:
    """The name that a file gives to an image, with forward slashes, if it stays inside the image folder.

    Args:
        text: What the file says.
        where: The file, or the place in it, for the message.

    Raises:
        FileError: If it is no text, absolute, leads out of the folder, or cannot be the name of a file.
    """
    name = text.replace("\\", "/") if isinstance(text, str) else ""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0])
    impossible = not path.parts or "\0" in name or any(len(part) > MAX_NAME for part in path.parts) or len(name) > 4096
    if outside or impossible:
        raise FileError(where, got=f"image name {str(text)[:80]!r}", wanted="a path inside the image folder")
    return path.as_posix()


def _open(path: Path) -> Image.Image:
    if not path.is_file():
        raise FileError(path, got="no such file", wanted="an image")
    try:
        image = Image.open(path)
    except Image.DecompressionBombError as error:
        raise FileError(path, got=str(error), wanted=f"an image of at most {MAX_PIXELS} pixels") from error
    except Exception as error:  # decoders raise whatever they like on corrupt headers
        raise FileError(
            path, got="not a readable image", wanted="JPEG, PNG, WebP or HEIC", hint=f"The decoder says: {error}."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise FileError(path, got=f"{image.width}x{image.height}", wanted=f"an image of at most {MAX_PIXELS} pixels")
    return image


def image_info(path: str | Path) -> ImageInfo:
    """Size, format and lens of an image, from its header.

    Raises:
        FileError: If the file is missing, no image, or absurdly large.
    """
    path = Path(path)
    with _open(path) as image:
        try:
            exif = image.getexif()
            details = exif.get_ifd(EXIF_IFD)
        except Exception:  # broken EXIF in a good photo: the photo counts
            exif, details = Image.Exif(), {}
        orientation = exif.get(ORIENTATION, 1)
        orientation = orientation if orientation in range(1, 9) else 1
        width, height = image.size if orientation < 5 else image.size[::-1]
        lens = tuple(
            str(x or "") for x in (exif.get(MAKE), exif.get(MODEL), details.get(FOCAL), details.get(FOCAL_35MM))
        )
        return ImageInfo(width, height, image.format or "", image.mode, orientation, lens)


def gps_position(path: str | Path) -> tuple[float, float, float] | None:
    """Latitude and longitude [degrees, north and east] and altitude [m] of a photo by EXIF, None if it has none.

    Raises:
        FileError: If the file is missing or no image.
    """
    with _open(Path(path)) as image:
        try:
            gps = image.getexif().get_ifd(GPS_IFD)
            latitude, longitude = (
                (-1 if str(gps[ref]).strip("\0 ").upper() in ("S", "W") else 1)
                * sum(float(part) / 60**k for k, part in enumerate(gps[tag]))
                for ref, tag in ((1, 2), (3, 4))
            )
            below = gps.get(5, b"\0") in (1, b"\1")  # sea level
            altitude = float(gps.get(6, 0.0)) * (-1 if below else 1)
        except Exception:  # broken or missing EXIF in a good photo: the photo counts
            return None
    found = (latitude, longitude, altitude)
    sane = np.isfinite(found).all() and abs(latitude) <= 90 and abs(longitude) <= 180 and found != (0.0, 0.0, 0.0)
    return found if sane else None


def _decoded(path: Path, *, draft: bool = False) -> Image.Image:
    """The whole image, upright; with `draft` as small as the decoder can make it on the way."""
    with _open(path) as image:
        try:
            if draft:
                image.draft(None, (1, 1))
            image.load()
            return ImageOps.exif_transpose(image)
        except Exception as error:  # decoders raise whatever they like on corrupt data
            raise FileError(
                path,
                got=f"an image that breaks off or is corrupt ({error})",
                wanted="a whole image",
                hint="Copy it again from the camera, or leave it out.",
            ) from error


def _eight_bits(path: Path) -> Image.Image:
    """The whole image, upright, 8 bits a channel; 16-bit greys are scaled, where Pillow's own conversion clips them."""
    image = _decoded(path)
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64) / 257.0
        return Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8))
    if image.mode == "F":
        numbers = np.asarray(image)
        if not np.isfinite(numbers).all():
            raise FileError(path, got="NaN or infinity among its pixels", wanted="finite numbers")
        return Image.fromarray(np.clip(np.round(numbers), 0, 255).astype(np.uint8))
    return image


def read_image(path: str | Path, *, background: int | None = None) -> NDArray[np.uint8]:
    """Colours 0..255 of an upright image, shape (h, w, 3).

    Args:
        path: The file.
        background: Grey level 0..255 that shows through transparent pixels; None ignores transparency.

    Raises:
        FileError: If the file is missing, no image, truncated, corrupt, absurdly large, or has pixels that are NaN.
    """
    image = _eight_bits(Path(path))
    transparent = "A" in image.getbands() or "transparency" in image.info
    if transparent and background is not None:
        backdrop = Image.new("RGBA", image.size, (background, background, background, 255))
        image = Image.alpha_composite(backdrop, image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


def read_rgba(path: str | Path, *, max_side: int) -> NDArray[np.uint8]:
    """Colours and opacity 0..255 of an upright image, reduced to a longest side [px], shape (h, w, 4).

    Raises:
        FileError: As `read_image`.
    """
    image = _eight_bits(Path(path)).convert("RGBA")
    image.thumbnail((max_side, max_side), Image.Resampling.BOX)
    return np.asarray(image)


def check_image(path: str | Path) -> None:
    """Reads all of an image's data, at the lowest resolution the format offers, to see that it is whole.

    Raises:
        FileError: As `read_image`.
    """
    _decoded(Path(path), draft=True)


def read_mask(path: str | Path) -> NDArray[np.bool_]:
    """True where a mask image is not black (and not transparent), shape (h, w).

    Raises:
        FileError: As `read_image`.
    """
    image = _eight_bits(Path(path))
    if image.mode == "1":
        return np.asarray(image)
    on_black = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image.convert("RGBA"))
    return np.asarray(on_black.convert("L")) > 127


def write_image(path: str | Path, pixels: NDArray[np.uint8] | NDArray[np.bool_], *, quality: int = 97) -> None:
    """Writes pixels of shape (h, w), (h, w, 3) as JPEG or PNG by the ending of `path`, atomically.

    JPEG keeps full colour resolution (4:4:4) at `quality`; a mask becomes black and white.
    """
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    options: dict[str, Any] = (
        {"quality": quality, "subsampling": 0} if Path(path).suffix.lower() in (".jpg", ".jpeg") else {}
    )
    with written_atomically(path) as temporary:
        Image.fromarray(pixels).save(temporary, **options)


def write_upright(source: str | Path, target: str | Path) -> None:
    """Writes an 8-bit RGB copy of an image, upright, transparency on white, its EXIF kept, atomically.

    Raises:
        FileError: As `read_image`.
    """
    exif = _decoded(Path(source), draft=False).getexif()
    pixels = read_image(source, background=255)
    with written_atomically(target) as temporary:
        Image.fromarray(pixels).save(temporary, exif=exif, quality=97, subsampling=0)


def resized(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """An image of shape (h, w, 3) resampled to width × height [px] with a Lanczos filter (a = 3, widened to shrink)."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
