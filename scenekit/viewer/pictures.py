"""Pictures of a scene drawn by scenekit's own renderers. Letters: h w image, n Gaussians.

Splats have their colours of every direction here, and their antialiasing; a browser knows neither.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array, Camera
from scenekit.capture.capture import Photo
from scenekit.capture.undistort import pinhole_photo
from scenekit.colors import encoded_srgb
from scenekit.io.images import resized
from scenekit.render.meshes import surface_colors
from scenekit.render.splats import render
from scenekit.splats import SH_C0, Splats
from scenekit.viewer.contents import Contents

Mode = Literal["colour", "depth", "normal", "objects"]
"""What a pixel tells: the colour; how far away, how inclined, which node."""

Floats = NDArray[np.float32]

VIRIDIS = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]) / 255
"""Colours of depths, from near to far."""

HEAT = np.array([[0, 0, 0], [0.5, 0, 0.1], [0.9, 0.3, 0], [1, 0.8, 0.2], [1, 1, 1]])
"""Colours of errors, from none to `WORST`."""

WORST = 0.3
"""Mean difference of the channels, 0..1, that is shown white."""

SOLID = 0.5
"""A pixel shows a surface where splats cover so much of it."""

LINE = 2
"""Width of the line between photo and picture [px]."""


class Picture(NamedTuple):
    """What somebody is shown."""

    rgb: NDArray[np.uint8]
    """Shape (h, w, 3)."""
    depth: Floats
    """Along the optical axis [m], infinite where nothing is, shape (h, w)."""


@dataclass(frozen=True)
class Compared:
    """A photo beside the picture that is taken from its place."""

    photo: Photo
    """Posed in the world."""
    split: float | None
    """Part of the width where the photo is seen; None for the error in place of both."""


def picture(
    contents: Contents, camera: Camera, T_world_cam: Array, *, mode: Mode = "colour", quick: bool = False
) -> Picture:
    """The scene as a pinhole camera sees it, on white.

    In mode "colour" only splats are drawn, as browsers draw meshes; the others show both.

    Args:
        contents: What there is.
        camera: A pinhole camera.
        T_world_cam: Its pose, shape (4, 4).
        mode: What pixels tell.
        quick: Leave out what is seen least of a large cloud; not in mode "objects".
    """
    splats = contents.strongest if quick else contents.splats
    splats = _by_owner(contents) if mode == "objects" else splats
    frame = render(splats, camera, T_world_cam, background=torch.ones(3), normals=mode == "normal")
    covered = frame.alpha.numpy() > SOLID
    depth = np.where(covered, frame.depth.numpy(), np.float32(np.inf))
    if mode == "colour":
        return Picture(_bytes(frame.rgb.numpy()), depth)
    rgb = _normals(frame.normals.double().numpy()) if frame.normals is not None else frame.rgb.numpy()
    rgb = np.where(covered[..., None] | (mode == "objects"), rgb, 1.0)
    rgb, depth = _with_meshes(contents, camera, T_world_cam, mode, rgb, depth)
    return Picture(_bytes(_depths(depth) if mode == "depth" else rgb), depth)


def compared(contents: Contents, what: Compared, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Photo at the left and picture at the right of a line, or the error of each pixel, on grey of a size, (h, w, 3).

    Args:
        contents: What there is.
        what: With what it is compared, and where the line is.
        size: Width and height [px]; the photo fits in, in the middle.

    Raises:
        InputError: If the lens of the photo cannot be undistorted.
        FileError: If it cannot be read.
    """
    photo, (width, height) = what.photo, size
    pixels, lens = taken(photo.path, photo.camera, background=photo.background)
    shrink = min(width / lens.width, height / lens.height)
    w, h = (max(1, round(side * shrink)) for side in (lens.width, lens.height))
    camera, left = lens.resized(w, h), resized(pixels, w, h)
    splats = render(contents.splats, camera, photo.T_world_cam, background=_behind(photo))
    depth = np.where(splats.alpha.numpy() > SOLID, splats.depth.numpy(), np.float32(np.inf))
    right = _bytes(_with_meshes(contents, camera, photo.T_world_cam, "colour", splats.rgb.numpy(), depth)[0])
    both = _bytes(heat(left, right)) if what.split is None else _side_by_side(left, right, what.split)
    sheet = np.full((height, width, 3), 60, np.uint8)
    top, start = (height - h) // 2, (width - w) // 2
    sheet[top : top + h, start : start + w] = both
    return sheet


