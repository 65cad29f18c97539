"""Mend: what can be repaired without asking how the thing looks. Letters: v vertices, f faces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats
from scenekit.validation.shells import shells
from scenekit.validation.splats import finite, repeated
from scenekit.validation.surface import Ints, Surface, components, welded


@dataclass(frozen=True)
class Mend:
    """Repairs splats and meshes: drops what is broken, doubled or idle, winds faces outwards, closes small holes."""

    path: str
    """The node and all below it; "/" means all there is."""
    max_hole: float = 0.5
    """Holes with a border of up to this part of the mesh's diagonal are closed; 0 closes none."""

    def __str__(self) -> str:
        return f"mend {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with parts repaired; those without a fault stay the very same.

        Raises:
            InputError: If there is no such node, or `max_hole` is negative.
        """
        if not self.max_hole >= 0:
            raise InputError("Mend.max_hole", got=self.max_hole, wanted="0 or more")
        return state.with_each(self.path, lambda at, node: self._mended(node))

    def _mended(self, node: Node) -> Node:
        parts: dict[str, Any] = {}
        if node.splats is not None and (keep := sound(node.splats)).logical_not().any():
            parts["splats"] = node.splats.map(lambda t: t[keep])
        if node.mesh is not None and (mesh := mended(node.mesh, max_hole=self.max_hole)) is not node.mesh:
            parts["mesh"] = mesh
        return replace(node, **parts) if parts else node


def sound(splats: Splats) -> Tensor:
    """False for Gaussians that are not finite, have no rotation or are copies of earlier ones, bool (n,)."""
    parts = {name: tensor.detach().cpu() for name, tensor in splats.tensors().items()}
    good = finite(splats) & (parts["quats"].double().norm(dim=1) >= 1e-12)
    return good & ~torch.from_numpy(repeated(parts))


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
        result = outward(wound(result))
        result = with_holes_closed(result, max_hole)
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
    used = torch.unique(mesh.faces)
    if len(used) == len(mesh.vertices):
        return mesh
    number = torch.zeros(len(mesh.vertices), dtype=torch.int64)
    number[used] = torch.arange(len(used))
    parts = {
        name: part[used] for name in ("vertices", "uvs", "vertex_colors") if (part := getattr(mesh, name)) is not None
    }
    # Both at once: either alone would not fit the other.
    return replace(mesh, faces=number[mesh.faces], **parts)


def without_needless_faces(mesh: Mesh) -> Mesh:
    """Without doubled and flat faces. Flat ones with three corners stay where they keep a surface closed."""
    surface = Surface(mesh)
    needless = np.union1d(surface.duplicates, surface.degenerate)
    thinner = _keeping(mesh, np.setdiff1d(np.arange(len(mesh.faces)), needless))
    if len(surface.degenerate) and surface.is_closed and len(thinner.faces) and not Surface(thinner).is_closed:
        return _keeping(mesh, np.setdiff1d(np.arange(len(mesh.faces)), surface.collapsed))
    return thinner


def wound(mesh: Mesh) -> Mesh:
    """With neighbours that look the same way, wherever a surface has two sides.

    Each face is there twice, as it is and turned; copies that fit together are joined. What is then joined to the
    lowest face of a shell as it is, is right.
    """
    surface = Surface(mesh)
    edge, face, direction = surface.half_edges
    same = np.flatnonzero((np.diff(edge) == 0) & (surface.faces_at[edge[:-1]] == 2))
    a, b, f = face[same], face[same + 1], len(mesh.faces)
    turned = (direction[same] == direction[same + 1]) * f
    copies = components(2 * f, np.concatenate([a, a + f]), np.concatenate([b + turned, (b + f + turned) % (2 * f)]))[1]
    patch = components(f, a, b)[1]
    lowest = np.unique(patch, return_index=True)[1]
    wrong = copies[:f] != copies[lowest][patch]
    two_sided = copies[:f] != copies[f:]
    return _turned(mesh, np.flatnonzero(wrong & two_sided))


def outward(mesh: Mesh) -> Mesh:
    """With closed shells that are no cavity looking outwards."""
    surface = Surface(mesh)
    pieces = shells(surface)
    inside_out = np.array([piece.is_inside_out for piece in pieces])
    return _turned(mesh, np.flatnonzero(inside_out[surface.shell]))


def with_holes_closed(mesh: Mesh, max_hole: float) -> Mesh:
    """With a fan of faces around the middle of each hole whose border is one loop and short enough."""
    surface = Surface(mesh)
    limit = max_hole * float(np.linalg.norm(surface.extent))
    stored = np.unique(surface.weld, return_index=True)[1]  # a stored vertex at each position
    edge, _, direction = surface.half_edges
    faces: list[Ints] = []
    middles: list[Ints] = []
    for hole in surface.holes:
        ends = surface.edges[hole]
        starts = direction[np.searchsorted(edge, hole)] > 0
        loop = np.where(starts[:, None], ends[:, ::-1], ends)  # against the face that is there
        once = len(np.unique(loop[:, 0])) == len(np.unique(loop[:, 1])) == len(loop)
        if once and surface.edge_lengths[hole].sum() <= limit:
            faces.append(np.column_stack([stored[loop], np.full(len(loop), len(mesh.vertices) + len(middles))]))
            middles.append(stored[loop[:, 0]])
    return _fanned(mesh, np.concatenate(faces), middles) if faces else mesh


def _fanned(mesh: Mesh, faces: Ints, middles: list[Ints]) -> Mesh:
    """With new vertices at the means of others, and faces."""
    parts: dict[str, Any] = {}
    for name in ("vertices", "uvs", "vertex_colors"):
        part = getattr(mesh, name)
        if part is not None:
            means = torch.stack([part[torch.from_numpy(rim)].double().mean(0) for rim in middles])
            parts[name] = torch.cat([part, (means if part.is_floating_point() else means.round()).to(part.dtype)])
    return replace(mesh, faces=torch.cat([mesh.faces, torch.from_numpy(faces)]), **parts)


def _keeping(mesh: Mesh, faces: Ints) -> Mesh:
    return mesh if len(faces) == len(mesh.faces) else replace(mesh, faces=mesh.faces[torch.from_numpy(faces)])


def _turned(mesh: Mesh, which: Ints) -> Mesh:
    if not len(which):
        return mesh
    faces = mesh.faces.clone()
    faces[torch.from_numpy(which)] = faces[torch.from_numpy(which)].flip(1)
    return replace(mesh, faces=faces)
