"""Any mesh, photographed by ray casting in a studio, and the truth behind the photos.

The folder is laid out as tabletop's: images/, truth/cameras.json, colmap/, depth/, ids/ (1 the object, 0 the room),
meshes/ and objects.json. A mesh without a texture, vertex colours or base colour is glazed in many colours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from scenekit.cameras import Array, Camera, look_at
from scenekit.datasets.capture_folder import Mark, check_photos, progress_bar, whole_folder, write_cameras, write_photos
from scenekit.datasets.photographed_studio import Studio
from scenekit.datasets.tabletop_photos import Shot, lens
from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_text
from scenekit.io.mesh_files import open_mesh, write_mesh
from scenekit.io.textures import read_texture
from scenekit.io.up import Up
from scenekit.meshes import Mesh, merge_meshes, some_faces
from scenekit.validation.surface import Surface

MARK: Mark = {"dataset": "mesh", "version": 1}
"""What tells such a capture from any other folder; stands in truth/objects.json."""
HEIGHT = 0.2
"""Of the object, if not told [m]."""
RINGS = ((0.40, 14.0), (0.35, 36.0), (0.25, 60.0))
"""Share of the photos and height above the horizon [degrees] of each round."""
FILL = 0.82
"""Share of the picture's shorter side that the object's bounding sphere fills, as an angle."""


def capture_mesh(
    folder: str | Path, file: str | Path, *, texture: str | Path | None = None, object_height: float = HEIGHT,
    up: Up | None = None, photos: int = 60, width: int = 640, height: int = 480, seed: int = 0,
    exposure_spread: float = 0.15, samples: int = 2,
) -> Path:  # fmt: skip
    """Photographs a mesh file into `folder`, which appears complete or not at all; the same seed gives the same bytes.

    Args:
        folder: New, empty, or an earlier capture of a mesh, which is replaced.
        file: Mesh of any known format; its own scale and place are replaced.
        texture: Picture for its texture coordinates, in place of what the file says.
        object_height: Its height after scaling [m]; it stands on the floor in the middle.
        up: Its up axis where the file does not say; None takes Y for OBJ, as most are, and Z for the others.
        photos: Number of photos.
        width: Of each photo [px].
        height: Of each photo [px].
        seed: Chance of surfaces, hand, exposure and noise.
        exposure_spread: Exposure varies within ± this [EV].
        samples: Rays per pixel along each side.

    Raises:
        InputError: If a number is out of range, or a texture has no coordinates to go by.
        FileError: If a file cannot be read, the mesh has no height, or the folder holds something else.
    """
    check_photos(photos, width, height, seed, samples, exposure_spread)
    if not 1e-3 <= object_height <= 1e3:
        raise InputError("object_height", got=object_height, wanted="0.001 to 1000 m")
    file, folder, camera = Path(file), Path(folder), lens(width, height)
    mesh = standing(file, object_height, up)
    if texture is not None:
        mesh = _pictured(mesh, Path(texture))
    with whole_folder(folder, MARK) as draft, progress_bar() as advance:
        distance = distance_to(mesh, camera)
        rng = np.random.default_rng([seed, 0])
        studio = Studio(mesh, distance, texel=distance / camera.fx / 2, rng=rng, progress=advance)
        shots = list(round_walk(mesh, distance, photos, seed, exposure_spread=exposure_spread))
        numbers = np.array([1] + [0] * len(studio.room), np.uint8)
        write_photos(draft, studio, camera, shots, samples, numbers, advance)
        write_cameras(draft, camera, shots, MARK)
        _write_truth(draft / "truth", file, mesh, studio)
    return folder


def standing(file: Path, height: float, up: Up | None) -> Mesh:
    """The mesh of a file, scaled to a height [m], its lowest point on z = 0, its middle over the origin."""
    mesh = open_mesh(file, up=up or ("y" if file.suffix.lower() == ".obj" else None)).mesh
    if not len(mesh.faces):
        raise FileError(file, got="no triangles", wanted="a mesh with a surface")
    mesh = some_faces(mesh, torch.ones(len(mesh.faces), dtype=torch.bool))  # without vertices that no face uses
    low, high = mesh.vertices.double().amin(0), mesh.vertices.double().amax(0)
    if not float(high[2] - low[2]) > 1e-6 * float((high - low).max()):
        raise FileError(file, got="a mesh without height", wanted="one that can stand", hint="Say which axis is up.")
    T = torch.eye(4, dtype=torch.float64)
    T[:3, :3] *= height / (high[2] - low[2])
    T[:3, 3] = -T[0, 0] * torch.stack([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return mesh.transform(T)


def _pictured(mesh: Mesh, picture: Path) -> Mesh:
    """The mesh with a picture as its texture."""
    if mesh.uvs is None:
        raise InputError("texture", got=str(picture), wanted="none: the mesh has no texture coordinates")
    try:
        data = picture.read_bytes()
    except OSError as error:
        raise FileError(picture, got=error.strerror or error, wanted="a PNG or JPEG") from error
    return replace(mesh, texture=read_texture(picture, data), vertex_colors=None, base_color=(1.0,) * 4)


def round_walk(mesh: Mesh, distance: float, photos: int, seed: int, *, exposure_spread: float) -> Iterator[Shot]:
    """Hand-held shots in three full rounds about the object, all from about one distance [m] to its middle."""
    rng = np.random.default_rng([seed, 1])
    centre, radius = _sphere(mesh)
    ends = np.ceil(np.cumsum([0.0] + [share for share, _ in RINGS]) * photos - 1e-9).astype(int)
    number = 0
    for turn, (count, (_, elevation)) in enumerate(zip(np.diff(ends), RINGS, strict=True)):
        for k in range(count):
            azimuth = k * 2 * np.pi / count + 0.7 * turn + rng.normal(0, 0.04)
            rise = np.radians(elevation + rng.normal(0, 2))
            out = np.array([np.cos(azimuth) * np.cos(rise), np.sin(azimuth) * np.cos(rise), np.sin(rise)])
            eye = centre + distance * (1 + rng.normal(0, 0.03)) * out
            target = centre + rng.normal(0, 0.04, 3) * radius
            tilt = rng.normal(0, 0.025)
            pose = look_at(eye, target, up=(-tilt * float(out[1]), tilt * float(out[0]), 1.0))
            value = rng.uniform(-exposure_spread, exposure_spread)
            yield Shot(f"{number:04d}", pose, value, np.random.default_rng([seed, 2, number]))
            number += 1


def _sphere(mesh: Mesh) -> tuple[Array, float]:
    """Middle of the bounding box and the distance of the farthest vertex from it [m]."""
    vertices = mesh.vertices.double().numpy()
    centre: Array = (vertices.min(0) + vertices.max(0)) / 2
    return centre, float(np.linalg.norm(vertices - centre, axis=1).max())


def distance_to(mesh: Mesh, camera: Camera) -> float:
    """How far the camera stays from the object's middle to fill `FILL` of the picture [m]."""
    half = np.arctan(min(camera.width / camera.fx, camera.height / camera.fy) / 2)
    return _sphere(mesh)[1] / float(np.sin(FILL * half))


def _write_truth(truth: Path, file: Path, mesh: Mesh, studio: Studio) -> None:
    """The object as PLY and, with its reflectance, as GLB; the room; objects.json."""
    (truth / "meshes").mkdir()
    write_mesh(truth / "meshes" / "object.ply", replace(mesh, vertex_colors=None, uvs=None, texture=None))
    write_mesh(truth / "meshes" / "object.glb", studio.mesh)
    write_mesh(truth / "meshes" / "room.ply", replace(merge_meshes(studio.room), uvs=None))
    pose = np.eye(4).tolist()
    entries: list[dict[str, object]] = [
        {"id": 0, "name": "room", "mesh": "meshes/room.ply", "fixed": True, "pose": pose},
        {"id": 1, "name": "object", "mesh": "meshes/object.ply", "look": "meshes/object.glb", "fixed": False,
         "pose": pose, "source": file.name, "watertight": Surface(mesh).is_closed, "provenance": "authored"},
    ]  # fmt: skip
    units = {"pose": "T_world_object, 4x4 [m]"}
    write_text(truth / "objects.json", json.dumps({**MARK, "units": units, "objects": entries}, indent=1))