@lru_cache(maxsize=2)
def taken(path: Path, camera: Camera, *, background: int | None) -> tuple[NDArray[np.uint8], Camera]:
    """`pinhole_photo`, which is asked for again and again while a line is moved."""
    return pinhole_photo(path, camera, background=background)


def heat(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Array:
    """Colours 0..1 of how different two pictures are: the mean of |a − b| over the channels, white from `WORST` on."""
    error = np.abs(a.astype(np.float64) - b).mean(-1) / 255
    return ramp(error / WORST, HEAT)


def ramp(values: Array, colors: Array) -> Array:
    """Colours (…, 3) of values, clipped to 0..1, between those of a row of colours (k, 3)."""
    at = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(np.clip(values, 0, 1), at, colors[:, channel]) for channel in range(3)], -1)


def palette(count: int) -> Array:
    """Colours that are told apart, (count, 3): hues go round by the golden ratio, so that neighbours differ."""
    return np.array([colorsys.hsv_to_rgb(0.618034 * i % 1, 0.65, 0.95) for i in range(count)]).reshape(count, 3)


def _behind(photo: Photo) -> Tensor:
    return torch.full((3,), 1.0 if photo.background is None else photo.background / 255)


def _by_owner(contents: Contents) -> Splats:
    """The splats in the colour of their node."""
    most = max((cloud.number for cloud in contents.clouds), default=0)
    colors = torch.from_numpy(palette(most + 1)).float()[contents.owners]
    splats = contents.splats
    return replace(splats, sh=((colors - 0.5) / SH_C0)[:, None].to(splats.sh))


def _with_meshes(
    contents: Contents, camera: Camera, T_world_cam: Array, mode: Mode, rgb: Array, depth: Floats
) -> tuple[Array, Floats]:
    """Colours and depths of what is nearer, splats or meshes."""
    if contents.rays is None:
        return rgb, depth
    frame = contents.rays.frame(camera, T_world_cam)
    nearer = frame.depth < depth
    hits, chosen = frame.hits, nearer.reshape(-1)
    colors = np.zeros((int(chosen.sum()), 3))
    mesh, face, weights, normals = (part[chosen] for part in (hits.mesh, hits.face, hits.weights, hits.normals))
    if mode == "normal":
        colors = _normals(normals.astype(np.float64))
    elif mode == "objects":
        numbers = np.array([surface.number for surface in contents.surfaces])
        colors = palette(int(numbers.max()) + 1)[numbers[mesh]]
    elif mode == "colour":
        for i in np.unique(mesh):
            own = mesh == i
            linear = surface_colors(contents.meshes[i], face[own] - contents.first_faces[i], weights[own])
            colors[own] = encoded_srgb(linear[:, :3].astype(np.float64))
    rgb = np.array(rgb, np.float64)
    rgb[nearer] = colors
    return rgb, np.where(nearer, frame.depth, depth)


def _normals(normals: Array) -> Array:
    """Colours of directions in the world: red for x, green for y, blue for z, each from −1 to 1."""
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return 0.5 + 0.5 * normals / np.maximum(length, 1e-12)


def _depths(depth: Floats) -> Array:
    """Colours of depths, from the nearest to the farthest but for outliers; white where nothing is."""
    there = np.isfinite(depth)
    if not there.any():
        return np.ones((*depth.shape, 3))
    near, far = np.quantile(depth[there], (0.01, 0.99))
    colors = ramp((np.where(there, depth, near) - near) / max(far - near, 1e-9), VIRIDIS)
    return np.where(there[..., None], colors, 1.0)


def _side_by_side(left: NDArray[np.uint8], right: NDArray[np.uint8], split: float) -> NDArray[np.uint8]:
    both = right.copy()
    at = round(np.clip(split, 0, 1) * right.shape[1])
    both[:, :at] = left[:, :at]
    both[:, max(0, at - LINE // 2) : at + LINE // 2] = 255
    return both


def _bytes(rgb: Array) -> NDArray[np.uint8]:
    return (np.clip(rgb, 0, 1) * 255).round().astype(np.uint8)
