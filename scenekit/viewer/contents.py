"""What there is to see of a scene, in the world frame and ready to be rendered. Letters: n Gaussians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.render.raycast import RayScene
from scenekit.scene import Node, SceneState
from scenekit.selection import Selection
from scenekit.splats import Splats, merge
from scenekit.viewer.drawing import Style, seen
from scenekit.viewer.session import Shown, is_hidden

QUICK = 60_000
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

    @cached_property
    def strengths(self) -> Tensor:
        """`strengths` of its Gaussians."""
        assert isinstance(self.part, Splats)
        return strengths(self.part)

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
        known = {} if before is None else {cloud.path: cloud for cloud in before.clouds}
        self.clouds: list[Placed] = []
        self.surfaces: list[Placed] = []
        for number, (path, node) in enumerate(shown.state.walk()):
            if not is_hidden(path, shown.hidden):
                self._place(path, number, node, style, known.get(path))
        for kind, results in (("clouds", ("splats", "strongest", "owners")), ("surfaces", ("meshes", "rays"))):
            if before is not None and _same(getattr(self, kind), getattr(before, kind)):
                self.__dict__ |= {name: before.__dict__[name] for name in results if name in before.__dict__}

    def _place(self, path: str, number: int, node: Node, style: Style, known: Placed | None) -> None:
        chosen, pose = self._shown.chosen, self._shown.state.pose(path)
        where = None if chosen is None else chosen.part(path)
        selected = None if where is None else (where, self._shown.state)
        if style.shows_splats(node) and node.splats is not None:
            cloud = Placed(path, number, node.splats, pose, selected)
            if known is not None and known.part is node.splats and "strengths" in known.__dict__:
                cloud.__dict__["strengths"] = known.strengths
            self.clouds.append(cloud)
        if style.shows_mesh(node) and node.mesh is not None:
            self.surfaces.append(Placed(path, number, node.mesh, pose))

    @cached_property
    def splats(self) -> Splats:
        """All Gaussians as one cloud."""
        return self._joined([None] * len(self.clouds))

    @cached_property
    def strongest(self) -> Splats:
        """Those that are seen most, at most `QUICK`, in their order: for pictures that must be quick."""
        counts = [len(cloud.strengths) for cloud in self.clouds]
        if sum(counts) <= QUICK:
            return self.splats
        wanted = _greatest(torch.cat([cloud.strengths for cloud in self.clouds]), QUICK)
        return self._joined(wanted.split(counts))

    def _joined(self, wanted: Sequence[Tensor | None]) -> Splats:
        """What is wanted of each cloud, in the world; if one is antialiased, all are drawn so."""
        placed = [
            seen(cloud.part, self._shown, cloud.path, only=only).transform(torch.from_numpy(cloud.pose.matrix))
            for cloud, only in zip(self.clouds, wanted, strict=True)
            if isinstance(cloud.part, Splats)
        ]
        antialiased = any(part.antialiased for part in placed)
        return merge([part if part.antialiased == antialiased else replace(part, antialiased=True) for part in placed])

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
    """The `most` Gaussians with the greatest `strengths`, in their order."""
    return splats if len(splats) <= most else splats.take(_greatest(strengths(splats), most))


def strengths(splats: Splats) -> Tensor:
    """How much is seen of each Gaussian from anywhere: the logarithm of opacity × area, shape (n,).

    The area is that of a ball of the same volume, up to a factor: (s₁ s₂ s₃)^⅔.
    """
    return logsigmoid(splats.logit_opacities).add_(splats.log_scales.sum(1), alpha=2 / 3)


def _greatest(values: Tensor, most: int) -> Tensor:
    """Where the `most` greatest of more values (n,) are, bool (n,)."""
    result = torch.zeros(len(values), dtype=torch.bool)
    order = np.argpartition(-values.cpu().numpy(), most)  # five times as fast as topk
    result[torch.from_numpy(order[:most])] = True
    return result
