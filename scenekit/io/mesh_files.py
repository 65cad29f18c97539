"""Every mesh format through one door: GLB, glTF, OBJ, PLY, STL and USD, with textures, colours and material.

    mesh = read_mesh("mug.glb")
    losses = write_mesh("mug.obj", mesh)

A file's geometries become one mesh with one material, textures packed into one atlas. glTF and USD say which way is up
and are turned to Z; the others are taken as they are, unless `up` says what is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scenekit.errors import FileError, InputError
from scenekit.io import mesh_gltf, mesh_text
from scenekit.io.mesh_atlas import joined
from scenekit.io.splat_files import _axes
from scenekit.io.up import Up
from scenekit.meshes import Mesh

HEAD = 16
"""How much of a file its recognition looks at [bytes]."""


@dataclass(frozen=True)
class MeshFormat:
    """One format, and what it can hold."""

    name: str
    """What it is called on the command line."""
    suffixes: tuple[str, ...]
    """File names end like this."""
    fixed_up: Up | None = None
    """The up axis its specification fixes; None if a file may say, or nobody does."""
    writes_up: bool = False
    """Whether a file says which way is up."""
    keeps: tuple[str, ...] = ()
    """The parts of a Mesh beside its triangles that it holds."""
    shared: bool = True
    """Whether triangles share vertices."""


LOOK = ("vertex_colors", "uvs", "texture", "base_color", "metallic", "roughness")

MESH_FORMATS = (
    MeshFormat("glb", (".glb",), "y", True, LOOK),
    MeshFormat("gltf", (".gltf",), "y", True, LOOK),
    MeshFormat("obj", (".obj",), keeps=LOOK),
    MeshFormat("ply", (".ply",), keeps=("vertex_colors",)),
    MeshFormat("stl", (".stl",), shared=False),
    MeshFormat("usd", (".usda", ".usdc", ".usd", ".usdz"), writes_up=True, keeps=LOOK),
)
"""All formats."""


@dataclass(frozen=True)
class MeshReading:
    """What a file held."""

    mesh: Mesh
    """All its triangles, with Z up where the up axis is known."""
    up: Up | None = None
    """Up axis of the file; None if it does not say."""
    notes: tuple[str, ...] = ()
    """What a user should know: meshes joined, textures missing, parts left out."""
    format: str = ""
    """Name of the format."""


def open_mesh(path: str | Path, *, up: Up | None = None) -> MeshReading:
    """Reads all triangles of a file of any known format as one mesh.

    Args:
        path: The file.
        up: Up axis of a file that does not say; None leaves its axes as they are.

    Raises:
        FileError: If the file is missing, of no known format, damaged, hostile, holds values that are not finite, or
            names files outside its folder.
    """
    path = Path(path)
    format = mesh_format(path)
    meshes, notes, said = _read(path, format)
    mesh, changes = joined(meshes)
    _check_finite(path, mesh)
    if not len(mesh.vertices) and format.fixed_up is None:  # glTF alone says that it is whole and holds nothing
        raise FileError(path, got="no vertices", wanted=f"a mesh as {format.name}")
    source = said or up
    if source is not None and format.fixed_up is None and source != "z":  # glTF was turned exactly already
        mesh = mesh.transform(_axes(source, "z"))
    if not len(mesh.faces):
        notes.append("The file holds no triangles.")
    return MeshReading(mesh, said, (*dict.fromkeys(notes), *changes), format.name)


def read_mesh(path: str | Path, *, up: Up | None = None) -> Mesh:
    """The mesh of `open_mesh`, without its notes."""
    return open_mesh(path, up=up).mesh


def write_mesh(path: str | Path, mesh: Mesh, *, up: Up | None = None) -> tuple[str, ...]:
    """Writes a mesh atomically in the format that the name's ending says, and returns what the format could not hold.

    An OBJ is three files: the picture and the material come first, so the OBJ never names what is not there.

    Args:
        path: The file.
        mesh: With Z up.
        up: Up axis of the file, where the format fixes none; None leaves Z.

    Raises:
        InputError: If the ending is unknown, or the format has another up axis.
    """
    path = Path(path)
    format = _by_suffix(path)
    if up and format.fixed_up and up != format.fixed_up:
        raise InputError("up", got=up, wanted=f"{format.fixed_up}, which {format.name} fixes")
    target = up or "z"
    turned = mesh if format.fixed_up or target == "z" else mesh.transform(_axes("z", target))
    if format.name in ("glb", "gltf"):
        mesh_gltf.write(path, {"mesh": mesh})
    elif format.name == "usd":
        from scenekit.io import mesh_usd  # with OpenUSD, which other formats do without

        mesh_usd.write(path, turned, target)
    else:
        mesh_text.write(path, turned, format.name)
    return mesh_losses(format, mesh, up=up)


def write_meshes(path: str | Path, meshes: Mapping[str, Mesh]) -> tuple[str, ...]:
    """Writes several meshes as one file, atomically, and returns what the format could not hold.

    GLB and glTF have a node for each; the others get one mesh, with all textures in one picture.

    Raises:
        InputError: If the ending is unknown.
    """
    path = Path(path)
    if _by_suffix(path).name in ("glb", "gltf"):
        mesh_gltf.write(path, meshes)
        return ()
    mesh, changes = joined(list(meshes.values()))
    return (*changes, *write_mesh(path, mesh))


def mesh_losses(format: MeshFormat, mesh: Mesh, *, up: Up | None = None) -> tuple[str, ...]:
    """What of a mesh the format cannot hold, one sentence each."""
    plain = Mesh(mesh.vertices[:0], mesh.faces[:0])
    lost = []
    for part in LOOK:
        value = getattr(mesh, part)
        there = value is not None if part in ("vertex_colors", "uvs", "texture") else value != getattr(plain, part)
        if there and part not in format.keeps:
            lost.append(f"The {part.replace('_', ' ')} {'were' if part.endswith('s') else 'was'} left out.")
    colors = mesh.vertex_colors
    if format.name == "obj" and colors is not None and bool((colors[:, 3] < 255).any()):
        lost.append("The alpha of the vertex colors was left out.")
    if format.fixed_up is None and not format.writes_up:
        lost.append(f"The file does not say that {(up or 'z').upper()} is up.")
    if not format.shared:
        lost.append("Triangles share no vertices in the file; reading joins those at one place.")
    return tuple(lost)


def mesh_format(path: Path) -> MeshFormat:
    """The format of a file, by its content, or by its ending where the format has no mark.

    Raises:
        FileError: If it is missing or of no known format.
    """
    if not path.is_file():
        raise FileError(path, got="a folder" if path.is_dir() else "nothing", wanted="a mesh file")
    with path.open("rb") as file:
        head = file.read(HEAD)
    marks = {b"glTF": "glb", b"ply": "ply", b"#usda": "usd", b"PXR-USDC": "usd"}
    name = next((name for mark, name in marks.items() if head.startswith(mark)), None)
    known = {format.name: format for format in MESH_FORMATS}
    if name is None:
        unmarked = {".gltf": "gltf", ".obj": "obj", ".stl": "stl", ".usdz": "usd", ".usd": "usd"}
        name = unmarked.get(path.suffix.lower())
    if name is None:
        raise FileError(path, got=repr(head), wanted="a mesh as one of " + ", ".join(known))
    return known[name]


def _by_suffix(path: Path) -> MeshFormat:
    found = [format for format in MESH_FORMATS if path.suffix.lower() in format.suffixes]
    if not found:
        known = ", ".join(suffix for format in MESH_FORMATS for suffix in format.suffixes)
        raise InputError(path, got=repr(path.suffix), wanted=f"a name that ends in one of {known}")
    return found[0]


def _read(path: Path, format: MeshFormat) -> tuple[list[Mesh], list[str], Up | None]:
    """The geometries, notes, and the up axis the file declares."""
    if format.name in ("glb", "gltf"):
        return *mesh_gltf.read(path), "y"
    if format.name == "usd":
        from scenekit.io import mesh_usd

        return mesh_usd.read(path)
    return *mesh_text.read(path), None


def _check_finite(path: Path, mesh: Mesh) -> None:
    numbers: list[Any] = [mesh.vertices, *([] if mesh.uvs is None else [mesh.uvs])]
    numbers += [torch.tensor([*mesh.base_color, mesh.metallic, mesh.roughness])]
    if not all(bool(part.isfinite().all()) for part in numbers):
        raise FileError(path, got="vertices, texture coordinates or material that are not finite", wanted="numbers")
