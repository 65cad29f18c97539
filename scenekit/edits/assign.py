"""Assign: set one field of a node, what `scene["/mug"].material = …` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.scene import PARTS, SceneState


@dataclass(frozen=True)
class Assign:
    """Gives a node a part or a pose."""

    path: str
    """The node."""
    part: str
    """"pose", or one of splats, mesh, body, material, cameras."""
    value: Any
    """The new part; None takes it away."""

    def __str__(self) -> str:
        return f"{'clear' if self.value is None else 'set'} {self.part} of {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the part in place."""
        if self.part not in ("pose", *PARTS):
            raise InputError("part", got=repr(self.part), wanted="one of pose, " + ", ".join(PARTS))
        if self.part == "pose" and not isinstance(self.value, Pose):
            raise InputError(f"pose of {self.path}", got=type(self.value).__name__, wanted="a Pose")
        return state.with_node(self.path, lambda node: replace(node, **{self.part: self.value}))
