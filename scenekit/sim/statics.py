"""What stays: the flat tops that things stand on, and other surfaces, as shapes to collide with.

Letters: f faces, samples of them or Gaussians, n m k nodes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from scenekit._libraries import trimesh
from scenekit.cameras import Array
from scenekit.capture.level import rotation_between
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.rigid_bodies import BOUNCE
from scenekit.sim.shapes import Box, DistanceField
from scenekit.support import shortest_axes
from scenekit.surface.meshing import BACKGROUND
from scenekit.surface.signed_distance import SignedDistance
from scenekit.validation.surface import Surface

LEVEL, FLAT = 0.9, 0.006
"""A part looks up if its normal does (cosine), and lies in the top within this part of the thing's extent."""

TOP, TOP_OF_SPLATS = 0.5, 0.25
"""A top is flat if it holds at least this part of all area that looks up; Gaussians lie below a surface as well."""

THICKNESS = 0.05
"""Of the slab that stands for a top, as a part of its longer side."""

SIDED = 0.8
"""Share of a surface with matter right behind it, from which on an open mesh has an inside."""

EDGE = 0.002
"""Part of a top beyond each of its sides that is left out as stray."""

SAMPLES = 20_000
"""Points of a surface that are looked at."""


class Slab(NamedTuple):
    """A box in the world whose upper side is a flat top."""

    box: Box
    """Its size."""
    pose: Pose
    """T_world_box."""
    share: float
    """Part of the area looking up that lies in it."""

    def __str__(self) -> str:
        size = " × ".join(f"{2 * half:.3g}" for half in self.box.half)
        return f"a slab of {size} m under its flat top, {self.share:.0%} of what looks up"


def stands_as_slab(node: Node, T_world_node: Array) -> Slab | None:
    """The slab that stands for what stays where it is, for collisions; None if it has no flat top to be looked at.

    A closed mesh that was said to be a static body is met as it is, and the background as nothing.
    """
    is_closed = node.mesh is not None and len(node.mesh.faces) > 0 and Surface(node.mesh).is_closed
    if node.name == BACKGROUND or (is_closed and node.body is not None):
        return None
    return slab_of(node, T_world_node)


def fixed_body(path: str, pose: Pose, pieces: tuple[Piece, ...], friction: float) -> RigidBody:
    """What stays where it is: it needs no mass, and leaves bouncing to what hits it."""
    return RigidBody(path, "static", pose, 0.0, (0.0, 0.0, 0.0), np.zeros((3, 3)), pieces, friction, BOUNCE["static"])


def slab_of(node: Node, T_world_node: Array) -> Slab | None:
    """The flat, level top of a table, a shelf or a floor, from its mesh or its splats; None if there is none.

    Heights vote by area; the top is the height that most area has, its normal the mean one, its sides those of the
    smallest rectangle around nearly all of it.
    """
    points, normals, areas = _parts(node, T_world_node)
    up = normals[:, 2] > LEVEL
    if np.count_nonzero(up) < 3:
        return None
    points, normals, areas = points[up], normals[up], areas[up]
    tolerance = FLAT * float(np.linalg.norm(np.ptp(points, axis=0)))
    counts, edges = np.histogram(points[:, 2], max(int(np.ptp(points[:, 2]) / tolerance), 1), weights=areas)
    middle = int(np.convolve(counts, np.ones(3), "same").argmax())
    normal = np.array([0.0, 0.0, 1.0])
    inside = np.abs(points[:, 2] - (edges[middle] + edges[middle + 1]) / 2) < 2 * tolerance
    for _ in range(3):
        if np.count_nonzero(inside) < 3:
            return None
        normal = (areas[inside, None] * normals[inside]).sum(0)
        normal /= np.linalg.norm(normal)
        heights = points @ normal
        inside = np.abs(heights - np.median(heights[inside])) < tolerance
    share = float(areas[inside].sum() / areas.sum())
    if share < (TOP if node.mesh is not None else TOP_OF_SPLATS):
        return None
    return Slab(*_box_under(points[inside], normal, areas[inside]), share)


def static_field(mesh: Mesh, *, voxel: float) -> tuple[DistanceField, str]:
    """The field of any mesh that stays where it is, and by which remedy if it has holes, else an empty string.

    Where nearly all of an open mesh has an inside by its winding number, that is its field; else it is a sheet, two
    voxels thick.

    Raises:
        InputError: If the grid would be too large.
    """
    field, surface = DistanceField.around(mesh, voxel=voxel), Surface(mesh)
    if surface.is_closed:
        return field, ""
    points, faces = surface.sample(SAMPLES)
    behind = points - 0.5 * voxel * _normals(surface.triangles[faces])
    if float((SignedDistance(mesh)(behind) < 0).mean()) > SIDED:
        return field, "its holes are closed by the membrane around it"
    sheet = replace(field, values=np.abs(field.values) - np.float32(voxel))
    return sheet, f"it encloses nothing: a sheet {2 * voxel:.2g} m thick"


def _normals(corners: Array) -> Array:
    """Unit normals of triangles (f, 3, 3), zero of those without area, shape (f, 3)."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-30)


def _parts(node: Node, T: Array) -> tuple[Array, Array, Array]:
    """Places, unit normals and areas of what a surface is made of, in the world: samples of a mesh, or Gaussians."""
    if node.mesh is not None and len(node.mesh.faces):
        surface = Surface(node.mesh.transform(torch.from_numpy(T)))
        points, faces = surface.sample(SAMPLES)
        return points, _normals(surface.triangles[faces]), np.ones(SAMPLES)
    if node.splats is None or not len(node.splats):
        return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)
    splats = node.splats.transform(torch.from_numpy(T))
    axes = shortest_axes(splats).numpy()
    axes = axes * np.where(axes[:, 2:] < 0, -1.0, 1.0)
    extent = float(np.ptp(splats.means.double().numpy(), axis=0).max())
    sides = splats.scales.double().clamp(max=0.1 * extent).topk(2, dim=1).values.prod(1)
    return splats.means.double().numpy(), axes, (sides * splats.opacities.double()).numpy()


def _box_under(points: Array, normal: Array, areas: Array) -> tuple[Box, Pose]:
    """The slab below points of a top."""
    R = rotation_between(np.array([0.0, 0.0, 1.0]), normal)
    local = points @ R
    order = np.argsort(local[:, 2])
    top = float(local[order[np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)], 2])
    flat = local[:, :2]
    low, high = np.quantile(flat, [EDGE, 1 - EDGE], axis=0)
    kept = ((flat >= low) & (flat <= high)).all(1)
    to_rectangle, sides = trimesh.bounds.oriented_bounds_2D(flat[kept] if kept.sum() > 3 else flat)
    back = np.linalg.inv(to_rectangle)
    thickness = THICKNESS * float(max(sides))
    T = np.eye(4)
    T[:2, :2], T[:2, 3], T[2, 3] = back[:2, :2], back[:2, 2], top - thickness / 2
    turn = np.eye(4)
    turn[:3, :3] = R
    return Box((float(sides[0]) / 2, float(sides[1]) / 2, thickness / 2)), Pose.from_matrix(turn @ T)
