"""Photo files: where they are, which masks they have, which are whole, and how posed ones make a capture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scenekit.cameras import Array, Camera
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.errors import FileError
from scenekit.io.images import SUFFIXES, ImageInfo, check_image, image_info

NOT_PHOTOS = frozenset({"masks", "mask", "truth", "depth", "depths", "sparse", "colmap"})
"""Folders whose images are not photos."""

RIGID_TOLERANCE, ROUNDING_TOLERANCE = 2e-2, 1e-3
"""Largest |R Rᵀ − I| that is mended as rounding of a pose file, and up to which it is not worth mentioning."""


@dataclass(frozen=True)
class PhotoSet:
    """Photos in a folder, not yet posed."""

    root: Path
    """The image folder."""
    infos: dict[str, ImageInfo]
    """Whole photos by name, sorted."""
    skipped: dict[str, str]
    """Photos that are not whole, by name, and why."""
    masks: dict[str, Path]
    """Masks by the name of their photo."""


@dataclass(frozen=True)
class PosedFile:
    """What a pose file says of one photo, before the photo was looked at."""

    name: str
    """Path relative to the image folder."""
    path: Path
    """Where the photo should be."""
    camera: Camera
    """Its lens; the size may disagree with the photo's."""
    T_world_cam: Array
    """Pose, OpenCV axes, shape (4, 4)."""
    mask: Path | None = None
    """Its mask, if the file names one."""


def find_photos(folder: Path) -> list[str]:
    """Names of all photos in `folder` and below, sorted; hidden folders and those in `NOT_PHOTOS` are left out."""
    names = []
    for place, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and f.lower() not in NOT_PHOTOS]
        names += [Path(place, f) for f in files if Path(f).suffix.lower() in SUFFIXES and not f.startswith(".")]
    return sorted(path.relative_to(folder).as_posix() for path in names)


def photo_root(folder: Path) -> Path:
    """`folder`/images if there are photos in it, else `folder`."""
    images = folder / "images"
    return images if images.is_dir() and find_photos(images) else folder


def find_mask(root: Path, name: str) -> Path | None:
    """The mask of a photo: name.png (COLMAP), stem.png, or the photo's name, in masks/ in `root` or beside images/."""
    beside = [root.parent / "masks"] if root.name.startswith("images") else []
    for masks in (root / "masks", *beside):
        for mask in (masks / f"{name}.png", (masks / name).with_suffix(".png"), masks / name):
            if mask.is_file():
                return mask
    return None


def check_mask(mask: Path, photo: Path, info: ImageInfo) -> None:
    """Sees that a mask has its photo's size.

    Raises:
        FileError: If it has not, or cannot be read.
    """
    found = image_info(mask)
    if (found.width, found.height) != (info.width, info.height):
        wanted = f"{info.width}x{info.height} as the photo {photo.name}"
        raise FileError(mask, got=f"a mask of {found.width}x{found.height}", wanted=wanted)
    check_image(mask)


def whole_photos(paths: dict[str, Path]) -> tuple[dict[str, ImageInfo], dict[str, str]]:
    """What the headers of the whole photos of `paths` (by name) say, and what is wrong with the others."""

    def look(path: Path) -> ImageInfo | str:
        try:
            info = image_info(path)
            check_image(path)
        except FileError as error:
            return f"{error.got}; wanted {error.wanted}"
        return info

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = dict(zip(paths, pool.map(look, paths.values()), strict=True))
    infos = {name: info for name, info in looks.items() if isinstance(info, ImageInfo)}
    return infos, {name: reason for name, reason in looks.items() if isinstance(reason, str)}


def photo_set(folder: Path) -> PhotoSet:
    """The photos of a folder, those that are whole and those that are not.

    Raises:
        FileError: If the folder is missing or holds fewer than two whole photos, or a mask does not fit its photo.
    """
    if not folder.is_dir():
        raise FileError(folder, got="no such folder", wanted="a folder of photos")
    root = photo_root(folder)
    names = find_photos(root)
    infos, skipped = whole_photos({name: root / name for name in names})
    if len(infos) < 2:
        got = f"{len(infos)} readable photo{'s' * (len(infos) != 1)}" + "".join(
            f"; {n}: {r}" for n, r in skipped.items()
        )
        hint = (
            "Take 20 to 200 photos that overlap by two thirds."
            if names
            else f"Photos end in {', '.join(sorted(SUFFIXES))}."
        )
        raise FileError(root, got=got, wanted="at least two photos of one scene", hint=hint)
    masks = {name: mask for name in infos if (mask := find_mask(root, name))}
    for name, mask in masks.items():
        check_mask(mask, root / name, infos[name])
    return PhotoSet(root, infos, skipped, masks)


