"""DTU (Jensen et al. 2014): things on a table, from 49 or 64 places by a robot, with scans by structured light.

Fifteen of them, all photos fitted at half of their size, the mesh judged by the Chamfer distance in millimetres: the
protocol of 2D Gaussian Splatting (Huang et al. 2024, §6 and scripts/dtu_eval.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.linalg import rq

from scenekit.cameras import Array, Camera
from scenekit.capture.capture import Capture, Frame, Points
from scenekit.capture.opening import read_colmap
from scenekit.capture.photos import PosedFile, find_photos, posed_capture
from scenekit.datasets.downloads import Archive
from scenekit.datasets.public import Peer, PublicDataset, PublicScene
from scenekit.errors import FileError
from scenekit.io.images import image_info

SCANS = (24, 37, 40, 55, 63, 65, 69, 83, 97, 105, 106, 110, 114, 118, 122)
"""The fifteen that are measured on."""

CAMERAS = ("cameras.npz", "cameras_sphere.npz")
"""What the cameras of IDR and NeuS are called."""

MASKS = "mask"
"""Folder of the masks that the mesh is cut by; they are not used in the fit."""

PHOTOS = Archive(
    "https://drive.google.com/drive/folders/1SJFgt8qhQomHX55Q4xSvYE2C6-8tFll9", "dtu_2dgs.zip", limit=8 << 30
)
"""Photos, masks, cameras and COLMAP's points, by the authors of 2DGS; a folder of Google Drive, for a browser."""

SAMPLES = Archive("http://roboimagedata2.compute.dtu.dk/data/MVS/SampleSet.zip", "SampleSet.zip", limit=16 << 30)
SCAN_POINTS = Archive("http://roboimagedata2.compute.dtu.dk/data/MVS/Points.zip", "Points.zip", limit=16 << 30)
"""What was observed and where the table is; the scans."""


def read(folder: Path, scene: str) -> PublicScene:
    """A scan in the frame of its COLMAP model, which is normalised, else in that of its cameras.npz."""
    model = folder / "sparse" / "0"
    images = next((folder / name for name in ("images", "image") if (folder / name).is_dir()), folder / "images")
    capture = read_colmap(model, images=images) if model.is_dir() else read_cameras(folder, images)
    return PublicScene(capture, downscale=2.0)


def read_cameras(folder: Path, images: Path) -> Capture:
    """The capture in a cameras.npz of IDR or NeuS, in the normalised frame: photo i has P = world_mat_i · scale_mat_i,
    and of P = K [R | t] all is unwound by an RQ decomposition.

    Raises:
        FileError: If it is missing, damaged, has fewer cameras than there are photos, or one that is no pinhole camera.
    """
    file = next((folder / name for name in CAMERAS if (folder / name).is_file()), folder / CAMERAS[0])
    projections, names = read_projections(file), find_photos(images)
    if len(names) > len(projections):
        raise FileError(file, got=f"{len(projections)} cameras", wanted=f"one for each of {len(names)} photos")
    entries = []
    for name, P in zip(names, projections, strict=False):
        width, height = image_info(images / name)[:2]
        camera, pose = unwound(P, width, height, where=f"{file}: {name}")
        entries.append(PosedFile(name, images / name, camera, pose))
    frame = Frame("estimated", "given", "Normalised: the masks' hull lies in a unit ball; scale_mat_0 leads to mm.")
    return posed_capture(file, entries, root=images, points=Points.none(), source="dtu", frame=frame)


def read_projections(file: Path) -> list[Array]:
    """world_mat_i · scale_mat_i of each camera: pixels from the normalised frame, shape (3, 4).

    Raises:
        FileError: If the file is missing, damaged, or holds anything but matrices.
    """
    matrices = _matrices(file)
    count = sum(name.startswith("world_mat_") and name[10:].isdigit() for name in matrices)
    try:
        return [(matrices[f"world_mat_{i}"] @ matrices[f"scale_mat_{i}"])[:3] for i in range(count)]
    except KeyError as error:
        raise FileError(file, got=f"no {error}", wanted="world_mat_0, scale_mat_0, … without gaps") from None


