"""COLMAP models: cameras, images and points3D with their tracks, text and binary, in and out.

The reader trusts no count in the file: each one is checked against the bytes that are left. World-to-camera poses and
pixel conventions are COLMAP's, which are ours (OpenCV axes, pixel centres at +0.5). Formats:
https://colmap.github.io/format.html
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import PARAMS, Array, Camera, inverse_pose, quaternion_from_rotation, rotation_from_quaternion
from scenekit.capture.capture import Capture, Points
from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_bytes
from scenekit.io.images import image_name

MODEL_IDS = {
    "SIMPLE_PINHOLE": 0,
    "PINHOLE": 1,
    "SIMPLE_RADIAL": 2,
    "RADIAL": 3,
    "OPENCV": 4,
    "OPENCV_FISHEYE": 5,
    "FULL_OPENCV": 6,
}
"""COLMAP's numbers of the lens models."""

MAX_BYTES = 4 << 30
"""Largest file [bytes] that is read."""

INVALID_POINT = -1
"""Point number of an image feature that no scene point belongs to."""


@dataclass(frozen=True)
class ColmapImage:
    """One registered image."""

    name: str
    """Path relative to the image folder, with forward slashes."""
    camera_id: int
    """Key into `ColmapModel.cameras`."""
    T_cam_world: Array
    """World to camera, shape (4, 4)."""
    number: int
    """What tracks call it."""


@dataclass(frozen=True)
class ColmapModel:
    """A sparse model as the files have it."""

    cameras: dict[int, Camera]
    """By camera number."""
    images: list[ColmapImage]
    """Sorted by name."""
    points: Points
    """Sparse points, with their tracks."""


def model_folder(folder: Path) -> Path | None:
    """Where below `folder` a model lies: itself, 0, sparse/0, sparse, or colmap/sparse/0; None if nowhere."""
    for below in ("", "0", "sparse/0", "sparse", "colmap/sparse/0"):
        place = folder / below
        if any((place / f"cameras{suffix}").is_file() and (place / f"images{suffix}").is_file() for suffix in FORMATS):
            return place
    return None


def read_model(folder: str | Path) -> ColmapModel:
    """Reads cameras, images and points3D, binary if there, else text. points3D may be missing.

    Raises:
        FileError: If a file is missing, truncated, too large or corrupt, a lens model is unknown, a number is not
            finite, or an image's name leads out of the image folder.
    """
    folder = Path(folder)
    for suffix, (cameras, images, points) in FORMATS.items():
        files = [folder / f"{stem}{suffix}" for stem in ("cameras", "images", "points3D")]
        if files[0].is_file() and files[1].is_file():
            named = sorted(images(files[1]), key=lambda image: image.name)
            model = ColmapModel(
                cameras(files[0]), named, points(files[2], named) if files[2].is_file() else Points.none()
            )
            _check(model, files[1])
            return model
    raise FileError(folder, got="no COLMAP model", wanted="cameras and images, .bin or .txt, in one folder")


def _check(model: ColmapModel, file: Path) -> None:
    names = [image.name for image in model.images]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileError(file, got=f"image {twice!r} twice", wanted="one entry per image")
    for image in model.images:
        if image.camera_id not in model.cameras:
            got = f"camera {image.camera_id} in image {image.name!r}"
            raise FileError(file, got=got, wanted=f"one of the {len(model.cameras)} cameras of the model")


def _image(file: Path, number: int, name: str, camera_id: int, pose: tuple[float, ...]) -> ColmapImage:
    """One image from its quaternion (wxyz) and translation, checked."""
    quat, T = np.array(pose[:4]), np.eye(4)
    if not np.isfinite(pose).all() or not 1e-6 < np.abs(quat).max() < 1e6:
        raise FileError(
            file, got=f"pose {pose} of image {name!r}", wanted="finite numbers and a quaternion that is not zero"
        )
    T[:3, :3], T[:3, 3] = rotation_from_quaternion(quat), pose[4:]
    return ColmapImage(image_name(name, file), camera_id, T, number)


def _camera(file: Path, camera_id: int, model: str, width: int, height: int, params: tuple[float, ...]) -> Camera:
    try:
        return Camera(model, width, height, params, name=f"camera {camera_id}")
    except InputError as error:
        raise FileError(file, got=f"{error.name} {error.got}", wanted=error.wanted) from error