def rigid(T: Array, name: str) -> Array:
    """A pose with its rotation made exactly orthogonal, if it is one up to the rounding of a text file.

    Raises:
        FileError: If it is not finite, not 4×4, or scales, shears or mirrors.
    """
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise FileError(name, got=f"a pose of shape {T.shape}: {T.tolist()}", wanted="4x4 finite numbers")
    U, sizes, Vt = np.linalg.svd(T[:3, :3])
    if (
        np.abs(sizes**2 - 1).max() > RIGID_TOLERANCE
        or np.linalg.det(T[:3, :3]) < 0
        or np.abs(T[3] - [0, 0, 0, 1]).max() > 1e-6
    ):
        got = f"a pose with scale factors {np.round(sizes, 4).tolist()}, last row {T[3].tolist()}" + (
            ", mirrored" * bool(np.linalg.det(T[:3, :3]) < 0)
        )
        raise FileError(
            name, got=got, wanted="a rotation and a translation", hint="Camera-to-world, no scale in the matrix."
        )
    result = np.array(T)
    result[:3, :3] = U @ Vt
    return result


def posed_capture(
    file: Path,
    entries: Iterable[PosedFile],
    *,
    root: Path,
    points: Points,
    source: str,
    frame: Frame,
    background: int | None = None,
    held_out: Callable[[str], bool] | None = None,
) -> Capture:
    """The capture of posed photos: missing and broken ones go to `skipped`, lenses are fitted to the photos' sizes.

    Raises:
        FileError: If none is left, or a photo or mask has another shape than `file` says.
    """
    entries = sorted(entries, key=lambda entry: entry.name)
    infos, skipped = whole_photos({entry.name: entry.path for entry in entries})
    if not infos:
        got = f"{len(entries)} photos named, none readable" + "".join(
            f"; {n}: {r}" for n, r in list(skipped.items())[:3]
        )
        raise FileError(file, got=got, wanted=f"photos in {root}", hint="Say where they are with `images`.")
    lenses: dict[Camera, Camera] = {}
    photos, rescaled = [], 0
    for entry in (entry for entry in entries if entry.name in infos):
        info = infos[entry.name]
        camera = _fitted(entry, info, file)
        rescaled += camera != entry.camera
        mask = entry.mask or find_mask(root, entry.name)
        if mask is not None:
            check_mask(mask, entry.path, info)
        T_world_cam = rigid(entry.T_world_cam, f"{file}: {entry.name}")
        photos.append(Photo(entry.name, entry.path, lenses.setdefault(camera, camera), T_world_cam, mask, background))
    summary: dict[str, object] = {"registered": len(photos), "total": len(entries), "points": len(points)}
    if rescaled:
        summary["rescaled"] = (
            f"{rescaled} photos are smaller or larger than {file.name} says; their lenses were scaled."
        )
    held = frozenset(p.name for p in photos if held_out(p.name)) if held_out else None
    return Capture(photos, points, source, frame, skipped, summary, held)


def _fitted(entry: PosedFile, info: ImageInfo, file: Path) -> Camera:
    """The lens for the photo's true size, if its shape agrees up to a pixel's rounding."""
    camera = entry.camera
    if (camera.width, camera.height) == (info.width, info.height):
        return camera
    if abs(info.width * camera.height - info.height * camera.width) > max(camera.width, camera.height):
        raise FileError(
            entry.path,
            got=f"a photo of {info.width}x{info.height}",
            wanted=f"{camera.width}x{camera.height}, or that size scaled, as {file} says",
            hint="Was the photo cropped, or turned without its EXIF orientation?",
        )
    return replace(camera.resized(info.width, info.height), name=camera.name)
