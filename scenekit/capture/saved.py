"""A capture in a folder: what a run remembers of its photos, and what other viewers open.

    cameras.json   one entry per photo, in the format of the original 3DGS viewer, with our fields beside
    capture.json   source, frame, what was left out and why, what structure from motion reported
    colmap/        the same cameras and the sparse points as a COLMAP model

Numbers come back bit for bit, so a run that goes on later goes on in the same world.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scenekit.cameras import Camera
from scenekit.capture.capture import Capture, Frame, Photo
from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_text
from scenekit.io.colmap import read_model, write_colmap

MAX_BYTES = 256_000_000
"""A larger JSON file is not one of ours."""


def write_capture(folder: str | Path, capture: Capture) -> None:
    """Writes `capture` into `folder`; the photos stay where they are and are named by path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_colmap(capture, folder / "colmap")
    _write(folder / "cameras.json", [_camera_entry(i, photo) for i, photo in enumerate(capture.photos)])
    document = {
        "source": capture.source,
        "frame": {
            "up": capture.frame.up,
            "scale": capture.frame.scale,
            "note": capture.frame.note,
            "up_spread": capture.frame.up_spread,
            "scale_spread": capture.frame.scale_spread,
            "T_world_source": capture.frame.T_world_source.tolist(),
        },
        "skipped": capture.skipped,
        "summary": capture.summary,
        "held_out": None if capture.held_out is None else sorted(capture.held_out),
    }
    _write(folder / "capture.json", document)


def read_capture(folder: str | Path) -> Capture:
    """Reads what `write_capture` wrote.

    Raises:
        FileError: If a file is missing, damaged, or names photos that are gone.
    """
    folder = Path(folder)
    entries, document = _read(folder / "cameras.json"), _read(folder / "capture.json")
    try:
        photos = list(_photos(entries, folder / "cameras.json"))
        frame = document["frame"]
        return Capture(
            photos=photos,
            points=read_model(folder / "colmap").points,
            source=str(document["source"]),
            frame=Frame(
                up=frame["up"],
                scale=frame["scale"],
                note=frame["note"],
                up_spread=frame.get("up_spread"),
                scale_spread=frame.get("scale_spread"),
                T_world_source=np.array(frame["T_world_source"], dtype=np.float64),
            ),
            skipped=dict(document["skipped"]),
            summary=dict(document["summary"]),
            held_out=None if document["held_out"] is None else frozenset(document["held_out"]),
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(
            folder, got=f"{type(error).__name__}: {error}", wanted="cameras.json and capture.json of a run"
        ) from None


def _camera_entry(index: int, photo: Photo) -> dict[str, Any]:
    camera = photo.camera
    return {
        "id": index,
        "img_name": photo.name,
        "width": camera.width,
        "height": camera.height,
        "position": photo.T_world_cam[:3, 3].tolist(),
        "rotation": photo.T_world_cam[:3, :3].tolist(),
        "fx": camera.fx,
        "fy": camera.fy,
        "model": camera.model,
        "params": list(camera.params),
        "path": str(photo.path.resolve()),
        "mask": None if photo.mask is None else str(photo.mask.resolve()),
        "background": photo.background,
    }


def _photos(entries: Any, file: Path) -> Iterator[Photo]:
    cameras: dict[Camera, Camera] = {}  # photos of one camera share one object
    for entry in entries:
        camera = Camera(entry["model"], entry["width"], entry["height"], tuple(entry["params"]), name=entry["img_name"])
        T_world_cam = np.eye(4)
        T_world_cam[:3, :3], T_world_cam[:3, 3] = entry["rotation"], entry["position"]
        path, mask = Path(entry["path"]), entry["mask"]
        if not np.isfinite(T_world_cam).all():
            raise FileError(file, got=f"a pose of {entry['img_name']} that is not finite", wanted="finite numbers")
        if not path.is_file():
            raise FileError(path, got="nothing", wanted="the photo that the run was made from", hint="Was it moved?")
        yield Photo(
            name=entry["img_name"],
            path=path,
            camera=cameras.setdefault(camera, camera),
            T_world_cam=T_world_cam,
            mask=None if mask is None else Path(mask),
            background=entry["background"],
        )


def _write(path: Path, value: object) -> None:
    write_text(path, json.dumps(value, indent=1, default=_plain) + "\n")


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else str(value)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileError(path, got="nothing", wanted="a file of a run folder", hint="Has the run found its cameras yet?")
    if path.stat().st_size > MAX_BYTES:
        raise FileError(path, got=f"{path.stat().st_size} bytes", wanted=f"at most {MAX_BYTES}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileError(path, got=str(error), wanted="valid JSON") from None
