"""Files for people: parts of a scene in any format that is written, sent to the browser as downloads."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import viser

from scenekit.edits.parts import kept
from scenekit.errors import InputError
from scenekit.io.mesh_files import MESH_FORMATS, write_meshes
from scenekit.io.splat_files import formats, write_splats
from scenekit.opening import node_name
from scenekit.scene import SceneState
from scenekit.viewer.session import Chosen

LARGEST = 1_000_000_000
"""Of what is sent [bytes]: a server holds all of it until it is sent."""


class Download(NamedTuple):
    """A file for somebody."""

    name: str
    """What it is called there."""
    content: bytes
    """What is in it."""
    notes: tuple[str, ...] = ()
    """What the format could not hold."""

    def send(self, client: viser.ClientHandle) -> None:
        """Send it to a browser, which saves it."""
        client.send_file_download(self.name, self.content, save_immediately=True)


def suffixes() -> dict[str, str]:
    """The formats that are written, as people read them, and how their files end: "Splats as ply" → ".ply"."""
    written = {f"Splats as {name}": format.suffixes[0] for name, format in formats().items() if format.write}
    return written | {f"Mesh as {format.name}": format.suffixes[0] for format in MESH_FORMATS}


def exported(state: SceneState, what: Chosen | None, kind: str) -> Download:
    """Splats or meshes of a scene in the world frame, as one file, or a zip of several.

    Args:
        state: The scene.
        what: A node, with all below it, or a part of it; None for all.
        kind: One of `suffixes`.

    Raises:
        InputError: If there is no such kind, or nothing of it.
    """
    known = suffixes()
    if kind not in known:
        raise InputError("format", got=repr(kind), wanted="one of " + ", ".join(known))
    path = "/" if what is None else what.path
    if what is not None and what.where is not None:
        state = kept(state, path, what.where)
    name = node_name(path.rpartition("/")[2] or "scene") + known[kind]
    write = _write_splats if kind.startswith("Splats") else _write_meshes
    return packed(name, lambda file: write(file, state, path))


def packed(name: str, write: Callable[[Path], tuple[str, ...]]) -> Download:
    """What `write` puts beside the file it is given, zipped if that is more than one.

    Raises:
        InputError: If it is more than `LARGEST`.
    """
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "files"
        inside.mkdir()
        notes = write(inside / name)
        files = [file for file in inside.rglob("*") if file.is_file()]
        file = files[0] if len(files) == 1 else zipped(inside, Path(folder) / name)
        return Download(file.name, read_bounded(file), notes)


def zipped(folder: Path, target: Path) -> Path:
    """A zip of a folder, called like `target` with another ending."""
    return Path(shutil.make_archive(str(target.with_suffix("")), "zip", folder))


def read_bounded(file: Path) -> bytes:
    """What is in a file.

    Raises:
        InputError: If it is more than `LARGEST`.
    """
    if (size := file.stat().st_size) > LARGEST:
        hint = "`scenekit convert` and `scenekit export` write files of any size."
        raise InputError(file.name, got=f"{size / 1e6:.0f} MB", wanted=f"at most {LARGEST / 1e6:.0f} MB", hint=hint)
    return file.read_bytes()


def _write_splats(file: Path, state: SceneState, path: str) -> tuple[str, ...]:
    splats = state.splats(path)
    if not len(splats):
        raise InputError(path, got="no splats", wanted="a node that has some, or that is above one")
    return write_splats(file, splats)


def _write_meshes(file: Path, state: SceneState, path: str) -> tuple[str, ...]:
    meshes = {
        where.strip("/"): node.mesh.transform(torch.from_numpy(state.pose(where).matrix))
        for where, node in state.walk(path)
        if node.mesh is not None and len(node.mesh.faces)
    }
    if not meshes:
        raise InputError(path, got="no mesh", wanted="a node that has one, or that is above one", hint="Mesh it first.")
    return write_meshes(file, meshes)
