"""How near a mesh is to the truth; docs/evaluation.md is the protocol. Letters: n points, f faces, c cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekit._libraries import open3d
from scenekit.cameras import Array
from scenekit.capture.capture import Capture
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.raycast import RayScene

SKIN = 1e-3
"""How near a ray must come to a point to reach it [m]: a surface is not to hide its own points."""


@dataclass(frozen=True)
class SurfaceScores:
    """Distances between a mesh and the truth, by uniform area sampling."""

    chamfer: float
    """Mean of accuracy and completeness [m]."""
    accuracy: float
    """Mean distance from points of the mesh to the true surface [m]; infinite for no points."""
    completeness: float
    """Mean distance from points of the true surface to the mesh [m]."""
    f_score: float
    """Harmonic mean of precision and recall."""
    precision: float
    """Share of points of the mesh nearer to the truth than the threshold."""
    recall: float
    """Share of points of the truth nearer to the mesh than the threshold."""


def surface_scores(
    mesh: Mesh,
    truth: Mesh,
    *,
    samples: int = 100_000,
    threshold: float = 0.005,
    seen_from: Capture | None = None,
    seed: int = 0,
) -> SurfaceScores:
    """Chamfer distance and F-score of a mesh against the truth, over what the photos saw; see `object_scores`.

    Args:
        mesh: What was reconstructed.
        truth: What it should be.
        samples: Points on each of the two, spread uniformly by area.
        threshold: Of precision and recall [m].
        seen_from: Photos, in the frame of the truth. A point counts if a ray from one of them reaches it; None: all.
        seed: Of the points.

    Raises:
        InputError: If the truth has no surface or nothing of it is seen, or a number is out of range.
    """
    return object_scores(mesh, [truth], samples=samples, threshold=threshold, seen_from=seen_from, seed=seed)[0]


def object_scores(
    mesh: Mesh,
    truths: Sequence[Mesh],
    *,
    samples: int = 100_000,
    threshold: float = 0.005,
    seen_from: Capture | None = None,
    seed: int = 0,
) -> list[SurfaceScores]:
    """Scores of one mesh of a whole scene against each of its true things, which hide parts of each other.

    A point of the mesh belongs to the thing it is nearest to, and counts if the nearest point of that thing was seen: a
    surface that closes what no photo saw is neither right nor wrong. Distances are exact, from points to triangles.

    Args:
        mesh: What was reconstructed.
        truths: Every true thing.
        samples: Points on each true thing, and as many for each on the mesh as a whole.
        threshold: As in `surface_scores`.
        seen_from: As in `surface_scores`.
        seed: As in `surface_scores`.

    Raises:
        InputError: As in `surface_scores`.
    """
    if samples < 1 or not threshold > 0:
        raise InputError("samples, threshold", got=(samples, threshold), wanted="at least 1, and above 0 m")
    rng = np.random.default_rng(seed)
    scene = RayScene([_arrays(truth) for truth in truths])
    theirs, own = _closest(truths), _closest([mesh]) if len(mesh.faces) else None
    points = area_samples(mesh, samples * len(truths), rng) if own else np.zeros((0, 3))
    nearest, thing = theirs(points)
    away = np.linalg.norm(points - nearest, axis=1)
    counts = seen(scene, nearest, seen_from)
    scores = []
    for k, truth in enumerate(truths):
        wanted = area_samples(truth, samples, rng)
        wanted = wanted[seen(scene, wanted, seen_from)]
        if not len(wanted):
            raise InputError(f"truth {k}", got="nothing that a photo saw", wanted="a surface in sight of the photos")
        missing = np.linalg.norm(wanted - own(wanted)[0], axis=1) if own else np.full(len(wanted), np.inf)
        scores.append(_scores(away[counts & (thing == k)], missing, threshold))
    return scores


def area_samples(mesh: Mesh, count: int, rng: np.random.Generator) -> Array:
    """Points spread uniformly over the area of a mesh [m], shape (count, 3).

    Raises:
        InputError: If the mesh has no area.
    """
    corners = mesh.vertices.double().numpy()[mesh.faces.numpy()]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not areas.sum() > 0:
        raise InputError("mesh", got=f"{len(corners)} faces without area", wanted="a surface")
    # One random number in each of `count` equal shares of the area: uniform, with less chance in it.
    places = (np.arange(count) + rng.random(count)) / count * areas.sum()
    chosen = corners[np.searchsorted(areas.cumsum(), places).clip(max=len(areas) - 1)]
    root, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - v), root * v], 1)
    points: Array = (weights[..., None] * chosen).sum(1)
    return points


def nearest_meshes(meshes: Sequence[Mesh], points: Array) -> NDArray[np.int64]:
    """Number of the mesh that each of some points (n, 3) [m] is nearest to, shape (n,)."""
    return _closest(meshes)(points)[1]


def seen(scene: RayScene, points: Array, capture: Capture | None) -> NDArray[np.bool_]:
    """True for points (n, 3) [m] that lie in a photo with nothing of the scene before them, shape (n,)."""
    if capture is None:
        return np.ones(len(points), np.bool_)
    found = np.zeros(len(points), np.bool_)
    for photo in capture.photos:
        left = np.flatnonzero(~found)
        eye, camera = photo.T_world_cam[:3, 3], photo.camera
        sight = points[left] - eye
        local = sight @ photo.T_world_cam[:3, :3]
        ahead = local[:, 2] > 1e-3
        pixels = camera.project(local[ahead])
        inside = ((pixels > 0) & (pixels < [camera.width, camera.height])).all(1)
        left, sight = left[ahead][inside], sight[ahead][inside]
        # Rays start at the point and are drawn back to the eye, so that the skin is a length [m].
        start = points[left] - sight * (SKIN / np.linalg.norm(sight, axis=1, keepdims=True))
        found[left] = ~scene.blocked(start, eye - start, reach=1.0)
    return found


def _arrays(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return mesh.vertices.numpy(), mesh.faces.numpy()


class _closest:
    """The nearest point of some meshes and the number of its mesh, for points (n, 3)."""

    def __init__(self, meshes: Sequence[Mesh]):
        self._scene = open3d.t.geometry.RaycastingScene()
        for mesh in meshes:
            vertices, faces = _arrays(mesh)
            tensors = (vertices, faces.astype(np.uint32))
            self._scene.add_triangles(*(open3d.core.Tensor.from_numpy(np.ascontiguousarray(t)) for t in tensors))

    def __call__(self, points: Array) -> tuple[Array, NDArray[np.int64]]:
        if not len(points):
            return np.zeros((0, 3)), np.zeros(0, np.int64)
        found = self._scene.compute_closest_points(open3d.core.Tensor.from_numpy(points.astype(np.float32)))
        return found["points"].numpy().astype(np.float64), found["geometry_ids"].numpy().astype(np.int64)


def _scores(away: Array, missing: Array, threshold: float) -> SurfaceScores:
    """Of distances of points of the mesh to the truth, and back."""
    accuracy, completeness = (float(d.mean()) if len(d) else np.inf for d in (away, missing))
    precision, recall = (float((d < threshold).mean()) if len(d) else 0.0 for d in (away, missing))
    f_score = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return SurfaceScores((accuracy + completeness) / 2, accuracy, completeness, f_score, precision, recall)
