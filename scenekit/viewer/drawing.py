"""What browsers are shown of a scene: nodes and parts as viser's objects, of which only those that change are sent.

A node /table/mug is the frame /scene/table/mug; its parts are children of it whose names begin with a dot, which no
node's does: .splats/0 …, .mesh, .box, .cameras/0 …
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import viser

from scenekit.scene import Node, join
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
        self.parts: dict[tuple[str, str], list[Handle]] = {}
        """Of each node's other parts, by path and layer."""
        self.collision = Collision()
        self.layers: dict[str, Layer] = layers(self.collision)
        """What else can be drawn, by name."""
        self._sources: dict[tuple[str, str], tuple[object, ...]] = {}
        self._listeners: list[Callable[[], None]] = []
        session.on_change(self.draw)
        self.draw(session.shown, session.shown)

    def on_drawn(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each time something was drawn."""
        self._listeners.append(listener)

    def restyle(self, **changes: Any) -> None:
        """Draw with some fields of the style changed."""
        with self.session.lock:
            self.style = replace(self.style, **changes)
            self.draw(self.shown, self.shown)

    def draw(self, before: Shown, now: Shown) -> None:
        """Bring browsers to `now`; what is drawn already stays."""
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
        for listener in tuple(self._listeners):
            listener()

    def _wants(self, layer: str, node: Node) -> bool:
        return self.style.shows_mesh(node) if layer == "mesh" else layer in self.style.layers

    def _place(self, path: str, node: Node) -> None:
        if path not in self.frames:
            self.frames[path] = self.api.add_frame(ROOT + join(path).rstrip("/"), show_axes=False)
        frame = self.frames[path]
        frame.position, frame.wxyz = node.pose.position, node.pose.quat

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


def seen(splats: Splats, shown: Shown, path: str) -> Splats:
    """The splats of a node as they are shown: those that are selected, as a part of it, are tinted."""
    where = None if shown.chosen is None else shown.chosen.part(path)
    return splats if where is None else tinted(splats, where.mask(shown.state, path))
