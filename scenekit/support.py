"""Support planes: the flat, level, looked-at surfaces that things stand on. Letters: n Gaussians, s hypotheses.

A plane is found by RANSAC with one-Gaussian hypotheses: a flat Gaussian is itself a plane, its centre and shortest
axis. Gaussians vote by what the photos show of them, less the further they are from what the photos look at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array
from scenekit.capture.capture import Capture
from scenekit.capture.undistort import pinhole_of
from scenekit.errors import InputError
from scenekit.render.splats_torch import rotations
from scenekit.render.video import focus_point
from scenekit.render.weights import view_weights
from scenekit.splats import Splats

HYPOTHESES, VOTERS = 600, 20_000
"""Planes that are tried, and Gaussians that vote on them; enough to miss a plane with a tenth of the weight never."""

REFINEMENTS = 12
"""Least-squares steps from the best hypothesis; the residuals settle in five or six."""

CANDIDATES = 4
"""Planes that are compared: a table, a floor, a shelf, a seat."""

VIEWS, VIEW_SIDE = 12, 240
"""Photos that are looked through to see what they show, and the size to which they are reduced [px]."""

LEVEL, FLOOR_DEPTH, FLOOR_PART = 0.9, 10.0, 0.15
"""A floor's Gaussians have normals this upright (cosine), lie this many thicknesses below the support, and at least
this part of all such ones lies within three thicknesses."""


@dataclass(frozen=True)
class Attention:
    """What the photos look at."""

    focus: Array
    """The point nearest to all lines of sight [m], shape (3,)."""
    reach: float
    """Half the distance of the cameras to it [m]: what is further away is surroundings."""


@dataclass(frozen=True)
class Support:
    """A plane n·x = offset with things above it."""

    normal: Array
    """Unit normal n, upwards, shape (3,)."""
    offset: float
    """Distance of the plane from the origin along n [m]."""
    centre: Array
    """Middle of what lies in it, shape (3,)."""
    thickness: float
    """Distance within which a Gaussian lies in it [m]."""
    spread: float
    """Standard deviation of the normal's direction [rad]."""
    share: float
    """Its part of all votes."""

    def heights(self, points: Tensor) -> Tensor:
        """Height of points (n, 3) above the plane [m], float64, shape (n,)."""
        return points.double() @ torch.from_numpy(self.normal).to(points.device) - self.offset


def attention(splats: Splats, capture: Capture | None) -> Attention:
    """Where the photos look; without photos, the middle of the Gaussians and their median distance from it."""
    if capture is not None and len(capture.photos) > 1:
        poses = np.stack([photo.T_world_cam for photo in capture.photos])
        focus = focus_point(poses)
        return Attention(focus, float(np.median(np.linalg.norm(poses[:, :3, 3] - focus, axis=1))) / 2)
    shown = splats.means[splats.opacities > 0.5].double() if (splats.opacities > 0.5).any() else splats.means.double()
    middle = shown.median(0).values
    return Attention(middle.cpu().numpy(), float((shown - middle).norm(dim=1).median()))


def find_support(
    splats: Splats,
    look: Attention,
    capture: Capture | None = None,
    *,
    tilt: float,
    tolerance: float,
    min_share: float,
    seed: int = 0,
) -> Support:
    """The plane that the scene's things stand on: the strongest level one, near what the photos look at.

    Args:
        splats: The scene, roughly Z up.
        look: Where the photos look.
        capture: The photos, if there are any.
        tilt: Largest angle of the normal to +Z [rad].
        tolerance: Distance within which a Gaussian lies in a plane, as part of the reach.
        min_share: Least part of all votes.
        seed: Chance of the hypotheses.

    Raises:
        InputError: If no plane gets that many votes.
    """
    hint = "Give masks, turn the scene so that Z is roughly up, or allow a larger tilt."
    if len(splats) < 3 or not look.reach > 0:
        raise InputError("support plane", got=f"{len(splats)} Gaussians", wanted="a surface that things stand on")
    weights = votes(splats, look, capture).cpu().numpy()
    found = _planes(splats, weights, tilt, tolerance * look.reach, np.random.default_rng(seed))
    nearness = [np.exp(-0.5 * ((p.normal @ look.focus - p.offset) / look.reach) ** 2) for p in found]
    best = max(zip(found, nearness, strict=True), key=lambda pair: pair[0].share * pair[1], default=(None, 0.0))[0]
    if best is None or best.share < min_share:
        most = f"{best.share if best else 0:.1%} of what is looked at"
        got = f"none within {np.degrees(tilt):g}° of level with more than {most}"
        raise InputError("support plane", got=got, wanted=f"one with at least {min_share:.0%}", hint=hint)
    return best


def votes(splats: Splats, look: Attention, capture: Capture | None) -> Tensor:
    """How much the photos look at each Gaussian, float64, shape (n,).

    What a few photos show of it (rendered weight), or without photos opacity · area, times exp(−½ d²/reach²) with d its
    distance from the focus.
    """
    if capture is not None and capture.photos:
        shown = torch.zeros(len(splats), dtype=torch.float64, device=splats.means.device)
        places = np.linspace(0, len(capture.photos) - 1, min(VIEWS, len(capture.photos))).round().astype(int)
        for photo in (capture.photos[place] for place in places):
            camera = photo.camera if photo.camera.is_pinhole else pinhole_of(photo.camera)
            shrink = min(1.0, VIEW_SIDE / max(camera.width, camera.height))
            small = camera.resized(max(1, round(camera.width * shrink)), max(1, round(camera.height * shrink)))
            shown += view_weights(splats, small, photo.T_world_cam)
    else:
        longest = splats.scales.double().clamp(max=0.1 * look.reach).topk(2, dim=1).values
        shown = splats.opacities.double() * longest.prod(1)
    d2 = (splats.means.double() - torch.from_numpy(look.focus).to(splats.means.device)).square().sum(1)
    return shown * torch.exp(-0.5 * d2 / look.reach**2)


