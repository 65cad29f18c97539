"""Cloth: a triangle mesh as a thin sheet that stretches, shears and bends. Letters: v vertices, f faces, e edges."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.laws import Cloth
from scenekit.material import Material
from scenekit.meshes import Mesh
from scenekit.sim.elements import Elements, elements_of


def cloth(mesh: Mesh, material: Material, *, radius: float | None = None) -> Elements:
    """A sheet in the shape of a mesh, which is its shape at rest.

    With the thickness t, Young's modulus E and flexural rigidity D of the material, an edge of length l between
    triangles of areas A₁ and A₂ (one, at the border) has

        k = E t (A₁ + A₂) / l²      stretch and shear (Van Gelder 1998) [N/m]
        k = D l² / (A₁ + A₂)        energy k (θ − θ₀)² / 2 of bending [J/rad²]

    The first is that of plane stress on equilateral triangles, whose Poisson's ratio is 1/3 whatever the material says.
    The second bends a sheet of equilateral triangles or of squares cut in two with rigidity D (Seung & Nelson 1988);
    discrete shells (Grinspun et al. 2003) have three times as much.

    Args:
        mesh: Its vertices at one place are one; edges of more than two faces do not bend.
        material: Its law is `Cloth`.
        radius: Half of the distance that contacts keep [m]; half of the thickness if None.

    Raises:
        InputError: If the material is not cloth, or the mesh is empty or has degenerate triangles or loose vertices.
    """
    law = material.law
    if not isinstance(law, Cloth):
        raise InputError(f"cloth of {material.name}: law", got=law.name, wanted="cloth")
    if not len(mesh.faces):
        raise InputError("cloth: mesh", got="no faces", wanted="triangles")
    one = torch.ones(len(mesh.vertices))
    elements_of(x=mesh.vertices, mass=one, radius=0.0, friction=0.0, faces=mesh.faces.int())  # raises if it is bad
    x, faces = mesh.vertices.double().numpy(), mesh.faces.numpy()
    areas = _areas(x, faces)
    edges, around, opposite = _edges(faces, areas)
    length = np.linalg.norm(x[edges[:, 0]] - x[edges[:, 1]], axis=1)
    thickness = law.thickness.value
    stretch = length**2 / (material.youngs_modulus.value * thickness * around)
    hinges = opposite[:, 1] >= 0
    quads = np.concatenate([edges, opposite], 1)[hinges]
    mass = np.zeros(len(x))
    np.add.at(mass, faces.ravel(), np.repeat(areas, 3) * material.density.value * thickness / 3)
    bend = around[hinges] / (law.bending.value * length[hinges] ** 2) if law.bending.value > 0 else None
    return elements_of(
        x=mesh.vertices,
        mass=torch.from_numpy(mass),
        radius=thickness / 2 if radius is None else radius,
        friction=material.friction.value,
        faces=mesh.faces.int(),
        edges=_ints(edges),
        edge_rest=_floats(length),
        edge_compliance=_floats(stretch),
        **({} if bend is None else _bends(x, quads, bend)),
    )


def bend_angles(x: Array, quads: NDArray[np.integer]) -> Array:
    """Angles of the hinges (0, 1) between the triangles (0, 1, 2) and (1, 0, 3), 0 if flat [rad], shape (b,)."""
    p0, p1, p2, p3 = (x[quads[:, k]] for k in range(4))
    e = p1 - p0
    n, m = np.cross(e, p2 - p0), np.cross(p3 - p0, e)
    sine = -(np.cross(n, m) * e).sum(1) / np.linalg.norm(e, axis=1)
    return np.arctan2(sine, (n * m).sum(1))


def _bends(x: Array, quads: NDArray[np.integer], compliance: Array) -> dict[str, Tensor]:
    angles = bend_angles(x, quads)
    return {"bends": _ints(quads), "bend_rest": _floats(angles), "bend_compliance": _floats(compliance)}


def _areas(x: Array, faces: NDArray[np.integer]) -> Array:
    a, b, c = (x[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def _edges(faces: NDArray[np.int64], areas: Array) -> tuple[NDArray[np.int64], Array, NDArray[np.int64]]:
    """Edges (e, 2), the area around each (e,), and the vertices opposite (e, 2); −1 for edges that do not bend.

    An edge runs as in the first of its faces, so that face is (0, 1, opposite 0) and the other (1, 0, opposite 1).
    """
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    tip = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    _, first, which, uses = np.unique(
        np.sort(directed, 1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    which = which.reshape(-1)
    around = np.bincount(which, np.tile(areas, 3)).astype(np.float64)
    opposite = np.full((len(first), 2), -1)
    later = np.setdiff1d(np.arange(len(directed)), first)
    later = later[(uses[which[later]] == 2) & (directed[later, 0] == directed[first[which[later]], 1])]
    opposite[which[later], 0] = tip[first[which[later]]]
    opposite[which[later], 1] = tip[later]
    return directed[first], around, opposite


def _ints(values: NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int32))


def _floats(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
