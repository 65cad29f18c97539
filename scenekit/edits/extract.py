"""Extract: a node's radiance field becomes its mesh and splats, which everything else works on."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Literal

from scenekit.errors import InputError
from scenekit.fields.extract import field_mesh, field_splats
from scenekit.scene import Node, SceneState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extract:
    """Makes a mesh and splats of the fields of a node and all below it; they take the place of those it has."""

    path: str = "/"
    """The node; "/" means all there is."""
    what: Literal["both", "mesh", "splats"] = "both"
    """What to make."""
    voxels: int = 128
    """Of the surface, along the longest side of the region."""
    level: float | None = None
    """Density of the surface [1/m]; where a voxel takes half of the light if None."""
    count: int = 20_000
    """Gaussians."""
    keep_field: bool = True
    """False takes the field away."""

    def __str__(self) -> str:
        what = "mesh and splats" if self.what == "both" else self.what
        return f"extract {what} from the field of {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with what was made; what an unbounded field shows far out is in neither.

        Raises:
            InputError: If there is no field at or below the path, or an option is out of range.
            FitError: If a field is empty.
        """
        if all(node.field is None for _, node in state.walk(self.path)):
            raise InputError("path", got=f"{self.path}, where no node has a field", wanted="a node with a field")
        return state.with_each(self.path, self._extracted)

    def _extracted(self, path: str, node: Node) -> Node:
        if node.field is None:
            return node
        field = node.field.field
        found = field_mesh(field, voxels=self.voxels, level=self.level)
        for remark in found.remarks:
            log.warning("%s: %s", path, remark)
        splats = node.splats if self.what == "mesh" else field_splats(field, found, count=self.count)
        mesh = node.mesh if self.what == "splats" else found.mesh
        return replace(node, mesh=mesh, splats=splats, field=node.field if self.keep_field else None)
