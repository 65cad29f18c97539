"""Several meshes as one: a file may hold many geometries with a material each, a node holds one mesh with one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from scenekit.io.textures import linear_from_srgb, srgb_from_linear
from scenekit.meshes import Mesh

GUTTER = 2
"""Pixels around each tile that repeat its border, so that filtering does not bleed."""

PLAIN = 4
"""Side of the tile of a mesh without texture [px]."""

MAX_REPEATS = 8
"""A texture that repeats more often than this along an axis is not laid out."""

MAX_TILE = 4096**2
"""Nor one that would be larger than this when laid out [px]."""

WHITE = (1.0, 1.0, 1.0, 1.0)


def joined(meshes: Sequence[Mesh]) -> tuple[Mesh, tuple[str, ...]]:
    """All meshes as one, in order, and what that changed.

    Where materials differ, base colours go into vertex colours or, if any mesh has a texture, into one atlas; metallic
    and roughness become their averages by number of faces.
    """
    if not meshes:
        return Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)), ()
    if len(meshes) == 1:
        return meshes[0], ()
    meshes, notes = list(meshes), [f"{len(meshes)} meshes were joined into one."]
    shares = torch.tensor([max(len(mesh.faces), 1) for mesh in meshes], dtype=torch.float64)
    surfaces = torch.tensor([(mesh.metallic, mesh.roughness) for mesh in meshes], dtype=torch.float64)
    if (surfaces != surfaces[0]).any():
        metallic, roughness = ((surfaces * shares[:, None]).sum(0) / shares.sum()).tolist()
        meshes = [replace(mesh, metallic=metallic, roughness=roughness) for mesh in meshes]
        notes.append(f"Differing materials became one of metallic {metallic:.3g}, roughness {roughness:.3g}.")
    if not all(_same_look(mesh, meshes[0]) for mesh in meshes):
        textured = any(mesh.texture is not None for mesh in meshes)
        meshes = _in_one_atlas(meshes, notes) if textured else [_base_in_vertices(mesh) for mesh in meshes]
    return _concatenated(meshes), tuple(notes)


def _same_look(a: Mesh, b: Mesh) -> bool:
    if a.base_color != b.base_color or a.texture is None or b.texture is None:
        return a.base_color == b.base_color and a.texture is b.texture
    return a.texture is b.texture or torch.equal(a.texture, b.texture)


def _base_in_vertices(mesh: Mesh) -> Mesh:
    """Its base colour in its vertex colours."""
    colors = linear_from_srgb(_colors(mesh).numpy()) * np.array(mesh.base_color, np.float32)
    return replace(mesh, vertex_colors=torch.from_numpy(srgb_from_linear(colors)), base_color=WHITE)


def _in_one_atlas(meshes: list[Mesh], notes: list[str]) -> list[Mesh]:
    """The meshes with one texture, and their coordinates in it; tiles of equal look are shared."""
    looks: list[Mesh] = []
    places = []
    for mesh in meshes:
        same = next((i for i, look in enumerate(looks) if _same_look(mesh, look)), len(looks))
        looks += [mesh] if same == len(looks) else []
        places.append(same)
    spans = [
        _span([m for m, place in zip(meshes, places, strict=True) if place == i], notes) for i in range(len(looks))
    ]
    tiles = [_tile(look, repeats) for look, (_, repeats) in zip(looks, spans, strict=True)]
    atlas, corners = _packed(tiles)
    height, width = atlas.shape[:2]
    moved = []
    for mesh, place in zip(meshes, places, strict=True):
        (low, repeats), (x, y), tile = spans[place], corners[place], tiles[place]
        uvs = torch.full((len(mesh.vertices), 2), 0.5) if mesh.uvs is None else mesh.uvs
        within = ((uvs.double() - low) / repeats).clamp(0, 1)
        u = (x + within[:, 0] * tile.shape[1]) / width
        v = 1 - (y + (1 - within[:, 1]) * tile.shape[0]) / height
        moved.append(replace(mesh, texture=atlas, uvs=torch.stack([u, v], 1).float(), base_color=WHITE))
    return moved


def _span(meshes: list[Mesh], notes: list[str]) -> tuple[Tensor, Tensor]:
    """The lowest whole texture coordinate and how often the texture repeats from there, shapes (2,)."""
    none = torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    uvs = [mesh.uvs for mesh in meshes if mesh.uvs is not None and len(mesh.uvs)]
    texture = meshes[0].texture
    if not uvs or texture is None:
        return none
    every = torch.cat(uvs).double()
    low = (every.amin(0) + 1e-4).floor()
    repeats = (every.amax(0) - low - 1e-4).ceil().clamp(min=1)
    pixels = float(repeats.prod()) * texture.shape[0] * texture.shape[1]
    if not bool((repeats <= MAX_REPEATS).all()) or pixels > MAX_TILE * (1 + (repeats == 1).all()):
        notes.append("A texture that repeats often was cut to its first tile.")
        return none
    return low, repeats


def _tile(mesh: Mesh, repeats: Tensor) -> Tensor:
    """A mesh's texture times its base colour, laid out as often as it repeats."""
    texture = mesh.texture
    if texture is None or mesh.uvs is None:
        texture = torch.full((PLAIN, PLAIN, 4), 255, dtype=torch.uint8)
    if mesh.base_color != WHITE:
        steps = np.arange(256, dtype=np.uint8)[:, None].repeat(4, 1)  # a pixel is bytes: a table holds all results
        table = srgb_from_linear(linear_from_srgb(steps) * np.array(mesh.base_color, np.float32))
        texture = torch.from_numpy(np.stack([table[texture.numpy()[..., c], c] for c in range(4)], -1))
    return texture.tile(int(repeats[1]), int(repeats[0]), 1)


