"""Mend: repairs of a mesh that leave its look alone. Letters: v vertices, f faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from scenekit.meshes import Mesh, some_faces
from scenekit.surface.holes import with_holes_closed
from scenekit.validation.shells import shells
from scenekit.validation.surface import Ints, Surface, components, welded


def mended(mesh: Mesh, *, max_hole: float = 0.5) -> Mesh:
    """The mesh without broken, flat and doubled faces, doubled and idle vertices, wound outwards, small holes closed.

    Args:
        mesh: Any.
        max_hole: Longest border of a hole that is closed, as a part of the mesh's diagonal.

    Returns:
        The mesh itself if there is nothing to mend.
    """
    result = compact(joined(mesh))
    if len(result.faces):
        result = compact(without_needless_faces(result))
    if len(result.faces):
        result = with_holes_closed(outward(wound(result)), max_hole)
    same = result.vertices.shape == mesh.vertices.shape and torch.equal(result.faces, mesh.faces)
    return mesh if same else result


def joined(mesh: Mesh) -> Mesh:
    """Faces with finite corners only, and vertices that are equal in position, colour and texture as one."""
    finite = mesh.vertices.isfinite().all(1)
    parts = [part.double() for part in (mesh.vertices, mesh.uvs, mesh.vertex_colors) if part is not None]
    first, kind = welded(torch.cat(parts, 1).cpu().numpy())
    faces = torch.from_numpy(first[kind])[mesh.faces]
    return replace(mesh, faces=faces[finite[faces].all(1)])


def compact(mesh: Mesh) -> Mesh:
    """Without vertices that no face uses; order is kept."""
    used = torch.zeros(len(mesh.vertices), dtype=torch.bool)
    used[mesh.faces.reshape(-1)] = True
    return mesh if used.all() else some_faces(mesh, torch.ones(len(mesh.faces), dtype=torch.bool))


def without_needless_faces(mesh: Mesh) -> Mesh:
    """Without doubled and flat faces. Flat ones with three corners stay where without them a surface would open."""
    surface = Surface(mesh)
    needless = np.union1d(surface.duplicates, surface.degenerate)
    thinner = _keeping(mesh, np.delete(np.arange(len(mesh.faces)), needless))
    if len(surface.degenerate) and len(thinner.faces) and len(Surface(thinner).border) > len(surface.border):
        return _keeping(mesh, np.delete(np.arange(len(mesh.faces)), surface.collapsed))
    return thinner


def without_crumbs(mesh: Mesh, share: float) -> Mesh:
    """Without pieces, joined by edges, that have less than this share of the area of the largest."""
    surface = Surface(mesh)
    areas = np.bincount(surface.shell, surface.areas)[surface.shell]
    return compact(_keeping(mesh, np.flatnonzero(areas >= share * areas.max(initial=0))))


def largest_shell(mesh: Mesh) -> Mesh:
    """The piece, joined by edges, that encloses the greatest volume."""
    if not len(mesh.faces):
        return mesh
    surface = Surface(mesh)
    a, b, c = (surface.triangles - surface.vertices[0]).swapaxes(0, 1)
    volumes = np.bincount(surface.shell, np.einsum("fx,fx->f", a, np.cross(b, c)))
    return compact(_keeping(mesh, np.flatnonzero(surface.shell == volumes.argmax())))


def wound(mesh: Mesh) -> Mesh:
    """With neighbours that look the same way, wherever a surface has two sides.

    Each face is there twice, as it is and turned; copies that fit together are joined. In each shell the fewer faces
    are turned.
    """
    surface = Surface(mesh)
    edge, face, direction = surface.half_edges
    same = np.flatnonzero((np.diff(edge) == 0) & (surface.faces_at[edge[:-1]] == 2))
    a, b, f = face[same], face[same + 1], len(mesh.faces)
    turned = (direction[same] == direction[same + 1]) * f
    copies = components(2 * f, np.concatenate([a, a + f]), np.concatenate([b + turned, (b + f + turned) % (2 * f)]))[1]
    patch = components(f, a, b)[1]
    lowest = np.unique(patch, return_index=True)[1]
    like_lowest = copies[:f] == copies[lowest][patch]
    usual = np.bincount(patch, like_lowest) * 2 >= np.bincount(patch)
    two_sided = copies[:f] != copies[f:]
    return with_faces_turned(mesh, np.flatnonzero((like_lowest != usual[patch]) & two_sided))


def outward(mesh: Mesh) -> Mesh:
    """With closed shells that are no cavity looking outwards."""
    surface = Surface(mesh)
    pieces = shells(surface)
    inside_out = np.array([piece.is_inside_out for piece in pieces])
    return with_faces_turned(mesh, np.flatnonzero(inside_out[surface.shell]))


def _keeping(mesh: Mesh, faces: Ints) -> Mesh:
    return mesh if len(faces) == len(mesh.faces) else replace(mesh, faces=mesh.faces[torch.from_numpy(faces)])


def with_faces_turned(mesh: Mesh, which: Ints) -> Mesh:
    """With some faces wound the other way."""
    if not len(which):
        return mesh
    faces = mesh.faces.clone()
    faces[torch.from_numpy(which)] = faces[torch.from_numpy(which)].flip(1)
    return replace(mesh, faces=faces)
