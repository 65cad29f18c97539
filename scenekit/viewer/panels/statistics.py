"""The panel of statistics: how much there is, and how up and the metre were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenekit.scene import Node, SceneState
from scenekit.viewer.session import Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer


class StatisticsPanel:
    """Figures of the scene.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        with viewer.server.gui.add_folder("Statistics", expand_by_default=False):
            self.text = viewer.server.gui.add_markdown(statistics(viewer.session.shown.state))
        viewer.session.on_change(self._changed)

    def _changed(self, before: Shown, now: Shown) -> None:
        if now.state is not before.state:
            self.text.content = statistics(now.state)


def statistics(state: SceneState) -> str:
    """Nodes, Gaussians, faces, photos, bytes, and what is known of the frame, as a table in Markdown."""
    nodes = [node for path, node in state.walk() if path != "/"]
    rows = {
        "nodes": f"{len(nodes):,}",
        "Gaussians": f"{sum(len(node.splats) for node in nodes if node.splats is not None):,}",
        "faces": f"{sum(len(node.mesh.faces) for node in nodes if node.mesh is not None):,}",
        "photos": f"{sum(len(node.cameras.photos) for node in nodes if node.cameras is not None):,}",
        "memory": f"{sum(map(node_bytes, nodes)) / 1e6:,.1f} MB",
        "metre": state.frame.scale,
        "up": state.frame.up,
    }
    return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())])


def node_bytes(node: Node) -> int:
    """What the splats and the mesh of a node take in memory [bytes]."""
    parts = [part.tensors().values() for part in (node.splats, node.mesh) if part is not None]
    return sum(tensor.numel() * tensor.element_size() for part in parts for tensor in part)