def _points(
    file: Path, xyz: Array, rgb: NDArray[np.uint8], errors: Array, tracks: dict[str, NDArray[np.int32]]
) -> Points:
    if not np.isfinite(xyz).all():
        got = f"{int((~np.isfinite(xyz)).any(1).sum())} points at infinity or not a number"
        raise FileError(file, got=got, wanted="finite positions")
    return Points(xyz, rgb, np.where(np.isfinite(errors) & (errors > 0), errors, 0.0), tracks)


def _tracks(
    images: Sequence[ColmapImage], seen_in: NDArray[np.int64], lengths: NDArray[np.int64]
) -> dict[str, NDArray[np.int32]]:
    """`Points.tracks`, from the numbers of the images that have seen each point, one point after the other.

    Args:
        images: Those of the model; others are of no account.
        seen_in: Numbers of images, shape (Σ lengths,).
        lengths: How many are of each point, shape (n,).
    """
    if not len(seen_in):
        return {}
    order = np.argsort(seen_in, kind="stable")
    points = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)[order]
    numbers = np.array([image.number for image in images], np.int64)
    first, last = (np.searchsorted(seen_in[order], numbers, side) for side in ("left", "right"))
    return {i.name: np.unique(points[a:b]) for i, a, b in zip(images, first, last, strict=True)}


# ---------------------------------------------------------------- binary


class _Cursor:
    """Reads little-endian records off a file and checks each against its end."""

    def __init__(self, file: Path):
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise FileError(file, got=f"{size} bytes", wanted=f"at most {MAX_BYTES}")
        self.file, self.data, self.at = file, file.read_bytes(), 0

    def need(self, size: int, what: str) -> None:
        if size > len(self.data) - self.at:
            got = f"{what} needs {size} bytes at byte {self.at}, and {len(self.data) - self.at} are left"
            raise FileError(self.file, got=got, wanted="a whole file", hint="It is truncated or no COLMAP file.")

    def take(self, record: struct.Struct, what: str) -> tuple[float, ...]:
        self.need(record.size, what)
        self.at += record.size
        return record.unpack_from(self.data, self.at - record.size)

    def skip(self, size: int, what: str) -> None:
        self.need(size, what)
        self.at += size

    def take_bytes(self, size: int, what: str) -> bytes:
        self.skip(size, what)
        return self.data[self.at - size : self.at]

    def count(self, smallest: int, what: str) -> int:
        """A count of records, of which each takes at least `smallest` bytes."""
        count = int(self.take(_COUNT, f"the number of {what}")[0])
        self.need(count * smallest, f"{count} {what}")
        return count

    def text(self, what: str) -> str:
        end = self.data.find(b"\0", self.at, self.at + 4096)
        if end < 0:
            raise FileError(self.file, got=f"{what} without an end at byte {self.at}", wanted="a name of < 4096 bytes")
        start, self.at = self.at, end + 1
        return self.data[start:end].decode("utf-8", "surrogateescape")


_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")
_IMAGE = struct.Struct("<I7dI")
_POINT = struct.Struct("<Q3d3BdQ")
_FEATURE_BYTES, _TRACK_BYTES = 24, 8


def _read_cameras_binary(file: Path) -> dict[int, Camera]:
    cursor, cameras = _Cursor(file), {}
    models = {number: model for model, number in MODEL_IDS.items()}
    for _ in range(cursor.count(_CAMERA.size, "cameras")):
        camera_id, number, width, height = (int(x) for x in cursor.take(_CAMERA, "a camera"))
        if number not in models:
            wanted = "one of " + ", ".join(f"{n} {m}" for n, m in models.items())
            raise FileError(file, got=f"lens model {number} in camera {camera_id}", wanted=wanted)
        params = cursor.take(struct.Struct(f"<{len(PARAMS[models[number]])}d"), "a camera's parameters")
        cameras[camera_id] = _camera(file, camera_id, models[number], width, height, params)
    return cameras


def _read_images_binary(file: Path) -> Iterator[ColmapImage]:
    cursor = _Cursor(file)
    for _ in range(cursor.count(_IMAGE.size + 1 + _COUNT.size, "images")):
        number, *pose, camera_id = cursor.take(_IMAGE, "an image")
        name = cursor.text("an image's name")
        cursor.skip(cursor.count(_FEATURE_BYTES, "features") * _FEATURE_BYTES, "features")
        yield _image(file, int(number), name, int(camera_id), tuple(pose))


