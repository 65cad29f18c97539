"""Photos as a pinhole camera would have taken them: warped once, cropped to what was seen, and kept.

Letters: h w image.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array, Camera
from scenekit.capture.capture import Capture, Photo
from scenekit.errors import CaptureError, InputError
from scenekit.io.atomic import write_text
from scenekit.io.images import read_image, read_mask, write_image

MAX_HALF_ANGLE = np.radians(60.0)
"""Beyond this angle off the axis a pinhole image is cut: tan grows without bound, a fisheye's view does not."""

FORMAT = 1
"""Changes when the warp does, so that old caches are redone."""


def pinhole_of(camera: Camera, *, samples: int = 200) -> Camera:
    """The largest pinhole camera of the same focal lengths whose every pixel was seen by `camera`: no black border.

    The rectangle is bounded by the innermost points of the four undistorted image edges, as COLMAP's undistorter with
    no blank pixels does it, but at the camera's own focal lengths; then shrunk until its outline maps into the photo.

    Raises:
        InputError: If the distortion leaves nothing.
    """
    s = np.linspace(0.0, 1.0, samples)
    edges = {
        "left": np.stack([0 * s, s * camera.height], 1),
        "right": np.stack([0 * s + camera.width, s * camera.height], 1),
        "top": np.stack([s * camera.width, 0 * s], 1),
        "bottom": np.stack([s * camera.width, 0 * s + camera.height], 1),
    }
    rays = {side: np.nan_to_num(camera.unproject(edge)[:, :2], nan=0.0) for side, edge in edges.items()}
    limit = np.tan(MAX_HALF_ANGLE)
    bounds = np.array(
        [rays["left"][:, 0].max(), rays["top"][:, 1].max(), rays["right"][:, 0].min(), rays["bottom"][:, 1].min()]
    ).clip(-limit, limit)
    if not (bounds[0] < 0 < bounds[2] and bounds[1] < 0 < bounds[3]):
        bounds = np.array([-limit, -limit, limit, limit])
    for _ in range(200):
        if _is_inside(camera, bounds, s):
            break
        bounds = bounds * 0.985
    else:
        raise _hopeless(camera)
    left, top = np.ceil(bounds[:2] * [camera.fx, camera.fy] - 1e-6)
    right, bottom = np.floor(bounds[2:] * [camera.fx, camera.fy] + 1e-6)
    if right - left < 2 or bottom - top < 2:
        raise _hopeless(camera)
    size = int(right - left), int(bottom - top)
    return Camera("PINHOLE", *size, (camera.fx, camera.fy, -float(left), -float(top)), name=camera.name)


def _hopeless(camera: Camera) -> InputError:
    return InputError(camera.name, got=f"{camera.model} {camera.params}", wanted="a lens that can be undistorted")


def _is_inside(camera: Camera, bounds: Array, s: Array) -> bool:
    """True if rays all over the rectangle meet the photo, before the distortion folds back."""
    x = bounds[0] + s[::4] * (bounds[2] - bounds[0])
    y = bounds[1] + s[::4] * (bounds[3] - bounds[1])
    grid = np.stack(np.meshgrid(x, y), -1)
    pixels = camera.distort(grid) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    slack = 0.5  # [px]: the outermost half pixel is repeated
    seen = (pixels >= -slack).all() and (pixels <= np.array([camera.width, camera.height]) + slack).all()
    h = 1e-6
    along_x, along_y = (camera.distort(grid + step) - camera.distort(grid) for step in ([h, 0.0], [0.0, h]))
    turned = along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0]
    return bool(seen and (turned > 0).all())


def warp_grid(camera: Camera, pinhole: Camera) -> Tensor:
    """Where each pixel of the pinhole image lies in the photo, in grid_sample's −1..1, float32, shape (h, w, 2)."""
    x = (np.arange(pinhole.width) + 0.5 - pinhole.cx) / pinhole.fx
    y = (np.arange(pinhole.height) + 0.5 - pinhole.cy) / pinhole.fy
    rays = np.stack(np.meshgrid(x, y), -1)
    pixels = camera.distort(rays) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    return torch.from_numpy((2 * pixels / [camera.width, camera.height] - 1).astype(np.float32))


