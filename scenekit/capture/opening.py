"""The one door: whatever holds photos of a scene becomes a `Capture`."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path

from scenekit.cameras import inverse_pose
from scenekit.capture.capture import Capture, Frame
from scenekit.capture.config import CaptureConfig
from scenekit.capture.photos import NOT_PHOTOS, PosedFile, find_photos, photo_root, photo_set, posed_capture
from scenekit.capture.sfm import structure_from_motion
from scenekit.capture.transforms import BLENDER_SPLITS, read_blender, read_nerfstudio
from scenekit.capture.triangulate import triangulated
from scenekit.capture.video import extract_frames, is_video
from scenekit.errors import FileError, InputError
from scenekit.io import colmap
from scenekit.io.images import SUFFIXES

BACKGROUNDS = {"white": 255, "black": 0, "ignore": None}
"""Grey level behind transparent pixels."""


def open_capture(path: str | Path, *, workspace: str | Path, config: CaptureConfig | None = None) -> Capture:
    """Posed photos from any input, recognised by its content.

    | input | how it is recognised |
    |---|---|
    | COLMAP model | cameras and images, .bin or .txt, in the folder, sparse/ or sparse/0 |
    | nerfstudio, instant-ngp | transforms.json, the file or in the folder |
    | NeRF-synthetic (Blender) | transforms_train.json (or _test, _val) in the folder |
    | photos | a folder with photos in it or in images/ |
    | video | a file with a video stream |

    Given poses that come without points get points by triangulation, poses and lenses as they are.

    Args:
        path: File or folder.
        workspace: Folder for what is made on the way (video frames, COLMAP's database); kept for the next call.
        config: Options.

    Raises:
        FileError: If the input is missing, corrupt, or of no known kind.
        CaptureError: If structure from motion cannot join the photos.
        InputError: If an option cannot be used.
    """
    path, workspace, config = Path(path), Path(workspace), config or CaptureConfig()
    background = BACKGROUNDS[config.background]
    if not path.exists():
        raise FileError(
            path, got="nothing there", wanted="a folder of photos, a video, a COLMAP model or transforms.json"
        )
    if config.poses == "given" and (posed := _posed(path, config, background)) is not None:
        if len(posed.points) or not config.triangulate:
            return posed
        return triangulated(posed, workspace=workspace, config=config.sfm)
    if path.is_file() and path.suffix.lower() != ".json":
        if not is_video(path):
            raise FileError(path, got="no video", wanted="a video file or a folder of photos", hint="Give the folder.")
        frames = extract_frames(path, workspace / "frames", config=config.video)
        return structure_from_motion(
            photo_set(frames), workspace=workspace, config=config.sfm, sequence=True, source="video"
        )
    return structure_from_motion(
        photo_set(path if path.is_dir() else path.parent), workspace=workspace, config=config.sfm
    )


def captures_below(folder: Path) -> list[Path]:
    """Every input of `open_capture` in a folder and the folders below, sorted; not what lies within another, or a run.

    Raises:
        FileError: If there is no such folder.
        InputError: If there is none in it.
    """
    if not folder.is_dir():
        raise FileError(folder, got="no folder", wanted="a folder of captures")
    found = list(_captures(folder))
    if not found:
        hint = "For one capture leave --each out."
        raise InputError(folder, got="no capture", wanted="folders of photos, videos or posed captures", hint=hint)
    return found


def _captures(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") or path.name.lower() in NOT_PHOTOS
        if hidden or (path / "run.json").is_file():
            continue
        if path.is_dir():
            yield from [path] if _is_capture(path) else _captures(path)
        elif (mimetypes.guess_type(path)[0] or "").startswith("video"):
            yield path


def _is_capture(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    posed = names & {"transforms.json", *(f"transforms_{split}.json" for split in BLENDER_SPLITS)}
    photos = any(Path(name).suffix.lower() in SUFFIXES for name in names)
    return bool(posed) or photos or "images" in names or colmap.model_folder(folder) is not None


def _posed(path: Path, config: CaptureConfig, background: int | None) -> Capture | None:
    """The capture of an input that brings poses, or None if it brings none."""
    if path.suffix.lower() == ".json" or (path / "transforms.json").is_file():
        return read_nerfstudio(path if path.is_file() else path / "transforms.json", background=background)
    if any((path / f"transforms_{split}.json").is_file() for split in BLENDER_SPLITS):
        return read_blender(path, splits=config.splits, background=background)
    if (model := colmap.model_folder(path)) is not None:
        return read_colmap(model, images=config.images or _images_beside(model), background=background)
    return None


def read_colmap(folder: Path, *, images: Path, background: int | None = None) -> Capture:
    """The capture in a COLMAP model, in the model's own frame.

    Args:
        folder: Where cameras, images and points3D are.
        images: Folder that the images' names are relative to.
        background: Grey level behind transparent pixels.

    Raises:
        FileError: If the model cannot be used, or no photo is there.
    """
    model = colmap.read_model(folder)
    entries = [
        PosedFile(image.name, images / image.name, model.cameras[image.camera_id], inverse_pose(image.T_cam_world))
        for image in model.images
    ]
    note = "As the COLMAP model has it; COLMAP itself measures neither."
    frame = Frame("given", "given", note)
    return posed_capture(
        folder, entries, root=images, points=model.points, source="colmap", frame=frame, background=background
    )


def _images_beside(model: Path) -> Path:
    """The image folder of a COLMAP model: images/ at the model or above it, else the nearest folder with photos."""
    places = [model, *model.parents][:3]
    return next((p / "images" for p in places if (p / "images").is_dir()), None) or next(
        (photo_root(p) for p in places if find_photos(p)), model / "images"
    )
