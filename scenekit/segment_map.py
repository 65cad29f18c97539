"""The view from above onto a support: heights and colours over a plane, and the regions that stand on it.

Objects on a table hide each other in photos, but hardly from above. So the Gaussians near and above the plane are
drawn from far above as a height map and a colour map, and objects are found there as regions: what rises above the
plane, what lies flat on it in another colour, and what stands on the flat top of something else. Letters: h w map.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from scenekit.cameras import Array
from scenekit.render.splats import rasterization
from scenekit.splats import SH_C0, Splats
from scenekit.support import Support

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

ALTITUDE = 50.0
"""Height of the camera in halves of the map's side: from there all rays are upright to 1°."""

COARSE, VOXELS = 384, 96
"""Side of the map in which the outline is found [px], and of the grid in which things are joined to the plane."""


@dataclass(frozen=True)
class Ground:
    """Map coordinates on a support: x right, y down, seen from above; pixels of `pixel` metres."""

    T_plane_world: Array
    """World → plane: x, y in the plane from the map's corner [m], z the height above it [m], shape (4, 4)."""
    size: tuple[int, int]
    """Width and height [px]."""
    pixel: float
    """Side of a pixel [m]."""

    def coordinates(self, points: Tensor) -> tuple[Array, Array]:
        """Pixel coordinates (n, 2) and heights [m] (n,) of points (n, 3)."""
        T = self.T_plane_world
        local = points.double().cpu().numpy() @ T[:3, :3].T + T[:3, 3]
        return local[:, :2] / self.pixel, local[:, 2]

    def sample(self, image: Mask, pixels: Array) -> Mask:
        """Values of a mask (h, w) at pixel coordinates (n, 2); those outside take the border's."""
        width, height = self.size
        u, v = np.floor(pixels).astype(np.int64).T
        return image[v.clip(0, height - 1), u.clip(0, width - 1)]


@dataclass(frozen=True)
class Relief:
    """What is seen from above."""

    ground: Ground
    """Where the pixels are."""
    rgb: Map
    """Colours 0..1, shape (h, w, 3)."""
    height: Map
    """Height above the plane [m], shape (h, w)."""
    alpha: Map
    """How much is there at all, 0..1, shape (h, w)."""
    outline: Mask
    """Where the support is, also below what stands on it, shape (h, w)."""


def seen_from_above(splats: Splats, support: Support, reach: float, *, pixels: int) -> Relief:
    """Draws the support and what stands on it from above.

    Args:
        splats: The scene.
        support: The plane.
        reach: How far around its centre it may extend, halved [m].
        pixels: Longer side of the map [px].
    """
    wide = _ground(support, -2 * reach * np.ones(2), 2 * reach * np.ones(2), COARSE)
    band = _near(splats, wide, -support.thickness, support.thickness)
    _, _, there = _drawn(band, wide)
    main = _largest(there > 0.5)
    v, u = np.nonzero(main)
    margin = 0.05 * COARSE
    low, high = np.array([u.min(), v.min()]) - margin, np.array([u.max(), v.max()]) + margin
    ground = _ground(support, low * wide.pixel - 2 * reach, high * wide.pixel - 2 * reach, pixels)
    low_part = _near(splats, ground, -8 * support.thickness, 2 * support.thickness)
    outline = _outline(_drawn(low_part, ground)[2] > 0.5)
    standing = _near(splats, ground, -8 * support.thickness, 2 * reach)
    standing = standing.take(_rooted(standing, ground, outline))
    rgb, height, alpha = _drawn(standing, ground)
    return Relief(ground, rgb, height, alpha, outline)


def _ground(support: Support, low: Array, high: Array, pixels: int) -> Ground:
    """The map between two corners [m], measured from the support's centre along its own axes."""
    z = support.normal
    x = np.cross(np.eye(3)[1 if abs(z[1]) < 0.9 else 2], z)
    x /= np.linalg.norm(x)
    y = np.cross(x, z)  # down in the map, so that it is no mirror image
    pixel = float((high - low).max()) / pixels
    T = np.eye(4)
    T[:3, :3] = np.stack([x, y, z])
    T[:3, 3] = -T[:3, :3] @ support.centre - [*low, 0.0]
    T[2, 3] = -support.offset
    width, height = np.ceil((high - low) / pixel - 1e-9).astype(int)
    return Ground(T, (max(int(width), 1), max(int(height), 1)), pixel)


