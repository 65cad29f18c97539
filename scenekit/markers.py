"""Printed markers: squares of known size in the photos, and the metre they give. Letters: c views of one marker.

The four corners of a marker are placed where the rays of all its views meet, by least squares of the reprojection
error, and the true edge over theirs is the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from scenekit.cameras import Array, inverse_pose
from scenekit.capture.capture import Photo
from scenekit.errors import InputError
from scenekit.frame import MetricScale
from scenekit.io.images import read_image

FAMILIES = {
    "tag36h11": "DICT_APRILTAG_36H11",
    "tag25h9": "DICT_APRILTAG_25H9",
    "tag16h5": "DICT_APRILTAG_16H5",
    "aruco4x4": "DICT_4X4_50",
    "aruco5x5": "DICT_5X5_100",
    "aruco6x6": "DICT_6X6_250",
    "aruco": "DICT_ARUCO_ORIGINAL",
}
"""Families of markers that are known, by our name and OpenCV's."""

MAX_ERROR = 3.0
"""Reprojection error from which on the views do not show one marker [px, root mean square]."""

MIN_PARALLAX = np.radians(3.0)
"""Least angle between two lines of sight to a marker; below it, its distance is a guess."""


@dataclass(frozen=True)
class Sighting:
    """A marker in a photo."""

    photo: Photo
    """Where it was seen."""
    corners: Array
    """Its corners, clockwise from its own upper left [px, pixel centres at +0.5], shape (4, 2)."""


@dataclass(frozen=True)
class Marker:
    """A marker in the world."""

    number: int
    """Which one of its family."""
    corners: Array
    """Its corners in the scene's unit, shape (4, 3)."""
    views: int
    """In how many photos it was seen."""
    error: float
    """Reprojection error [px, root mean square]."""
    edge: float
    """Mean of its four edges in the scene's unit."""
    spread: float
    """Relative standard deviation of `edge`, from the corners' covariance and from how much the edges differ."""


def find_markers(photos: Sequence[Photo], *, family: str = "tag36h11") -> dict[int, list[Sighting]]:
    """All sightings of markers of a family, by their number.

    Raises:
        InputError: If there is no such family.
        FileError: If a photo is gone or damaged.
    """
    import cv2

    if family not in FAMILIES:
        raise InputError("marker family", got=repr(family), wanted="one of " + ", ".join(FAMILIES))
    options: Any = cv2.aruco.DetectorParameters()
    options.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, FAMILIES[family]))
    detector = cv2.aruco.ArucoDetector(dictionary, options)
    found: dict[int, list[Sighting]] = {}
    for photo in photos:
        grey = cv2.cvtColor(read_image(photo.path, background=photo.background), cv2.COLOR_RGB2GRAY)
        squares, labels, _ = detector.detectMarkers(grey)
        numbers = [] if labels is None else [int(label) for label in labels.ravel()]
        for number, square in zip(numbers, squares, strict=True):
            if numbers.count(number) == 1:  # two of one number cannot be told apart
                sighting = Sighting(photo, square.reshape(4, 2).astype(np.float64) + 0.5)  # OpenCV's centres are at 0
                found.setdefault(number, []).append(sighting)
    return found


