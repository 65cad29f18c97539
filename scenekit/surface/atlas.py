"""UV atlas: a surface cut into charts that lie flat in one picture, by xatlas. Letters: f faces, n texels, h w texture.

flat = unwrap(mesh, texel=0.0005)
texels = surface_texels(flat)      # which point of the surface each texel shows
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xatlas
from numpy.typing import NDArray
from scipy import ndimage

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.raycast import RayScene

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

PADDING = 4
"""Free texels around each chart: bilinear filtering and two halvings stay within a chart."""

BLOCK = 20_000
"""Faces that are cut into charts at once: the time of growing charts rises faster than their number."""

MAX_FACES = 1_000_000
"""More faces than this are refused: charts would be a few texels each."""

MAX_TRIES = 8
"""How often the texel is enlarged until the picture fits."""


def unwrap(mesh: Mesh, *, texel: float | None = None, size: int | None = None, max_side: int = 4096) -> Mesh:
    """The mesh with texture coordinates in which no two faces overlap, and a blank texture of the atlas' size.

    Vertices are split at seams, the faces and their order stay. Faces without area get a point.

    Args:
        mesh: Its own coordinates and texture are left out, its vertex colours kept.
        texel: Size of a texel on the surface [m]; larger where the picture would exceed `max_side`.
        size: In its place, the wanted side of the picture [px], reached within some per cent.
        max_side: Longest side of the picture [px].

    Raises:
        InputError: If there is no face with an area, a vertex is not finite, there are more than `MAX_FACES` faces,
            or not exactly one of `texel` and `size` is given and positive.
    """
    whole = _checked(mesh, texel, size, max_side)
    vertices = mesh.vertices.numpy()
    faces = mesh.faces.numpy()
    area = float(_areas(vertices, faces).sum())
    # A first guess of the picture's side fills 70 % of a square; the packing then says what it came to.
    step = texel if texel is not None else (area / 0.7) ** 0.5 / (size or 1)
    limit = max_side if size is None else min(max_side, round(1.03 * size))
    step = max(step, area**0.5 / limit)
    places, first = _welded(vertices)
    blocks = _blocks(vertices, faces, whole)
    for _ in range(MAX_TRIES):
        atlas = _packed(vertices[first], places[faces], blocks, step)
        longest = max(atlas.width, atlas.height)
        if longest <= limit:
            break
        step *= 1.02 * (longest / limit) ** 1.3  # the padding does not shrink along
    else:
        raise InputError("max_side", got=max_side, wanted=f"enough for the charts of {len(faces)} faces")
    return _split(mesh, atlas, places, first, blocks, whole)


@dataclass(frozen=True)
class Texels:
    """The n texels of a texture that lie on a surface, row by row."""

    index: Ints
    """Number row · w + column of each texel, shape (n,)."""
    face: Ints
    """Face that it shows, shape (n,)."""
    weights: Floats
    """Barycentric weights of its centre, shape (n, 3)."""


def surface_texels(mesh: Mesh, *, rows: int = 512) -> Texels:
    """What each texel centre of a mesh's own texture shows; found by rays onto the flat charts, some rows at a time.

    Raises:
        InputError: If the mesh has no texture.
    """
    if mesh.uvs is None or mesh.texture is None:
        raise InputError("mesh", got="no texture coordinates or texture", wanted="both", hint="Call unwrap().")
    h, w = mesh.texture.shape[:2]
    flat = np.zeros((len(mesh.uvs), 3))
    flat[:, 0], flat[:, 1] = mesh.uvs[:, 0].double() * w, (1 - mesh.uvs[:, 1].double()) * h
    scene = RayScene([(flat, mesh.faces.numpy())])
    found = []
    for top in range(0, h, rows):
        y, x = np.mgrid[top : min(top + rows, h), :w].reshape(2, -1) + 0.5
        origins = np.stack([x, y, np.ones(len(x))], 1)
        hits = scene.cast(origins, np.broadcast_to([0.0, 0.0, -1.0], origins.shape))
        on = np.flatnonzero(hits.mesh >= 0)
        found.append(Texels(on + top * w, hits.face[on], hits.weights[on].clip(0, 1)))
    return Texels(
        np.concatenate([part.index for part in found]),
        np.concatenate([part.face for part in found]),
        np.concatenate([part.weights for part in found]),
    )


def painted(values: NDArray[Any], texels: Texels, h: int, w: int) -> NDArray[Any]:
    """A texture (h, w, c) with values (n, c) at the texels of a surface; those outside repeat the nearest one inside.

    So whatever filters the texture finds no other colour at the border of a chart.
    """
    texture = np.zeros((h * w, values.shape[1]), values.dtype)
    texture[texels.index] = values
    outside = np.ones(h * w, bool)
    outside[texels.index] = False
    row, column = ndimage.distance_transform_edt(outside.reshape(h, w), return_distances=False, return_indices=True)
    result: NDArray[Any] = texture.reshape(h, w, -1)[row, column]
    return result


def _checked(mesh: Mesh, texel: float | None, size: int | None, max_side: int) -> NDArray[np.bool_]:
    """True for the faces that have an area."""
    wanted = texel if texel is not None else size
    if (texel is None) == (size is None) or wanted is None or not (0 < wanted < np.inf):
        raise InputError("texel, size", got=(texel, size), wanted="one of them, positive and finite")
    if not 16 <= max_side <= 16_384:
        raise InputError("max_side", got=max_side, wanted="16 to 16384 px")
    if len(mesh.faces) > MAX_FACES:
        hint = "Decimate it first."
        raise InputError("mesh", got=f"{len(mesh.faces)} faces", wanted=f"at most {MAX_FACES} to unwrap", hint=hint)
    if not bool(mesh.vertices.isfinite().all()):
        raise InputError("mesh.vertices", got="a number that is not finite", wanted="finite positions [m]")
    areas = _areas(mesh.vertices.numpy(), mesh.faces.numpy())
    if not areas.sum() > 0:
        raise InputError("mesh", got="no face with an area", wanted="a surface to unwrap")
    return areas > 1e-12 * areas.max()


def _areas(vertices: Floats, faces: Ints) -> NDArray[np.float64]:
    corners = vertices.astype(np.float64)[faces]
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2


def _welded(vertices: Floats) -> tuple[Ints, Ints]:
    """For each vertex the number of its place, and for each place its first vertex: charts grow across old seams."""
    _, first, places = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    return places.reshape(-1), first


def _blocks(vertices: Floats, faces: Ints, whole: NDArray[np.bool_]) -> list[Ints]:
    """Faces with an area in compact parts of at most `BLOCK`, halved at the median along their longest extent."""
    waiting, done = [np.flatnonzero(whole)], []
    centres = vertices[faces].mean(1)
    while waiting:
        part = waiting.pop()
        if len(part) <= BLOCK:
            done.append(np.sort(part))
            continue
        at = centres[part]
        order = np.argsort(at[:, np.ptp(at, axis=0).argmax()], kind="stable")
        waiting += [part[order[: len(part) // 2]], part[order[len(part) // 2 :]]]
    return done


def _packed(vertices: Floats, faces: Ints, blocks: list[Ints], texel: float) -> xatlas.Atlas:
    atlas = xatlas.Atlas()
    for block in blocks:
        used, local = np.unique(faces[block], return_inverse=True)
        atlas.add_mesh(vertices[used] / texel, local.reshape(-1, 3).astype(np.uint32))  # xatlas knows no tiny units
    options = xatlas.PackOptions()
    options.texels_per_unit, options.padding, options.bilinear, options.blockAlign = 1.0, PADDING, True, True
    atlas.generate(pack_options=options)
    return atlas


def _split(
    mesh: Mesh, atlas: xatlas.Atlas, places: Ints, first: Ints, blocks: list[Ints], whole: NDArray[np.bool_]
) -> Mesh:
    """The mesh with a vertex per place and chart; faces without area get corners of their own, all at one point."""
    faces = mesh.faces.numpy()
    new_faces, sources, uvs, count = np.empty_like(faces), [], [], 0
    for number, block in enumerate(blocks):
        mapping, corners, at = atlas.get_mesh(number)
        used = np.unique(places[faces[block]])
        new_faces[block] = corners.astype(np.int64) + count
        sources.append(first[used[mapping]])
        uvs.append(at)
        count += len(mapping)
    flat = np.flatnonzero(~whole)
    new_faces[flat] = count + np.arange(3 * len(flat)).reshape(-1, 3)
    sources.append(faces[flat].reshape(-1))
    uvs.append(np.full((3 * len(flat), 2), 0.5 / max(atlas.width, atlas.height), np.float32))
    source = torch.from_numpy(np.concatenate(sources).astype(np.int64))
    upright = np.concatenate(uvs).astype(np.float32)
    upright[:, 1] = 1 - upright[:, 1]
    return replace(
        mesh,
        vertices=mesh.vertices[source],
        faces=torch.from_numpy(new_faces),
        vertex_colors=None if mesh.vertex_colors is None else mesh.vertex_colors[source],
        uvs=torch.from_numpy(upright),
        texture=torch.full((atlas.height, atlas.width, 4), 255, dtype=torch.uint8),
    )
