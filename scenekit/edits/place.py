"""Edits of where things are: move, rotate, scale, mirror."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.scene import SceneState


@dataclass(frozen=True)
class Move:
    """Moves a node and all below it."""

    path: str
    """The node."""
    by: tuple[float, float, float]
    """How far, along the axes of the world [m]."""

    def __str__(self) -> str:
        return f"move {self.path} by {self.by} m"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the node's pose changed; its parts stay untouched."""
        pose = state.pose(self.path)
        moved = Pose(tuple(np.add(pose.position, self.by)), pose.quat)
        return placed(state, self.path, moved)


def placed(state: SceneState, path: str, pose: Pose) -> SceneState:
    """The state with the node at `path` at `pose` in the world.

    Raises:
        InputError: If it is the root, which is the world.
    """
    if path == "/":
        raise InputError("path", got="/", wanted="a node below the root", hint="Move its children.")
    parent = state.pose(path.rsplit("/", 1)[0] or "/")
    return state.with_node(path, lambda node: replace(node, pose=parent.inverse() @ pose))