def triangulated_marker(number: int, sightings: Sequence[Sighting]) -> Marker | None:
    """The marker in the world, or None if its views are fewer than two or look from too near to each other."""
    poses = np.stack([seen.photo.T_world_cam for seen in sightings])
    pixels = np.stack([seen.corners for seen in sightings])
    rays = np.stack([seen.photo.camera.unproject(seen.corners) for seen in sightings])
    rays = np.einsum("cij,ckj->cki", poses[:, :3, :3], rays / np.linalg.norm(rays, axis=-1, keepdims=True))
    sight = rays.mean(1) / np.linalg.norm(rays.mean(1), axis=-1, keepdims=True)
    if len(sightings) < 2 or np.arccos(np.clip(sight @ sight.T, -1, 1)).max() < MIN_PARALLAX:
        return None
    T_cam_world = inverse_pose(poses)

    def residuals(x: Array) -> Array:
        local = np.einsum("cij,kj->cki", T_cam_world[:, :3, :3], x.reshape(4, 3)) + T_cam_world[:, None, :3, 3]
        local[..., 2] = np.maximum(local[..., 2], 1e-6)
        shown = [seen.photo.camera.project(points) for seen, points in zip(sightings, local, strict=True)]
        return (np.stack(shown) - pixels).ravel()

    fit = least_squares(residuals, _meeting_points(poses[:, :3, 3], rays).ravel(), loss="soft_l1", x_scale="jac")
    corners = fit.x.reshape(4, 3)
    errors = residuals(fit.x)
    variance = float((errors**2).sum() / max(1, errors.size - 12))
    sides = np.roll(corners, -1, 0) - corners
    edges = np.linalg.norm(sides, axis=1)
    directions = sides / edges[:, None]
    gradient = (np.roll(directions, 1, 0) - directions).ravel() / 4  # of the mean edge by the corners
    random = float(np.sqrt(variance * gradient @ np.linalg.pinv(fit.jac.T @ fit.jac) @ gradient))
    edge = float(edges.mean())
    spread = float(np.hypot(random, edges.std(ddof=1) / 2)) / edge
    return Marker(number, corners, len(sightings), float(np.sqrt((errors**2).mean())), edge, spread)


def scale_by_markers(
    photos: Sequence[Photo], edge: float, *, family: str = "tag36h11", number: int | None = None
) -> MetricScale:
    """The scale that gives printed markers their true size.

    Args:
        photos: Posed photos that show them.
        edge: Length of the black square's edge [m], the same for all markers.
        family: A name of `FAMILIES`.
        number: Only this one; None takes all that are found.

    Raises:
        InputError: If no marker is seen from two places, or its views do not agree.
        FileError: If a photo is gone or damaged.
    """
    if not 0 < edge < np.inf:
        raise InputError("edge", got=edge, wanted="the length of the black square's edge, more than 0 m")
    found = {k: seen for k, seen in find_markers(photos, family=family).items() if number in (None, k)}
    placed = [marker for k, seen in sorted(found.items()) if (marker := triangulated_marker(k, seen)) is not None]
    good = [marker for marker in placed if marker.error < MAX_ERROR]
    if not good:
        seen = ", ".join(f"number {k} in {len(views)} photos" for k, views in sorted(found.items())) or "none"
        wrong = "; ".join(f"number {m.number} is off by {m.error:.1f} px" for m in placed)
        raise InputError(
            f"markers of {family}" + (f", number {number}" if number is not None else ""),
            got=f"{seen}{'; ' * bool(wrong)}{wrong}",
            wanted="one that is seen from two places or more, and once per photo",
        )
    scales = np.array([edge / marker.edge for marker in good])
    weights = np.array([1 / max(marker.spread, 1e-6) ** 2 for marker in good])
    mean = float(np.average(scales, weights=weights))
    apart = float(scales.std(ddof=1) / mean / np.sqrt(len(good))) if len(good) > 1 else 0.0
    views = sum(marker.views for marker in good)
    numbers = ", ".join(str(marker.number) for marker in good)
    note = f"The scale is from {edge:g} m wide {family} markers (number {numbers}) in {views} views."
    return MetricScale(mean, note, max(float(weights.sum() ** -0.5), apart))


def _meeting_points(centres: Array, rays: Array) -> Array:
    """Where the rays of each corner come nearest to each other, Σ (I − d dᵀ) (x − o) = 0, shape (4, 3).

    Args:
        centres: Where the rays of each view start, shape (c, 3).
        rays: Unit directions, shape (c, 4, 3).
    """
    across = np.eye(3) - rays[..., :, None] * rays[..., None, :]
    right = np.einsum("ckij,cj->ki", across, centres)
    points: Array = np.linalg.solve(across.sum(0), right[..., None])[..., 0]
    return points
