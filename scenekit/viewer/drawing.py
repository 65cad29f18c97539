"""What browsers are shown of a scene: nodes and parts as viser's objects, of which only those that change are sent.

A node /table/mug is the frame /scene/table/mug; its parts are children of it whose names begin with a dot, which no
node's does: .splats/0 …, .mesh, .box, .cameras/0 …
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import viser
from torch import Tensor

from scenekit.cameras import Array, inverse_pose, quaternion_from_rotation
from scenekit.edits.place import parent_path
from scenekit.scene import Edit, Node, Scene, SceneState, join
from scenekit.splats import Splats
from scenekit.viewer.cloud import Cloud
from scenekit.viewer.layers import CHOSEN, Collision, Handle, Layer, draw_box, layers
from scenekit.viewer.session import Session, Shown
from scenekit.viewer.splat_buffers import tinted

ROOT = "/scene"
"""Name of the root's frame."""

Look = Literal["splats", "meshes", "both"]
"""What is shown of a node that has splats and a mesh."""


@dataclass(frozen=True)
class Style:
    """What is drawn of all there is."""

    look: Look = "splats"
    """Splats where there are some, else meshes; or the other way round; or both."""
    layers: frozenset[str] = frozenset()
    """Which of "collision", "cameras", "points" and "box"."""
    splats: bool = True
    """Splats are sent to browsers; False where all have them drawn by scenekit."""

    def shows_splats(self, node: Node) -> bool:
        """True if the splats of a node are to be seen."""
        return node.splats is not None and len(node.splats) > 0 and (self.look != "meshes" or node.mesh is None)

    def shows_mesh(self, node: Node) -> bool:
        """True if the mesh of a node is to be seen."""
        mesh = node.mesh
        return mesh is not None and len(mesh.faces) > 0 and (self.look != "splats" or node.splats is None)


@dataclass(frozen=True, eq=False)
class Held:
    """A node that somebody drags: how it would be, which the scene does not know of."""

    path: str
    """Of the node."""
    T: Array
    """Where the world of the node goes: a similarity, shape (4, 4)."""
    edits: tuple[Edit, ...]
    """What amounts to that."""


