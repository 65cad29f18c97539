"""Mend: what can be repaired without asking how the thing looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats
from scenekit.surface.mend import mended
from scenekit.validation.splats import finite, repeated


@dataclass(frozen=True)
class Mend:
    """Repairs splats and meshes: drops what is broken, doubled or idle, winds faces outwards, closes small holes."""

    path: str
    """The node and all below it; "/" means all there is."""
    max_hole: float = 0.5
    """Holes with a border of up to this part of the mesh's diagonal are closed; 0 closes none."""

    def __str__(self) -> str:
        return f"mend {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with parts repaired; those without a fault stay the very same.

        Raises:
            InputError: If there is no such node, or `max_hole` is negative.
        """
        if not self.max_hole >= 0:
            raise InputError("Mend.max_hole", got=self.max_hole, wanted="0 or more")
        return state.with_each(self.path, lambda at, node: self._mended(node))

    def _mended(self, node: Node) -> Node:
        parts: dict[str, Any] = {}
        if node.splats is not None and (keep := sound(node.splats)).logical_not().any():
            parts["splats"] = node.splats.take(keep)
        if node.mesh is not None and (mesh := mended(node.mesh, max_hole=self.max_hole)) is not node.mesh:
            parts["mesh"] = mesh
        return replace(node, **parts) if parts else node


def sound(splats: Splats) -> Tensor:
    """False for Gaussians that are not finite, have no rotation or are copies of earlier ones, bool (n,)."""
    parts = {name: tensor.detach().cpu() for name, tensor in splats.tensors().items()}
    good = finite(splats) & (parts["quats"].double().norm(dim=1) >= 1e-12)
    return good & ~torch.from_numpy(repeated(parts))
