"""Checks of meshes: is it the surface of a solid, and does it hold together. Letters: v vertices, f faces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scenekit.meshes import Mesh
from scenekit.validation.crossings import crossings
from scenekit.validation.finding import Finding, Severity, counted, finding, indices, point
from scenekit.validation.placed import FARTHEST, Placed
from scenekit.validation.shells import shells
from scenekit.validation.surface import Surface, welded

SMALLEST, LARGEST = 1e-4, 1e3
"""Sizes of a mesh between which nothing is odd [m]."""

FRAGMENT = 0.01
"""A closed shell with less than this part of the volume of the largest is a crumb."""

UV_RANGE = 1e-3
"""How far texture coordinates may leave 0..1 by rounding."""


def check_meshes(things: list[Placed]) -> Iterator[Finding]:
    """What is wrong with each node's mesh."""
    for thing in things:
        mesh = thing.node.mesh
        if mesh is None:
            continue
        yield from _stored(thing.path, mesh)
        if thing.surface is not None:
            yield from _topology(thing, thing.surface)
            yield from _geometry(thing, thing.surface)


def _stored(path: str, mesh: Mesh) -> Iterator[Finding]:
    """What can be said of the arrays alone."""
    if not len(mesh.faces):
        yield finding(
            "warning", "mesh-empty", path, f"The mesh has {counted(len(mesh.vertices), 'vertex')} and no face."
        )
    bad = np.flatnonzero(~mesh.vertices.detach().cpu().isfinite().all(1).numpy())
    if len(bad):
        what = f"{counted(len(bad), 'position')} of {len(mesh.vertices)} not finite, so nothing else can be checked."
        yield finding("error", "mesh-not-finite", path, what, indices("vertices", bad), count=len(bad))
    elif len(mesh.faces):
        corners = mesh.vertices.detach().cpu()[mesh.faces.cpu().unique()].double()
        size = float((corners.amax(0) - corners.amin(0)).max())
        if not SMALLEST <= size <= LARGEST or float(corners.abs().max()) > FARTHEST:
            what = f"The mesh is {size:.3g} m across; between {SMALLEST:g} and {LARGEST:g} m is usual."
            yield finding("warning", "mesh-size", path, what, size=size)
    yield from _texture(path, mesh)
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces.cpu().numpy().ravel()] = True
    idle = np.flatnonzero(~used)
    if len(idle) and len(mesh.faces):
        what = f"{len(idle)} of {counted(len(used), 'vertex')} belong to no face."
        yield finding("note", "mesh-unreferenced-vertices", path, what, indices("vertices", idle), count=len(idle))
    if not len(bad):
        columns = [
            part.cpu().numpy().astype(np.float64)
            for part in (mesh.vertices, mesh.uvs, mesh.vertex_colors)
            if part is not None
        ]
        first, kind = welded(np.concatenate(columns, axis=1))
        twice = np.flatnonzero(first[kind] != np.arange(len(kind)))
        if len(twice):
            what = f"{counted(len(twice), 'vertex')} of {len(kind)} equal to another in position, colour and texture."
            yield finding("note", "mesh-duplicate-vertices", path, what, indices("vertices", twice), count=len(twice))


def _texture(path: str, mesh: Mesh) -> Iterator[Finding]:
    if mesh.uvs is None:
        if mesh.texture is not None:
            what = "There is a texture and no coordinates that say where it goes."
            yield finding("warning", "mesh-uvs-missing", path, what)
        return
    uvs = mesh.uvs.detach().cpu().numpy()
    bad = np.flatnonzero(~((uvs >= -UV_RANGE) & (uvs <= 1 + UV_RANGE)).all(1))
    if len(bad):
        finite = uvs[np.isfinite(uvs).all(1)]
        spans = f"from {finite.min():.3g} to {finite.max():.3g}" if finite.size else "none of them finite"
        severity: Severity = "note" if len(finite) == len(uvs) else "warning"
        what = f"{counted(len(bad), 'texture coordinate')} of {len(uvs)} outside of 0..1 ({spans})."
        yield finding(severity, "mesh-uvs-range", path, what, indices("vertices", bad), count=len(bad))