class Drawing:
    """The scene of a session in browsers, kept as it is.

    Args:
        api: Where to draw.
        session: What.
        style: How.
    """

    def __init__(self, api: viser.SceneApi, session: Session, style: Style = Style()):
        self.api, self.session, self.style, self.shown = api, session, style, session.shown
        self.frames: dict[str, viser.FrameHandle] = {}
        """Of each node, by path."""
        self.clouds: dict[str, Cloud] = {}
        """Of each node whose splats are drawn, by path."""
        self.held: Held | None = None
        """What somebody holds; None if nobody does."""
        self.parts: dict[tuple[str, str], list[Handle]] = {}
        """Of each node's other parts, by path and layer."""
        self.collision = Collision()
        self.layers: dict[str, Layer] = layers(self.collision)
        """What else can be drawn, by name."""
        self._sizes: dict[str, tuple[Any, float]] = {}
        """What is held larger or smaller than it is, by name, and its own scale."""
        self._sources: dict[tuple[str, str], tuple[object, ...]] = {}
        self._listeners: list[Callable[[], None]] = []
        session.on_change(self.draw)
        self.draw(session.shown, session.shown)

    def on_drawn(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each time something was drawn."""
        self._listeners.append(listener)

    def hold(self, held: Held) -> None:
        """Show a node as edits would have it, until the scene is drawn again.

        It must be fast, so it waits for nobody: while somebody changes the scene it shows nothing.
        """
        if not self.session.lock.acquire(blocking=False):
            return
        try:
            if held.path in self.frames:
                self.held = held
                self._follow(held, self.shown.state)
                self._tell()
        finally:
            self.session.lock.release()

    def _follow(self, held: Held, state: SceneState) -> None:
        """Put what browsers draw of a node where it is held; viser's frames do not scale what is below them."""
        T_parent_world = inverse_pose(state.pose(parent_path(held.path)).matrix)
        T = T_parent_world @ held.T @ state.pose(held.path).matrix
        scale = float(np.cbrt(np.linalg.det(T[:3, :3])))
        frame = self.frames[held.path]
        frame.position, frame.wxyz = T[:3, 3], quaternion_from_rotation(T[:3, :3] / scale)
        for path, node in state.walk(held.path) if scale != 1 else ():
            if path != held.path:
                self.frames[path].position = scale * np.array(node.pose.position)
            for handle in self._handles(path):
                _, size = self._sizes.setdefault(handle.name, (handle, handle.scale))
                handle.scale = scale * size

    def _let_go(self) -> None:
        self.held = None
        for handle, size in self._sizes.values():
            handle.scale = size
        self._sizes.clear()

    def _handles(self, path: str) -> list[Any]:
        """All that is drawn of a node itself."""
        pieces = self.clouds[path].pieces.values() if path in self.clouds else ()
        return [*pieces, *(handle for key, part in self.parts.items() if key[0] == path for handle in part)]

    @property
    def current(self) -> Shown:
        """What is to be seen now: `shown`, and what is held as it would be, which takes a moment if it is large."""
        shown, held = self.shown, self.held
        return shown if held is None else replace(shown, state=Scene(shown.state).apply(*held.edits).state)

    def restyle(self, **changes: Any) -> None:
        """Draw with some fields of the style changed."""
        with self.session.lock:
            self.style = replace(self.style, **changes)
            self.draw(self.shown, self.shown)

    def draw(self, before: Shown, now: Shown) -> None:
        """Bring browsers to `now`; what is drawn already stays."""
        self._let_go()
        self.shown = now
        nodes = dict(now.state.walk())
        for path in [path for path in reversed(self.frames) if path not in nodes]:
            self._remove(path)
        for path, node in nodes.items():
            self._place(path, node)
            self.frames[path].visible = path not in now.hidden
            self._draw_splats(path, node)
            for name, layer in self.layers.items():
                source = layer.source(node) if self._wants(name, node) else ()
                self._draw_part(path, name, source, partial(layer.draw, node=node))
        self._mark_chosen()
        self._tell()

    def _wants(self, layer: str, node: Node) -> bool:
        return self.style.shows_mesh(node) if layer == "mesh" else layer in self.style.layers

    def _place(self, path: str, node: Node) -> None:
        if path not in self.frames:
            self.frames[path] = self.api.add_frame(ROOT + join(path).rstrip("/"), show_axes=False)
        frame = self.frames[path]
        frame.position, frame.wxyz = node.pose.position, node.pose.quat

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _draw_splats(self, path: str, node: Node) -> None:
        chosen, splats = self.shown.chosen, node.splats
        where = None if chosen is None else chosen.part(path)
        wanted = self.style.splats and self.style.shows_splats(node)
        asked = () if where is None else (where, self.shown.state)  # what lies where, moves may change
        source: tuple[object, ...] = (splats, *asked) if wanted else ()
        if self._same((path, "splats"), source):
            return
        if splats is None or not wanted:
            if path in self.clouds:
                self.clouds.pop(path).remove()
            return
        cloud = self.clouds.setdefault(path, Cloud(self.api, f"{self.frames[path].name}/.splats"))
        cloud.draw(seen(splats, self.shown, path))

    def _draw_part(self, path: str, name: str, source: tuple[object, ...], draw: Callable[..., list[Handle]]) -> None:
        if self._same((path, name), source):
            return
        for handle in self.parts.pop((path, name), []):
            handle.remove()
        if source:
            self.parts[path, name] = draw(self.api, f"{self.frames[path].name}/.{name}")

    def _mark_chosen(self) -> None:
        """A box around what is selected."""
        chosen = self.shown.chosen
        for path, node in self.shown.state.walk():
            marked = chosen is not None and path == chosen.path and chosen.where is None
            source = (node.splats, node.mesh, "chosen") if marked else ()
            self._draw_part(path, "chosen", source, partial(draw_box, node=node, color=CHOSEN, width=3.0))

    def _same(self, key: tuple[str, str], source: tuple[object, ...]) -> bool:
        """True if a part is drawn from these very objects; from then on it is taken to be."""
        known = self._sources.get(key, ())
        if len(known) == len(source) and all(a is b for a, b in zip(known, source, strict=True)):
            return True
        self._sources[key] = source
        return False

    def _remove(self, path: str) -> None:
        if path in self.clouds:
            self.clouds.pop(path).remove()
        for key in [key for key in self._sources if key[0] == path]:
            del self._sources[key]
            for handle in self.parts.pop(key, []):
                handle.remove()
        self.frames.pop(path).remove()


def seen(splats: Splats, shown: Shown, path: str, *, only: Tensor | None = None) -> Splats:
    """The splats of a node as they are shown, or some of them: those that are selected, as a part of it, are tinted.

    Args:
        splats: Of the node, n of them.
        shown: The scene.
        path: Of the node.
        only: Which are wanted, bool (n,); None for all.
    """
    some = splats if only is None else splats.take(only)
    where = None if shown.chosen is None else shown.chosen.part(path)
    if where is None:
        return some
    selected = where.mask(shown.state, path)
    return tinted(some, selected if only is None else selected[only])
