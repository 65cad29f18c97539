"""What the photos show of surface points: the best few samples of each, one photo at a time.

Letters: n points, p photos, k samples kept of each point, s probes, h w image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from scipy import ndimage

from scenekit.cameras import Array, small_pinhole
from scenekit.capture.capture import Capture, Photo
from scenekit.capture.views import View, load_view
from scenekit.io.textures import linear_from_srgb
from scenekit.render.raycast import RayScene
from scenekit.surface.exposure import photo_gains

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

CHUNK = 1_000_000
"""Points in hand at once."""

PROBES = 20_000
"""Points whose samples from all photos are kept, to compare exposures."""

DEPTH_SIDE = 1024
"""Longest side of the depth maps in which edges are sought [px]."""

DEPTH_JUMP = 0.02
"""Neighbouring depths that differ by more than this share are an edge."""

ROWS = 30_000
"""OpenCV's limit on the height of an image is a little more."""

CLIPPED, DARK = 250, 8
"""Bytes above and below which a channel says little about light."""


@dataclass(frozen=True)
class SampleConfig:
    """How much a photo's sample of a surface point counts: cosine^a · (focal length / depth)^b, less near edges."""

    angle_exponent: float = 3.0
    """Power a of the cosine between the normal and the line of sight."""
    distance_exponent: float = 1.0
    """Power b of the pixels per metre."""
    min_cosine: float = 0.1
    """Flatter views do not count."""
    border_margin: float = 8.0
    """Samples fade out over this distance from the border of a photo [px]."""
    edge_margin: float = 4.0
    """And from edges of the depth, where poses and surfaces that are a little off mix front and back [px]."""
    best: int = 6
    """Samples blended at a point: those of largest weight."""
    correct_exposure: bool = True
    """Bring all photos to their mean exposure and white balance first."""
    outlier: float = 0.12
    """Samples further than this from the weighted median, in display values 0..1, do not count."""


@dataclass
class Samples:
    """The best samples of n points, of k = best + 1; a weight of 0 is none."""

    weights: Floats
    """Shape (n, k)."""
    colors: Bytes
    """Shape (n, k, 3)."""
    photos: NDArray[np.uint16]
    """Number of the photo, shape (n, k)."""
    gains: Array
    """Gain of each photo in linear light, shape (p, 3)."""

    def __getitem__(self, part: Ints) -> Samples:
        """Those of some points."""
        return Samples(self.weights[part], self.colors[part], self.photos[part], self.gains)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """True for points that any photo shows, shape (n,)."""
        return np.asarray(self.weights.max(1) > 0)


def best_samples(
    points: Floats, normals: Floats, capture: Capture, scene: RayScene, config: SampleConfig, *, lift: Floats
) -> Samples:
    """The best samples of points on a surface from all photos of an undistorted capture.

    Args:
        points: [m], shape (n, 3).
        normals: Unit, shape (n, 3).
        capture: Undistorted; a photo is in memory only while its samples are taken.
        scene: All that may hide the points, the surface itself included.
        config: What counts.
        lift: How far rays start off the surface [m], shape (n,).

    Raises:
        InputError: If a photo has lens distortion.
        FileError: If a photo cannot be read.
    """
    n, k, count = len(points), config.best + 1, len(capture.photos)
    kept = Samples(
        np.zeros((n, k), np.float32), np.zeros((n, k, 3), np.uint8), np.zeros((n, k), np.uint16), np.ones((count, 3))
    )
    probes = np.unique(np.linspace(0, n - 1, PROBES).astype(np.int64)) if n else np.zeros(0, np.int64)
    probe_weights = np.zeros((count, len(probes)), np.float32)
    probe_colors = np.zeros((count, len(probes), 3), np.uint8)
    for number, photo in enumerate(track(capture.photos, description="Texture", transient=True)):
        for index, weights, colors in photo_samples(photo, points, normals, scene, config, lift=lift):
            _keep(kept, number, index, weights, colors)
            where = np.searchsorted(probes, index).clip(0, len(probes) - 1)
            mine = probes[where] == index
            probe_weights[number, where[mine]], probe_colors[number, where[mine]] = weights[mine], colors[mine]
    if config.correct_exposure and count > 1:
        telling = ((probe_colors > DARK) & (probe_colors < CLIPPED)).all(-1)
        kept.gains = photo_gains(linear_light(probe_colors), probe_weights * telling)
    return kept


