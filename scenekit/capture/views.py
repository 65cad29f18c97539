"""Views: undistorted photos as tensors, ready for fitting and evaluation. Letters: h w image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from scenekit.cameras import Camera, inverse_pose
from scenekit.capture.capture import Capture, Photo
from scenekit.errors import FileError, InputError
from scenekit.io.images import read_image, read_mask, resized

MAX_BYTES = 8 << 30
"""Most memory [bytes] that views loaded at once may take."""


@dataclass(frozen=True)
class View:
    """One pinhole photo in memory."""

    name: str
    """Name of the photo."""
    image: Tensor
    """Colours 0..255, uint8, shape (h, w, 3)."""
    K: Tensor
    """Pinhole matrix [px], float32, shape (3, 3)."""
    viewmat: Tensor
    """World to camera, float32, shape (4, 4)."""
    mask: Tensor | None = None
    """True where the pixel counts, bool, shape (h, w)."""
    points: Tensor | None = None
    """Sparse points that the photo has seen, in the world [m], float32, shape (k, 3); None if nobody knows."""

    @property
    def width(self) -> int:
        """Image width [px]."""
        return self.image.shape[1]

    @property
    def height(self) -> int:
        """Image height [px]."""
        return self.image.shape[0]

    @property
    def rays(self) -> Tensor:
        """Rays of unit depth through the pixel centres, in the camera's frame, shape (h, w, 3)."""
        (fx, _, cx), (_, fy, cy) = self.K[:2]
        u, v = (torch.arange(side).to(self.K) + 0.5 for side in (self.width, self.height))
        x, y = torch.meshgrid((u - cx) / fx, (v - cy) / fy, indexing="xy")
        return torch.stack([x, y, torch.ones_like(x)]).movedim(0, -1)

    def on(self, device: torch.device) -> View:
        """The view with all but its camera on a device; that stays where it is, so that no one waits to read it."""
        mask, points = (None if t is None else t.to(device) for t in (self.mask, self.points))
        return replace(self, image=self.image.to(device), mask=mask, points=points)


def check_views(views: Sequence[View]) -> None:
    """Refuses views that would spoil a fit long after it started.

    Raises:
        InputError: If a photo is not of 8 bits, a pose, pinhole matrix or point is not finite, or a mask hides
            everything.
    """
    for view in views:
        if view.image.dtype != torch.uint8 or view.image.ndim != 3 or view.image.shape[-1] != 3:
            got = f"{view.image.dtype} {tuple(view.image.shape)}"
            raise InputError(f"{view.name}: image", got=got, wanted="uint8 (h, w, 3)")
        for name in ("viewmat", "K", "points"):
            numbers = getattr(view, name)
            if numbers is not None and not torch.isfinite(numbers).all():
                raise InputError(f"{view.name}: {name}", got="NaN or infinity", wanted="finite numbers")
        if view.mask is not None and not view.mask.any():
            hint = "White counts in a mask, black does not. Leave the photo out, or invert its mask."
            raise InputError(f"{view.name}: mask", got="no pixel that counts", wanted="at least one", hint=hint)


def load_view(
    photo: Photo, *, downscale: float = 1.0, max_side: int | None = None, points: Tensor | None = None
) -> View:
    """One photo as a view, Lanczos-resized.

    Args:
        photo: An undistorted photo.
        downscale: Divides both sides, rounded to whole pixels; the pinhole matrix follows what the rounding made.
        max_side: Longest side [px] that is kept, after `downscale`.
        points: Those it has seen, as `seen_points` gives them.

    Raises:
        InputError: If the photo is distorted, or an option is out of range.
        FileError: If the photo or its mask cannot be read, or has changed its size.
    """
    if not photo.camera.is_pinhole:
        raise InputError(
            photo.name, got=f"a {photo.camera.model} lens", wanted="a pinhole photo", hint="Call undistorted()."
        )
    camera = reduced_camera(photo.camera, downscale=downscale, max_side=max_side)
    pixels = read_image(photo.path, background=photo.background)
    if pixels.shape[:2] != (photo.camera.height, photo.camera.width):
        got = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise FileError(photo.path, got=got, wanted=f"{photo.camera.width}x{photo.camera.height} as its camera says")
    size = camera.width, camera.height
    mask = torch.from_numpy(_resized_mask(read_mask(photo.mask), *size)) if photo.mask else None
    return View(
        photo.name,
        torch.from_numpy(np.array(resized(pixels, *size))),
        torch.from_numpy(camera.K).float(),
        torch.from_numpy(inverse_pose(photo.T_world_cam)).float(),
        mask,
        points,
    )


def seen_points(capture: Capture, photo: Photo) -> Tensor | None:
    """Sparse points that a photo of the capture has seen [m], float32, shape (k, 3); None if nobody knows."""
    seen = capture.points.seen_by(photo.name)
    return None if seen is None else torch.from_numpy(seen).float()


