"""Scene: a tree of named nodes with poses and parts, changed by reversible edits.

    scene = open_scene("kitchen")
    scene.apply(edits.Move("/table/mug", by=(0, 0, 0.3)))
    scene.undo()
    scene.save()

Nodes and parts are immutable values and an edit makes a new tree that shares all it did not touch. Undo therefore
returns to the very tensors that were there, and costs what the edit changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from scenekit.body import Body
from scenekit.capture.capture import Capture, Frame, Photo
from scenekit.errors import InputError
from scenekit.material import Material
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.splats import Splats, merge

if TYPE_CHECKING:
    from scenekit.fields.fitted import FittedField
    from scenekit.jepa.jepa import Jepa
    from scenekit.scene_diff import Difference
    from scenekit.segment import SegmentConfig
    from scenekit.surface.meshing import MeshingConfig
    from scenekit.validation import Finding

NAME = re.compile(r"[^\W_][\w.-]{0,63}")
"""What a node may be called: letters, digits, then also `_ . -`, at most 64 of them."""

PARTS = ("splats", "mesh", "field", "body", "material", "cameras")
"""What a node can hold, at most one of each."""

SKY_PATH = "/sky"
"""The node of what is too far to have a place: drawn, but no thing among `SceneState.things`."""

MAX_DEPTH = 64
"""Deepest path; a tree that is deeper is a mistake or an attack."""


HISTORY_BYTES = 2_000_000_000
"""What the history of a saved scene may take on disk if not told otherwise [bytes]."""


@dataclass(frozen=True)
class Node:
    """A named thing with a place in its parent.

    Raises:
        InputError: If the name is not one, or two children share one.
    """

    name: str
    """Unique among its siblings; empty for the root alone."""
    pose: Pose = field(default_factory=Pose)
    """Where it is in its parent."""
    splats: Splats | None = None
    """Its look, in its own frame."""
    mesh: Mesh | None = None
    """Its surface, in its own frame."""
    body: Body | None = None
    """What it is to a simulator."""
    material: Material | None = None
    """What it is made of."""
    cameras: Capture | None = None
    """The photos it was made from, posed in its own frame."""
    field: FittedField | None = None
    """Its radiance field, in its own frame; edits of splats and faces leave it as it is."""
    children: tuple[Node, ...] = ()
    """Nodes that move along with it, in order."""

    def __post_init__(self) -> None:
        if self.name and not NAME.fullmatch(self.name):
            wanted = "letters, digits and _ . -, beginning with a letter or digit, at most 64"
            raise InputError("node name", got=repr(self.name[:80]), wanted=wanted)
        names = [child.name for child in self.children]
        if len(set(names)) < len(names) or "" in names:
            raise InputError(f"children of {self.name or '/'}", got=", ".join(names), wanted="distinct names")

    def child(self, name: str) -> Node | None:
        """The child of that name, if there is one."""
        return next((child for child in self.children if child.name == name), None)


@dataclass(frozen=True)
class SceneState:
    """All there is at one moment: the tree and what is known of its frame. A value: edits take one and make another."""

    root: Node = field(default_factory=lambda: Node(""))
    """The root; its pose is the identity and it holds children only."""
    frame: Frame = field(default_factory=Frame)
    """How up and the metre were found."""
    source: str = ""
    """What the scene was made from, one line."""

    def __contains__(self, path: object) -> bool:
        try:
            return isinstance(path, str) and self.node(path) is not None
        except InputError:
            return False

    def node(self, path: str) -> Node:
        """The node at `path`; "/" is the root.

        Raises:
            InputError: If there is none; says what exists.
        """
        node = self.root
        for name in split_path(path):
            child = node.child(name)
            if child is None:
                raise InputError("path", got=repr(path), wanted="one of " + ", ".join(shown_paths(self)))
            node = child
        return node

    def walk(self, path: str = "/") -> Iterator[tuple[str, Node]]:
        """Path and node of everything at and below `path`, parents first."""
        stack = [(join(path), self.node(path))]
        while stack:
            where, node = stack.pop()
            yield where, node
            stack += [(join(where, child.name), child) for child in reversed(node.children)]

    def things(self, path: str = "/") -> Iterator[tuple[str, Node]]:
        """What `walk` gives, without a sky below `path`: what has a place and may be measured, meshed or moved."""
        return ((where, node) for where, node in self.walk(path) if where != SKY_PATH or path == SKY_PATH)

    def pose(self, path: str) -> Pose:
        """T_world_node of the node at `path`."""
        names, pose = split_path(path), Pose()
        for depth in range(len(names)):
            pose = pose @ self.node(join(*names[: depth + 1])).pose
        return pose

    def with_node(self, path: str, change: Callable[[Node], Node | None]) -> SceneState:
        """The state with the node at `path` replaced by what `change` makes of it; None removes it.

        Raises:
            InputError: If there is no such node, or the root is to be removed.
        """
        self.node(path)
        root = _changed(self.root, split_path(path), change)
        if root is None:
            raise InputError("path", got="/", wanted="a node below the root, which cannot be removed")
        return replace(self, root=root)

    def with_each(self, path: str, change: Callable[[str, Node], Node]) -> SceneState:
        """The state with every node at and below `path` replaced by what `change(its path, it)` makes of its parts."""
        state = self
        for where, _ in self.walk(path):
            state = state.with_node(where, lambda node, where=where: change(where, node))  # type: ignore[misc]
        return state

    def splats(self, path: str = "/", *, sky: bool = False) -> Splats:
        """All splats at and below `path` as one cloud in the world frame, in the order of `walk`.

        Args:
            path: Where.
            sky: With the sky, which belongs in pictures and nowhere else.
        """
        clouds = [
            node.splats.transform(torch.from_numpy(self.pose(where).matrix))
            for where, node in (self.walk if sky else self.things)(path)
            if node.splats is not None
        ]
        return merge(clouds)

    def photos(self, path: str = "/") -> list[Photo]:
        """All photos at and below `path`, posed in the world frame, in the order of `walk`."""
        return [
            replace(photo, T_world_cam=self.pose(where).matrix @ photo.T_world_cam)
            for where, node in self.walk(path)
            if node.cameras is not None
            for photo in node.cameras.photos
        ]


class StoredState(Protocol):
    """A state that is still in its files; it is read when somebody goes back to it."""

    def load(self) -> SceneState:
        """The state.

        Raises:
            FileError: If its files are gone or damaged.
        """
        ...


class Edit(Protocol):
    """A small value that says how a scene is to change. A frozen dataclass of plain fields, so it can be saved."""

    def apply(self, state: SceneState) -> SceneState:
        """The changed state; `state` itself stays as it is.

        Raises:
            InputError: If the edit does not fit the scene; nothing has happened then.
        """
        ...


class Scene:
    """A scene with a history.

    Args:
        state: What to begin with; an empty world if None.
        folder: Where `save` writes if it is not told.
    """

    def __init__(self, state: SceneState | None = None, *, folder: str | Path | None = None):
        self.state = state or SceneState()
        self.folder = None if folder is None else Path(folder)
        self.past: list[tuple[SceneState | StoredState, str]] = []
        """States before each edit that can be undone, oldest first, and what the edit was."""
        self.future: list[tuple[SceneState | StoredState, str]] = []
        """States after each edit that can be redone, last one next."""
        self.revision: str | None = None
        """SHA-256 of the scene.json in `folder` when last read or written; "" if there was none, None if not looked."""

    def __getitem__(self, path: str) -> Handle:
        self.state.node(path)
        return Handle(self, path)

    def __contains__(self, path: object) -> bool:
        return path in self.state

    def __iter__(self) -> Iterator[str]:
        return (path for path, _ in self.state.walk() if path != "/")

    def apply(self, *edits: Edit) -> Scene:
        """Makes the edits, one step of history each; if one does not fit, the scene stays as it was.

        Raises:
            InputError: As the edit says.
        """
        steps: list[tuple[SceneState | StoredState, str]] = []
        state = self.state
        for edit in edits:
            steps.append((state, str(edit)))
            state = edit.apply(state)
        self.past, self.future, self.state = self.past + steps, [] if steps else self.future, state
        return self

    def undo(self, steps: int = 1) -> Scene:
        """Goes back; raises InputError if fewer edits were made."""
        self._step(self.past, self.future, steps, "undo")
        return self

    def redo(self, steps: int = 1) -> Scene:
        """Goes forward again; raises InputError if fewer edits were undone."""
        self._step(self.future, self.past, steps, "redo")
        return self

    def _step(self, source: list[Any], target: list[Any], steps: int, name: str) -> None:
        if not 0 <= steps <= len(source):
            raise InputError(name, got=f"{steps} steps", wanted=f"0 to {len(source)}, as many as there are")
        if steps == 0:
            return
        reached = source[-steps][0]
        reached = reached if isinstance(reached, SceneState) else reached.load()  # may fail: nothing has happened yet
        state: SceneState | StoredState = self.state
        for _ in range(steps):
            before, label = source.pop()
            target.append((state, label))
            state = before
        self.state = reached

    def splats(self, path: str = "/", *, sky: bool = False) -> Splats:
        """All splats at and below `path` as one cloud in the world frame, a sky among them if asked for."""
        return self.state.splats(path, sky=sky)

    def save(self, folder: str | Path | None = None, *, history_bytes: int = HISTORY_BYTES) -> Path:
        """Writes the scene and its history into a folder, atomically; see `scenekit.io.scene_folder`.

        Args:
            folder: Where to; None for `self.folder`.
            history_bytes: Most that part files of past and future states may take beside those of the present
                [bytes]; the steps furthest from now are dropped first.
        """
        from scenekit.io.scene_folder import save_scene

        return save_scene(self, folder, history_bytes=history_bytes)

    def diff(self, other: Scene) -> list[Difference]:
        """What is different in `other`: nodes added, removed, moved, parts changed and by how much."""
        from scenekit.scene_diff import differences

        return differences(self.state, other.state)

    def segment(self, config: SegmentConfig | None = None) -> Scene:
        """Levels the scene by its support plane and splits what stands on it into nodes; one step of history."""
        from scenekit.segment import Segment, SegmentConfig

        return self.apply(Segment(config or SegmentConfig()))

    def mesh(self, config: MeshingConfig | None = None) -> Scene:
        """Gives nodes with splats their surfaces, textured from the photos; one step of history."""
        from scenekit.surface.meshing import MeshingConfig, MeshScene

        return self.apply(MeshScene(config or MeshingConfig()))

    def validate(self, jepa: Jepa | None = None) -> list[Finding]:
        """What is physically or technically wrong, gravest first; and what is odd, if a 3D-JEPA is to look."""
        from scenekit.validation import findings

        return findings(self.state, jepa)


class Handle:
    """A node of a scene, by path: reading a field asks the scene, assigning one is an edit.

    `scene["/table/mug"].material = materials["rubber"]`
    """

    def __init__(self, scene: Scene, path: str):
        object.__setattr__(self, "scene", scene)
        object.__setattr__(self, "path", path)

    def __getattr__(self, name: str) -> Any:
        if name not in Node.__dataclass_fields__:
            raise AttributeError(f"a node has no {name!r}; it has {', '.join(Node.__dataclass_fields__)}")
        return getattr(self.scene.state.node(self.path), name)

    def __setattr__(self, name: str, value: Any) -> None:
        from scenekit.edits import Assign

        self.scene.apply(Assign(self.path, name, value))


def split_path(path: str) -> list[str]:
    """The names in a path: "/table/mug" → ["table", "mug"], "/" → [].

    Raises:
        InputError: If it does not begin with a slash, or is deeper than anything we make.
    """
    names = [name for name in path.split("/") if name]
    if not path.startswith("/") or len(names) > MAX_DEPTH:
        raise InputError("path", got=repr(path[:80]), wanted=f"/name/name…, at most {MAX_DEPTH} deep")
    return names


def join(*names: str) -> str:
    """The path of names or of a path and names: ("/table", "mug") → "/table/mug"."""
    return "/" + "/".join(part for name in names for part in name.split("/") if part)


def shown_paths(state: SceneState, most: int = 20) -> list[str]:
    """The first paths of a scene, for messages."""
    paths = [path for path, _ in state.walk()]
    return paths if len(paths) <= most else [*paths[:most], f"and {len(paths) - most} more"]


def _changed(node: Node, names: list[str], change: Callable[[Node], Node | None]) -> Node | None:
    if not names:
        return change(node)
    children = []
    for child in node.children:
        new = _changed(child, names[1:], change) if child.name == names[0] else child
        children += [] if new is None else [new]
    return replace(node, children=tuple(children))