def _packed(tiles: list[Tensor]) -> tuple[Tensor, list[tuple[int, int]]]:
    """One picture of all tiles, in rows from the tallest to the lowest, and the corner (x, y) of each."""
    sizes = [(tile.shape[1] + 2 * GUTTER, tile.shape[0] + 2 * GUTTER) for tile in tiles]
    width = max(max(w for w, _ in sizes), math.isqrt(sum(w * h for w, h in sizes)))
    corners, x, y, row = [(0, 0)] * len(tiles), 0, 0, 0
    for i in sorted(range(len(tiles)), key=lambda i: -sizes[i][1]):
        if x + sizes[i][0] > width:
            x, y, row = 0, y + row, 0
        corners[i] = (x + GUTTER, y + GUTTER)
        x, row = x + sizes[i][0], max(row, sizes[i][1])
    atlas = torch.zeros(y + row, width, 4, dtype=torch.uint8)
    for tile, (left, top) in zip(tiles, corners, strict=True):
        rows = torch.arange(-GUTTER, tile.shape[0] + GUTTER).clamp(0, tile.shape[0] - 1)
        columns = torch.arange(-GUTTER, tile.shape[1] + GUTTER).clamp(0, tile.shape[1] - 1)
        place = atlas[top - GUTTER :, left - GUTTER :][: len(rows), : len(columns)]
        place.copy_(tile[rows][:, columns])
    return atlas, corners


def _colors(mesh: Mesh) -> Tensor:
    if mesh.vertex_colors is not None:
        return mesh.vertex_colors
    return torch.full((len(mesh.vertices), 4), 255, dtype=torch.uint8)


def _concatenated(meshes: list[Mesh]) -> Mesh:
    """Meshes of one look, one after the other."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    uvs = [torch.zeros(len(m.vertices), 2) if m.uvs is None else m.uvs for m in meshes]
    return replace(
        meshes[0],
        vertices=torch.cat([mesh.vertices for mesh in meshes]),
        faces=torch.cat([mesh.faces + int(start) for mesh, start in zip(meshes, starts, strict=False)]),
        vertex_colors=torch.cat([_colors(m) for m in meshes])
        if any(m.vertex_colors is not None for m in meshes)
        else None,
        uvs=torch.cat(uvs) if any(mesh.uvs is not None for mesh in meshes) else None,
    )
