"""The panel that selects: a node, or a part of one by what is drawn on the screen, by a region, by looks or by text."""

from __future__ import annotations

from functools import partial
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import viser

from scenekit.poses import Pose
from scenekit.scene import SceneState
from scenekit.selection import Color, Opacity, Selection, parse_selection
from scenekit.selection.base import in_world, positions
from scenekit.viewer.cameras import camera_of
from scenekit.viewer.choosing import COMBINES, combined, counted, holder
from scenekit.viewer.jobs import notify
from scenekit.viewer.lasso import Lasso
from scenekit.viewer.panels.controls import button, by_hand, set_value
from scenekit.viewer.pointer import HAND, Tool, surface_clicked
from scenekit.viewer.regions import Region, Shape
from scenekit.viewer.screen import outlined, rectangle
from scenekit.viewer.session import Chosen, Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

NOTHING, CLICK = "(nothing)", "Click"

TOOLS = (CLICK, "Rectangle", "Lasso", "Sphere", "Box")


class SelectPanel:
    """What is selected, and how.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._viewer, self._session = viewer, viewer.session
        self._scope = "/"
        self._base: Selection | None = None
        self._lassos: dict[int, Lasso] = {}
        self._region = Region(viewer.server, lambda client: self._select_region(client))
        gui = viewer.server.gui
        with gui.add_folder("Select"):
            self.node = gui.add_dropdown("Node", (NOTHING,), hint="Or click it in the scene.")
            self.tools = gui.add_button_group("Part", TOOLS)
            self.close = button(gui, "Close lasso", lambda event: self._close_lasso(event.client))
            self.combine = gui.add_dropdown("Combine", COMBINES, hint="With what is selected already.")
            self.radius = gui.add_slider("Radius [m]", 0.0, 1.0, 0.001, 0.25, visible=False)
            self.sides = gui.add_vector3("Sides [m]", (1.0, 1.0, 1.0), step=0.01, visible=False)
            self.count = gui.add_markdown("")
            self.invert = button(gui, "Invert", lambda event: self._invert())
            self.none = button(gui, "Select nothing", lambda event: self._session.choose(None))
            with gui.add_folder("By looks and text", expand_by_default=False):
                self.rgb = gui.add_rgb("Colour", (128, 128, 128))
                self.tolerance = gui.add_slider("Tolerance", 0.0, 1.0, 0.01, 0.15)
                self.by_color = button(gui, "Select colour", lambda event: self._select(self._color(), event.client))
                self.opacities = gui.add_multi_slider("Opacity", 0.0, 1.0, 0.01, (0.0, 0.1))
                self.by_opacity = button(
                    gui, "Select opacity", lambda event: self._select(Opacity(*self.opacities.value), event.client)
                )
                self.text = gui.add_text("Where", "", hint="As in `scenekit edit … --where`: Box((0, 0, 0), (1, 1, 1))")
                self.by_text = button(
                    gui, "Select where", lambda event: self._select(parse_selection(self.text.value), event.client)
                )
        self.node.on_update(by_hand(self._choose_node))
        self.tools.on_click(by_hand(self._take))
        self.radius.on_update(by_hand(self._size))
        self.sides.on_update(by_hand(self._size))
        viewer.pointer.hand = Tool(HAND, click=self._pick)
        viewer.server.on_client_disconnect(self._left)
        self._session.on_change(self._show)
        self._show(None, self._session.shown)

    def _choose_node(self, event: viser.GuiEvent[Any]) -> None:
        self._session.choose(None if self.node.value == NOTHING else self.node.value)

    def _pick(self, event: viser.SceneClickEvent) -> None:
        found = surface_clicked(self._session.shown, event)
        self._session.choose(None if found is None else found[1])

    def _take(self, event: viser.GuiEvent[Any]) -> None:
        """Give the person who clicked on a tool that tool."""
        self._viewer.pointer.put_down(event.client)
        if self.tools.value != CLICK:
            self._viewer.pointer.take(event.client, self.tool(self.tools.value))

    def tool(self, name: str) -> Tool:
        """A tool of this panel by its name."""
        tools = {
            "Rectangle": Tool(name, "Drag a rectangle.", rectangle=self._select_rectangle),
            "Lasso": Tool(name, "Click its corners, the first one last.", click=self._lasso, down=self._forget_lasso),
            "Sphere": Tool(name, "Click its middle.", click=partial(self._put_region, "Sphere")),
            "Box": Tool(name, "Click its middle.", click=partial(self._put_region, "Box")),
        }
        return tools[name]

    def _select_rectangle(self, event: viser.SceneRectSelectEvent) -> None:
        corners = rectangle(event.screen_min, event.screen_max)
        self._select(outlined(corners, *camera_of(event.client)), event.client)

    def _lasso(self, event: viser.SceneClickEvent) -> None:
        lasso = self._lassos.get(event.client_id)
        if lasso is None or not lasso.stands:
            self._forget_lasso(event.client)
            lasso = self._lassos[event.client_id] = Lasso(event.client)
        if lasso.add(event):
            self._close_lasso(event.client)

    def _close_lasso(self, client: viser.ClientHandle | None) -> None:
        lasso = None if client is None else self._lassos.get(client.client_id)
        if client is not None and lasso is not None:
            selection = lasso.selection()
            self._forget_lasso(client)
            self._select(selection, client)

    def _forget_lasso(self, client: viser.ClientHandle) -> None:
        lasso = self._lassos.pop(client.client_id, None)
        if lasso is not None:
            lasso.remove()

    def _left(self, client: viser.ClientHandle) -> None:
        self._lassos.pop(client.client_id, None)

    def _put_region(self, shape: Shape, event: viser.SceneClickEvent) -> None:
        """Begin a region where the click meets the scene."""
        found = surface_clicked(self._session.shown, event)
        if found is None:
            notify(event.client, "Nothing there", "Click on something.")
            return
        size = usual_size(self._session.shown.state, self._scope)
        with self._session.lock:
            self._base = _where(self._session.shown.chosen)
            self.radius.max, self.radius.step = 2 * size, size / 500
            set_value(self.radius, size / 2)
            set_value(self.sides, (size, size, size))
            x, y, z = (float(value) for value in found[0])
            self._region.put(shape, Pose((x, y, z)), (size, size, size))
            self._select_region(event.client)

    def _size(self, event: viser.GuiEvent[Any]) -> None:
        """Take on the size that is set now, which is later than the event where the selection is slow."""
        with self._session.lock:
            region, diameter = self._region, 2 * self.radius.value
            sizes = (diameter,) * 3 if region.shape == "Sphere" else self.sides.value
            if region.shape is not None and sizes != region.sizes and all(0 < size < np.inf for size in sizes):
                region.put(region.shape, region.pose, sizes)
                self._select_region(event.client)

    def _select_region(self, client: viser.ClientHandle | None) -> None:
        if (selection := self._region.selection) is not None:
            self._select(selection, client, base=self._base)

    def _color(self) -> Color:
        r, g, b = (value / 255 for value in self.rgb.value)
        return Color((r, g, b), self.tolerance.value)

    def _invert(self) -> None:
        chosen = self._session.selected
        if chosen.where is not None:
            self._session.choose(chosen.path, ~chosen.where)

    def _select(
        self, found: Selection, client: viser.ClientHandle | None, *, base: Selection | EllipsisType | None = ...
    ) -> None:
        """Select what was drawn, in the node that a person has chosen, as it combines with what was selected."""
        with self._session.lock:
            before = _where(self._session.shown.chosen) if base is ... else base
            where = combined(self.combine.value, before, found)
            path = holder(self._session.shown, self._scope, where)
            if path is not None:
                if base is ...:
                    self._region.clear()
                self._session.choose(path, where)
            elif client is not None:
                notify(client, "Nothing there", "Nothing of what is shown was meant; the selection stays.")

    def _show(self, before: Shown | None, now: Shown) -> None:
        """Show what is selected."""
        chosen = now.chosen
        if before is None or before.state is not now.state:
            paths = (NOTHING, *(path for path, _ in now.state.walk()))
            self.node.options = paths if paths != self.node.options else self.node.options
        if chosen is None or chosen.where is None:
            self._scope = "/" if chosen is None else chosen.path
            self._region.clear()
        set_value(self.node, NOTHING if chosen is None else chosen.path)
        self.radius.visible, self.sides.visible = self._region.shape == "Sphere", self._region.shape == "Box"
        self.none.disabled, self.invert.disabled = chosen is None, chosen is None or chosen.where is None
        if before is None or before.state is not now.state or before.chosen != chosen:
            self.count.content = "" if chosen is None else f"**{counted(now.state, chosen.path, chosen.where)}**"
            set_value(self.text, "" if chosen is None or chosen.where is None else str(chosen.where))


def usual_size(state: SceneState, path: str) -> float:
    """Side of a region to begin with: a quarter of the longest side of what is at and below a node [m]."""
    points = [in_world(own, state, where) for where, node in state.walk(path) for own in positions(node)]
    if not points:
        return 1.0
    low, high = np.quantile(torch.cat(points).numpy(), [0.01, 0.99], axis=0)
    return max(float((high - low).max()) / 4, 1e-3)


def _where(chosen: Chosen | None) -> Selection | None:
    return None if chosen is None else chosen.where