def warped(pixels: NDArray[np.uint8], grid: Tensor, *, mode: str = "bicubic") -> NDArray[np.uint8]:
    """An image (h, w, 3) resampled at a grid (h', w', 2) of `warp_grid`, bicubic unless told otherwise."""
    image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float()
    out = torch.nn.functional.grid_sample(image, grid[None], mode, "border", align_corners=False)
    return out[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def pinhole_photo(path: Path, camera: Camera, *, background: int | None = None) -> tuple[NDArray[np.uint8], Camera]:
    """One photo as a pinhole camera would have taken it, shape (h, w, 3), and that camera; kept nowhere.

    Args:
        path: The image file.
        camera: The lens it was taken with.
        background: Grey level that shows through transparent pixels, as in `Photo`.

    Raises:
        InputError: If the lens cannot be undistorted.
        FileError: If the photo cannot be read.
    """
    pixels = read_image(path, background=background)
    if camera.is_pinhole:
        return pixels, _bare(camera)
    pinhole = pinhole_of(camera)
    return warped(pixels, warp_grid(camera, pinhole)), pinhole


def undistorted(capture: Capture, cache: str | Path) -> Capture:
    """The capture with every photo and mask as a pinhole camera would have taken it.

    Photos without distortion stay as they are. The others are warped once into `cache`/images (JPEG at quality 97
    where the photo is one, else PNG) and `cache`/masks; they are made again only if the photo, its mask or its lens
    has changed.

    Raises:
        CaptureError: If a lens cannot be undistorted.
        FileError: If a photo cannot be read.
    """
    cache = Path(cache)
    lenses = {photo.camera for photo in capture.photos if not photo.camera.is_pinhole}
    try:
        pinholes = {lens: pinhole_of(lens) for lens in lenses}
    except InputError as error:
        raise CaptureError(error.name, got=error.got, wanted=error.wanted) from error
    grids = {lens: warp_grid(lens, pinhole) for lens, pinhole in pinholes.items()}
    index_file = cache / "index.json"
    index = _index(index_file)

    def one(photo: Photo) -> Photo:
        if photo.camera not in pinholes:
            return replace(photo, camera=_bare(photo.camera))
        flat = _flattened(photo, pinholes[photo.camera], cache)
        key = _key(photo)
        whole = index.get(photo.name) == key and flat.path.is_file() and (flat.mask is None or flat.mask.is_file())
        if not whole:
            _warp(photo, flat, grids[photo.camera])
            index[photo.name] = key
        return flat

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            photos = list(pool.map(one, capture.photos))
        finally:
            if lenses:
                pool.shutdown(cancel_futures=True)
                write_text(index_file, json.dumps(index, indent=1))
    return replace(capture, photos=photos)


def _index(file: Path) -> dict[str, str]:
    """Keys of the cached photos by name; none if there is no index or it was damaged, and all are made again."""
    try:
        index = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}


def _bare(camera: Camera) -> Camera:
    """A pinhole camera under its simplest name, whatever model with zero coefficients it was."""
    return Camera(
        "PINHOLE", camera.width, camera.height, (camera.fx, camera.fy, camera.cx, camera.cy), name=camera.name
    )


def _flattened(photo: Photo, pinhole: Camera, cache: Path) -> Photo:
    """The photo with its pinhole camera and its files in the cache, which may not be there yet."""
    name = photo.name if Path(photo.name).suffix.lower() in (".jpg", ".jpeg", ".png") else f"{photo.name}.jpg"
    mask = cache / "masks" / f"{name}.png" if photo.mask else None
    return replace(photo, path=cache / "images" / name, camera=pinhole, mask=mask, background=None)


def _key(photo: Photo) -> str:
    """What a cached photo was made from."""
    digest = hashlib.blake2b(photo.path.read_bytes(), digest_size=16)
    if photo.mask:
        digest.update(photo.mask.read_bytes())
    digest.update(repr((FORMAT, photo.camera, photo.background)).encode())
    return digest.hexdigest()


def _warp(photo: Photo, flat: Photo, grid: Tensor) -> None:
    write_image(flat.path, warped(read_image(photo.path, background=photo.background), grid))
    if photo.mask and flat.mask:
        mask = read_mask(photo.mask).astype(np.uint8)[..., None] * np.uint8(255)
        write_image(flat.mask, warped(mask, grid, mode="bilinear")[..., 0] > 254)  # wholly inside, or ignored
