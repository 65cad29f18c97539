"""What the checks look at: each node with its place in the world and its surface, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import manifold3d
import numpy as np
from numpy.typing import NDArray

from scenekit.body import Body
from scenekit.cameras import Array
from scenekit.scene import Node, SceneState
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface

FARTHEST = 1e9
"""Coordinates beyond this are a mistake [m]; their squares and cubes no longer fit float32."""

SAMPLES = 4000
"""Points by which a surface is compared with others."""

LEANING = 1e-3
"""A surface whose unit normal is less high than this neither rests on anything nor holds anything up."""


@dataclass(frozen=True)
class Placed:
    """A node in the world."""

    path: str
    """Where in the tree."""
    node: Node
    """Itself."""
    T_world_node: Array
    """Its pose, shape (4, 4)."""

    @cached_property
    def surface(self) -> Surface | None:
        """Its mesh, if that has faces and all vertices are finite and within `FARTHEST`."""
        mesh = self.node.mesh
        if mesh is None or not len(mesh.faces) or not bool((mesh.vertices.abs() <= FARTHEST).all()):
            return None
        return Surface(mesh)

    @cached_property
    def vertices(self) -> Array:
        """The vertices of its surface in the world [m], shape (v, 3); none without a surface."""
        return np.zeros((0, 3)) if self.surface is None else self.to_world(self.surface.vertices)

    @cached_property
    def faces(self) -> NDArray[np.int64]:
        """The faces of its surface, shape (f, 3); none without a surface."""
        return np.zeros((0, 3), np.int64) if self.surface is None else self.surface.faces

    @cached_property
    def box(self) -> Array:
        """Least and greatest corner of its surface in the world [m], shape (2, 3)."""
        corners = self.vertices[np.unique(self.faces)]
        return np.stack([corners.min(0), corners.max(0)])

    @cached_property
    def samples(self) -> Array:
        """Points of its surface in the world, its lowest and highest vertices and others evenly over its area [m]."""
        return self._samples[0]

    def facing(self, up: bool) -> Array:
        """Those of the samples where the surface looks up, or down; both ways where it encloses nothing [m]."""
        points, highest, lowest = self._samples
        return points[highest > LEANING if up else lowest < -LEANING]

    @cached_property
    def _samples(self) -> tuple[Array, Array, Array]:
        """The samples, and the greatest and least height of the unit normals of the faces there."""
        assert self.surface is not None
        edges = self.vertices[self.faces[:, 1:]] - self.vertices[self.faces[:, :1]]
        normals = np.cross(edges[:, 0], edges[:, 1])
        steep = normals[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), np.finfo(float).tiny)
        steep = steep * np.sign(self.surface.solid.volume) if self.surface.is_closed else np.abs(steep)
        highest, lowest = np.full(len(self.vertices), -1.0), np.full(len(self.vertices), 1.0)
        np.maximum.at(highest, self.faces, steep[:, None])
        np.minimum.at(lowest, self.faces, steep[:, None] if self.surface.is_closed else -steep[:, None])
        used = np.unique(self.faces)
        order = used[np.argsort(self.vertices[used, 2], kind="stable")]
        ends = order if len(order) <= SAMPLES else np.r_[order[: SAMPLES // 2], order[-SAMPLES // 2 :]]
        spread, face = self.surface.sample(SAMPLES)
        down = steep[face] if self.surface.is_closed else -steep[face]
        points = np.concatenate([self.vertices[ends], self.to_world(spread)])
        return points, np.concatenate([highest[ends], steep[face]]), np.concatenate([lowest[ends], down])

    @cached_property
    def probe(self) -> Probe | None:
        """Its surface in the world, to be asked about points."""
        return None if self.surface is None else Probe(self.vertices, self.faces)

    @cached_property
    def manifold(self) -> manifold3d.Manifold | None:
        """The solid that it encloses, in the world; None if it encloses none."""
        surface = self.surface
        if surface is None or not surface.is_closed:
            return None
        faces = self.faces if surface.solid.volume > 0 else self.faces[:, ::-1]
        solid = manifold3d.Manifold(manifold3d.Mesh64(self.vertices, np.ascontiguousarray(faces, np.uint64)))
        return solid if solid.status() == manifold3d.Error.NoError and solid.volume() > 0 else None

    @property
    def is_far(self) -> bool:
        """True if it is so far away that nothing can be computed there."""
        return not bool((np.abs(self.T_world_node) <= FARTHEST).all())

    @property
    def body(self) -> Body | None:
        """What it is to a simulator."""
        return self.node.body

    @property
    def is_dynamic(self) -> bool:
        """True if it is free to move."""
        return self.body is not None and self.body.kind == "dynamic"

    def to_world(self, points: Array) -> Array:
        """Points of the node's frame in the world [m], shape (n, 3)."""
        return np.asarray(points, np.float64) @ self.T_world_node[:3, :3].T + self.T_world_node[:3, 3]


def placed(state: SceneState) -> list[Placed]:
    """All nodes of a scene but its sky, parents first."""
    places = {"/": state.root.pose.matrix}
    things = []
    for path, node in state.things():
        if path != "/":
            with np.errstate(over="ignore", invalid="ignore"):
                places[path] = places[path.rsplit("/", 1)[0] or "/"] @ node.pose.matrix
        things.append(Placed(path, node, places[path]))
    return things
