"""Spikes: single vertices that stick out of a surface. Letters: v vertices, f faces, e edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from scenekit.cameras import Array
from scenekit.meshes import Mesh
from scenekit.surface.smooth import neighbour_means
from scenekit.validation.surface import Ints, Surface

FOLD = 60.0
"""Angle by which the faces of a spike turn off from those around its foot, more in the mean [degrees]."""

PASSES = 5
"""What stands on a spike may be one when that is gone."""


def without_spikes(mesh: Mesh, opening: float) -> Mesh:
    """The mesh with each spike moved to the mean of its neighbours, a few times over.

    Args:
        mesh: Any.
        opening: Of the cone that a spike is narrower than [degrees], 0 to 180.
    """
    for _ in range(PASSES):
        surface = Surface(mesh)
        tips = spikes(surface, opening)
        if not len(tips):
            break
        vertices = surface.vertices.copy()
        vertices[tips] = (neighbour_means(surface) @ vertices)[tips]
        mesh = replace(mesh, vertices=torch.from_numpy(vertices[surface.weld].astype(np.float32)))
    return mesh


def spikes(surface: Surface, opening: float) -> Ints:
    """Vertices, not at a border, at the tip of a cone narrower than `opening` [degrees] that stands on a surface.

    The unit normals of the faces around a cone of half angle α have a mean of length sin α. The foot tells a spike from
    the point of a thing: there the faces turn off by more than `FOLD` in the mean, to look where the cone points or, of
    a dent, whence it comes.
    """
    v, faces = len(surface.vertices), surface.faces
    a, b, c = surface.triangles.swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    mean = _means(faces.ravel(), normals.repeat(3, axis=0), v)
    edge, face, _ = surface.half_edges
    pair = np.flatnonzero((np.diff(edge) == 0) & (surface.faces_at[edge[:-1]] == 2))
    f, g = face[pair], face[pair + 1]
    turn = np.degrees(np.arccos(np.einsum("ex,ex->e", normals[f], normals[g]).clip(-1, 1)))
    ends = surface.edges[edge[pair]].sum(1)
    across = np.concatenate([faces[f].sum(1) - ends, faces[g].sum(1) - ends])  # the corner of a face, off the edge
    beyond = _means(across, np.concatenate([normals[g], normals[f]]), v)
    folded = _means(across, np.concatenate([turn, turn])[:, None], v)[:, 0] > FOLD
    found = folded & (np.linalg.norm(mean, axis=1) < np.sin(np.radians(opening / 2))) & ((mean * beyond).sum(1) > 0)
    found[surface.edges[surface.border]] = False
    return np.flatnonzero(found)


def _means(index: Ints, rows: Array, v: int) -> Array:
    """Mean of the rows of each index, shape (v, columns)."""
    sums = np.stack([np.bincount(index, column, minlength=v) for column in rows.T], 1)
    return np.asarray(sums / np.maximum(np.bincount(index, minlength=v), 1)[:, None])
