"""Shells: the pieces of a surface, and which lies within which. Letters: f faces, s shells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.mass import polyhedron
from scenekit.validation.probe import Probe
from scenekit.validation.surface import Surface

NESTED = 64
"""So many shells, those with the largest volumes, are looked at for what lies in them."""


@dataclass(frozen=True)
class Shell:
    """A piece of a surface whose faces are joined by edges."""

    first_face: int
    """Its lowest face, which names it."""
    is_closed: bool
    """True if it encloses a volume."""
    volume: float
    """Signed [m³]; 0 if open."""
    depth: int
    """How many times the other shells wind around it: 0 outside, 1 within a solid."""

    @property
    def is_inside_out(self) -> bool:
        """True if it looks inwards though nothing is around it that it could be a cavity of."""
        return self.volume < 0 and self.depth <= 0

    @property
    def is_cavity(self) -> bool:
        """True if it bounds a hollow in a solid."""
        return self.volume < 0 < self.depth

    @property
    def is_buried(self) -> bool:
        """True if it is a solid within a solid."""
        return self.volume > 0 and self.depth > 0


def shells(surface: Surface) -> list[Shell]:
    """The shells of a surface in the order of their first faces."""
    count = int(surface.shell.max()) + 1
    first = np.unique(surface.shell, return_index=True)[1]
    order = np.argsort(surface.shell, kind="stable")
    faces = np.split(surface.faces[order], np.cumsum(np.bincount(surface.shell, minlength=count))[:-1])
    closed = np.ones(count, bool)
    edge, face, _ = surface.half_edges
    closed[surface.shell[face[surface.balance[edge] != 0]]] = False  # an edge and all faces at it are of one shell
    closed[surface.shell[surface.collapsed]] = False
    volumes = np.zeros(count)
    volumes[closed] = [polyhedron(surface.vertices, faces[k]).volume for k in np.flatnonzero(closed)]
    depths = np.zeros(count, np.int64)
    if count > 1:
        points = surface.vertices[[part[0, 0] for part in faces]]
        for k in np.argsort(-np.abs(volumes), kind="stable")[:NESTED]:
            if volumes[k]:
                depths += np.where(
                    np.arange(count) == k, 0, _inside(points, surface, faces[k]) * int(np.sign(volumes[k]))
                )
    return [Shell(int(first[k]), bool(closed[k]), float(volumes[k]), int(depths[k])) for k in range(count)]


def _inside(points: Array, surface: Surface, faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 for points that a closed shell encloses, else 0, shape (n,)."""
    corners = surface.vertices[faces].reshape(-1, 3)
    found = np.zeros(len(points), np.int64)
    near = ((points > corners.min(0)) & (points < corners.max(0))).all(1)
    if near.any():
        found[near] = Probe(surface.vertices, faces).inside(points[near])
    return found