def photo_samples(
    photo: Photo, points: Floats, normals: Floats, scene: RayScene, config: SampleConfig, *, lift: Floats
) -> Iterator[tuple[Ints, Floats, Bytes]]:
    """Which points a photo shows, how much each sample counts, and its colour, in chunks."""
    view = load_view(photo)
    trust = _trust(view, photo, scene, config)
    R, eye = photo.T_world_cam[:3, :3], photo.T_world_cam[:3, 3]
    camera = photo.camera
    for start in range(0, len(points), CHUNK):
        part = points[start : start + CHUNK]
        toward = (eye - part).astype(np.float32)
        distance = np.linalg.norm(toward, axis=1)
        cosine = np.einsum("nc,nc->n", toward, normals[start : start + CHUNK]) / np.maximum(distance, 1e-9)
        depth = -toward @ R[:, 2].astype(np.float32)
        index = np.flatnonzero((cosine > config.min_cosine) & (depth > 1e-6))
        local = -toward[index] @ R.astype(np.float32)
        u = local[:, 0] / local[:, 2] * camera.fx + camera.cx
        v = local[:, 1] / local[:, 2] * camera.fy + camera.cy
        inside = (u > 0) & (u < camera.width) & (v > 0) & (v < camera.height)
        index, u, v = index[inside], u[inside], v[inside]
        weights = cosine[index] ** config.angle_exponent * (camera.fx / depth[index]) ** config.distance_exponent
        weights *= trust[v.astype(np.int64), u.astype(np.int64)]
        good = np.flatnonzero(weights > 0)
        index, u, v, weights = index[good], u[good], v[good], weights[good]
        off = part[index] + lift[start + index, None] * normals[start + index]
        clear = ~scene.blocked(off, eye - off, reach=0.9999)
        index, colors = index[clear], interpolated(view.image.numpy(), u[clear], v[clear])
        blown = (colors >= CLIPPED).any(1)  # no gain brings back what was clipped
        yield index + start, (weights[clear] * np.where(blown, 0.1, 1)).astype(np.float32), colors


def interpolated(image: Bytes, u: NDArray[np.floating], v: NDArray[np.floating]) -> Bytes:
    """Colours of an image (h, w, 3) at positions [px] with pixel centres at +0.5, by cubic convolution, shape (n, 3).

    Where bilinear weights would blur what the pixels blurred already, cubic ones keep it (Keys 1981).
    """
    found = np.empty((len(u), 3), np.uint8)
    for start in range(0, len(u), ROWS):
        part = slice(start, start + ROWS)
        x, y = (np.asarray(at[part, None] - 0.5, np.float32) for at in (u, v))
        found[part] = cv2.remap(image, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    return found


def linear_light(colors: Bytes) -> Floats:
    """sRGB bytes → linear light 0..1, of the same shape."""
    table = linear_from_srgb(np.arange(256, dtype=np.uint8)[:, None].repeat(4, 1))[:, 0]
    light: Floats = table[colors]
    return light


def _trust(view: View, photo: Photo, scene: RayScene, config: SampleConfig) -> Floats:
    """Factor 0..1 of each pixel by its distance from the border, from depth edges, and by the mask, shape (h, w)."""
    h, w = view.height, view.width
    small = small_pinhole(photo.camera, DEPTH_SIDE)
    depth = np.minimum(scene.frame(small, photo.T_world_cam).depth, np.float32(1e6))
    near, far = ndimage.minimum_filter(depth, 3), ndimage.maximum_filter(depth, 3)
    smooth = far - near < DEPTH_JUMP * near
    scale = w / small.width
    away = ndimage.distance_transform_edt(smooth) * scale if not smooth.all() else np.full(depth.shape, np.inf)
    row = (np.arange(h) * small.height // h).clip(0, small.height - 1)
    column = (np.arange(w) * small.width // w).clip(0, small.width - 1)
    trust = np.clip(away[row][:, column] / max(config.edge_margin, 1e-6), 0, 1)
    y, x = np.arange(h) + 0.5, np.arange(w) + 0.5
    border = np.minimum(np.minimum(y, h - y)[:, None], np.minimum(x, w - x)[None])
    trust = trust * np.clip(border / max(config.border_margin, 1e-6), 0, 1)
    if view.mask is not None:
        trust = trust * view.mask.numpy()
    return trust.astype(np.float32)


def _keep(kept: Samples, number: int, index: Ints, weights: Floats, colors: Bytes) -> None:
    """Puts samples in the place of the least of their points, where they count more."""
    slot = kept.weights[index].argmin(1)
    better = weights > kept.weights[index, slot]
    index, slot = index[better], slot[better]
    kept.weights[index, slot], kept.colors[index, slot] = weights[better], colors[better]
    kept.photos[index, slot] = number