def level_below(splats: Splats, support: Support, reach: float, *, beside: NDArray[np.bool_]) -> float:
    """Height of the floor that the support itself stands on, negative [m]; −∞ if there is none to be seen.

    Args:
        splats: n Gaussians.
        support: The plane.
        reach: As in `Attention` [m].
        beside: True for Gaussians that are not below the support, shape (n,): there the floor is seen.
    """
    heights = support.heights(splats.means).cpu().numpy()
    aside = (splats.means.double().cpu().numpy() - support.centre) @ (
        np.eye(3) - np.outer(support.normal, support.normal)
    )
    level = np.abs(shortest_axes(splats).cpu().numpy() @ support.normal) > LEVEL
    near = beside & level & (heights < -FLOOR_DEPTH * support.thickness) & (np.linalg.norm(aside, axis=1) < 3 * reach)
    areas = splats.scales.double().clamp(max=0.1 * reach).topk(2, dim=1).values.prod(1) * splats.opacities.double()
    counts, edges = np.histogram(
        heights[near], np.arange(-3 * reach, 0.0, support.thickness), weights=areas.cpu().numpy()[near]
    )
    smooth = np.convolve(counts, np.ones(3), "same")
    if not len(smooth) or smooth.max() < FLOOR_PART * counts.sum() or counts.sum() == 0:
        return -np.inf
    return float(edges[smooth.argmax()] + support.thickness / 2)


def shortest_axes(splats: Splats) -> Tensor:
    """Unit vector along which each Gaussian is flattest, float64, shape (n, 3)."""
    R = rotations(splats.quats.double())
    return R.gather(2, splats.log_scales.argmin(1)[:, None, None].expand(-1, 3, 1))[..., 0]


def _planes(splats: Splats, weights: Array, tilt: float, thickness: float, rng: np.random.Generator) -> list[Support]:
    """Planes by votes, each found among what the ones before left over."""
    if not weights.sum() > 0:
        return []
    chosen = rng.choice(len(weights), VOTERS, p=weights / weights.sum())  # with replacement: one vote each
    voters = splats.take(torch.from_numpy(chosen))
    points, axes = voters.means.double().cpu().numpy(), shortest_axes(voters).cpu().numpy()
    axes *= np.where(axes[:, 2:] < 0, -1.0, 1.0)
    left, found = np.ones(len(points), bool), []
    for _ in range(CANDIDATES):
        level = np.flatnonzero(left & (axes[:, 2] > np.cos(tilt)))
        if not len(level):
            break
        tried = level[rng.integers(len(level), size=HYPOTHESES)]
        plane = _refined(
            points[left], _best(points[left], axes[left], points[tried], axes[tried], thickness), thickness
        )
        distance = np.abs(points @ plane.normal - plane.offset)
        share = float(((distance < thickness) & left).mean())
        if plane.normal[2] > np.cos(tilt):
            found.append(Support(plane.normal, plane.offset, plane.centre, thickness, plane.spread, share))
        left &= distance > 3 * thickness
    return found


@dataclass(frozen=True)
class _Plane:
    normal: Array
    offset: float
    centre: Array
    spread: float


def _best(points: Array, axes: Array, on: Array, normals: Array, thickness: float) -> _Plane:
    """Of the planes through `on` (s, 3) with `normals` (s, 3) the one with most points in it that are flat in it."""
    best, most = 0, -1.0
    for k, (point, normal) in enumerate(zip(on, normals, strict=True)):
        inside = np.abs((points - point) @ normal) < thickness
        score = float((axes[inside] @ normal).clip(0).sum())
        best, most = (k, score) if score > most else (best, most)
    return _Plane(normals[best], float(on[best] @ normals[best]), on[best], 0.0)


def _refined(points: Array, plane: _Plane, thickness: float) -> _Plane:
    """Weighted least squares with Tukey's weights (1 − (r/c)²)², c falling to the thickness."""
    for step in range(REFINEMENTS):
        c = thickness * (1 + max(0.0, 1 - step / (REFINEMENTS / 2)))
        residual = points @ plane.normal - plane.offset
        w = np.where(np.abs(residual) < c, (1 - (residual / c) ** 2) ** 2, 0.0)
        if np.count_nonzero(w) < 3:
            break
        centre = np.average(points, axis=0, weights=w)
        sizes, axes = np.linalg.eigh((points - centre).T * w @ (points - centre) / w.sum())
        normal = axes[:, 0] * (1.0 if axes[2, 0] >= 0 else -1.0)
        effective = w.sum() ** 2 / (w**2).sum()
        spread = float(np.sqrt(max(sizes[0], 0.0) / max(sizes[1], 1e-300) / effective))
        plane = _Plane(normal, float(normal @ centre), centre, spread)
    return plane
