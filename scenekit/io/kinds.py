"""Whether a file holds splats or a mesh, by its content: PLY, glTF and USD may hold either."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scenekit.errors import FileError
from scenekit.io.isolated import read_isolated
from scenekit.io.mesh_files import mesh_format
from scenekit.io.splat_files import HEAD, recognised
from scenekit.io.splat_gltf import EXTENSION

MAX_JSON = 64_000_000
"""So much of the JSON of a glTF is looked at [bytes]."""


def kind_of(path: Path) -> Literal["splats", "mesh"]:
    """What is in a file or folder; a USD stage or a glTF with both counts as splats.

    Raises:
        FileError: If it is missing or neither.
    """
    if not path.exists():
        raise FileError(path, got="nothing", wanted="a file of splats or a mesh")
    try:
        format = recognised(path).name
    except FileError as unknown:
        try:
            mesh_format(path)
        except FileError:
            raise unknown from None
        return "mesh"
    if (format == "gltf" and not _names_splats(path)) or (format == "ply" and _has_faces(path)):
        return "mesh"
    if format == "usd":
        counts = read_isolated("scenekit.io.usd_reader", "contents", path).facts
        if counts["meshes"] and not counts["splats"]:
            return "mesh"
    return "splats"


def _names_splats(path: Path) -> bool:
    """Whether the JSON of a .gltf or .glb names the extension of splats."""
    with path.open("rb") as file:
        head = file.read(20)  # of a .glb: magic, version, size, and the size and type of the chunk of JSON
        size = int.from_bytes(head[12:16], "little") if head[:4] == b"glTF" else MAX_JSON
        return EXTENSION.encode() in head + file.read(min(size, MAX_JSON))


def _has_faces(path: Path) -> bool:
    """Whether the header of a PLY tells of faces, and of no Gaussians."""
    with path.open("rb") as file:
        header = file.read(HEAD).partition(b"end_header")[0]
    return b"element face" in header and b"f_dc_0" not in header
