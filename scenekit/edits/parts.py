"""Edits of what belongs to a node: crop, split, merge. Splats, mesh and body stay consistent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenekit.body import Body
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.scene import Node, SceneState
from scenekit.selection import Selection, Where, as_selection


@dataclass(frozen=True)
class Crop:
    """Keeps what a selection means of the splats and meshes of a node and all below it; the rest is taken away."""

    path: str
    """The node; "/" means all there is."""
    where: Where
    """What to keep."""

    def __str__(self) -> str:
        return f"crop {self.path} to {self.where}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with less in it; nodes stay even if nothing of them is left."""
        return kept(state, self.path, as_selection(self.where))


def kept(state: SceneState, path: str, where: Selection) -> SceneState:
    """The state in which the nodes at and below `path` keep only what `where` means.

    Raises:
        InputError: If nothing would be left.
    """
    masks = {at: (where.mask(state, at), where.faces(state, at)) for at, _ in state.walk(path)}
    if all(not splats.any() and (faces is None or not faces.any()) for splats, faces in masks.values()):
        raise InputError(f"selection {where}", got=f"nothing of {path} that stays", wanted="something to keep")
    for at, (splats, faces) in masks.items():
        state = state.with_node(at, lambda node, splats=splats, faces=faces: part_of(node, splats, faces))  # type: ignore[misc]
    return state


def part_of(node: Node, splats: Tensor, faces: Tensor | None) -> Node:
    """The node with some of its splats (n,) and faces (f,); a body that lost shape no longer knows its mass.

    Args:
        node: The node.
        splats: Which Gaussians stay, bool (n,).
        faces: Which faces stay, bool (f,); None leaves the mesh as it is.
    """
    whole_splats = node.splats is None or bool(splats.all())
    whole_mesh = node.mesh is None or faces is None or bool(faces.all())
    shape_kept = whole_splats if node.mesh is None else whole_mesh
    return replace(
        node,
        splats=node.splats if node.splats is None or whole_splats else node.splats.map(lambda t: t[splats]),
        mesh=node.mesh if node.mesh is None or faces is None or whole_mesh else some_faces(node.mesh, faces),
        body=node.body if node.body is None or shape_kept else Body(node.body.kind),
    )


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
