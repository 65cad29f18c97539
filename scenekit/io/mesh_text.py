"""Meshes as OBJ with MTL and PNG, PLY and STL, read by trimesh in a process of its own.

OBJ holds all of a mesh but the alpha of vertex colours, which stand behind the coordinates of `v` (the common
extension); metallic and roughness are Pm and Pr of the MTL. Nine digits give every float32 back; of base colours
trimesh keeps 8 bits. PLY holds vertex colours, STL triangles alone.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_bytes
from scenekit.io.isolated import Answer, read_isolated
from scenekit.io.textures import png
from scenekit.meshes import Mesh


def read(path: Path) -> tuple[list[Mesh], list[str]]:
    """The geometries of an OBJ, PLY or STL file as they are, and notes.

    Raises:
        FileError: If it is damaged, hostile, or names files outside its folder.
    """
    answer = read_isolated("scenekit.io.trimesh_reader", "meshes", path)
    return [_mesh(path, answer, index) for index in range(len(answer.facts["looks"]))], answer.facts["notes"]


def write(path: Path, mesh: Mesh, format: str) -> None:
    """Writes a mesh as `format`: obj, ply or stl."""
    if format == "obj":
        _write_obj(path, mesh)
        return
    import trimesh  # half a second, which other formats do without

    colors = None if mesh.vertex_colors is None else mesh.vertex_colors.numpy()
    made = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), vertex_colors=colors, process=False)
    data = made.export(file_type=format)
    write_bytes(path, data.encode() if isinstance(data, str) else bytes(data))


def _mesh(path: Path, answer: Answer, index: int) -> Mesh:
    def part(name: str) -> torch.Tensor | None:
        array = answer.arrays.get(f"{index}/{name}")
        return None if array is None else torch.from_numpy(array)

    look: dict[str, Any] = answer.facts["looks"][index]
    vertices, faces = part("vertices"), part("faces")
    assert vertices is not None and faces is not None
    try:
        mesh = Mesh(vertices, faces, part("colors"), part("uvs"), part("texture"))
    except InputError as error:
        raise FileError(path, got=f"{error.name} of {error.got}", wanted=error.wanted) from error
    return replace(mesh, **look | {"base_color": tuple(look["base_color"])})


def _write_obj(path: Path, mesh: Mesh) -> None:
    texture, material = path.with_suffix(".png"), path.with_suffix(".mtl")
    r, g, b, alpha = mesh.base_color
    lines = ["newmtl mesh", f"Kd {r:.9g} {g:.9g} {b:.9g}", f"d {alpha:.9g}", f"Pm {mesh.metallic:.9g}"]
    lines.append(f"Pr {mesh.roughness:.9g}")
    if mesh.texture is not None:
        write_bytes(texture, png(mesh.texture))
        lines.append(f"map_Kd {texture.name}")
    write_bytes(material, ("\n".join(lines) + "\n").encode())
    write_bytes(path, obj(mesh, material=material.name))


def obj(mesh: Mesh, *, material: str = "") -> bytes:
    """The triangles as an OBJ file, their look in the MTL file of this name, if any."""
    out = io.BytesIO()
    if material:
        out.write(f"mtllib {material}\nusemtl mesh\n".encode())
    rows = mesh.vertices.double().numpy()
    if mesh.vertex_colors is not None:
        rows = np.concatenate([rows, mesh.vertex_colors[:, :3].double().numpy() / 255], 1)
    np.savetxt(out, rows, "v" + " %.9g" * rows.shape[1])
    faces = mesh.faces.numpy() + 1
    if mesh.uvs is None:
        np.savetxt(out, faces, "f %d %d %d")
    else:
        np.savetxt(out, mesh.uvs.double().numpy(), "vt %.9g %.9g")
        np.savetxt(out, np.repeat(faces, 2, 1), "f %d/%d %d/%d %d/%d")
    return out.getvalue()
