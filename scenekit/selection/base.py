"""Selection: the base of all, and how selections combine. Letters: n Gaussians, f faces, m things of either kind."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields

import torch
from torch import Tensor

from scenekit.scene import Node, SceneState
from scenekit.splats import Splats

PART = 65_536
"""Points that are asked for at once."""


@dataclass(frozen=True)
class Selection:
    """Base of all selections. One that asks for positions alone defines `inside`; others define `of_splats`."""

    def mask(self, state: SceneState, path: str) -> Tensor:
        """Which Gaussians of the node at `path` are meant, bool (n,); empty if it has none."""
        splats = state.node(path).splats
        if splats is None:
            return torch.zeros(0, dtype=torch.bool)
        return self.of_splats(splats, state, path)

    def faces(self, state: SceneState, path: str) -> Tensor | None:
        """Which faces of the mesh of the node at `path` are meant, bool (f,).

        Positions are asked at the middle of a face. Otherwise a face belongs where the nearest Gaussian of the node
        does. None if there is no mesh, or if the selection says nothing about surfaces, such as opacities.
        """
        node = state.node(path)
        if node.mesh is None:
            return None
        middles = node.mesh.vertices[node.mesh.faces].double().mean(1)
        return self.of_faces(in_world(middles, state, path), state, path)

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        """`mask` for the splats of a node, which are given in the node's frame.

        By parts: what is worked out on the way then stays in the cache, and needs no new memory, which is slow.
        """
        parts = splats.means.split(PART)
        return torch.cat([self.inside(in_world(part, state, path), state, path) for part in parts])

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        """`faces` for middles in the world, float64 (f, 3)."""
        return self.inside(middles, state, path)

    def inside(self, points: Tensor, state: SceneState, path: str) -> Tensor:
        """Which points in the world are meant, float64 (m, 3) → bool (m,)."""
        raise NotImplementedError

    def __and__(self, other: Selection) -> Selection:
        return And(self, other)

    def __or__(self, other: Selection) -> Selection:
        return Or(self, other)

    def __invert__(self) -> Selection:
        return Not(self)

    def __str__(self) -> str:
        return _expression(self)


@dataclass(frozen=True)
class And(Selection):
    """What both mean; written a & b."""

    a: Selection
    """One."""
    b: Selection
    """The other."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        return self.a.of_splats(splats, state, path) & self.b.of_splats(splats, state, path)

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        a, b = self.a.of_faces(middles, state, path), self.b.of_faces(middles, state, path)
        return b if a is None else a if b is None else a & b

    def __str__(self) -> str:
        return f"({self.a} & {self.b})"


@dataclass(frozen=True)
class Or(Selection):
    """What one of the two means; written a | b."""

    a: Selection
    """One."""
    b: Selection
    """The other."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        return self.a.of_splats(splats, state, path) | self.b.of_splats(splats, state, path)

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        a, b = self.a.of_faces(middles, state, path), self.b.of_faces(middles, state, path)
        return b if a is None else a if b is None else a | b

    def __str__(self) -> str:
        return f"({self.a} | {self.b})"


@dataclass(frozen=True)
class Not(Selection):
    """All but what the other means; written ~a."""

    a: Selection
    """The other."""

    def of_splats(self, splats: Splats, state: SceneState, path: str) -> Tensor:
        return ~self.a.of_splats(splats, state, path)

    def of_faces(self, middles: Tensor, state: SceneState, path: str) -> Tensor | None:
        a = self.a.of_faces(middles, state, path)
        return None if a is None else ~a

    def __str__(self) -> str:
        return f"~{self.a}"


def in_world(points: Tensor, state: SceneState, path: str) -> Tensor:
    """Points of the frame of the node at `path`, (m, 3), in the world, float64."""
    pose, points = state.pose(path), points.detach().to("cpu", torch.float64)
    if pose.is_identity:
        return points
    T = torch.from_numpy(pose.matrix)
    return points @ T[:3, :3].T + T[:3, 3]


def positions(node: Node) -> list[Tensor]:
    """Centres of a node's Gaussians and vertices of its mesh, as far as it has them; else the corners of its field."""
    parts = (None if node.splats is None else node.splats.means, None if node.mesh is None else node.mesh.vertices)
    found = [part for part in parts if part is not None and len(part)]
    return [node.field.corners()] if node.field is not None and not found else found


def _expression(selection: Selection) -> str:
    """The constructor call, fields with their defaults left out."""
    words, named = [], False
    for f in fields(selection):
        value = getattr(selection, f.name)
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        if value == default:
            named = True
        else:
            words.append(f"{f.name}={value!r}" if named else repr(value))
    return f"{type(selection).__name__}({', '.join(words)})"
