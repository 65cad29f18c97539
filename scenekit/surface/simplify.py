"""Simplification: fewer triangles for the same surface. Letters: v vertices, f faces, n points."""

from __future__ import annotations

import numpy as np
import torch

from scenekit._libraries import open3d
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface.mend import compact, joined, without_needless_faces
from scenekit.surface.transfer import colored_like
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface

FEWEST = 4
"""Faces of a tetrahedron: no closed surface has fewer."""

BISECTIONS = 3
"""Halvings of the interval, in factors of two, that holds the fewest faces within an error."""

SAMPLES = 20_000
"""Points spread over each of two meshes to measure how far apart they are."""

KEPT = 0.999
"""Share of the original's area that has to stay within the error."""


def simplified(mesh: Mesh, *, faces: int | None = None, error: float | None = None) -> Mesh:
    """A mesh of fewer faces near the same surface, by quadric error metrics (Garland and Heckbert 1997).

    With an error, as many faces go as keep `deviation` from the given mesh within it; the number of faces is found by
    halving and bisection. With both, it ends at whichever comes first.

    Args:
        mesh: Without texture coordinates; vertex colours are taken from the nearest points of it.
        faces: How many to keep, about.
        error: Largest deviation [m].

    Returns:
        The mesh itself if there is nothing to take away.

    Raises:
        InputError: If neither is given, one is out of range, a vertex is not finite, or the mesh has a texture.
    """
    _check(mesh, faces, error)
    goal = max(FEWEST, faces or FEWEST)
    if len(mesh.faces) <= goal:
        return mesh
    bare = without_needless_faces(joined(Mesh(mesh.vertices, mesh.faces)))
    reduced = quadric(bare, goal) if error is None else _within(bare, goal, error)
    return colored_like(reduced, mesh) if len(reduced.faces) < len(mesh.faces) else mesh


def quadric(mesh: Mesh, faces: int) -> Mesh:
    """The mesh, without its look, after edge collapses down to about so many faces; Open3D's."""
    vector = open3d.utility
    vertices, corners = mesh.vertices.double().numpy(), mesh.faces.numpy().astype(np.int32)
    before = open3d.geometry.TriangleMesh(vector.Vector3dVector(vertices), vector.Vector3iVector(corners))
    after = before.simplify_quadric_decimation(faces)
    moved = np.asarray(after.vertices).astype(np.float32)
    return compact(Mesh(torch.from_numpy(moved), torch.from_numpy(np.asarray(after.triangles).astype(np.int64))))


def deviation(mesh: Mesh, original: Mesh) -> float:
    """How far a simplified mesh strays from its original [m], as far as points find it; infinite if it has no face.

    The greater of two distances: the greatest from a vertex or an area sample of the mesh to the original; and the one
    that all but a thousandth of the original's area samples keep to the mesh. A sliver at a border may be lost.
    """
    if not len(mesh.faces):
        return float("inf")
    a, b = Surface(mesh), Surface(original)
    there = Probe(b.vertices, b.faces).distance(np.concatenate([a.used, a.sample(SAMPLES)[0]]))
    back = Probe(a.vertices, a.faces).distance(b.sample(SAMPLES)[0])
    return max(float(there.max()), float(np.quantile(back, KEPT, method="higher")))


def _within(mesh: Mesh, goal: int, error: float) -> Mesh:
    """The mesh of fewest faces found, not below the goal, whose deviation from the given one is within the error."""
    best, count = mesh, len(mesh.faces)
    while count > goal:
        count = max(goal, count // 2)
        candidate = quadric(best, count)
        if deviation(candidate, mesh) > error:
            break
        best = candidate
    low, high = count, len(best.faces)
    for _ in range(BISECTIONS if low < high else 0):
        count = round((low * high) ** 0.5)
        candidate = quadric(best, count)
        if deviation(candidate, mesh) > error:
            low = count
        else:
            best, high = candidate, count
    return best


def _check(mesh: Mesh, faces: int | None, error: float | None) -> None:
    if faces is None and error is None:
        raise InputError("faces, error", got="neither", wanted="a number of faces or an error in m")
    if faces is not None and faces < FEWEST:
        raise InputError("faces", got=faces, wanted=f"at least {FEWEST}")
    if error is not None and not 0 < error < np.inf:
        raise InputError("error", got=error, wanted="a length in m above 0")
    if mesh.uvs is not None:
        hint = "Simplify first and bake the texture then, or drop the texture."
        raise InputError("mesh", got="texture coordinates", wanted="a mesh without a texture", hint=hint)
    if not mesh.vertices[mesh.faces].isfinite().all():
        raise InputError(
            "mesh.vertices", got="numbers that are not finite", wanted="finite ones", hint="Clean it first."
        )
