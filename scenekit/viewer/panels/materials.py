"""The panel of materials: what the selected node is made of, with numbers and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import viser

from scenekit.edits import SetMaterial
from scenekit.material import Material, materials
from scenekit.viewer.panels.controls import button
from scenekit.viewer.session import Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

NONE = "none"

UNITS = {"density": "kg/m³", "youngs_modulus": "Pa"}


class MaterialsPanel:
    """Assigns materials.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._session, gui = viewer.session, viewer.server.gui
        with gui.add_folder("Material", expand_by_default=False):
            self.material = gui.add_dropdown("Material", (NONE, *materials))
            self.but = gui.add_text("But with", "", hint="NUMBER=VALUE, … in SI units: youngs_modulus=5e3")
            self.assign = button(gui, "Assign", self._assign)
            self.numbers = gui.add_markdown("")
        self._session.on_change(lambda before, now: self._show(now))
        self._show(self._session.shown)

    def _assign(self, event: viser.GuiEvent[Any]) -> None:
        word = (
            self.material.value
            if self.material.value == NONE
            else ",".join(filter(None, (self.material.value, self.but.value)))
        )
        self._session.apply(SetMaterial(self._session.selected.path, word))

    def _show(self, now: Shown) -> None:
        node = None if now.chosen is None else now.state.node(now.chosen.path)
        self.assign.disabled = now.chosen is None or now.chosen.where is not None
        self.numbers.content = "" if node is None else described(node.material)


def described(material: Material | None) -> str:
    """A material as a table in Markdown: each number with its unit, spread and provenance."""
    if material is None:
        return "No material yet."
    rows = [f"| {name} | {value} | {UNITS.get(name, '')} |" for name, value in material.quantities().items()]
    return "\n".join([f"**{material.name}**, {material.law.name}", "", "| | | |", "|---|---|---|", *rows])
