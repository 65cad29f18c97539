"""Votes: label images of photos are lifted to Gaussians by how much each one shows in which label.

A folder of masks holds either label images named like the photos (`0001.png`: 0 for nothing, any other value for a
thing), or one folder per thing with black and white masks (`mug/0001.png`). Photos without a mask have no vote.
Letters: n Gaussians, g things, k labels of one photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from scenekit.cameras import Camera
from scenekit.capture.capture import Capture, Photo
from scenekit.capture.undistort import pinhole_of
from scenekit.errors import FileError, InputError
from scenekit.io.images import MAX_PIXELS, read_image
from scenekit.render.weights import LabelImage, rendered_weights
from scenekit.splats import Splats

Ids = NDArray[np.int64]

SAME_THING = 0.25
"""Least overlap (intersection over union of rendered weight) of a label with a thing seen in earlier photos."""

SHINING = 0.02
"""A Gaussian with less than this part of the weight it would have if nothing were before it only shines through."""

MAX_THINGS = 4096
"""Most things in one folder of masks."""


@dataclass(frozen=True)
class Votes:
    """Rendered weight of each Gaussian in each thing."""

    weights: Tensor
    """First column: seen, but in no thing; then one column per thing [px], shape (n, 1 + g)."""
    names: tuple[str, ...]
    """What the things are called; empty texts where nobody said."""
    shown: Tensor
    """True where a photo with a mask really shows the Gaussian: what shines through others has no vote, shape (n,)."""


def lifted(splats: Splats, capture: Capture, masks: Path, *, same_ids: bool = True) -> Votes:
    """Lifts a folder of masks to Gaussians.

    Args:
        splats: n Gaussians in the frame of the capture.
        capture: The posed photos.
        masks: The folder.
        same_ids: False if a value may mean another thing in another photo; things are then told by their overlap.

    Raises:
        FileError: If the folder has no mask of any photo, or one cannot be read.
        InputError: If there are more than `MAX_THINGS` things.
    """
    images, names = _mask_images(Path(masks), capture)
    weights, open_air = splats.means.new_zeros(len(splats), 1), splats.means.new_zeros(len(splats))
    known = sorted({int(v) for _, ids in images() for v in np.unique(ids)} - {0}) if same_ids else None
    for photo, ids in images():
        values = known if known is not None else sorted({int(v) for v in np.unique(ids)} - {0})
        if len(values) > MAX_THINGS:
            hint = "Are these photos?"
            raise InputError("masks", got=f"{len(values)} things", wanted=f"at most {MAX_THINGS}", hint=hint)
        view = label_image(photo, np.searchsorted(np.array([0, *values]), ids))
        seen = rendered_weights(splats, [view], len(values) + 1)
        weights = _associated(weights, seen) if known is None else seen + (weights if weights.shape[1] > 1 else 0)
        open_air += _unhidden(splats, view)
    shown = weights.sum(1) > SHINING * open_air
    return Votes(weights, tuple(names.get(value, "") for value in known or [0] * (weights.shape[1] - 1)), shown)


def _unhidden(splats: Splats, view: LabelImage) -> Tensor:
    """Weight that a Gaussian facing the camera would have with nothing before it: opacity · 2π σ₁ σ₂ f² / z², (n,)."""
    T = torch.from_numpy(np.linalg.inv(view.T_world_cam)).to(splats.means)
    x, y, z = (splats.means @ T[:3, :3].T + T[:3, 3]).unbind(1)
    camera = view.camera
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    inside = (z > 0) & (u > 0) & (v > 0) & (u < camera.width) & (v < camera.height)
    longest = splats.scales.topk(2, dim=1).values.prod(1)
    return torch.where(inside, splats.opacities * 2 * torch.pi * longest * camera.fx * camera.fy / z**2, 0.0)


def write_masks(capture: Capture, segmenter: Callable[[NDArray[np.uint8]], NDArray[np.integer]], folder: Path) -> Path:
    """Runs any segmenter over the photos and keeps its label images as a folder of masks.

    Args:
        capture: The photos.
        segmenter: Colours 0..255 (h, w, 3) → label of each pixel (h, w), 0 for nothing, at most 65535.
        folder: Where to write.

    Raises:
        InputError: If the segmenter returns something else.
    """
    for photo in capture.photos:
        pixels = read_image(photo.path, background=photo.background)
        ids = np.asarray(segmenter(pixels))
        if (
            ids.shape != pixels.shape[:2]
            or not np.issubdtype(ids.dtype, np.integer)
            or not 0 <= ids.min() <= ids.max() < 2**16
        ):
            wanted = f"integers 0 to 65535 of shape {pixels.shape[:2]}"
            raise InputError(f"labels of {photo.name}", got=f"{ids.dtype} {ids.shape}", wanted=wanted)
        path = Path(folder) / Path(photo.name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids.astype(np.uint16)).save(path)
    return Path(folder)


def _associated(weights: Tensor, seen: Tensor) -> Tensor:
    """Adds what one photo saw (n, 1 + k) to what the ones before did (n, 1 + g): each label to the thing it overlaps.

    The overlap is counted in the weight of this photo: what is hidden in it says nothing for or against.
    """
    total = weights.sum(1, keepdim=True)
    known = torch.where(total > 0, weights / total.clamp(min=1e-12), 0.0)  # share of each thing in each Gaussian
    shown = seen.sum(1, keepdim=True) * (total > 0)
    both = seen[:, 1:].T @ known[:, 1:]
    either = seen[:, 1:].sum(0)[:, None] + (shown * known[:, 1:]).sum(0)[None] - both
    overlap = (both / either.clamp(min=1e-12)).cpu().numpy()
    result = weights.clone()
    result[:, 0] += seen[:, 0]
    new = set(range(seen.shape[1] - 1))
    for label, thing in zip(*linear_sum_assignment(-overlap), strict=True):
        if overlap[label, thing] > SAME_THING:
            result[:, 1 + thing] += seen[:, 1 + label]
            new.discard(int(label))
    return torch.cat([result, *(seen[:, 1 + label, None] for label in sorted(new))], 1)


def _mask_images(folder: Path, capture: Capture) -> tuple[Callable[[], Iterator[tuple[Photo, Ids]]], dict[int, str]]:
    """A way to go through photos that have a mask, and what the values are called."""
    if not folder.is_dir():
        raise FileError(folder, got="nothing", wanted="a folder of masks named like the photos")
    stems = {Path(photo.name).with_suffix("").as_posix(): photo for photo in capture.photos}
    whole = {stem: path for stem in stems if (path := folder / f"{stem}.png").is_file()}
    things = sorted(path.name for path in folder.iterdir() if path.is_dir() and not whole)
    single = {stem: _masks_of(folder, stem, things) for stem in stems}
    single = {stem: found for stem, found in single.items() if found}
    if not whole and not single:
        wanted = f"label images such as {next(iter(stems))}.png, or one folder of masks per thing"
        raise FileError(folder, got="no mask of any photo", wanted=wanted)

    def images() -> Iterator[tuple[Photo, Ids]]:
        for stem, path in whole.items():
            yield stems[stem], _read_ids(path)
        for stem, paths in single.items():
            ids = np.zeros((stems[stem].camera.height, stems[stem].camera.width), np.int64)
            for k, path in paths.items():
                ids[_fitted(_read_ids(path) > 0, stems[stem].camera)] = k
            yield stems[stem], ids

    return images, dict(enumerate(things, 1))


def _masks_of(folder: Path, stem: str, things: list[str]) -> dict[int, Path]:
    """The masks of one photo by the number of the thing."""
    paths = {number: folder / thing / f"{stem}.png" for number, thing in enumerate(things, 1)}
    return {number: path for number, path in paths.items() if path.is_file()}


def _read_ids(path: Path) -> Ids:
    """Values of a grey or palette image as they are, of a colour image one number per colour, shape (h, w)."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise FileError(path, got=f"{image.width}x{image.height} px", wanted=f"at most {MAX_PIXELS} px")
            pixels = np.asarray(image.convert("RGB") if image.mode in ("RGB", "RGBA", "LA") else image).astype(np.int64)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileError(path, got=f"{error}", wanted="a PNG of labels") from None
    return pixels if pixels.ndim == 2 else pixels @ np.array([65536, 256, 1])


def label_image(photo: Photo, ids: Ids) -> LabelImage:
    """The labels as a pinhole camera would have taken them: the nearest pixel's."""
    pinhole = photo.camera if photo.camera.is_pinhole else pinhole_of(photo.camera)
    x = (np.arange(pinhole.width) + 0.5 - pinhole.cx) / pinhole.fx
    y = (np.arange(pinhole.height) + 0.5 - pinhole.cy) / pinhole.fy
    camera = photo.camera
    uv = camera.distort(np.stack(np.meshgrid(x, y), -1)) * [camera.fx, camera.fy] + [camera.cx, camera.cy]
    u, v = np.floor(uv).astype(np.int64).transpose(2, 0, 1)
    flat = _fitted(ids, camera)[v.clip(0, camera.height - 1), u.clip(0, camera.width - 1)]
    return LabelImage(pinhole, photo.T_world_cam, torch.from_numpy(flat))


def _fitted(ids: NDArray[Any], camera: Camera) -> NDArray[Any]:
    """Labels at the size of the photo, by the nearest pixel."""
    v = (np.arange(camera.height) * ids.shape[0]) // camera.height
    u = (np.arange(camera.width) * ids.shape[1]) // camera.width
    return ids[v][:, u]
