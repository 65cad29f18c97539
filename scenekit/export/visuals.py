"""What is seen of a link, in files that every simulator reads: OBJ for the shape, PNG for the colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from scenekit.export.assets import Link
from scenekit.io import mesh_text
from scenekit.io.atomic import write_bytes
from scenekit.io.textures import linear_from_srgb, png, srgb_from_linear
from scenekit.meshes import Mesh
from scenekit.sim.shapes import Hull
from scenekit.surface.atlas import MAX_FACES, painted, surface_texels, unwrap

TEXELS = 16
"""Texels of a baked texture for each face, on average."""

LARGEST = 2048
"""Longest side of a baked texture [px]."""


@dataclass(frozen=True)
class Visual:
    """The files of a link's look, relative to the folder of the format, and its one material."""

    mesh: PurePosixPath
    """OBJ, in the link's frame [m]."""
    texture: PurePosixPath | None
    """PNG with the base colour, sRGB."""
    material: PurePosixPath | None
    """MTL, if wanted."""
    rgba: tuple[float, float, float, float]
    """Base colour, sRGB with alpha; multiplies the texture."""
    metallic: float
    """0 dielectric, 1 metal."""
    roughness: float
    """0 mirror, 1 matt."""

    @property
    def files(self) -> Iterator[PurePosixPath]:
        """What was written."""
        yield from (path for path in (self.mesh, self.texture, self.material) if path is not None)


def shown(link: Link) -> Mesh | None:
    """What is seen of a link where splats are not: its mesh, else its closed surface."""
    return next((mesh for mesh in (link.mesh, link.solid) if mesh is not None and len(mesh.faces)), None)


def write_visual(folder: Path, link: Link, *, mtl: bool = False) -> Visual | None:
    """Writes meshes/NAME_visual.obj and textures/NAME.png; None if a link has no triangles to see.

    Simulators do not know colours of vertices, so these are baked into a texture.

    Args:
        folder: Of the format.
        link: Whose look.
        mtl: Writes an MTL file too, for readers that find the material there, and the texture beside it.
    """
    mesh = shown(link)
    if mesh is None:
        return None
    mesh = with_texture(mesh)
    shape = PurePosixPath(f"meshes/{link.name}_visual.obj")
    texture = shape.with_suffix(".png") if mtl else PurePosixPath(f"textures/{link.name}.png")
    if mtl:
        mesh_text.write(folder / shape, mesh, "obj")
    else:
        write_bytes(folder / shape, mesh_text.obj(mesh))
        if mesh.texture is not None:
            write_bytes(folder / texture, png(mesh.texture))
    r, g, b, alpha = (srgb_from_linear(np.array(mesh.base_color)) / 255).tolist()
    return Visual(
        shape,
        None if mesh.texture is None else texture,
        shape.with_suffix(".mtl") if mtl else None,
        (r, g, b, alpha),
        mesh.metallic,
        mesh.roughness,
    )


def write_hulls(folder: Path, link: Link) -> dict[int, PurePosixPath]:
    """Writes meshes/NAME_collision_N.obj of each convex polyhedron among the pieces, by its number."""
    return {
        number: write_mesh(folder, f"{link.name}_collision_{number}", piece.shape.mesh)
        for number, piece in enumerate(link.body.pieces)
        if isinstance(piece.shape, Hull)
    }


def write_mesh(folder: Path, name: str, mesh: Mesh) -> PurePosixPath:
    """Writes the triangles of a mesh as meshes/NAME.obj."""
    path = PurePosixPath(f"meshes/{name}.obj")
    write_bytes(folder / path, mesh_text.obj(Mesh(mesh.vertices, mesh.faces)))
    return path


def with_texture(mesh: Mesh) -> Mesh:
    """The mesh with a texture and its coordinates, or with neither, and without colours of vertices.

    Those are baked into a texture. If they are all the same, or there are more faces than an atlas holds, their mean
    goes into the base colour. On a mesh with a texture, which they would shade, they are left out.
    """
    colors = mesh.vertex_colors
    if mesh.texture is None or mesh.uvs is None:
        mesh = replace(mesh, uvs=None, texture=None)
    if colors is None or mesh.texture is not None:
        return replace(mesh, vertex_colors=None)
    used = colors[mesh.faces]
    if len(mesh.faces) > MAX_FACES or bool((used == used[0, 0]).all()):
        r, g, b, alpha = (linear_from_srgb(used.reshape(-1, 4).numpy()).mean(0) * mesh.base_color).tolist()
        return replace(mesh, vertex_colors=None, base_color=(r, g, b, alpha))
    return _baked(mesh)


def _baked(mesh: Mesh) -> Mesh:
    """The colours of the vertices, linear in between, in an atlas."""
    area = float(torch.linalg.cross(*_edges(mesh)).norm(dim=1).sum()) / 2
    laid = unwrap(mesh, texel=(area / (TEXELS * len(mesh.faces))) ** 0.5, max_side=LARGEST)
    assert laid.texture is not None and laid.vertex_colors is not None
    texels = surface_texels(laid)
    corners = laid.vertex_colors.numpy()[laid.faces.numpy()[texels.face]]
    values = np.round((corners * texels.weights[:, :, None]).sum(1)).astype(np.uint8)
    texture = torch.from_numpy(painted(values, texels, *laid.texture.shape[:2]))
    return replace(laid, vertex_colors=None, texture=texture)


def _edges(mesh: Mesh) -> tuple[torch.Tensor, torch.Tensor]:
    """Two edges of each face [m], shape (f, 3)."""
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    return b - a, c - a
