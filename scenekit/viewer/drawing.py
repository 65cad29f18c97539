"""What the browser is shown of a scene: nodes and parts as viser's objects, of which only those that change are sent.

A node /table/mug is the frame /scene/table/mug; its parts are children of it whose names begin with a dot, which no
node's does: .splats/0 …, .mesh.
"""

from __future__ import annotations

import numpy as np
import viser

from scenekit.scene import Node, join
from scenekit.viewer.session import Session, Shown
from scenekit.viewer.splat_buffers import Piece, pieces

ROOT = "/scene"
"""Name of the root's frame."""


class Drawing:
    """The scene of a session in the browser, kept as it is.

    Args:
        api: Where to draw.
        session: What.
    """

    def __init__(self, api: viser.SceneApi, session: Session):
        self.api = api
        self.frames: dict[str, viser.FrameHandle] = {}
        """Of each node, by path."""
        self.clouds: dict[str, list[viser.GaussianSplatHandle]] = {}
        """Of each node that has splats, by path."""
        self.meshes: dict[str, viser.GlbHandle] = {}
        """Of each node that has a mesh, by path."""
        self._drawn: dict[str, Node] = {}
        session.on_change(self.draw)
        self.draw(session.shown, session.shown)

    def draw(self, before: Shown, now: Shown) -> None:
        """Bring the browser to `now`; what is drawn already stays."""
        nodes = dict(now.state.walk())
        for path in [path for path in self._drawn if path not in nodes]:
            self._remove(path)
        for path, node in nodes.items():
            self._place(path, node)
            self.frames[path].visible = path not in now.hidden
            drawn = self._drawn.get(path)
            if drawn is None or drawn.splats is not node.splats:
                self._draw_splats(path, node)
        self._drawn = nodes

    def _place(self, path: str, node: Node) -> None:
        if path not in self.frames:
            self.frames[path] = self.api.add_frame(ROOT + join(path).rstrip("/"), show_axes=False)
        frame = self.frames[path]
        frame.position, frame.wxyz = node.pose.position, node.pose.quat

    def _draw_splats(self, path: str, node: Node) -> None:
        for handle in self.clouds.pop(path, []):
            handle.remove()
        if node.splats is None:
            return
        name = f"{self.frames[path].name}/.splats"
        self.clouds[path] = [add_piece(self.api, f"{name}/{i}", piece) for i, piece in enumerate(pieces(node.splats))]

    def _remove(self, path: str) -> None:
        self.clouds.pop(path, None)
        self.meshes.pop(path, None)
        self.frames.pop(path).remove()


def add_piece(api: viser.SceneApi, name: str, piece: Piece) -> viser.GaussianSplatHandle:
    """Draw a piece of a cloud."""
    nothing = np.zeros((0, 3), np.float32)
    handle = api.add_gaussian_splats(
        name, nothing, np.zeros((0, 3, 3), np.float32), nothing, nothing[:, :1], scale=piece.scale
    )
    handle.buffer = piece.buffer
    return handle