def _topology(thing: Placed, surface: Surface) -> Iterator[Finding]:
    """How the faces hang together."""
    path = thing.path
    if surface.holes:
        longest = surface.holes[0]
        total, first = surface.edge_lengths[surface.border].sum(), surface.edge_lengths[longest].sum()
        middle = thing.to_world(surface.vertices[surface.edges[longest]].reshape(-1, 3)).mean(0)
        what = f"{counted(len(surface.holes), 'hole')} with {counted(len(surface.border), 'border edge')}, "
        what += f"{total:.4g} m in all, the longest {first:.4g} m."
        figures = {"holes": len(surface.holes), "edges": len(surface.border), "length": total, "longest": first}
        yield finding("warning", "mesh-holes", path, what, "longest " + point(middle), **figures)
    crowded = np.flatnonzero(surface.faces_at > 2)
    if len(crowded):
        middle = thing.to_world(surface.vertices[surface.edges[crowded[0]]]).mean(0)
        most = surface.faces_at.max()
        what = f"{counted(len(crowded), 'edge')} of {len(surface.edges)} with more than two faces, up to {most}."
        yield finding("warning", "mesh-nonmanifold-edges", path, what, "first " + point(middle), count=len(crowded))
    if len(surface.pinched):
        middle = thing.to_world(surface.vertices[surface.pinched[:1]])[0]
        what = f"At {counted(len(surface.pinched), 'vertex')} parts of the surface meet in nothing but a point."
        yield finding(
            "warning", "mesh-nonmanifold-vertices", path, what, "first " + point(middle), count=len(surface.pinched)
        )
    torn = np.flatnonzero((surface.faces_at == 2) & (surface.balance != 0))
    if len(torn):
        middle = thing.to_world(surface.vertices[surface.edges[torn[0]]]).mean(0)
        what = f"Across {counted(len(torn), 'edge')} of {len(surface.edges)} neighbouring faces look opposite ways."
        yield finding("warning", "mesh-winding", path, what, "first " + point(middle), count=len(torn))
    yield from _shells(thing, surface)


def _shells(thing: Placed, surface: Surface) -> Iterator[Finding]:
    path, fixed = thing.path, thing.body is not None and not thing.is_dynamic
    pieces = shells(surface)
    turned = [piece for piece in pieces if piece.is_inside_out]
    severity: Severity
    if turned:
        volume = sum(piece.volume for piece in turned)
        room = " A room is seen from within, and is fine." if fixed else ""
        what = f"{counted(len(turned), 'closed shell')} of {len(pieces)} inside out, {volume:.4g} m³ in all.{room}"
        where = indices("shells from faces", [piece.first_face for piece in turned])
        severity = "warning" if fixed else "error"
        yield finding(severity, "mesh-inside-out", path, what, where, shells=len(turned), volume=volume)
    if len(pieces) < 2:
        return
    largest = max(abs(piece.volume) for piece in pieces)
    kinds = {
        "closed": [p for p in pieces if p.is_closed and not p.is_cavity and not p.is_buried],
        "cavities": [p for p in pieces if p.is_cavity],
        "buried": [p for p in pieces if p.is_buried],
        "open": [p for p in pieces if not p.is_closed],
    }
    crumbs = [p for p in kinds["closed"] if abs(p.volume) < FRAGMENT * largest]
    parts = ", ".join(f"{len(members)} {kind}" for kind, members in kinds.items() if members)
    what = f"{len(pieces)} shells that share no edge: {parts}; "
    what += f"{len(crumbs)} of the closed are crumbs below {FRAGMENT:.0%} of the largest volume."
    figures = {"shells": len(pieces), "crumbs": len(crumbs), **{kind: len(members) for kind, members in kinds.items()}}
    severity = "warning" if crumbs or kinds["buried"] else "note"
    where = indices("shells from faces", [piece.first_face for piece in pieces])
    yield finding(severity, "mesh-shells", path, what, where, **figures)


def _geometry(thing: Placed, surface: Surface) -> Iterator[Finding]:
    """Where the faces are."""
    path, f = thing.path, len(surface.faces)
    for code, bad, text in (
        ("mesh-degenerate-faces", surface.degenerate, "without area"),
        ("mesh-duplicate-faces", surface.duplicates, "with the same corners as another"),
    ):
        if len(bad):
            yield finding(
                "warning",
                code,
                path,
                f"{counted(len(bad), 'face')} of {f} {text}.",
                indices("faces", bad),
                count=len(bad),
            )
    proper = np.setdiff1d(np.arange(f), np.union1d(surface.degenerate, surface.duplicates))
    found = crossings(surface.vertices, surface.faces[proper])
    if len(found.pairs):
        crossed = proper[np.unique(found.pairs)]
        middle = thing.to_world(surface.triangles[proper[found.pairs[0, 0]]]).mean(0)
        more = "" if found.complete else " at least: there were too many near each other to look at all"
        what = f"{counted(len(crossed), 'face')} of {f} pass through others, {counted(len(found.pairs), 'pair')}{more}."
        where = f"{indices('faces', crossed)}, first {point(middle)}"
        figures = {"faces": len(crossed), "pairs": len(found.pairs), "complete": float(found.complete)}
        yield finding("warning", "mesh-self-intersections", path, what, where, **figures)
    elif not found.complete:
        what = f"The {f} faces lie too close together to look at all pairs; none of those looked at cross."
        yield finding("note", "mesh-crossings-unknown", path, what)
