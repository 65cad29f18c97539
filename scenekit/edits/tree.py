"""Edits of the tree: add, delete, duplicate, rename, reparent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import tyro

from scenekit.edits.clean import RemoveFloaters
from scenekit.edits.parts import kept
from scenekit.edits.place import added, below_root, node_name, parent_path, placed
from scenekit.errors import InputError
from scenekit.scene import Node, SceneState, join, split_path
from scenekit.selection import Where, as_selection


@dataclass(frozen=True)
class AddNode:
    """Adds a node, empty unless one is given."""

    path: str
    """Path of the new node; the one above it must exist."""
    node: Annotated[Node | None, tyro.conf.Suppress] = None
    """What to add; its name is that of the path."""

    def __str__(self) -> str:
        return f"add {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the node as last child of the one above."""
        return added(state, self.path, self.node or Node(node_name(self.path)))


@dataclass(frozen=True)
class Delete:
    """Takes away a node with all below it, or what a selection means of their splats and meshes."""

    path: str = "/"
    """The node; "/" with a selection or floaters means all there is."""
    where: Where | None = None
    """What to take away; the whole node if None."""
    floaters: bool = False
    """Take away what belongs to no surface, as `RemoveFloaters` does, which has settings."""

    def __str__(self) -> str:
        what = "floaters of " if self.floaters else ""
        return f"delete {what}{self.path}" + (f" where {self.where}" if self.where else "")

    def apply(self, state: SceneState) -> SceneState:
        """The state without them. Nodes stay even if nothing of them is left.

        Raises:
            InputError: If nothing is left at all, the root itself is meant, or both a selection and floaters are.
        """
        if self.floaters and self.where is not None:
            raise InputError("Delete", got="a selection and floaters", wanted="one of them; make two edits")
        if self.floaters:
            return RemoveFloaters(self.path).apply(state)
        if self.where is None:
            return state.with_node(self.path, lambda node: None)
        return kept(state, self.path, ~as_selection(self.where))


@dataclass(frozen=True)
class Duplicate:
    """Copies a node with all below it to another path; the copy lies where the original does."""

    path: str
    """The node."""
    to: tyro.conf.Positional[str]
    """Path of the copy; the node above it must exist."""

    def __str__(self) -> str:
        return f"duplicate {self.path} to {self.to}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the copy, which shares its tensors with the original."""
        below_root(self.path)
        return placed(added(state, self.to, state.node(self.path)), self.to, state.pose(self.path))


@dataclass(frozen=True)
class Rename:
    """Gives a node another name."""

    path: str
    """The node."""
    name: tyro.conf.Positional[str]
    """The new name."""

    def __str__(self) -> str:
        return f"rename {self.path} to {self.name}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the name changed; the node keeps its place among its siblings."""
        below_root(self.path)
        return state.with_node(self.path, lambda node: replace(node, name=self.name))


@dataclass(frozen=True)
class Reparent:
    """Hangs a node with all below it under another; it stays where it is in the world."""

    path: str
    """The node."""
    to: tyro.conf.Positional[str]
    """Path of the new parent; "/" is the root."""

    def __str__(self) -> str:
        return f"reparent {self.path} to {self.to}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the node as last child of the new parent, its pose changed so that it lies where it did."""
        below_root(self.path)
        if split_path(self.to)[: len(split_path(self.path))] == split_path(self.path):
            raise InputError("Reparent.to", got=repr(self.to), wanted=f"a node that is not at or below {self.path}")
        node, pose = state.node(self.path), state.pose(self.path)
        state.node(self.to)
        if join(parent_path(self.path)) == join(self.to):
            return state
        new = join(self.to, node.name)
        return placed(added(state.with_node(self.path, lambda _: None), new, node), new, pose)
