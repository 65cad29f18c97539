"""The splats a fit starts from. Letters: n points, c cameras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scenekit.capture.capture import Points
from scenekit.capture.views import View
from scenekit.errors import FitError, InputError
from scenekit.splats import SH_C0, Splats

Array = NDArray[np.float64]

FEWEST = 100
"""With fewer usable points than this, a fit starts from random ones."""


def initial_splats(
    points: Points,
    *,
    views: Sequence[View] = (),
    degree: int = 3,
    opacity: float | None = None,
    random_count: int = 10_000,
    seed: int = 0,
) -> Splats:
    """One round Gaussian for each sparse point: its colour, and the mean distance to its three nearest as deviation.

    Points that are not finite are left out, and so are those whose neighbours are over 20 times as far as the 90th
    percentile: structure from motion puts wrong matches far away. Without enough points, random grey ones fill the
    region that the cameras share.

    Args:
        points: Sparse points.
        views: Cameras that bound the random points; needed only if there are too few points.
        degree: SH degree, 0 to 4; the coefficients above 0 start at zero.
        opacity: Opacity of all; None takes 0.5 for sparse points, which lie on surfaces, and the published 0.1 for
            random ones, most of which do not (1.5 dB more on photos held out).
        random_count: How many random points.
        seed: Of the random points.

    Raises:
        FitError: If there are too few points and no views.
        InputError: If an option is out of range.
    """
    if not 0 <= degree <= 4:
        raise InputError("degree", got=degree, wanted="0 to 4")
    if opacity is not None and not 0 < opacity < 1:
        raise InputError("opacity", got=opacity, wanted="above 0 and below 1")
    xyz, rgb = _usable(points)
    start = 0.5
    if len(xyz) < FEWEST:
        if not views:
            raise FitError(
                "points",
                got=f"{len(xyz)} usable",
                wanted=f"at least {FEWEST}",
                hint="Pass the views to start at random.",
            )
        xyz = random_points(views, random_count, seed=seed)
        rgb, start = np.full(xyz.shape, 127.5), 0.1
    start = start if opacity is None else opacity
    spacing = neighbour_distance(xyz)
    n = len(xyz)
    sh = torch.zeros(n, (degree + 1) ** 2, 3)
    sh[:, 0] = torch.from_numpy((rgb / 255 - 0.5) / SH_C0).float()
    return Splats(
        means=torch.from_numpy(xyz).float(),
        quats=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1),
        log_scales=torch.from_numpy(np.log(spacing)).float()[:, None].repeat(1, 3),
        logit_opacities=torch.full((n,), float(np.log(start / (1 - start)))),
        sh=sh,
    )


def neighbour_distance(xyz: Array) -> Array:
    """Mean distance to the three nearest other points [m], shape (n,); at least 1e-4 of the median."""
    count = min(4, len(xyz))
    if count < 2:
        return np.ones(len(xyz))
    distances, _ = cKDTree(xyz).query(xyz, k=count)
    spacing = distances[:, 1:].mean(1)
    typical = float(np.median(spacing)) or 1.0
    result: Array = np.maximum(spacing, 1e-4 * typical)
    return result


def random_points(views: Sequence[View], count: int, *, seed: int = 0) -> Array:
    """`count` points [m], shape (count, 3), in the part of space that the cameras share.

    They lie in a ball around the point nearest to all optical axes, and at least half of the cameras (or, if no such
    points are found, one) have them in their image.
    """
    viewmats = np.stack([view.viewmat.double().cpu().numpy() for view in views])
    R, t = viewmats[:, :3, :3], viewmats[:, :3, 3]
    centres, axes = -np.einsum("cji,cj->ci", R, t), R[:, 2]
    focus = nearest_point(centres, axes)
    radius = float(np.median(np.linalg.norm(centres - focus, axis=1))) or 1.0
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(20 * count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    candidates = focus + radius * directions * rng.random((20 * count, 1)) ** (1 / 3)
    seen = sum(_in_image(view, candidates).astype(int) for view in views)
    best = np.argsort(-np.minimum(seen, max(1, len(views) // 2)), kind="stable")[:count]
    chosen: Array = candidates[best]
    return chosen


def nearest_point(centres: Array, axes: Array) -> Array:
    """The point with the least sum of squared distances to the lines centres + s·axes, axes of unit length.

    Σ(I − a aᵀ) p = Σ(I − a aᵀ) c; for parallel axes, the least-norm step from the mean centre plus one unit of depth.
    """
    projectors = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    start = centres.mean(0)
    right = np.einsum("cij,cj->i", projectors, centres - start)
    point: Array = start + np.linalg.lstsq(projectors.sum(0), right, rcond=1e-6)[0]
    in_front = np.einsum("ci,ci->c", point - centres, axes)
    if np.median(in_front) <= 0:  # axes that diverge meet behind the cameras
        spread = float(np.linalg.norm(centres - start, axis=1).max()) or 1.0
        point = start + 3 * spread * axes.mean(0)
    return point


def _in_image(view: View, points: Array) -> NDArray[np.bool_]:
    viewmat, K = view.viewmat.double().cpu().numpy(), view.K.double().cpu().numpy()
    cam = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    z = np.maximum(cam[:, 2], 1e-9)
    u, v = K[0, 0] * cam[:, 0] / z + K[0, 2], K[1, 1] * cam[:, 1] / z + K[1, 2]
    inside: NDArray[np.bool_] = (cam[:, 2] > 1e-6) & (u >= 0) & (u < view.width) & (v >= 0) & (v < view.height)
    return inside


def _usable(points: Points) -> tuple[Array, Array]:
    """Positions and colours of the points that are finite and not lost far away."""
    finite = np.isfinite(points.xyz).all(1)
    xyz, rgb = points.xyz[finite], points.rgb[finite].astype(np.float64)
    if len(xyz) < FEWEST:
        return xyz, rgb
    spacing = neighbour_distance(xyz)
    near = spacing <= 20 * np.percentile(spacing, 90)
    return xyz[near], rgb[near]
