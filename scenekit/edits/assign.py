"""Assign: set one field of a node, what `scene["/mug"].material = …` does; and what needs no Python: its material."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import tyro

from scenekit.errors import InputError
from scenekit.material import read_material
from scenekit.poses import Pose
from scenekit.scene import PARTS, SceneState


@dataclass(frozen=True)
class Assign:
    """Gives a node a part or a pose."""

    path: str
    """The node."""
    part: str
    """"pose", or one of splats, mesh, field, body, material, cameras."""
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


@dataclass(frozen=True)
class SetMaterial:
    """Says what a node is made of: a name of the table of materials, and what is different about it."""

    path: str
    """The node."""
    material: tyro.conf.Positional[str]
    """Such as rubber, jelly,youngs_modulus=5e3 or lead:von-mises,yield_stress=1e5; none takes the material away."""

    def __str__(self) -> str:
        return f"material of {self.path}: {self.material}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the material; a mass that the body itself says stays.

        Raises:
            InputError: If there is no such material, law or number; says which there are.
        """
        value = None if self.material == "none" else read_material(self.material)
        return Assign(self.path, "material", value).apply(state)
