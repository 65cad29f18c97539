"""Tabletop: a made room with a laid table, photographed by ray casting, and the truth behind the photos.

DIR/images/0000.jpg …          the photos
DIR/truth/cameras.json         lens, pose and exposure of each photo
DIR/truth/colmap/              the same as a COLMAP model
DIR/truth/depth/0000.npz …     "depth": along the optical axis [m], float32, in the photo's own pixels
DIR/truth/ids/0000.png …       object number of each pixel
DIR/truth/meshes/mug.ply …     one closed mesh per object in its own frame, and the room in the world's
DIR/truth/objects.json         number, name, mass, material and pose of each object
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import trimesh

from scenekit.datasets.capture_folder import Mark, check_photos, progress_bar, whole_folder, write_cameras, write_photos
from scenekit.datasets.tabletop_light import LitScene
from scenekit.datasets.tabletop_objects import Thing, objects, table
from scenekit.datasets.tabletop_photos import lens, walk
from scenekit.datasets.tabletop_room import room
from scenekit.datasets.tabletop_shapes import welded
from scenekit.errors import InputError
from scenekit.io.atomic import write_text

MARK: Mark = {"dataset": "tabletop", "version": 1}
"""What tells a tabletop capture from any other folder; stands in truth/objects.json."""


def capture_tabletop(
    folder: str | Path, *, photos: int = 48, width: int = 640, height: int = 480, seed: int = 0,
    exposure_spread: float = 0.15, samples: int = 2, detail: float = 1.0,
) -> Path:  # fmt: skip
    """Photographs the table into `folder`, which appears complete or not at all; the same seed gives the same bytes.

    Args:
        folder: New, empty, or an earlier tabletop capture, which is replaced.
        photos: Number of photos.
        width: Of each photo [px].
        height: Of each photo [px].
        seed: Chance of surfaces, hand, exposure and noise.
        exposure_spread: Exposure varies within ± this [EV].
        samples: Rays per pixel along each side.
        detail: Resolution of textures and light maps; 1 suits photos of about a megapixel.

    Raises:
        InputError: If a number is out of range.
        FileError: If the folder holds something else or cannot be written.
    """
    check_photos(photos, width, height, seed, samples, exposure_spread)
    if not 0.01 <= detail <= 4:
        raise InputError("detail", got=detail, wanted="0.01 to 4")
    folder, camera = Path(folder), lens(width, height)
    with whole_folder(folder, MARK) as draft, progress_bar() as advance:
        rng = np.random.default_rng([seed, 0])
        props = [table(), *objects()]
        scene = LitScene([*props, *room()], rng, detail=detail, progress=advance)
        shots = list(walk(photos, seed, exposure_spread=exposure_spread))
        numbers = np.array([k + 1 if k < len(props) else 0 for k in range(len(scene.things))], np.uint8)
        write_photos(draft, scene, camera, shots, samples, numbers, advance)
        write_cameras(draft, camera, shots, MARK)
        _write_objects(draft / "truth", props)
    return folder


def _write_objects(truth: Path, props: Sequence[Thing]) -> None:
    """Meshes and physical truth; the mass is density × the volume of the mesh as written."""
    (truth / "meshes").mkdir()
    entries = [{"id": 0, "name": "room", "mesh": "meshes/room.ply", "fixed": True, "pose": np.eye(4).tolist()}]
    for number, thing in enumerate(props, 1):
        mesh = object_mesh(thing)
        mesh.export(truth / "meshes" / f"{thing.name}.ply")
        material = thing.material
        assert material is not None  # every prop has one; only the room goes without
        entries.append({
            "id": number, "name": thing.name, "mesh": f"meshes/{thing.name}.ply", "fixed": thing.name == "table",
            "pose": thing.pose.tolist(), "volume": float(mesh.volume), "density": material.density,
            "mass": float(mesh.volume) * material.density, "material": material.name, "friction": material.friction,
            "restitution": material.restitution, "specular": thing.specular, "provenance": "authored",
        })  # fmt: skip
    trimesh.util.concatenate([object_mesh(thing) for thing in room()]).export(truth / "meshes" / "room.ply")
    units = {"pose": "T_world_object, 4x4 [m]", "volume": "m³", "density": "kg/m³", "mass": "kg"}
    write_text(truth / "objects.json", json.dumps({**MARK, "units": units, "objects": entries}, indent=1))


def object_mesh(thing: Thing) -> trimesh.Trimesh:
    """The thing's welded mesh in its own frame [m], in float32 as the file keeps it."""
    vertices, faces, _ = welded(thing.shape)
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    mesh = trimesh.Trimesh(vertices.astype(np.float32), faces[whole], process=False)
    mesh.remove_unreferenced_vertices()
    return mesh
