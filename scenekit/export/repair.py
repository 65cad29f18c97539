"""Repair: from whatever triangles there are, what can be shown, and the closed solid that has a mass and collides.

Letters: f faces, n Gaussians.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenekit.errors import InputError
from scenekit.mass import mass_properties
from scenekit.meshes import Mesh, some_faces
from scenekit.scene import Node
from scenekit.sim.rigid_bodies import Solid, solid_of
from scenekit.sim.shapes import DistanceField
from scenekit.surface.isosurface import isosurface
from scenekit.surface.simplify import simplified
from scenekit.surface.solid import SIMPLER, SolidConfig, SolidReport, faults, simplified_solid, solid
from scenekit.surface.transfer import colored_like
from scenekit.validation.crossings import crossings
from scenekit.validation.splats import finite
from scenekit.validation.surface import Surface

MOST_FACES = 200_000
"""A mesh of more is simplified to so many: simulators load slowly or refuse what has more."""

SHEET = 0.4
"""If the solid lost more than this share of the given area, that was a sheet, which encloses nothing."""

CROWDED = 600
"""Pairs of boxes of faces for each face, beyond which triangles are no surface: a fine one has some ten."""

SHEET_VOXELS = 100
"""Voxels along the longest side of a sheet; it becomes two of them thick."""


def finite_node(node: Node) -> tuple[Node, list[str]]:
    """The node without faces and Gaussians that are not finite, and what was left out.

    Raises:
        InputError: If no face is left.
    """
    remarks = []
    if node.mesh is not None and len(node.mesh.faces):
        mesh = node.mesh if node.mesh.uvs is None else replace(node.mesh, uvs=node.mesh.uvs.nan_to_num(0.0, 0.0, 0.0))
        good = mesh.vertices[mesh.faces].isfinite().all(2).all(1)
        if not good.any():
            raise InputError("mesh", got="no face with finite corners", wanted="a surface")
        if not good.all():
            remarks.append(f"{int((~good).sum())} of {len(good)} faces have corners that are not finite: left out.")
            mesh = some_faces(mesh, good)
        node = replace(node, mesh=mesh)
    if node.splats is not None and not finite(node.splats).all():
        good = finite(node.splats)
        remarks.append(f"{int((~good).sum())} of {len(good)} splats are not finite: left out.")
        node = replace(node, splats=node.splats.take(good))
    return node, remarks


def bounded_mesh(mesh: Mesh) -> tuple[Mesh, list[str]]:
    """The mesh, of no more than `MOST_FACES`; a texture becomes colours of the vertices then."""
    if len(mesh.faces) <= MOST_FACES:
        return mesh, []
    fewer = simplified(Mesh(mesh.vertices, mesh.faces), faces=MOST_FACES)
    texture = " and its texture to colours of vertices" if mesh.texture is not None else ""
    return colored_like(fewer, mesh), [
        f"Its mesh of {len(mesh.faces)} faces is simplified to {len(fewer.faces)}{texture}."
    ]


def closed_solid(node: Node) -> tuple[Solid, SolidReport | None, list[str]]:
    """What a node encloses, as a closed mesh; what was done to the node's mesh, None if nothing; and remarks.

    A mesh that is the surface of solids, also of several or of hollow ones, stays as it is. One that is not gets the
    solid around it, see `scenekit.surface.solid`; a sheet is thickened. Splats without a mesh have their hull.

    Raises:
        InputError: If the node has no shape, or one without area.
    """
    mesh = node.mesh
    if mesh is None or not len(mesh.faces):
        return solid_of(node), None, []
    bare = Mesh(mesh.vertices, mesh.faces)
    wrong = faults(bare, one_shell=False)
    if not wrong:
        return Solid(bare, mass_properties(bare), ""), None, []
    surface = Surface(bare)
    if not surface.areas.sum() > 0:
        raise InputError("mesh", got="only faces without area", wanted="a surface")
    if not crossings(surface.vertices, surface.faces, budget=CROWDED * len(surface.faces) + 10_000).complete:
        raise InputError("mesh", got=f"{len(surface.faces)} faces in each other's way all over", wanted="a surface")
    why = f"its mesh is no solid ({', '.join(wrong)})"
    try:
        made, report = solid(bare, SolidConfig(one_shell=False))
    except InputError:  # nothing inside
        return _as_sheet(bare, why)
    if report.lost > SHEET:
        return _as_sheet(bare, why)
    shares = f"{report.estimated:.1%} of it estimated, {report.lost:.1%} of the mesh lost"
    said = f"{why}, so mass and collision are of the solid around it, {report.how}: {shares}"
    if report.how == "mended" and report.estimated == 0:  # nothing of it is a guess
        return Solid(made, mass_properties(made), ""), report, [said]
    return Solid(made, mass_properties(made), said), report, []


def _as_sheet(mesh: Mesh, why: str) -> tuple[Solid, SolidReport, list[str]]:
    made, voxel = thickened(mesh)
    said = f"{why} and encloses nothing, so it is taken for a sheet {2e3 * voxel:.2g} mm thick"
    enclosed = mass_properties(made)
    report = SolidReport("remeshed", len(mesh.faces), len(made.faces), voxel, 1.0, 0.0, enclosed.volume)
    return Solid(made, enclosed, said), report, []


def thickened(mesh: Mesh) -> tuple[Mesh, float]:
    """The solid of all that is within a voxel of a surface, and the voxel [m]."""
    voxel = float(Surface(mesh).extent.max()) / SHEET_VOXELS
    field = DistanceField.around(mesh, voxel=voxel)
    around = isosurface(np.abs(field.values) - np.float32(voxel), origin=field.origin, voxel=voxel)
    return simplified_solid(around, error=SIMPLER * voxel, one_shell=False), voxel
