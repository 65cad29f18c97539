"""Which side of a surface is out, as light would find it. Letters: f faces, p patches, n rays."""

from __future__ import annotations

import numpy as np

from scenekit.meshes import Mesh
from scenekit.render.raycast import RayScene
from scenekit.surface.mend import with_faces_turned
from scenekit.validation.surface import Ints, Surface

RAYS = 64
"""Rays from each side of a patch, fewer if there are many patches."""

MOST_RAYS = 400_000

LIFT = 1e-5
"""How far rays start off the surface, as a part of the mesh's diagonal."""


def facing_out(mesh: Mesh) -> Mesh:
    """The mesh with those patches turned whose back sees more of the open than their front does.

    A patch is what edges join. Rays leave both sides of it at random, and the side from which more of them escape is
    out (after Takayama et al. 2014). Closed patches have no need of it, see `mend.outward`.

    Args:
        mesh: Wound consistently within patches.
    """
    surface = Surface(mesh)
    face, direction = _rays(surface)
    a, b, c = surface.triangles[face].swapaxes(0, 1)
    u, v = np.random.default_rng(1).dirichlet([1, 1, 1], len(face))[:, :2].T
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    points = a + u[:, None] * (b - a) + v[:, None] * (c - a)
    direction *= np.where((direction * normals).sum(1) < 0, -1, 1)[:, None]
    scene, lift = RayScene([(surface.vertices, surface.faces)]), LIFT * np.linalg.norm(surface.extent)
    front = ~scene.blocked(points + lift * normals, direction)
    back = ~scene.blocked(points - lift * normals, -direction)
    patch = surface.shell
    gain = np.bincount(patch[face], back.astype(np.float64) - front, minlength=patch.max() + 1)
    is_open = np.zeros(len(gain), np.bool_)
    edge, at, _ = surface.half_edges
    is_open[patch[at[surface.faces_at[edge] == 1]]] = True
    return with_faces_turned(mesh, np.flatnonzero((is_open & (gain > 0))[patch]))


def _rays(surface: Surface) -> tuple[Ints, np.ndarray]:
    """The face from which each ray starts, about as many for each patch, by area, and unit directions (n, 3)."""
    patch, rng = surface.shell, np.random.default_rng(0)
    order = np.argsort(patch, kind="stable")
    ends = np.cumsum(surface.areas[order])
    last = np.cumsum(np.bincount(patch)) - 1
    start, end = np.concatenate([[0], ends[last[:-1]]]), ends[last]
    each = int(np.clip(MOST_RAYS // len(last), 4, RAYS))
    place = start[:, None] + (end - start)[:, None] * rng.random((len(last), each))
    chosen = np.searchsorted(ends, place.ravel()).clip(max=len(order) - 1)
    direction = rng.normal(size=(len(chosen), 3))
    return order[chosen], direction / np.linalg.norm(direction, axis=1, keepdims=True)
