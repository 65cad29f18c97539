"""Mesh: a triangle surface with its look. Letters: v vertices, f faces, h w texture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from scenekit.errors import InputError


@dataclass(frozen=True)
class Mesh:
    """Triangles, counter-clockwise seen from outside, in the frame of their node. Tensors are not changed in place.

    A vertex on a texture seam appears once per side, as in glTF.

    Raises:
        InputError: If shapes or types disagree, or a face names a vertex that does not exist.
    """

    vertices: Tensor
    """Positions [m], float32, shape (v, 3)."""
    faces: Tensor
    """Vertices of each triangle, int64, shape (f, 3)."""
    vertex_colors: Tensor | None = None
    """sRGB with alpha, uint8, shape (v, 4); None if there is none."""
    uvs: Tensor | None = None
    """Texture coordinates, origin at the lower left, v up (OBJ, USD; glTF's is the upper left), shape (v, 2)."""
    texture: Tensor | None = None
    """Base colour, sRGB with alpha, uint8, row 0 on top, shape (h, w, 4)."""
    base_color: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """Linear colour that multiplies texture and vertex colours (glTF's baseColorFactor)."""
    metallic: float = 0.0
    """0 dielectric, 1 metal (glTF's metallic-roughness model)."""
    roughness: float = 1.0
    """0 mirror, 1 matt."""

    def __post_init__(self) -> None:
        v, f = len(self.vertices), len(self.faces)
        wanted: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
            "vertices": ((v, 3), torch.float32),
            "faces": ((f, 3), torch.int64),
            "vertex_colors": ((v, 4), torch.uint8),
            "uvs": ((v, 2), torch.float32),
        }
        for name, (shape, dtype) in wanted.items():
            tensor = getattr(self, name)
            if tensor is not None and (tuple(tensor.shape) != shape or tensor.dtype != dtype):
                raise InputError(f"mesh.{name}", got=f"{tensor.dtype} {tuple(tensor.shape)}", wanted=f"{dtype} {shape}")
        texture = self.texture
        if texture is not None and (texture.ndim != 3 or texture.shape[2] != 4 or texture.dtype != torch.uint8):
            raise InputError("mesh.texture", got=f"{texture.dtype} {tuple(texture.shape)}", wanted="uint8 (h, w, 4)")
        if f and not 0 <= int(self.faces.min()) <= int(self.faces.max()) < v:
            got = f"vertices {int(self.faces.min())} to {int(self.faces.max())}"
            raise InputError("mesh.faces", got=got, wanted=f"0 to {v - 1}")

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are there, by name, in the order of the fields."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: part for name, part in parts.items() if isinstance(part, Tensor)}

    def transform(self, T: Tensor) -> Mesh:
        """The mesh under a similarity T (4, 4); one that mirrors turns the faces, so outside stays outside."""
        T = T.to(torch.float64)
        vertices = (self.vertices.to(torch.float64) @ T[:3, :3].T + T[:3, 3]).float()
        faces = self.faces.flip(1) if torch.linalg.det(T[:3, :3]) < 0 else self.faces
        return replace(self, vertices=vertices, faces=faces)


def some_faces(mesh: Mesh, faces: Tensor) -> Mesh:
    """The mesh with the faces of a mask (f,) and the vertices they use, in order."""
    chosen = mesh.faces[faces]
    used = torch.zeros(len(mesh.vertices), dtype=torch.bool)
    used[chosen.reshape(-1)] = True
    number = used.long().cumsum(0) - 1
    return replace(
        mesh,
        vertices=mesh.vertices[used],
        faces=number[chosen],
        vertex_colors=None if mesh.vertex_colors is None else mesh.vertex_colors[used],
        uvs=None if mesh.uvs is None else mesh.uvs[used],
    )


def painted(mesh: Mesh, color: Sequence[float]) -> Mesh:
    """The mesh with vertices of one display colour 0..1, opaque."""
    rgba = torch.tensor([*(round(255 * value) for value in color), 255], dtype=torch.uint8)
    return replace(mesh, vertex_colors=rgba.repeat(len(mesh.vertices), 1))


def merge_meshes(meshes: Sequence[Mesh]) -> Mesh:
    """All triangles as one mesh, in order. Textures go side by side into one, white where there was none.

    Raises:
        InputError: If there are none, or they differ in base colour, metallic or roughness, of which a mesh has one, or
            several have textures and one of these is repeated (texture coordinates beyond 0..1).
    """
    if not meshes:
        raise InputError("meshes", got="none", wanted="at least one")
    if len(meshes) == 1:
        return meshes[0]
    for name in ("base_color", "metallic", "roughness"):
        values = {getattr(mesh, name) for mesh in meshes}
        if len(values) > 1:
            raise InputError(f"mesh.{name}", got=", ".join(map(str, values)), wanted="the same for meshes of one node")
    starts = torch.tensor([0, *(len(mesh.vertices) for mesh in meshes)]).cumsum(0)
    colors = [mesh.vertex_colors for mesh in meshes]
    white = [torch.full((len(mesh.vertices), 4), 255, dtype=torch.uint8) for mesh in meshes]
    uvs, texture = _side_by_side(meshes)
    return replace(
        meshes[0],
        vertices=torch.cat([mesh.vertices for mesh in meshes]),
        faces=torch.cat([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
        vertex_colors=None
        if all(c is None for c in colors)
        else torch.cat([w if c is None else c for c, w in zip(colors, white, strict=True)]),
        uvs=uvs,
        texture=texture,
    )


def _side_by_side(meshes: Sequence[Mesh]) -> tuple[Tensor | None, Tensor | None]:
    """Texture coordinates of all vertices and the one texture they refer to; textures stand on a common lower edge."""
    if all(mesh.texture is None for mesh in meshes):
        kept = [mesh.uvs for mesh in meshes if mesh.uvs is not None]
        return (torch.cat(kept) if len(kept) == len(meshes) else None), None
    blank = torch.full((1, 1, 4), 255, dtype=torch.uint8)
    tiles = [blank if mesh.texture is None or mesh.uvs is None else mesh.texture for mesh in meshes]
    height, width = max(tile.shape[0] for tile in tiles), sum(tile.shape[1] for tile in tiles)
    texture, uvs, left = torch.full((height, width, 4), 255, dtype=torch.uint8), [], 0
    for mesh, tile in zip(meshes, tiles, strict=True):
        h, w = tile.shape[:2]
        texture[height - h :, left : left + w] = tile
        own = torch.full((len(mesh.vertices), 2), 0.5) if tile is blank or mesh.uvs is None else mesh.uvs
        if len(own) and not (-1e-4 <= float(own.min()) <= float(own.max()) <= 1 + 1e-4):
            raise InputError(
                "mesh.uvs", got="a texture that is repeated", wanted="texture coordinates in 0..1 to merge"
            )
        uvs.append(torch.stack([(own[:, 0] * w + left) / width, own[:, 1] * h / height], -1))
        left += w
    return torch.cat(uvs), texture
