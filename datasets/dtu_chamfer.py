"""The Chamfer distance of DTU, by the official evaluation as DTUeval-python and 2D Gaussian Splatting have it.

    1. cull      a vertex is kept if in each photo it falls on the mask, widened by 24 px, or beside the photo; a
                 face, if its three vertices are
    2. scale     by scale_mat_0 to the scanner's millimetres
    3. sample    vertices, and points on each triangle about 0.2 mm apart; thinned to none within 0.2 mm of another
    4. accuracy  of the points that ObsMask says were observed, the mean distance to the nearest of the scan
    5. complete  of the points of the scan above the table, the mean distance to the nearest of ours
    6. both      leave out distances of 20 mm and more; their mean is the figure

Letters: v vertices, f faces, n points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from scenekit._libraries import open3d
from scenekit.cameras import Array
from scenekit.datasets.dtu import CAMERAS, MASKS, read_projections, read_scale
from scenekit.errors import FileError, InputError
from scenekit.io.images import read_image
from scenekit.meshes import Mesh

WIDEN, SPACING, MARGIN, FARTHEST = 24, 0.2, 60.0, 20.0
"""Of the masks [px]; of points [mm]; of the observed box [mm]; distance that no longer counts [mm]."""

MASK_LEVEL = 0
"""What is brighter than this is the thing."""

CROWD = 65_536
"""Points whose neighbours are looked for at a time."""


@dataclass(frozen=True)
class ScanTruth:
    """What is known of a scan."""

    points: Array
    """Of the scanner [mm], shape (n, 3)."""
    observed: NDArray[np.bool_]
    """Where photos see, in boxes of `step`, shape (x, y, z)."""
    box: Array
    """The least and largest corner of those [mm], shape (2, 3)."""
    step: float
    """Side of a box [mm]."""
    table: Array
    """a x + b y + c z + d > 0 above the table, shape (4,)."""


class Chamfer(NamedTuple):
    """How near a mesh is to a scan [mm]."""

    accuracy: float
    """From the mesh to the scan."""
    completeness: float
    """From the scan to the mesh."""

    @property
    def overall(self) -> float:
        """The mean of both: the figure of the tables."""
        return (self.accuracy + self.completeness) / 2


def read_truth(place: Path, scan: int) -> ScanTruth:
    """The truth of a scan, as `scenekit fetch dtu` lays it down.

    Raises:
        FileError: If a file is missing or damaged.
    """
    observed = _mat(place / "ObsMask" / f"ObsMask{scan}_10.mat", "ObsMask", "BB", "Res")
    table = _mat(place / "ObsMask" / f"Plane{scan}.mat", "P")
    file = place / "stl" / f"stl{scan:03}_total.ply"
    if not file.is_file():
        raise FileError(file, got="nothing", wanted="the points of a scan", hint="`scenekit fetch dtu` brings them.")
    points = np.asarray(open3d.io.read_point_cloud(file).points)
    if not len(points):
        raise FileError(file, got="no points", wanted="the points of a scan")
    box = observed["BB"].astype(np.float32).astype(np.float64)
    step = float(observed["Res"].reshape(-1)[0])
    if observed["ObsMask"].ndim != 3 or box.shape != (2, 3) or table["P"].size != 4 or not step > 0:
        raise FileError(
            place / "ObsMask", got=f"shapes {observed['ObsMask'].shape}, {box.shape}", wanted="those of DTU"
        )
    return ScanTruth(points, observed["ObsMask"].astype(bool), box, step, table["P"].reshape(4).astype(np.float64))


def _mat(file: Path, *names: str) -> dict[str, NDArray[np.generic]]:
    if not file.is_file():
        raise FileError(file, got="nothing", wanted="a file of DTU's SampleSet", hint="`scenekit fetch dtu` brings it.")
    try:
        found = loadmat(file, variable_names=names)
        return {name: np.asarray(found[name]) for name in names}
    except Exception as error:  # SciPy raises whatever it likes on damaged files
        raise FileError(file, got=f"no readable .mat ({error})"[:200], wanted=", ".join(names)) from None


def culled(mesh: Mesh, folder: Path) -> Mesh:
    """The part of a mesh in the normalised frame that the masks of a scan's folder leave.

    Raises:
        FileError: If cameras or masks are missing or damaged.
    """
    projections = read_projections(_cameras(folder))
    files = sorted((folder / MASKS).glob("*.png"))
    if not files or len(files) > len(projections):
        got = f"{len(files)} masks for {len(projections)} cameras"
        raise FileError(folder / MASKS, got=got, wanted="one for each photo")
    disk = _disk(WIDEN)
    points = np.c_[mesh.vertices.double().numpy(), np.ones(len(mesh.vertices))]
    keep = np.ones(len(points), bool)
    for file, P in zip(files, projections, strict=False):
        mask = binary_dilation(read_image(file)[..., 0] > MASK_LEVEL, disk)
        height, width = mask.shape
        x, y, z = P @ points.T
        column, row = x / (z + 1e-6), y / (z + 1e-6)
        within = (column > 0) & (column < width - 1) & (row > 0) & (row < height - 1)
        keep[within] &= mask[np.rint(row[within]).astype(int), np.rint(column[within]).astype(int)]
    return _with_vertices(mesh, keep)


def in_millimetres(mesh: Mesh, folder: Path) -> Mesh:
    """The mesh from the normalised frame to the scanner's."""
    return mesh.transform(torch.from_numpy(read_scale(_cameras(folder))))


