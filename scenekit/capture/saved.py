"""A capture in a folder: what a run remembers of its photos, and what other viewers open.

    cameras.json   one entry per photo, in the format of the original 3DGS viewer, with our fields beside
    capture.json   source, frame, what was left out and why, what structure from motion reported
    colmap/        the same cameras and the sparse points as a COLMAP model

Or all of it in one JSON file, as a scene keeps it. Numbers come back bit for bit, so a run that goes on later goes on
in the same world.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Camera
from scenekit.capture.capture import Capture, Frame, Photo, Points
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
    _write(folder / "capture.json", _document(capture))


def read_capture(folder: str | Path) -> Capture:
    """Reads what `write_capture` wrote.

    Raises:
        FileError: If a file is missing, damaged, or names photos that are gone.
    """
    folder = Path(folder)
    entries, document = _read(folder / "cameras.json"), _read(folder / "capture.json")
    with _damage_reported(folder, "cameras.json and capture.json of a run"):
        photos = list(_photos(entries, folder / "cameras.json"))
        return _capture(document, photos, read_model(folder / "colmap").points)


def write_capture_file(path: str | Path, capture: Capture) -> None:
    """Writes `capture` into one JSON file, atomically: capture.json with `photos`, `points` and `tracks` beside.

    The photos are as in cameras.json.
    """
    points = capture.points
    _write(
        Path(path),
        _document(capture)
        | {
            "photos": [_camera_entry(i, photo) for i, photo in enumerate(capture.photos)],
            "points": {name: getattr(points, name).tolist() for name in ("xyz", "rgb", "error")},
            "tracks": {photo: seen.tolist() for photo, seen in points.tracks.items()},
        },
    )


def read_capture_file(path: str | Path) -> Capture:
    """Reads what `write_capture_file` wrote. Photos may have gone since: a scene outlives what it was made from.

    Raises:
        FileError: If the file is missing or damaged.
    """
    path = Path(path)
    document = _read(path)
    with _damage_reported(path, "cameras and points of a scene"):
        n = len(document["points"]["xyz"])
        points = Points(
            np.array(document["points"]["xyz"], np.float64).reshape(n, 3),
            np.array(document["points"]["rgb"], np.uint8).reshape(n, 3),
            np.array(document["points"]["error"], np.float64).reshape(n),
            {str(photo): _track(seen, n) for photo, seen in document.get("tracks", {}).items()},
        )
        if not np.isfinite(points.xyz).all():
            raise FileError(path, got="points that are not finite", wanted="finite numbers")
        return _capture(document, list(_photos(document["photos"], path, gone_is_fine=True)), points)


def frame_as_json(frame: Frame) -> dict[str, Any]:
    """A frame as plain JSON values."""
    return {
        "up": frame.up,
        "scale": frame.scale,
        "note": frame.note,
        "up_spread": frame.up_spread,
        "scale_spread": frame.scale_spread,
        "T_world_source": frame.T_world_source.tolist(),
    }


def frame_from_json(entry: dict[str, Any]) -> Frame:
    """The frame of `frame_as_json`; raises KeyError, TypeError or ValueError if it is none."""
    T_world_source = np.array(entry["T_world_source"], dtype=np.float64)
    if T_world_source.shape != (4, 4) or not np.isfinite(T_world_source).all():
        raise ValueError("T_world_source is not 4x4 finite numbers")
    return Frame(
        up=str(entry["up"]),
        scale=str(entry["scale"]),
        note=str(entry["note"]),
        up_spread=_spread(entry.get("up_spread")),
        scale_spread=_spread(entry.get("scale_spread")),
        T_world_source=T_world_source,
    )


def _spread(value: Any) -> float | None:
    if value is not None and not 0 <= float(value) < np.inf:
        raise ValueError(f"a spread of {value}")
    return None if value is None else float(value)


def _document(capture: Capture) -> dict[str, Any]:
    return {
        "source": capture.source,
        "frame": frame_as_json(capture.frame),
        "skipped": capture.skipped,
        "summary": capture.summary,
        "held_out": None if capture.held_out is None else sorted(capture.held_out),
    }


def _capture(document: dict[str, Any], photos: list[Photo], points: Points) -> Capture:
    return Capture(
        photos=photos,
        points=points,
        source=str(document["source"]),
        frame=frame_from_json(document["frame"]),
        skipped=dict(document["skipped"]),
        summary=dict(document["summary"]),
        held_out=None if document["held_out"] is None else frozenset(document["held_out"]),
    )


@contextmanager
def _damage_reported(path: Path, wanted: str) -> Iterator[None]:
    """Turns what goes wrong with JSON of another shape than ours into a FileError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, InputError) as error:
        raise FileError(path, got=f"{type(error).__name__}: {error}", wanted=wanted) from None


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


def _photos(entries: Any, file: Path, *, gone_is_fine: bool = False) -> Iterator[Photo]:
    cameras: dict[Camera, Camera] = {}  # photos of one camera share one object
    for entry in entries:
        camera = Camera(entry["model"], entry["width"], entry["height"], tuple(entry["params"]), name=entry["img_name"])
        T_world_cam = np.eye(4)
        T_world_cam[:3, :3], T_world_cam[:3, 3] = entry["rotation"], entry["position"]
        path, mask = Path(entry["path"]), entry["mask"]
        if not np.isfinite(T_world_cam).all():
            raise FileError(file, got=f"a pose of {entry['img_name']} that is not finite", wanted="finite numbers")
        if not gone_is_fine and not path.is_file():
            raise FileError(path, got="nothing", wanted="the photo that the run was made from", hint="Was it moved?")
        yield Photo(
            name=entry["img_name"],
            path=path,
            camera=cameras.setdefault(camera, camera),
            T_world_cam=T_world_cam,
            mask=None if mask is None else Path(mask),
            background=entry["background"],
        )


def _track(seen: Any, count: int) -> NDArray[np.int32]:
    """Numbers of points that a photo has seen, of so many."""
    numbers = np.array(seen, np.int32).reshape(-1)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < count:
        raise ValueError(f"point {numbers.min()} to {numbers.max()} of {count}")
    return numbers


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
