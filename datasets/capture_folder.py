"""The folder of an embedded capture, made as a whole: photos, and cameras, depth and object numbers behind them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scenekit.cameras import Camera
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.datasets.tabletop_photos import Lit, Shot, developed, exposed, write_jpeg
from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_text
from scenekit.io.colmap import write_colmap

MAX_PHOTOS = 2000
"""Most photos in one capture."""
SIDES = (16, 4096)
"""Least and largest image side [px]."""

Mark = dict[str, object]
"""Dataset and version, by which a capture is told from any other folder; they stand in truth/objects.json."""


def check_photos(photos: int, width: int, height: int, seed: int, samples: int, exposure_spread: float) -> None:
    """Refuses numbers of a capture that are out of range."""
    low, high = SIDES
    for name, got, good, wanted in (
        ("photos", photos, 2 <= photos <= MAX_PHOTOS, f"2 to {MAX_PHOTOS}"),
        ("size", f"{width}x{height}", low <= min(width, height) <= max(width, height) <= high, f"{low} to {high} px"),
        ("seed", seed, seed >= 0, "0 or more"),
        ("samples", samples, 1 <= samples <= 8, "1 to 8"),
        ("exposure_spread", exposure_spread, 0 <= exposure_spread <= 3, "0 to 3 EV"),
    ):
        if not good:
            raise InputError(name, got=got, wanted=wanted)


@contextmanager
def whole_folder(folder: Path, mark: Mark) -> Iterator[Path]:
    """A draft beside `folder` that takes its place at the end; on any error it is removed and nothing changes.

    What is replaced is an empty folder, or one whose truth/objects.json has the dataset of `mark`.
    """
    if folder.exists() and not _is_replaceable(folder, mark):
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


def _is_replaceable(folder: Path, mark: Mark) -> bool:
    """True for an empty folder and for an earlier capture of the same dataset."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    marked = folder / "truth" / "objects.json"
    try:
        return json.loads(marked.read_text()).get("dataset") == mark["dataset"] if marked.is_file() else False
    except (ValueError, AttributeError):
        return False


@contextmanager
def progress_bar() -> Iterator[Callable[[str], None]]:
    """A bar over the stages and photos; call it with what begins next."""
    columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def advance(what: str, total: int | None = None) -> None:
            bar.update(task, description=what, total=total, advance=1 if total else 0)

        yield advance


def write_photos(
    draft: Path, scene: Lit, camera: Camera, shots: Sequence[Shot], samples: int, numbers: NDArray[np.uint8],
    advance: Callable[..., None],
) -> None:  # fmt: skip
    """Photos, depth maps and object numbers of all shots.

    Args:
        draft: The folder.
        scene: What is photographed.
        camera: The lens.
        shots: Poses and exposures.
        samples: Rays per pixel along each side.
        numbers: Object number of each mesh of the scene; that of the last stands for nothing at all too.
        advance: Called when a photo is done.
    """
    for name in ("images", "truth/depth", "truth/ids"):
        (draft / name).mkdir(parents=True)

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


def write_cameras(draft: Path, camera: Camera, shots: Sequence[Shot], mark: Mark) -> None:
    """Lens, poses and exposures, as cameras.json and as a COLMAP model."""
    photos = {
        f"{shot.name}.jpg": {
            "T_world_cam": shot.T_world_cam.tolist(),
            "exposure_value": shot.exposure_value,
            "exposure_time": float(shot.shutter),
        }
        for shot in shots
    }
    model = {"model": camera.model, "width": camera.width, "height": camera.height, "params": list(camera.params)}
    write_text(draft / "truth" / "cameras.json", json.dumps({**mark, "camera": model, "photos": photos}, indent=1))
    posed = [Photo(name, draft / "images" / name, camera, np.array(p["T_world_cam"])) for name, p in photos.items()]
    frame = Frame(up="given", scale="given", note="the authored world")
    write_colmap(Capture(posed, Points.none(), "colmap", frame), draft / "truth" / "colmap")
