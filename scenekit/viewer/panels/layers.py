"""The panel of layers: what is drawn of the scene, for all who look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from scenekit.viewer.drawing import Look
from scenekit.viewer.panels.controls import by_hand

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer


class LayersPanel:
    """Check boxes of boxes, photos, sparse points, collision pieces, axes and grid.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._viewer, gui = viewer, viewer.server.gui
        scene, drawing = viewer.server.scene, viewer.drawing
        self.grid = scene.add_grid("/grid", infinite_grid=True, fade_distance=30.0, visible=False, shadow_opacity=0.0)
        with gui.add_folder("Layers"):
            self.look = gui.add_dropdown("Nodes as", get_args(Look), initial_value=drawing.style.look)
            self.look.on_update(by_hand(lambda event: drawing.restyle(look=self.look.value)))
            self.boxes = {
                name: gui.add_checkbox(layer.title, name in drawing.style.layers)
                for name, layer in drawing.layers.items()
                if name != "mesh"
            }
            self.axes = gui.add_checkbox("Axes", False)
            self.floor = gui.add_checkbox("Grid", False, hint="The plane z = 0; a large square is 1 m.")
        for box in self.boxes.values():
            box.on_update(by_hand(self._changed))
        self.axes.on_update(by_hand(lambda event: setattr(scene.world_axes, "visible", self.axes.value)))
        self.floor.on_update(by_hand(lambda event: setattr(self.grid, "visible", self.floor.value)))

    def _changed(self, event: Any) -> None:
        wanted = frozenset(name for name, box in self.boxes.items() if box.value)
        collision, drawing = self._viewer.drawing.collision, self._viewer.drawing
        nodes = [node for _, node in drawing.shown.state.walk()]
        missing = [n.mesh for n in nodes if n.mesh is not None and len(n.mesh.faces) and collision.of(n.mesh) is None]
        if "collision" not in wanted or not missing:
            drawing.restyle(layers=wanted)
            return

        def work_out() -> None:
            for mesh in missing:
                collision.work_out(mesh)

        self._viewer.jobs.start(
            "Collision pieces", work_out, lambda done: drawing.restyle(layers=wanted), client=event.client
        )