def _read_points_binary(file: Path, images: Sequence[ColmapImage]) -> Points:
    cursor = _Cursor(file)
    n = cursor.count(_POINT.size, "points")
    xyz, rgb, errors, lengths = np.empty((n, 3)), np.empty((n, 3), np.uint8), np.empty(n), np.empty(n, np.int64)
    elements = bytearray()
    for i in range(n):
        _, *xyz[i], red, green, blue, errors[i], length = cursor.take(_POINT, "a point")
        rgb[i] = red, green, blue
        elements += cursor.take_bytes(int(length) * _TRACK_BYTES, f"a track of {length}")
        lengths[i] = length
    seen_in = np.frombuffer(elements, "<u4")[::2].astype(np.int64)
    return _points(file, xyz, rgb, errors, _tracks(images, seen_in, lengths))


# ---------------------------------------------------------------- text


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without comments; empty ones are kept, as an image without features has one."""
    if (size := file.stat().st_size) > MAX_BYTES:
        raise FileError(file, got=f"{size} bytes", wanted=f"at most {MAX_BYTES}")
    with file.open(encoding="utf-8", errors="surrogateescape") as stream:
        for number, line in enumerate(stream, 1):
            if not line.startswith("#"):
                yield number, line.strip()


def _bad_line(file: Path, number: int, line: str, wanted: str) -> FileError:
    return FileError(f"{file}:{number}", got=repr(line[:80]), wanted=wanted)


def _read_cameras_text(file: Path) -> dict[int, Camera]:
    cameras = {}
    for number, line in _lines(file):
        if not line:
            continue
        try:
            camera_id, model, width, height, *params = line.split()
            numbers = int(camera_id), int(width), int(height), tuple(float(p) for p in params)
        except ValueError as error:
            raise _bad_line(file, number, line, "CAMERA_ID MODEL WIDTH HEIGHT PARAMS…") from error
        cameras[numbers[0]] = _camera(file, numbers[0], model, numbers[1], numbers[2], numbers[3])
    return cameras


def _read_images_text(file: Path) -> Iterator[ColmapImage]:
    lines = _lines(file)
    for number, line in lines:
        if not line:
            continue
        try:
            first, *pose, camera_id, name = line.split(maxsplit=9)
            number, numbers = int(first), (tuple(map(float, pose)), int(camera_id))
        except ValueError as error:
            raise _bad_line(file, number, line, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME") from error
        if len(pose) != 7:
            raise _bad_line(file, number, line, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME")
        next(lines, None)  # the features of this image
        yield _image(file, number, name, numbers[1], numbers[0])


def _read_points_text(file: Path, images: Sequence[ColmapImage]) -> Points:
    rows, lengths, seen_in = [], [], array("q")
    for number, line in _lines(file):
        if not line:
            continue
        try:
            words = line.split()
            row, track = [float(x) for x in words[1:8]], [int(x) for x in words[8::2]]
            seen_in.extend(track)
        except (ValueError, OverflowError) as error:
            raise _bad_line(file, number, line, "POINT3D_ID X Y Z R G B ERROR TRACK…") from error
        if len(row) < 7 or not all(0 <= colour <= 255 for colour in row[3:6]):
            raise _bad_line(file, number, line, "POINT3D_ID X Y Z R G B ERROR TRACK… with colours 0..255")
        rows.append(row)
        lengths.append(len(track))
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    tracks = _tracks(images, np.frombuffer(seen_in, np.int64), np.array(lengths, np.int64))
    return _points(file, table[:, :3], table[:, 3:6].astype(np.uint8), table[:, 6], tracks)


FORMATS = {
    ".bin": (_read_cameras_binary, _read_images_binary, _read_points_binary),
    ".txt": (_read_cameras_text, _read_images_text, _read_points_text),
}
"""Readers by ending, in the order they are tried."""


# ---------------------------------------------------------------- out


def write_colmap(capture: Capture, folder: str | Path, *, binary: bool = True) -> None:
    """Writes cameras, images and points3D of `capture` into `folder`, each file atomically.

    A capture knows which photo has seen which point, not where: a feature lies where its point projects.
    """
    folder, number = (
        Path(folder),
        {camera: i for i, camera in enumerate(dict.fromkeys(p.camera for p in capture.photos), 1)},
    )
    write = _binary if binary else _text
    for stem, data in write(capture, number).items():
        write_bytes(folder / f"{stem}{'.bin' if binary else '.txt'}", data)


@dataclass(frozen=True)
class _Image:
    """What is written of a photo."""

    number: int
    pose: list[float]
    """Quaternion wxyz and translation of world to camera."""
    camera: Camera
    name: str
    features: Array
    """Where its points are in it [px], shape (k, 2)."""
    points: NDArray[np.int64]
    """Numbers of these, from 1, shape (k,)."""


def _images(capture: Capture) -> Iterator[_Image]:
    for i, photo in enumerate(capture.photos, 1):
        T_cam_world = inverse_pose(photo.T_world_cam)
        pose = [*quaternion_from_rotation(T_cam_world[:3, :3]), *T_cam_world[:3, 3]]
        seen = capture.points.tracks.get(photo.name, np.zeros(0, np.int32))
        with np.errstate(all="ignore"):  # who knows what a file says was seen
            features = photo.camera.project(capture.points.xyz[seen] @ T_cam_world[:3, :3].T + T_cam_world[:3, 3])
        features = np.nan_to_num(features, posinf=0.0, neginf=0.0)
        yield _Image(i, pose, photo.camera, photo.name, features, seen.astype(np.int64) + 1)


def _elements(images: Sequence[_Image], count: int) -> list[NDArray[np.uint32]]:
    """The track of each of `count` points: numbers of an image and of a feature in it, shape (length, 2)."""
    points = np.concatenate([np.zeros(0, np.int64), *(image.points for image in images)])
    pairs = [np.stack([np.full(len(i.points), i.number), np.arange(len(i.points))], 1) for i in images]
    order = np.argsort(points, kind="stable")
    elements = np.concatenate([np.zeros((0, 2), np.int64), *pairs])[order].astype(np.uint32)
    return np.split(elements, np.searchsorted(points[order], np.arange(2, count + 1))) if count else []


_FEATURE = np.dtype([("xy", "<f8", 2), ("point", "<i8")])


def _binary(capture: Capture, number: dict[Camera, int]) -> dict[str, bytes]:
    cameras = [
        _CAMERA.pack(i, MODEL_IDS[c.model], c.width, c.height) + struct.pack(f"<{len(c.params)}d", *c.params)
        for c, i in number.items()
    ]
    posed, rows = list(_images(capture)), []
    for image in posed:
        features = np.empty(len(image.points), _FEATURE)
        features["xy"], features["point"] = image.features, image.points
        name = image.name.encode("utf-8", "surrogateescape") + b"\0"
        head = _IMAGE.pack(image.number, *image.pose, number[image.camera])
        rows.append(head + name + _COUNT.pack(len(features)) + features.tobytes())
    points = capture.points
    tracks = _elements(posed, len(points))
    fields = zip(points.xyz, points.rgb.tolist(), points.error, tracks, strict=True)
    records = {
        "cameras": cameras,
        "images": rows,
        "points3D": [
            _POINT.pack(i, *xyz, *rgb, error, len(track)) + track.astype("<u4").tobytes()
            for i, (xyz, rgb, error, track) in enumerate(fields, 1)
        ],
    }
    return {stem: _COUNT.pack(len(rows)) + b"".join(rows) for stem, rows in records.items()}


def _text(capture: Capture, number: dict[Camera, int]) -> dict[str, bytes]:
    def numbers(values: object) -> str:
        return " ".join(repr(float(v)) for v in values)  # type: ignore[attr-defined]

    def features(image: _Image) -> str:
        return " ".join(f"{numbers(xy)} {point}" for xy, point in zip(image.features, image.points, strict=True))

    cameras = [f"{i} {c.model} {c.width} {c.height} {numbers(c.params)}" for c, i in number.items()]
    posed, points = list(_images(capture)), capture.points
    images = [f"{i.number} {numbers(i.pose)} {number[i.camera]} {i.name}\n{features(i)}" for i in posed]
    fields = zip(points.xyz, points.rgb.tolist(), points.error, _elements(posed, len(points)), strict=True)
    rows = [
        " ".join([f"{i} {numbers(xyz)} {red} {green} {blue} {float(error)!r}", *map(str, track.ravel())])
        for i, (xyz, (red, green, blue), error, track) in enumerate(fields, 1)
    ]
    heads = {
        "cameras": ("# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]", cameras),
        "images": ("# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then POINTS2D[] as (X Y POINT3D_ID)", images),
        "points3D": ("# POINT3D_ID X Y Z R G B ERROR TRACK[] as (IMAGE_ID POINT2D_IDX)", rows),
    }
    return {
        stem: "\n".join([head, *rows, ""]).encode("utf-8", "surrogateescape") for stem, (head, rows) in heads.items()
    }
