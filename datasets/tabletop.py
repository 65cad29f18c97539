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
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scenekit.cameras import Camera
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.datasets.tabletop_light import LitScene
from scenekit.datasets.tabletop_objects import Thing, objects, table
from scenekit.datasets.tabletop_photos import Shot, developed, exposed, lens, walk, write_jpeg
from scenekit.datasets.tabletop_room import room
from scenekit.datasets.tabletop_shapes import welded
from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_text
from scenekit.io.colmap import write_colmap

MAX_PHOTOS = 2000
"""Most photos in one capture."""
SIDES = (16, 4096)
"""Least and largest image side [px]."""
STAGES = ("shapes", "textures", "shadows", "bounces")
"""What is made before the first photo."""
MARK = {"dataset": "tabletop", "version": 1}
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
    _check(photos, width, height, seed, samples, detail, exposure_spread)
    folder, camera = Path(folder), lens(width, height)
    with _whole_folder(folder) as draft, _progress() as advance:
        rng = np.random.default_rng([seed, 0])
        props = [table(), *objects()]
        scene = LitScene([*props, *room()], rng, detail=detail, progress=advance)
        shots = list(walk(photos, seed, exposure_spread=exposure_spread))
        _write_photos(draft, scene, camera, shots, samples, len(props), advance)
        _write_cameras(draft, camera, shots)
        _write_objects(draft / "truth", props)
    return folder


def _check(
    photos: int, width: int, height: int, seed: int, samples: int, detail: float, exposure_spread: float
) -> None:
    low, high = SIDES
    for name, got, good, wanted in (
        ("photos", photos, 2 <= photos <= MAX_PHOTOS, f"2 to {MAX_PHOTOS}"),
        ("size", f"{width}x{height}", low <= min(width, height) <= max(width, height) <= high, f"{low} to {high} px"),
        ("seed", seed, seed >= 0, "0 or more"),
        ("samples", samples, 1 <= samples <= 8, "1 to 8"),
        ("detail", detail, 0.01 <= detail <= 4, "0.01 to 4"),
        ("exposure_spread", exposure_spread, 0 <= exposure_spread <= 3, "0 to 3 EV"),
    ):
        if not good:
            raise InputError(name, got=got, wanted=wanted)


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A draft beside `folder` that takes its place at the end; on any error it is removed and nothing changes."""
    if folder.exists() and not _is_replaceable(folder):
        hint = "Choose another folder; nothing was touched."
        raise FileError(folder, got="a folder or file with other content", wanted="a new or empty folder", hint=hint)
    draft = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        draft.chmod(0o755)
        yield draft
        if folder.exists():
            folder.rename(draft / "replaced")
            (draft / "replaced").rename(old := Path(f"{draft}-old"))
            draft.rename(folder)
            shutil.rmtree(old)
        else:
            draft.rename(folder)
    except OSError as error:
        raise FileError(folder, got=error.strerror or error, wanted="a folder that can be written") from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def _is_replaceable(folder: Path) -> bool:
    """True for an empty folder and for an earlier tabletop capture."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    marked = folder / "truth" / "objects.json"
    try:
        return json.loads(marked.read_text()).get("dataset") == MARK["dataset"] if marked.is_file() else False
    except (ValueError, AttributeError):
        return False


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A bar over the stages and photos; call it with what begins next."""
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def advance(what: str, total: int | None = None) -> None:
            bar.update(task, description=what, total=total, advance=1 if total else 0)

        yield advance


def _write_photos(
    draft: Path, scene: LitScene, camera: Camera, shots: Sequence[Shot], samples: int, props: int,
    advance: Callable[..., None],
) -> None:  # fmt: skip
    for name in ("images", "truth/depth", "truth/ids"):
        (draft / name).mkdir(parents=True)
    numbers = np.array([k + 1 if k < props else 0 for k in range(len(scene.things))], np.uint8)

    def photograph(shot: Shot) -> None:
        picture = developed(exposed(scene, camera, shot, samples=samples), shot)
        seen = scene.rays.frame(camera, shot.T_world_cam)
        write_jpeg(draft / "images" / f"{shot.name}.jpg", picture, camera, shot)
        np.savez_compressed(draft / "truth" / "depth" / f"{shot.name}.npz", depth=seen.depth)
        Image.fromarray(numbers[seen.mesh]).save(draft / "truth" / "ids" / f"{shot.name}.png")

    # Ray casting uses every core by itself; a second photo in hand fills the gaps between its calls.
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(photograph, shots):
            advance("photos", total=len(shots))


def _write_cameras(draft: Path, camera: Camera, shots: Sequence[Shot]) -> None:
    photos = {
        f"{shot.name}.jpg": {
            "T_world_cam": shot.T_world_cam.tolist(),
            "exposure_value": shot.exposure_value,
            "exposure_time": float(shot.shutter),
        }
        for shot in shots
    }
    model = {"model": camera.model, "width": camera.width, "height": camera.height, "params": list(camera.params)}
    write_text(draft / "truth" / "cameras.json", json.dumps({**MARK, "camera": model, "photos": photos}, indent=1))
    posed = [Photo(name, draft / "images" / name, camera, np.array(p["T_world_cam"])) for name, p in photos.items()]
    frame = Frame(up="given", scale="given", note="the authored world")
    write_colmap(Capture(posed, Points.none(), "colmap", frame), draft / "truth" / "colmap")


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
