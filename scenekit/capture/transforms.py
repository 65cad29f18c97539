"""transforms.json: nerfstudio's and instant-ngp's poses, and NeRF-synthetic's (Blender's) three files of them.

Their cameras look along −z with +y up (OpenGL); ours along +z with +y down (OpenCV).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scenekit._libraries import trimesh
from scenekit.cameras import PARAMS, Array, Camera
from scenekit.capture.capture import Capture, Frame, Points
from scenekit.capture.photos import PosedFile, posed_capture
from scenekit.errors import FileError, InputError
from scenekit.io.images import image_info, image_name

MAX_BYTES = 256 << 20
"""Largest transforms.json [bytes] that is read; one photo takes about a thousand."""

BLENDER_SPLITS = ("train", "val", "test")
"""NeRF-synthetic's files are transforms_<split>.json."""

DISTORTION_PARAMS = ("k1", "k2", "k3", "k4", "p1", "p2")
"""Order of nerfstudio's `distortion_params`."""

Document = dict[str, Any]


def read_document(file: Path) -> Document:
    """A transforms.json as Python values.

    Raises:
        FileError: If it is missing, too large, no JSON, nested too deeply, or has no list of frames.
    """
    if not file.is_file():
        raise FileError(file, got="no such file", wanted="a transforms.json")
    if (size := file.stat().st_size) > MAX_BYTES:
        raise FileError(file, got=f"{size} bytes", wanted=f"at most {MAX_BYTES}")
    try:
        document = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FileError(file, got=f"no valid JSON ({error})", wanted="a transforms.json") from error
    frames = document.get("frames") if isinstance(document, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise FileError(
            file, got="no list of frames", wanted='{"frames": [{"file_path": …, "transform_matrix": …}, …]}'
        )
    return dict(document)


def read_nerfstudio(file: Path, *, background: int | None = None) -> Capture:
    """The capture that a transforms.json of nerfstudio or instant-ngp describes.

    Every lens field may be global or in a frame, and the frame's counts. `ply_file_path` gives the sparse points.

    Raises:
        FileError: If the file cannot be read or used, or no photo it names is there.
    """
    document = read_document(file)
    entries = list(_entries(document, file))
    listed = document.get("test_filenames") or []
    if not isinstance(listed, list):
        raise FileError(f"{file}: test_filenames", got=repr(listed)[:80], wanted="a list of photos")
    held = {image_name(name, f"{file}: test_filenames") for name in listed}
    applied = np.eye(4)
    if "applied_transform" in document:
        applied[:3] = _matrix(document["applied_transform"], f"{file}: applied_transform")[:3]
    return posed_capture(
        file,
        entries,
        root=file.parent,
        points=_ply_points(document, file),
        source="nerfstudio",
        frame=Frame("given", "given", f"As {file.name} has it.", T_world_source=applied),
        background=background,
        held_out=held.__contains__ if held else None,
    )


def read_blender(folder: Path, *, splits: tuple[str, ...], background: int | None) -> Capture:
    """The capture in transforms_train.json, transforms_val.json and transforms_test.json; the last is held out.

    Raises:
        FileError: If a file cannot be read or used, or no photo is there.
        InputError: If a split has another name.
    """
    if unknown := [split for split in splits if split not in BLENDER_SPLITS]:
        raise InputError("splits", got=unknown, wanted="some of " + ", ".join(BLENDER_SPLITS))
    files = [folder / f"transforms_{split}.json" for split in splits]
    documents = {file: read_document(file) for file in files if file.is_file()}
    tests = {e.name for f, d in documents.items() if f.name == "transforms_test.json" for e in _entries(d, f)}
    entries = {entry.name: entry for file, document in documents.items() for entry in _entries(document, file)}
    if not documents:
        raise FileError(folder, got="none of " + ", ".join(f.name for f in files), wanted="at least one")
    return posed_capture(
        next(iter(documents)),
        entries.values(),
        root=folder,
        points=Points.none(),
        source="blender",
        frame=Frame("given", "given", "Blender's world."),
        background=background,
        held_out=tests.__contains__ if tests else None,
    )


def _entries(document: Document, file: Path) -> Iterator[PosedFile]:
    seen = set()
    for i, frame in enumerate(document["frames"]):
        where = f"{file}: frames[{i}]"
        if "file_path" not in frame or "transform_matrix" not in frame:
            raise FileError(where, got="keys " + ", ".join(frame), wanted="file_path and transform_matrix")
        name = image_name(frame["file_path"], f"{where}.file_path")
        path = _found(file.parent, name)
        if name in seen:
            raise FileError(where, got=f"{name!r} a second time", wanted="each photo once")
        seen.add(name)
        mask = frame.get("mask_path")
        yield PosedFile(
            name if Path(name).suffix == path.suffix else name + path.suffix,
            path,
            _lens({**document, **frame}, path, where),
            _matrix(frame["transform_matrix"], where) * [1.0, -1.0, -1.0, 1.0],  # OpenGL's y and z axes, turned
            _found(file.parent, image_name(mask, f"{where}.mask_path")) if mask else None,
        )


def _found(folder: Path, name: str) -> Path:
    """The file `name` in `folder`; the ending may be left out, as NeRF-synthetic does."""
    path = folder / name
    endings = [path.with_name(path.name + suffix) for suffix in (".png", ".jpg", ".jpeg", ".JPG", ".PNG")]
    return next((p for p in (path, *endings) if p.is_file()), path)


def _number(fields: Document, key: str, where: str) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise FileError(where, got=f"{key} {str(value)[:80]}", wanted="a finite number")
    return float(value)


def _matrix(value: object, where: str) -> Array:
    """A 3×4 or 4×4 matrix as 4×4."""
    try:
        rows = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise FileError(where, got=f"a matrix {str(value)[:80]}", wanted="4x4 numbers") from error
    if rows.shape not in ((3, 4), (4, 4)):
        raise FileError(where, got=f"a matrix of shape {rows.shape}", wanted="(4, 4)")
    if not np.isfinite(rows).all():
        raise FileError(where, got=f"a pose that is not finite: {rows.tolist()}", wanted="finite numbers")
    return np.vstack([rows, [0.0, 0.0, 0.0, 1.0]]) if len(rows) == 3 else rows


def _lens(fields: Document, path: Path, where: str) -> Camera:
    """The lens of one frame, from nerfstudio's fields and instant-ngp's."""
    names = ("w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y", *DISTORTION_PARAMS, "k5", "k6")
    n = {name: _number(fields, name, where) for name in names}
    listed = fields.get("distortion_params")
    if listed is not None:
        if not isinstance(listed, list):
            raise FileError(
                where, got=f"distortion_params {str(listed)[:80]}", wanted="numbers " + " ".join(DISTORTION_PARAMS)
            )
        pairs = zip(DISTORTION_PARAMS, listed, strict=False)
        n |= {name: _number({name: value}, name, where) for name, value in pairs}
    width, height = n["w"], n["h"]
    if width is None or height is None:
        width, height = image_info(path)[:2] if path.is_file() else (1, 1)  # a missing photo is reported later
    angle_x, angle_y = n["camera_angle_x"], n["camera_angle_y"]
    for angle in (angle_x, angle_y):
        if angle is not None and not 1e-3 < angle < math.pi - 1e-3:
            raise FileError(where, got=f"a field of view of {angle}", wanted="between 0 and π [rad]")
    fx = n["fl_x"] or (width / 2 / math.tan(angle_x / 2) if angle_x else None)
    fy = n["fl_y"] or (height / 2 / math.tan(angle_y / 2) if angle_y and not n["fl_x"] else fx)
    fx = fx or fy
    if not fx or not fy:
        raise FileError(
            where, got="no focal length", wanted="fl_x [px] or camera_angle_x [rad], global or in the frame"
        )
    given = {"fx": fx, "fy": fy, "f": fx, "cx": n["cx"], "cy": n["cy"], **{k: n[k] or 0.0 for k in names[8:]}}
    given["cx"] = width / 2 if n["cx"] is None else n["cx"]
    given["cy"] = height / 2 if n["cy"] is None else n["cy"]
    model = _model(fields, given, where)
    try:
        params = tuple(float(given[p] or 0.0) for p in PARAMS[model])
        return Camera(model, int(width), int(height), params, name=where)
    except InputError as error:
        raise FileError(error.name, got=error.got, wanted=error.wanted) from error


def _model(fields: Document, given: dict[str, float | None], where: str) -> str:
    """The lens model: as named, raised to the simplest one that has every coefficient which is not zero."""
    named = fields.get("camera_model") or ("OPENCV_FISHEYE" if fields.get("is_fisheye") else "OPENCV")
    if not isinstance(named, str) or named not in PARAMS:
        wanted = "one of " + ", ".join(PARAMS)
        raise FileError(
            where, got=f"camera_model {named!r}", wanted=wanted, hint="Panoramas must be cut into pinhole views."
        )
    used = {key for key in (*DISTORTION_PARAMS, "k5", "k6") if given[key]}
    used |= {"fy"} if given["fx"] != given["fy"] else set()
    for model in (named,) if named == "OPENCV_FISHEYE" else (named, "OPENCV", "FULL_OPENCV"):
        if used <= set(PARAMS[model]) and not (model == "FULL_OPENCV" and named != model and "k4" in used):
            return model
    raise FileError(
        where, got=f"coefficients {sorted(used)} for {named}", wanted="those of " + ", ".join(PARAMS[named])
    )


def _ply_points(document: Document, file: Path) -> Points:
    """Sparse points of `ply_file_path`, if it is there."""
    name = document.get("ply_file_path")
    if not name:
        return Points.none()
    path = _found(file.parent, image_name(name, f"{file}: ply_file_path"))
    if not path.is_file():
        return Points.none()
    try:
        with path.open("rb") as stream:
            cloud: Any = trimesh.load(stream, file_type="ply", process=False)
        xyz = np.asarray(cloud.vertices, dtype=np.float64).reshape(-1, 3)
        colours = getattr(cloud, "colors", None)
    except Exception as error:  # trimesh raises whatever it likes on corrupt files
        raise FileError(path, got=f"no readable PLY ({error})", wanted="points with positions and colours") from error
    if not np.isfinite(xyz).all():
        raise FileError(path, got="positions that are not finite", wanted="finite positions")
    fits = colours is not None and len(colours) == len(xyz)
    rgb = np.asarray(colours)[:, :3].astype(np.uint8) if fits else np.full((len(xyz), 3), 128, np.uint8)
    return Points(xyz, rgb, np.zeros(len(xyz)))
