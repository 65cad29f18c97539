"""Mesh: a triangle surface with its look. Letters: v vertices, f faces, h w texture."""

from __future__ import annotations

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
