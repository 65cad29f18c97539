"""Movers: boxes, balls and things of `scenekit.datasets.shapes` as bodies of our physics. Letters: e splats of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from scenekit.datasets.shapes import build, sample_spec
from scenekit.datasets.shapes_parts import Array, Rng
from scenekit.mass import mass_properties
from scenekit.meshes import Mesh, painted
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.hulls import convex_hull
from scenekit.sim.pieces import piece_mesh
from scenekit.sim.shapes import Box, Hull, Plane, Shape, Sphere
from scenekit.splats import Splats
from scenekit.surface.flat_splats import mesh_splats

Kind = Literal["box", "ball", "thing"]
KINDS: tuple[Kind, ...] = ("box", "ball", "thing")
"""In the order of their numbers in files."""
CORNERS = 48
"""Most corners of the hull by which a thing collides."""


@dataclass(frozen=True)
class Mover:
    """A body that can move; its frame has the origin in the centre of mass."""

    kind: Kind
    """How it is made."""
    name: str
    """What it is."""
    mesh: Mesh
    """How it looks, with vertex colours."""
    shape: Shape
    """What collides: the same, of a thing its hull, which its matter fills."""
    inertia: Array
    """About the centre of mass, axes of the body, per mass [m²], shape (3, 3)."""
    size: Array
    """Sides of its box [m], shape (3,)."""
    bottom: float
    """How far it reaches below its origin, standing [m]."""
    reach: float
    """How far it reaches from its origin in any direction [m]."""

    def body(self, path: str, *, mass: float, friction: float, restitution: float, pose: Pose) -> RigidBody:
        """It as a dynamic body at rest."""
        none = (0.0, 0.0, 0.0)
        piece = (Piece(self.shape),)
        return RigidBody(path, "dynamic", pose, mass, none, mass * self.inertia, piece, friction, restitution)

    def splats(self, count: int, rng: Rng) -> Splats:
        """Flat Gaussians on its surface, in its frame."""
        return mesh_splats(self.mesh, count, rng)


def floor(friction: float) -> RigidBody:
    """The plane z = 0. Of two frictions the larger counts, so a low one leaves it to what lies there; so does its
    bounce, the highest."""
    none = np.zeros((3, 3))
    return RigidBody("/floor", "static", Pose(), 0.0, (0.0, 0.0, 0.0), none, (Piece(Plane()),), friction, 1.0)


def mover(kind: Kind, rng: Rng) -> Mover:
    """One of random size, proportions and colour, 10 to 35 cm large."""
    return {"box": _box, "ball": _ball, "thing": _thing}[kind](rng)


def _box(rng: Rng) -> Mover:
    half = rng.uniform(0.05, 0.14, 3)
    shape = Box((float(half[0]), float(half[1]), float(half[2])))
    inertia = np.diag((half**2).sum() - half**2) / 3
    return _primitive("box", shape, inertia, half, float(np.linalg.norm(half)), rng)


def _ball(rng: Rng) -> Mover:
    radius = float(rng.uniform(0.06, 0.13))
    return _primitive("ball", Sphere(radius), 0.4 * radius**2 * np.eye(3), np.full(3, radius), radius, rng)


def _primitive(kind: Kind, shape: Shape, inertia: Array, half: Array, reach: float, rng: Rng) -> Mover:
    mesh = painted(piece_mesh(Piece(shape)), rng.uniform(0.1, 0.95, 3).tolist())
    return Mover(kind, kind, mesh, shape, inertia, 2 * half, float(half[2]), reach)


def _thing(rng: Rng) -> Mover:
    spec = sample_spec(rng, relations=0.0)
    mesh = build(spec, rng).mesh
    points = mesh.vertices.double().numpy() * rng.uniform(0.2, 0.35)
    hull = convex_hull(points, max_vertices=CORNERS)
    filled = mass_properties(hull)
    points, corners = points - filled.centre, hull.vertices.double().numpy() - filled.centre
    placed = replace(mesh, vertices=torch.from_numpy(points).float())
    shape = Hull(replace(hull, vertices=torch.from_numpy(corners).float()))
    reach = float(np.linalg.norm(corners, axis=1).max())
    inertia, bottom = filled.inertia / filled.volume, -float(corners[:, 2].min())
    return Mover("thing", spec.noun, placed, shape, inertia, np.ptp(points, axis=0), bottom, reach)