def chamfer(mesh: Mesh, truth: ScanTruth, *, seed: int = 0) -> Chamfer:
    """Steps 3 to 6, for a mesh in millimetres.

    Raises:
        InputError: If nothing of it is near what was observed.
    """
    ours = thinned(sampled(mesh), seed=seed)
    low, high = truth.box
    near = ours[((ours >= low - MARGIN) & (ours < high + 2 * MARGIN)).all(1)]
    places = np.rint((near - low) / truth.step).astype(int)
    inside = ((places >= 0) & (places < truth.observed.shape)).all(1)
    seen = near[inside][truth.observed[tuple(places[inside].T)]]
    above = truth.points[truth.points @ truth.table[:3] + truth.table[3] > 0]
    if not len(seen) or not len(above):
        raise InputError("mesh", got=f"{len(seen)} points where the scan was observed", wanted="a mesh of the thing")
    return Chamfer(_mean_distance(seen, truth.points), _mean_distance(above, near))


def sampled(mesh: Mesh) -> Array:
    """Vertices, and on each triangle a grid of points about `SPACING` apart, shape (n, 3).

    A triangle with sides a, b from its first corner takes the places ((i + ½) a / n_a + (j + ½) b / n_b) whose shares
    add up to less than 1, with n = ⌊length / (SPACING √(|a| |b| / |a × b|))⌋ along each side.
    """
    vertices = mesh.vertices.double().numpy()
    corner, second, third = vertices[mesh.faces.numpy()].transpose(1, 0, 2)
    a, b = second - corner, third - corner
    la, lb, area = (np.linalg.norm(v, axis=1) for v in (a, b, np.cross(a, b)))
    real = area > 0
    corner, a, b, la, lb, area = (v[real] for v in (corner, a, b, la, lb, area))
    step = SPACING * np.sqrt(la * lb / area)
    counts = np.stack([np.floor(la / step), np.floor(lb / step)], 1).astype(int)
    kinds, kind = np.unique(counts, axis=0, return_inverse=True)
    points = [vertices]
    for number, (na, nb) in enumerate(kinds):  # triangles of as many points at once
        rows = np.flatnonzero(kind.reshape(-1) == number)
        i, j = np.mgrid[: na + 1, : nb + 1] + 0.5
        share = np.stack([i / max(na, 1e-7), j / max(nb, 1e-7)], -1).reshape(-1, 2)
        share = share[share.sum(1) < 1]
        grid = corner[rows, None] + share[:, :1] * a[rows, None] + share[:, 1:] * b[rows, None]
        points.append(grid.reshape(-1, 3))
    return np.concatenate(points)


def thinned(points: Array, *, seed: int = 0) -> Array:
    """Points of which none is within `SPACING` of another: each in random order, unless one before it is near."""
    order = points[np.random.default_rng(seed).permutation(len(points))]
    tree, keep = cKDTree(order), np.ones(len(order), bool)
    for start in range(0, len(order), CROWD):
        rows = np.arange(start, min(start + CROWD, len(order)))
        rows = rows[keep[rows]]
        for row, near in zip(rows, tree.query_ball_point(order[rows], SPACING), strict=True):
            if keep[row]:
                keep[near] = False
                keep[row] = True
    kept: Array = order[keep]
    return kept


def _mean_distance(points: Array, others: Array) -> float:
    distances, _ = cKDTree(others).query(points) if len(others) else (np.full(len(points), np.inf), None)
    counted = distances[distances < FARTHEST]
    return float(counted.mean()) if len(counted) else float("nan")


def _cameras(folder: Path) -> Path:
    return next((folder / name for name in CAMERAS if (folder / name).is_file()), folder / CAMERAS[0])


def _disk(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk: NDArray[np.bool_] = x * x + y * y <= radius * radius
    return disk


def _with_vertices(mesh: Mesh, keep: NDArray[np.bool_]) -> Mesh:
    """What is left with these vertices; also those that no face is left of, which count as points."""
    kept = torch.from_numpy(keep)
    number = kept.long().cumsum(0) - 1
    return Mesh(mesh.vertices[kept], number[mesh.faces[kept[mesh.faces].all(1)]])
