"""Selections by what Gaussians are: colour, opacity, size, shape, and which hang together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from scenekit.scene import SceneState
from scenekit.selection.base import Selection, in_world
from scenekit.splats import SH_C0, Splats

Vector = tuple[float, float, float]

NEIGHBOURS = 16
"""How many of the nearest Gaussians are looked at to find connected ones."""


@dataclass(frozen=True)
class OfSplats(Selection):
    """Base of selections by what only Gaussians have; faces go with the nearest Gaussian."""

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        splats = state.node(path).splats
        if splats is None or not len(splats):
            return None
        _, nearest = cKDTree(in_world(splats.means, state, path).numpy()).query(middles.numpy(), workers=-1)
        return self.of_splats(splats, state, path)[torch.from_numpy(nearest)]


@dataclass(frozen=True)
class Color(OfSplats):
    """What has nearly this colour, seen from all around."""

    rgb: Vector
    """sRGB, 0..1."""
    tolerance: float = 0.15
    """Greatest distance in sRGB, where black and white are √3 apart."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        rgb = (0.5 + SH_C0 * splats.sh[:, 0].double()).clamp(0, 1)
        return (rgb - torch.tensor(self.rgb, dtype=torch.float64)).norm(dim=-1) <= self.tolerance


@dataclass(frozen=True)
class Opacity(Selection):
    """Opacities in a range, the limits included. Says nothing about meshes."""

    least: float = 0.0
    """0..1."""
    most: float = 1.0
    """0..1."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        return _between(splats.opacities, self.least, self.most)

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Scale(Selection):
    """Largest standard deviations in a range, the limits included. Says nothing about meshes."""

    least: float = 0.0
    """[m]."""
    most: float = math.inf
    """[m]."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        return _between(splats.scales.amax(-1), self.least, self.most)

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Flatness(Selection):
    """Largest over smallest standard deviation in a range: 1 is a ball, needles and discs are beyond 10."""

    least: float = 1.0
    """1 or more."""
    most: float = math.inf
    """1 or more."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        ratio = (splats.log_scales.amax(-1) - splats.log_scales.amin(-1)).exp()
        return _between(ratio, self.least, self.most)

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Cluster(OfSplats):
    """A connected cluster: Gaussians joined by steps of at most `radius` between centres, to one of the 16 nearest."""

    radius: float
    """Longest step [m]."""
    at: Vector | None = None
    """The cluster with the Gaussian nearest to this point; the largest cluster if None [m]."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        points = in_world(splats.means, state, path).numpy()
        if not len(points):
            return torch.zeros(0, dtype=torch.bool)
        tree = cKDTree(points)
        labels = clusters(tree, self.radius)
        chosen = np.bincount(labels).argmax() if self.at is None else labels[tree.query(self.at)[1]]
        return torch.from_numpy(labels == chosen)


def clusters(tree: cKDTree, radius: float) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Number of the connected cluster of each point, shape (n,); see `Cluster`."""
    distance, other = tree.query(
        tree.data, k=NEIGHBOURS + 1, distance_upper_bound=np.nextafter(radius, np.inf), workers=-1
    )
    own, column = np.nonzero(np.isfinite(distance))
    n = len(tree.data)
    graph = coo_matrix((np.ones(len(own), np.int8), (own, other[own, column])), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    return labels


def _between(values: Tensor, least: float, most: float) -> Tensor:
    return ((values >= least) & (values <= most)).cpu()