def reduced_camera(camera: Camera, *, downscale: float, max_side: int | None) -> Camera:
    """The lens of a photo that `load_view` has reduced.

    Raises:
        InputError: If an option is out of range.
    """
    if not (downscale >= 1 and (max_side is None or max_side >= 1)):
        raise InputError("downscale, max_side", got=(downscale, max_side), wanted="both at least 1")
    sides = camera.width / downscale, camera.height / downscale
    shrink = min(1.0, max_side / max(sides)) if max_side else 1.0
    width, height = (max(1, round(side * shrink)) for side in sides)
    return camera.resized(width, height)


def chosen_photos(capture: Capture, names: Iterable[str] | None) -> list[Photo]:
    """Photos of these names, or all, in the capture's order.

    Raises:
        InputError: If a name is unknown.
    """
    photos = {photo.name: photo for photo in capture.photos}
    wanted = set(photos if names is None else names)
    if unknown := sorted(wanted - set(photos)):
        raise InputError("names", got=unknown[:5], wanted=f"some of the {len(photos)} photos of the capture")
    return [photo for photo in capture.photos if photo.name in wanted]


def load_views(
    capture: Capture, *, downscale: float = 1.0, max_side: int | None = None, names: Iterable[str] | None = None
) -> list[View]:
    """Photos of an undistorted capture as views, in the capture's order; see `load_view`.

    Args:
        capture: An undistorted capture.
        downscale: Divides both sides.
        max_side: Longest side [px] that is kept.
        names: Which photos; all if None.

    Raises:
        InputError: If a name is unknown, or the views together would take more than `MAX_BYTES`.
        FileError: If a photo cannot be read.
    """
    chosen = chosen_photos(capture, names)
    size = sum(3 * photo.camera.width * photo.camera.height for photo in chosen) / downscale**2
    if max_side is not None:
        size = min(size, 3 * max_side**2 * len(chosen))
    if size > MAX_BYTES:
        got = f"{len(chosen)} views of together {size / 2**30:.1f} GiB"
        hint = "Reduce them, or leave them on disk."
        raise InputError("photos", got=got, wanted=f"at most {MAX_BYTES >> 30} GiB", hint=hint)

    def load(photo: Photo) -> View:
        return load_view(photo, downscale=downscale, max_side=max_side, points=seen_points(capture, photo))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(load, chosen))


def _resized_mask(mask: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    """True where all that a resized pixel covers counts."""
    if mask.shape == (height, width):
        return np.array(mask)
    grey = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    return np.asarray(grey.resize((width, height), Image.Resampling.BOX)) >= 254


def split(photos: Capture | Sequence[str], *, every: int = 8) -> tuple[list[str], list[str]]:
    """Names to fit and names held out for evaluation.

    By the protocol of Mip-NeRF 360: sorted by name, every 8th is held out, starting with the first. What a source
    itself sets aside (NeRF-synthetic's test set) counts before that.

    Args:
        photos: A capture, or names.
        every: Distance between held-out photos; 0 holds out none.

    Raises:
        InputError: If `every` is 1 or negative, which would leave nothing to fit.
    """
    if every == 1 or every < 0:
        raise InputError("every", got=every, wanted="0, or at least 2")
    if isinstance(photos, Capture):
        if photos.held_out and every:
            names = [photo.name for photo in photos.photos]
            return [n for n in names if n not in photos.held_out], [n for n in names if n in photos.held_out]
        photos = [photo.name for photo in photos.photos]
    names = sorted(photos)
    held = names[::every] if every else []
    return [name for name in names if name not in set(held)], held


def split_by_region(capture: Capture, *, count: int | None = None) -> tuple[list[str], list[str]]:
    """Names to fit and a held-out region of viewpoints: the camera farthest from the others, and those nearest to it.

    Every 8th photo measures interpolation; this measures how far the scene can be looked at from elsewhere.

    Args:
        capture: The capture.
        count: Photos held out; an eighth if None.

    Raises:
        InputError: If `count` leaves nothing to fit.
    """
    count = max(1, len(capture.photos) // 8) if count is None else count
    if not 0 < count < len(capture.photos):
        raise InputError("count", got=count, wanted=f"1 to {len(capture.photos) - 1}")
    centres = capture.centres
    extreme = int(np.argmax(np.linalg.norm(centres - centres.mean(0), axis=1)))
    nearest = np.argsort(np.linalg.norm(centres - centres[extreme], axis=1), kind="stable")[:count]
    held = {capture.photos[int(i)].name for i in nearest}
    names = [photo.name for photo in capture.photos]
    return [n for n in names if n not in held], [n for n in names if n in held]
