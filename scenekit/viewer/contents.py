"""What there is to see of a scene, in the world frame and ready to be rendered. Letters: n Gaussians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.render.raycast import RayScene
from scenekit.scene import Node, SceneState
from scenekit.selection import Selection
from scenekit.splats import Splats, merge
from scenekit.viewer.drawing import Style, seen
from scenekit.viewer.session import Shown, is_hidden

QUICK = 100_000
"""Gaussians of a picture that must be quick."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A part of a node, and where it is."""

    path: str
    """Of the node."""
    number: int
    """Of the node among all of the scene, in the order of `walk`."""
    part: Splats | Mesh
    """In the frame of the node."""
    pose: Pose
    """T_world_node."""
    selected: tuple[Selection, SceneState] | None = None
    """What of it is selected, and where all else is, which that may ask for; None if all or nothing is."""

    def same(self, other: Placed) -> bool:
        """True if both look the same: the same objects at the same place."""
        kept = self.part is other.part and self.number == other.number and self.path == other.path
        mine, theirs = self.selected or (), other.selected or ()
        tinted = len(mine) == len(theirs) and all(a is b for a, b in zip(mine, theirs, strict=True))
        return kept and tinted and self.pose == other.pose


class Contents:
    """Splats and meshes that are visible.

    Args:
        shown: The scene.
        style: Of nodes with both, which one is seen.
        before: What of it did not change is taken over.
    """

    def __init__(self, shown: Shown, style: Style, before: Contents | None = None):
        self._shown = shown
        self.clouds: list[Placed] = []
        self.surfaces: list[Placed] = []
        for number, (path, node) in enumerate(shown.state.walk()):
            if not is_hidden(path, shown.hidden):
                self._place(path, number, node, style)
        for kind, results in (("clouds", ("splats", "strongest", "owners")), ("surfaces", ("meshes", "rays"))):
            if before is not None and _same(getattr(self, kind), getattr(before, kind)):
                self.__dict__ |= {name: before.__dict__[name] for name in results if name in before.__dict__}

    def _place(self, path: str, number: int, node: Node, style: Style) -> None:
        chosen, pose = self._shown.chosen, self._shown.state.pose(path)
        where = None if chosen is None else chosen.part(path)
        selected = None if where is None else (where, self._shown.state)
        if style.shows_splats(node) and node.splats is not None:
            self.clouds.append(Placed(path, number, node.splats, pose, selected))
        if style.shows_mesh(node) and node.mesh is not None:
            self.surfaces.append(Placed(path, number, node.mesh, pose))

    @cached_property
    def splats(self) -> Splats:
        """All Gaussians as one cloud; if one part is antialiased, all are drawn so."""
        placed = []
        for cloud in self.clouds:
            assert isinstance(cloud.part, Splats)
            part = seen(cloud.part, self._shown, cloud.path)
            placed.append(part.transform(torch.from_numpy(cloud.pose.matrix)))
        antialiased = any(part.antialiased for part in placed)
        return merge([part if part.antialiased == antialiased else replace(part, antialiased=True) for part in placed])

    @cached_property
    def strongest(self) -> Splats:
        """Of a large cloud, those that are seen most: for pictures that must be quick."""
        return strongest(self.splats, QUICK)

    @cached_property
    def owners(self) -> Tensor:
        """The number of the node of each Gaussian, shape (n,)."""
        numbers = [
            torch.full((len(cloud.part),), cloud.number) for cloud in self.clouds if isinstance(cloud.part, Splats)
        ]
        return torch.cat([torch.zeros(0, dtype=torch.long), *numbers])

    @cached_property
    def meshes(self) -> list[Mesh]:
        """All meshes."""
        return [s.part.transform(torch.from_numpy(s.pose.matrix)) for s in self.surfaces if isinstance(s.part, Mesh)]

    @cached_property
    def rays(self) -> RayScene | None:
        """All meshes, ready for rays; None if there is none."""
        return RayScene([(m.vertices.numpy(), m.faces.numpy()) for m in self.meshes]) if self.meshes else None

    @cached_property
    def first_faces(self) -> np.ndarray:
        """Number of the first face of each mesh among the faces of all."""
        return np.cumsum([0, *(len(mesh.faces) for mesh in self.meshes)])


def _same(a: Sequence[Placed], b: Sequence[Placed]) -> bool:
    return len(a) == len(b) and all(one.same(other) for one, other in zip(a, b, strict=True))


def strongest(splats: Splats, most: int) -> Splats:
    """The `most` Gaussians with the greatest opacity × area, in their order.

    The area is that of a ball of the same volume, up to a factor: (s₁ s₂ s₃)^⅔.
    """
    if len(splats) <= most:
        return splats
    seen: Tensor = splats.opacities * (splats.log_scales.sum(1) * (2 / 3)).exp()
    rows = torch.topk(seen, most, sorted=False).indices.sort().values
    return splats.take(rows)