def read_scale(file: Path) -> Array:
    """scale_mat_0: from the normalised frame to the scanner's [mm], shape (4, 4).

    Raises:
        FileError: As `read_projections`.
    """
    matrices = _matrices(file)
    if "scale_mat_0" not in matrices:
        raise FileError(file, got="no scale_mat_0", wanted="the way to millimetres")
    return matrices["scale_mat_0"]


def _matrices(file: Path) -> dict[str, Array]:
    if not file.is_file():
        raise FileError(file, got="nothing", wanted="cameras of a DTU scan")
    try:
        with np.load(file, allow_pickle=False) as stored:
            names = [name for name in stored.files if re.fullmatch(r"(world|scale)_mat_\d{1,4}", name)]
            found = {name: np.array(stored[name], np.float64) for name in names}
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise FileError(file, got=f"no readable npz ({error})"[:200], wanted="cameras of a DTU scan") from None
    wrong = [name for name, matrix in found.items() if matrix.shape != (4, 4) or not np.isfinite(matrix).all()]
    if wrong or not found:
        raise FileError(
            file, got=f"matrices {wrong[:3]}", wanted="4×4 finite numbers called world_mat_0, scale_mat_0, …"
        )
    return found


def unwound(P: Array, width: int, height: int, *, where: str) -> tuple[Camera, Array]:
    """The pinhole camera and T_world_cam of a projection matrix (3, 4) = λ K [R | t].

    Raises:
        FileError: If it is no projection, or its K has a skew of more than a pixel over the picture.
    """
    K, R = rq(P[:, :3])
    signs = np.sign(np.diag(K))
    if not (np.abs(np.diag(K)) > 1e-9 * np.abs(K).max()).all():
        raise FileError(where, got=f"a projection {P.tolist()}"[:200], wanted="one of full rank")
    K, R = K * signs, signs[:, None] * R
    t = np.linalg.solve(K, P[:, 3])
    if np.linalg.det(R) < 0:  # P is known up to its sign
        R, t = -R, -t
    K = K / K[2, 2]
    if abs(K[0, 1]) * height > K[1, 1]:
        raise FileError(where, got=f"a skew of {K[0, 1]:.3g}", wanted="a pinhole camera without")
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R.T, -R.T @ t
    params = (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))
    return Camera("PINHOLE", width, height, params, name=where), T


def _only(pattern: str) -> Callable[[str], str | None]:
    """Members whose path ends like this, by their last part."""
    return lambda name: name.rsplit("/", 1)[-1] if re.search(pattern, name) else None


_SCANS = "|".join(map(str, SCANS))

DTU = PublicDataset(
    name="dtu",
    title="DTU, fifteen scans",
    home="https://roboimagedata.compute.dtu.dk/?page_id=36",
    licence="Photos and scans by the Technical University of Denmark under the terms of its page, which asks to cite "
    "Jensen et al. 2014 and Aanæs et al. 2016; masks by IDR (Yariv et al. 2020), packed by 2DGS (Huang et al. 2024)",
    scenes={f"scan{scan}": (PHOTOS,) for scan in SCANS},
    read=read,
    figures="Chamfer [mm], mean of fifteen scans",
    peers=(
        Peer("3DGS", "1.96", "GGGS, arXiv 2601.17835, Table 1"),
        Peer("NeuS", "0.84", "GGGS, arXiv 2601.17835, Table 1"),
        Peer("2DGS", "0.80", "Huang et al. 2024; 0.74 by its repository"),
        Peer("GOF", "0.74", "GGGS, arXiv 2601.17835, Table 1"),
        Peer("Neuralangelo", "0.61", "GGGS, arXiv 2601.17835, Table 1"),
        Peer("PGSR", "0.52", "GGGS, arXiv 2601.17835, Table 1; 0.47 by its README"),
        Peer("AmbiSuR", "0.46", "its README"),
    ),
    truth=(
        (SAMPLES, "ObsMask", _only(rf"ObsMask/(ObsMask({_SCANS})_10|Plane({_SCANS}))\.mat$")),
        (SCAN_POINTS, "stl", _only(r"stl/stl\d{3}_total\.ply$")),
    ),
)
"""The data set."""
