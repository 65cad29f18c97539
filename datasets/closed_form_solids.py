"""Solids whose volume, centre and inertia have closed forms, as fine meshes, skewed so that no axis is special."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
import trimesh

from scenekit.cameras import Array
from scenekit.mass import MassProperties
from scenekit.meshes import Mesh

SKEW = trimesh.transformations.rotation_matrix(0.7, (1, 2, 3))
SKEW[:3, 3] = 0.03, -0.05, 0.11
"""Where each solid stands in its mesh's frame."""

ROUND = 256
"""Edges around a circle: areas are (2π/256)²/6 = 1e-4 too small."""


@dataclass(frozen=True)
class ClosedForm:
    """A solid, and what is true of it."""

    mesh: Mesh
    """Closed."""
    truth: MassProperties
    """In the mesh's frame, of density 1 kg/m³."""


def closed_form_solids() -> dict[str, ClosedForm]:
    """Box, ball, cylinder, torus and a hollow cup, of the size of what stands on tables."""
    made: dict[str, Callable[[], tuple[trimesh.Trimesh, MassProperties]]] = {
        "box": _box,
        "ball": _ball,
        "cylinder": _cylinder,
        "torus": _torus,
        "cup": _cup,
    }
    return {name: _skewed(*make()) for name, make in made.items()}


def _box() -> tuple[trimesh.Trimesh, MassProperties]:
    a, b, c = sides = (0.12, 0.08, 0.05)
    inertia = a * b * c / 12 * np.diag([b**2 + c**2, a**2 + c**2, a**2 + b**2])
    return trimesh.creation.box(sides), MassProperties(a * b * c, np.zeros(3), inertia)


def _ball() -> tuple[trimesh.Trimesh, MassProperties]:
    r = 0.06
    volume = 4 / 3 * pi * r**3
    mesh = trimesh.creation.icosphere(subdivisions=6, radius=r)
    return mesh, MassProperties(volume, np.zeros(3), 2 / 5 * volume * r**2 * np.eye(3))


def _cylinder() -> tuple[trimesh.Trimesh, MassProperties]:
    r, h = 0.04, 0.1
    return trimesh.creation.cylinder(r, h, sections=ROUND), _of_cylinder(r, h, 0.0)


def _torus() -> tuple[trimesh.Trimesh, MassProperties]:
    R, r = 0.07, 0.02
    volume = 2 * pi**2 * R * r**2
    across, along = R**2 / 2 + 5 / 8 * r**2, R**2 + 3 / 4 * r**2
    mesh = trimesh.creation.torus(R, r, major_sections=ROUND, minor_sections=128)
    return mesh, MassProperties(volume, np.zeros(3), volume * np.diag([across, across, along]))


def _cup() -> tuple[trimesh.Trimesh, MassProperties]:
    """A cylinder less the one that is its hollow, open above."""
    (R, H), (r, floor) = (0.04, 0.1), (0.036, 0.006)
    outline = [(0, 0), (R, 0), (R, H), (r, H), (r, floor), (0, floor)]
    whole, hollow = _of_cylinder(R, H, H / 2), _of_cylinder(r, H - floor, (H + floor) / 2)
    volume = whole.volume - hollow.volume
    centre = (whole.volume * whole.centre - hollow.volume * hollow.centre) / volume
    inertia = _about(whole, centre) - _about(hollow, centre)
    return trimesh.creation.revolve(outline, sections=ROUND), MassProperties(volume, centre, inertia)


def _of_cylinder(r: float, h: float, z: float) -> MassProperties:
    """A cylinder along z whose centre is at this height."""
    volume = pi * r**2 * h
    across = (3 * r**2 + h**2) / 12
    return MassProperties(volume, np.array([0, 0, z]), volume * np.diag([across, across, r**2 / 2]))


def _about(solid: MassProperties, point: Array) -> Array:
    """Inertia about another point, by the parallel axes."""
    d = solid.centre - point
    inertia: Array = solid.inertia + solid.volume * (d @ d * np.eye(3) - np.outer(d, d))
    return inertia


def _skewed(solid: trimesh.Trimesh, truth: MassProperties) -> ClosedForm:
    R, t = SKEW[:3, :3], SKEW[:3, 3]
    vertices, faces = np.asarray(solid.vertices) @ R.T + t, np.array(solid.faces)
    mesh = Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(faces).long())
    return ClosedForm(mesh, MassProperties(truth.volume, R @ truth.centre + t, R @ truth.inertia @ R.T))
