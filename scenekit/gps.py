"""Positions of photos by satellite, and the scale, up and north they give. Letters: c photos.

EXIF has latitude, longitude and altitude to some metres. A similarity from the cameras' centres to metres east, north
and up is fitted with outliers left aside; a walk of a few dozen metres is needed before it says much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenekit.cameras import Array
from scenekit.capture.capture import Photo
from scenekit.errors import InputError
from scenekit.evaluate import similarity
from scenekit.frame import MetricScale, Up
from scenekit.io.images import gps_position

EQUATOR, FLATTENING = 6_378_137.0, 1 / 298.257223563
"""Radius at the equator [m] and flattening of the ellipsoid WGS 84."""

FEWEST = 4
"""Fewest photos with a position."""

TRIALS = 500
"""Random triples that are tried as the similarity's start."""

MAX_SPREAD = 0.1
"""Relative spread of the scale from which on the positions do not count: a fit to mere noise comes to about 0.4."""

TRUSTED_TILT = np.radians(2.0)
"""Up is taken from the positions if its spread is below this; a photographer's hand is about as steady."""


@dataclass(frozen=True)
class Fix:
    """How the scene lies on the earth."""

    scale: MetricScale
    """How many metres a unit of the scene is."""
    up: Up
    """Which way is up, with the spread that the positions allow."""
    inliers: int
    """Photos whose position agrees."""
    error: float
    """Their standard deviation along one axis [m]."""


def local_metres(positions: Array) -> Array:
    """Metres east, north and up of the mean of latitude [°], longitude [°] and altitude [m], shape (c, 3) → (c, 3).

    Through earth-centred coordinates on WGS 84: N = a / √(1 − e² sin² φ), x = (N + h) cos φ cos λ, y = (N + h) cos φ
    sin λ, z = (N (1 − e²) + h) sin φ, then turned at the mean position.
    """
    e2 = FLATTENING * (2 - FLATTENING)
    turns = np.unwrap(np.radians(positions[:, 1]))  # across the date line
    phi, lam, h = np.radians(positions[:, 0]), turns, positions[:, 2]
    N = EQUATOR / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    xyz = np.stack(
        [(N + h) * np.cos(phi) * np.cos(lam), (N + h) * np.cos(phi) * np.sin(lam), (N * (1 - e2) + h) * np.sin(phi)], 1
    )
    s, c, sl, cl = np.sin(phi.mean()), np.cos(phi.mean()), np.sin(lam.mean()), np.cos(lam.mean())
    R = np.array([[-sl, cl, 0.0], [-s * cl, -s * sl, c], [c * cl, c * sl, s]])
    local: Array = (xyz - xyz.mean(0)) @ R.T
    return local


def located(photos: Sequence[Photo], *, seed: int = 0) -> Fix:
    """The similarity from the cameras' centres to metres on the ground.

    The start is the least median of squares over random triples (Rousseeuw 1984), then photos within 2.5 of its robust
    deviations count. With residuals of deviation σ per axis and centred positions x, the scale's relative deviation is
    σ / √Σ|x|², and that of up σ / √Σ(x₂² + x₃²), x₁ being along the longest axis of the walk [m].

    Args:
        photos: Posed photos; those without a position are left out.
        seed: Chance of the triples.

    Raises:
        InputError: If fewer than four photos have one, or they are too near to each other to say anything.
        FileError: If a photo is gone.
    """
    placed = [(photo.T_world_cam[:3, 3], where) for photo in photos if (where := gps_position(photo.path)) is not None]
    if len(placed) < FEWEST:
        got = f"{len(placed)} of {len(photos)} photos with a position"
        raise InputError("GPS", got=got, wanted=f"at least {FEWEST}", hint="Some programs strip EXIF from photos.")
    centres, ground = np.stack([centre for centre, _ in placed]), local_metres(np.array([where for _, where in placed]))
    inside = _agreeing(centres, ground, np.random.default_rng(seed))
    T = similarity(centres[inside], ground[inside])
    residuals = centres[inside] @ T[:3, :3].T + T[:3, 3] - ground[inside]
    freedom = max(1, 3 * int(inside.sum()) - 7)
    sigma = float(np.sqrt((residuals**2).sum() / freedom))
    scale = float(np.cbrt(np.linalg.det(T[:3, :3])))
    spans = np.linalg.svd(scale * (centres[inside] - centres[inside].mean(0)), compute_uv=False)
    spread = sigma / float(np.linalg.norm(spans))
    if not spread < MAX_SPREAD:
        got = f"positions that are off by {sigma:.1f} m over a walk of {np.ptp(ground[inside], axis=0).max():.1f} m"
        raise InputError("GPS", got=got, wanted="a longer walk than the error, or another way to the scale")
    n = int(inside.sum())
    note = f"from the satellite positions of {n} photos, off by {sigma:.1f} m along an axis."
    tilt = sigma / max(float(np.linalg.norm(spans[1:])), 1e-9)
    up = T[2, :3] / scale
    return Fix(MetricScale(scale, f"The scale is {note}", spread), Up(up, f"Up is {note}", tilt, "measured"), n, sigma)


def _agreeing(centres: Array, ground: Array, rng: np.random.Generator) -> np.ndarray:
    """True for positions that agree with the best triple, shape (c,)."""
    best, least = np.zeros(len(centres)), np.inf
    for _ in range(TRIALS):
        three = rng.choice(len(centres), 3, replace=False)
        if np.linalg.matrix_rank(centres[three] - centres[three].mean(0), tol=1e-9) < 2:
            continue
        T = similarity(centres[three], ground[three])
        squares = ((centres @ T[:3, :3].T + T[:3, 3] - ground) ** 2).sum(1)
        if (median := float(np.median(squares))) < least:
            best, least = squares, median
    if not np.isfinite(least):
        raise InputError("GPS", got="cameras on a line", wanted="a walk that turns")
    deviation2 = (1.4826**2) * least * (1 + 5 / max(1, len(centres) - 3)) ** 2
    inside: np.ndarray = best <= max(2.5**2 * deviation2, 1e-12)
    return inside
