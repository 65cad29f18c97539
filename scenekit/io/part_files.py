"""Part files: the splats, meshes, fields and cameras of a scene as files that other tools open, named by their content.

    parts/table-mug-1f3a9c2e04d5.ply   splats of /table/mug; the digits begin the SHA-256 of the file

A part is never changed, so neither is its file: a new one is written beside the old ones. Which part came from which
file, or went to which, is remembered for as long as the part lives, and what lies in a file already is not written
again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from scenekit.capture.capture import Capture
from scenekit.capture.saved import read_capture_file, write_capture_file
from scenekit.errors import FileError
from scenekit.io import ply
from scenekit.io.bounded import check_file
from scenekit.io.scene_json import PartFile
from scenekit.meshes import Mesh
from scenekit.splats import Splats

if TYPE_CHECKING:
    from scenekit.fields.fitted import FittedField

Part: TypeAlias = "Splats | Mesh | FittedField | Capture"

FOLDER = "parts"
"""Where in a scene folder part files are written."""

OURS = re.compile(r".+-[0-9a-f]{12,64}\.(ply|glb|safetensors|json)|\.+new-.*")
"""Files that may be removed from there once no state uses them: finished ones, and what a killed process left."""

SUFFIXES = {"splats": ".ply", "mesh": ".glb", "field": ".safetensors", "cameras": ".json"}
"""The file format of each part."""


def _read_splats(path: Path) -> Splats:
    return ply.read(path).splats  # as they are: what is not finite is for `validate` to say, and for edits to mend


def _write_splats(path: Path, splats: Splats) -> None:
    ply.write(path, splats, "z")


def _read_mesh(path: Path) -> Mesh:
    from scenekit.io.mesh_files import read_mesh  # with trimesh, which scenes of splats do without

    return read_mesh(path)


def _write_mesh(path: Path, mesh: Mesh) -> None:
    from scenekit.io.mesh_files import write_mesh

    write_mesh(path, mesh)


def _read_field(path: Path) -> FittedField:
    from scenekit.fields.files import read_field  # with Warp, which other scenes do without
    from scenekit.fields.fitted import FittedField

    return FittedField(*read_field(path))


def _write_field(path: Path, fitted: FittedField) -> None:
    from scenekit.fields.files import write_field

    write_field(path, fitted.field, fitted.look)


READERS: dict[str, Callable[[Path], Part]] = {
    "splats": _read_splats,
    "mesh": _read_mesh,
    "field": _read_field,
    "cameras": read_capture_file,
}
"""What reads each part; the numbers come back bit for bit."""

WRITERS: dict[str, Callable[..., object]] = {
    "splats": _write_splats,
    "mesh": _write_mesh,
    "field": _write_field,
    "cameras": write_capture_file,
}
"""What writes each part, atomically and flushed to disk."""

_files: dict[int, tuple[weakref.ref[Part], dict[Path, PartFile]]] = {}
"""The files of each living part, by its id and by folder."""

_parts: weakref.WeakValueDictionary[tuple[Path, PartFile], Part] = weakref.WeakValueDictionary()
"""Living parts by folder and file: two nodes, or two states, that name one file share one part."""


def read_part(folder: Path, file: PartFile, kind: str) -> Part:
    """The part in a file of the scene folder, after its size and hash have been checked.

    Raises:
        FileError: If the file is missing, lies outside of the folder, is not what was written, or cannot be read.
    """
    folder = folder.resolve()
    if (known := _parts.get((folder, file))) is not None:
        return known
    path = checked_path(folder, file)
    if sha256(path) != file.sha256:
        hint = "It was changed since the scene was saved; without scene.json a run folder opens as it was made."
        raise FileError(path, got="other content", wanted=f"what hashes to {file.sha256[:12]}…", hint=hint)
    part = READERS[kind](path)
    _remember(part, folder, file)
    return part


def write_part(folder: Path, part: Part, kind: str, name: str) -> PartFile:
    """Where a part lies in the scene folder; written there, under a name made of `name` and its hash, if it must be.

    Raises:
        OSError: If the disk is full.
    """
    folder = folder.resolve()
    if (file := known_file(folder, part)) is not None and _is_there(folder, file):
        return file
    with _draft(folder, SUFFIXES[kind]) as draft:
        WRITERS[kind](draft, part)
        file = _adopted(folder, draft, f"{name}{SUFFIXES[kind]}")
    _remember(part, folder, file)
    return file


def copy_part(source: Path, folder: Path, file: PartFile) -> PartFile:
    """Brings a part file of another scene folder into this one, unread.

    Raises:
        FileError: If it is missing or not what was written.
    """
    folder = folder.resolve()
    if source.resolve() == folder or _is_there(folder, file):
        return file
    path, suffix = checked_path(source.resolve(), file), Path(file.file).suffix
    stem = re.sub(r"-[0-9a-f]{12,64}$", "", Path(file.file).stem)
    with _draft(folder, suffix) as draft:
        shutil.copyfile(path, draft)
        with draft.open("rb+") as copy:
            os.fsync(copy.fileno())
        if sha256(draft) != file.sha256:
            raise FileError(path, got="other content", wanted=f"what hashes to {file.sha256[:12]}…")
        return _adopted(folder, draft, f"{stem}{suffix}")


def remember_file(folder: Path, part: Part, path: Path) -> None:
    """Notes that a part was read from a file that lies in a folder to be: a scene there refers to it as it is."""
    folder = folder.resolve()
    file = PartFile(path.resolve().relative_to(folder).as_posix(), sha256(path), path.stat().st_size)
    _remember(part, folder, file)


def known_file(folder: Path, part: Part) -> PartFile | None:
    """The file of a part in a folder, if it was read from there or written to there."""
    reference, files = _files.get(id(part), (None, {}))
    return files.get(folder.resolve()) if reference is not None and reference() is part else None


def checked_path(folder: Path, file: PartFile) -> Path:
    """The path of a part file.

    Raises:
        FileError: If it is missing, no plain file inside of the folder, or of another size.
    """
    path = folder / file.file
    check_file(path, "a part of the scene; was only scene.json copied?")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise FileError(path, got=f"a way to {path.resolve()}", wanted="a file inside of the scene folder")
    if path.stat().st_size != file.bytes:
        raise FileError(path, got=f"{path.stat().st_size} bytes", wanted=f"{file.bytes} bytes, as it was written")
    return path


def part_names(folder: Path) -> set[str]:
    """The part files in a scene folder that are ours by their name, and drafts, relative to it."""
    found = (folder / FOLDER).iterdir() if (folder / FOLDER).is_dir() else ()
    return {f"{FOLDER}/{path.name}" for path in found if OURS.fullmatch(path.name) and not path.is_dir()}


def remove_parts(folder: Path, names: Iterable[str]) -> None:
    """Removes part files; whoever still holds such a part in memory writes it again when it is saved."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hash of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _draft(folder: Path, suffix: str) -> Iterator[Path]:
    """A path for a part file without a name yet; what is still there in the end is removed."""
    draft = folder / FOLDER / f".new-{os.getpid()}{suffix}"
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _adopted(folder: Path, draft: Path, name: str) -> PartFile:
    """Gives a finished draft its name: one that is free, or that of a file with the same content."""
    digest, size = sha256(draft), draft.stat().st_size
    stem, suffix = Path(name).stem, Path(name).suffix
    for digits in (12, 64):  # two parts whose hashes begin alike are not to be expected, but would be lost
        path = folder / FOLDER / f"{stem}-{digest[:digits]}{suffix}"
        if not path.exists() or sha256(path) == digest:
            break
    draft.replace(path)
    return PartFile(f"{FOLDER}/{path.name}", digest, size)


def _is_there(folder: Path, file: PartFile) -> bool:
    path = folder / file.file
    return path.is_file() and path.stat().st_size == file.bytes


def _remember(part: Part, folder: Path, file: PartFile) -> None:
    key = id(part)
    if key not in _files or _files[key][0]() is not part:
        _files[key] = (weakref.ref(part, lambda dead: _forget(key, dead)), {})
    _files[key][1][folder] = file
    _parts[folder, file] = part


def _forget(key: int, dead: weakref.ref[Part]) -> None:
    if key in _files and _files[key][0] is dead:
        del _files[key]
