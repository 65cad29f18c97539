"""Edits of what belongs to a node: crop, split, merge. Splats, mesh and body stay consistent."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
import tyro
from torch import Tensor

from scenekit.body import Body
from scenekit.cameras import Array
from scenekit.edits.place import added, placed, transformed_body, transformed_capture
from scenekit.errors import InputError
from scenekit.meshes import merge_meshes, some_faces
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, SceneState, split_path
from scenekit.selection import Selection, Where, as_selection
from scenekit.splats import merge


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


@dataclass(frozen=True)
class Split:
    """Makes a node of what a selection means of another's splats and mesh; both keep their numbers exactly."""

    path: str
    """The node. What is below it stays with it."""
    where: Where
    """What goes into the new node. Photos and field stay with the old one."""
    to: tyro.conf.Positional[str]
    """Path of the new node; the node above it must exist. It gets the place and material of the old one."""

    def __str__(self) -> str:
        return f"split {self.path} where {self.where} to {self.to}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with both; where they lie and how they look together does not change.

        Raises:
            InputError: If all or nothing would go.
        """
        where, node, pose = as_selection(self.where), state.node(self.path), state.pose(self.path)
        splats, faces = where.mask(state, self.path), where.faces(state, self.path)
        asked = torch.cat([splats, splats[:0] if faces is None else faces])
        if not asked.any() or asked.all():
            got = f"{'nothing' if not asked.any() else 'all'} of {self.path}"
            raise InputError(f"selection {where}", got=got, wanted="a part of it")
        mesh = None if faces is None or not faces.any() else node.mesh
        part = part_of(replace(node, cameras=None, field=None, children=(), mesh=mesh), splats, faces)
        state = state.with_node(self.path, lambda n: part_of(n, ~splats, None if faces is None else ~faces))
        return placed(added(state, self.to, part), self.to, pose)


@dataclass(frozen=True)
class Merge:
    """Makes one node of two, with their splats, meshes and bodies, in the frame of the first."""

    path: str
    """The node that stays."""
    other: tyro.conf.Positional[str]
    """The node that goes into it; what is below it comes along."""

    def __str__(self) -> str:
        return f"merge {self.other} into {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with one node less.

        Raises:
            InputError: If one is below the other, they differ in what a node has once (material, photos, mesh look), or
                the other has a field, which cannot be joined to anything.
        """
        for a, b in ((self.path, self.other), (self.other, self.path)):
            if split_path(b)[: len(split_path(a))] == split_path(a):
                raise InputError(
                    "Merge.other", got=repr(self.other), wanted=f"a node not above, at or below {self.path}"
                )
        T = (state.pose(self.path).inverse() @ state.pose(self.other)).matrix
        other = state.node(self.other)
        state = state.with_node(self.other, lambda _: None)
        return state.with_node(self.path, lambda node: merged(node, other, T))


def kept(state: SceneState, path: str, where: Selection) -> SceneState:
    """The state in which the nodes at and below `path` keep only what `where` means.

    Raises:
        InputError: If nothing would be left.
    """
    masks = {at: (where.mask(state, at), where.faces(state, at)) for at, _ in state.walk(path)}
    if all(not splats.any() and (faces is None or not faces.any()) for splats, faces in masks.values()):
        raise InputError(f"selection {where}", got=f"nothing of {path} that stays", wanted="something to keep")
    return state.with_each(path, lambda at, node: part_of(node, *masks[at]))


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
        splats=node.splats if node.splats is None or whole_splats else node.splats.take(splats),
        mesh=node.mesh if node.mesh is None or faces is None or whole_mesh else some_faces(node.mesh, faces),
        body=node.body if node.body is None or shape_kept else Body(node.body.kind),
    )


def merged(node: Node, other: Node, T: Array) -> Node:
    """One node of two, the other's frame being at T in the frame of the first, shape (4, 4).

    Raises:
        InputError: If they differ in what a node has once.
    """
    if node.material and other.material and node.material != other.material:
        raise InputError(f"material of {other.name}", got=other.material.name, wanted=node.material.name)
    if node.cameras and other.cameras and node.cameras is not other.cameras:
        raise InputError(f"cameras of {other.name}", got="photos in both nodes", wanted="photos in one of them")
    if other.field:
        raise InputError(
            f"field of {other.name}", got="a field", wanted="none", hint="Merge the other way, or `extract`."
        )
    matrix = torch.from_numpy(T)
    clouds = [cloud for cloud in (node.splats, other.splats and other.splats.transform(matrix)) if cloud is not None]
    meshes = [mesh for mesh in (node.mesh, other.mesh and other.mesh.transform(matrix)) if mesh is not None]
    children = [replace(child, pose=Pose.from_matrix(T) @ child.pose) for child in other.children]
    return replace(
        node,
        splats=merge(clouds) if clouds else None,
        mesh=merge_meshes(meshes) if meshes else None,
        body=merged_body(node.body, other.body, T),
        material=node.material or other.material,
        cameras=node.cameras or (other.cameras and transformed_capture(other.cameras, T)),
        children=(*node.children, *children),
    )


def merged_body(a: Body | None, b: Body | None, T: Array) -> Body | None:
    """The rigid union of two bodies; b's frame is at T in a's. Static if one is; what one lacks is unknown for both.

    Masses add up; inertias do by the parallel-axis theorem, Σ Iᵢ + mᵢ (|dᵢ|² 1 − dᵢ dᵢᵀ), dᵢ from the common centre.
    """
    if a is None or b is None:
        return a if b is None else transformed_body(b, 1.0, T[:3, :3])
    kind: Literal["static", "dynamic"] = "static" if "static" in (a.kind, b.kind) else "dynamic"
    if a.mass is None or b.mass is None or a.centre is None or b.centre is None:
        return Body(kind)
    masses, centres = [a.mass.value, b.mass.value], [np.array(a.centre), T[:3, :3] @ b.centre + T[:3, 3]]
    centre = np.average(centres, axis=0, weights=masses)
    spread = None if a.mass.spread is None or b.mass.spread is None else math.hypot(a.mass.spread, b.mass.spread)
    provenance = a.mass.provenance if a.mass.provenance == b.mass.provenance else "estimated"
    mass = Quantity(sum(masses), provenance, spread, "sum of the merged bodies")
    x, y, z = centre.tolist()
    if a.inertia is None or b.inertia is None:
        return Body(kind, mass, (x, y, z))
    inertias = [np.array(a.inertia), T[:3, :3] @ np.array(b.inertia) @ T[:3, :3].T]
    total = np.zeros((3, 3))
    for m, c, inertia in zip(masses, centres, inertias, strict=True):
        d = c - centre
        total += inertia + m * (d @ d * np.eye(3) - np.outer(d, d))
    return Body(kind, mass, (x, y, z), tuple(map(tuple, total.tolist())))  # type: ignore[arg-type]