def _near(splats: Splats, ground: Ground, low: float, high: float) -> Splats:
    """The Gaussians over the map whose centres are between two heights, without those larger than a sixth of it."""
    pixels, heights = ground.coordinates(splats.means)
    over = ((pixels > 0) & (pixels < ground.size)).all(1) & (heights > low) & (heights < high)
    small = splats.scales.max(1).values.cpu().numpy() < max(ground.size) * ground.pixel / 6
    keep = torch.from_numpy(over & small)
    return splats.take(keep)


def _drawn(splats: Splats, ground: Ground) -> tuple[Map, Map, Map]:
    """Colours (h, w, 3), heights [m] (h, w) and alpha (h, w)."""
    width, height = ground.size
    if not len(splats):
        return np.zeros((height, width, 3), np.float32), *np.zeros((2, height, width), np.float32)
    far = ALTITUDE * max(width, height) * ground.pixel / 2
    heights = torch.from_numpy(ground.coordinates(splats.means)[1]).to(splats.means)
    colors = torch.cat([(0.5 + SH_C0 * splats.sh[:, 0]).clamp(0, 1), heights[:, None]], 1)
    # In the map's frame the camera hangs over the middle and looks down: x right, y down, z forward = −height.
    over = np.diag([1.0, 1.0, -1.0, 1.0])
    over[:3, 3] = -width / 2 * ground.pixel, -height / 2 * ground.pixel, far
    viewmat = over @ ground.T_plane_world
    f = far / ground.pixel
    K = torch.tensor([[f, 0.0, width / 2], [0.0, f, height / 2], [0.0, 0.0, 1.0]]).to(splats.means)
    with torch.no_grad():
        image, alphas, _ = rasterization(
            splats.means, splats.quats, splats.scales, splats.opacities, colors,
            torch.as_tensor(viewmat).to(splats.means)[None], K[None], width, height,
            rasterize_mode="antialiased" if splats.antialiased else "classic",
        )  # fmt: skip
    alpha = alphas[0, ..., 0].cpu().numpy()
    mean = (image[0].cpu().numpy() / np.maximum(alpha, 1e-6)[..., None]).astype(np.float32)
    return mean[..., :3], mean[..., 3], alpha


def _rooted(splats: Splats, ground: Ground, outline: Mask) -> Tensor:
    """True for Gaussians joined to the plane by others: no lamp, ceiling or floater, shape (n,).

    Gaussians fill voxels, which are neighbours over gaps of up to two; a cluster must reach down to the plane.
    """
    pixels, heights = ground.coordinates(splats.means)
    edge = max(ground.size) * ground.pixel / VOXELS
    cells = np.column_stack([pixels * ground.pixel, heights - heights.min(initial=0.0)]) // edge
    cells = cells.astype(np.int64)
    filled = np.zeros(cells.max(0, initial=0) + 1, bool)
    solid = splats.opacities.cpu().numpy() > 0.1
    filled[tuple(cells[solid].T)] = True
    near = ndimage.binary_dilation(filled, np.ones((3, 3, 3)))
    clusters, _ = ndimage.label(near, np.ones((3, 3, 3)))
    of = clusters[tuple(cells.T)]
    on_plane = solid & (np.abs(heights) < edge) & ground.sample(outline, pixels)
    roots = np.unique(of[on_plane])
    return torch.from_numpy(np.isin(of, roots[roots > 0]))


def _largest(mask: Mask) -> Mask:
    """The largest connected part of a mask; all of it if it is empty."""
    parts, count = ndimage.label(mask)
    return mask if count == 0 else parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])


def _outline(mask: Mask) -> Mask:
    """The support's shape: gaps are closed, and holes where things stand."""
    r = max(2, round(0.04 * max(mask.shape)))
    padded = np.pad(mask, r).astype(np.uint8)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc(r)) > 0
    return _largest(ndimage.binary_fill_holes(closed)[r:-r, r:-r])


def disc(r: int) -> NDArray[np.uint8]:
    """A disc of radius r [px] as a structuring element."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1)).astype(np.uint8)
