"""The panel of the scene's tree: which nodes there are, which of them are shown, which one is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import viser

from scenekit.viewer.panels.controls import by_hand, set_value
from scenekit.viewer.session import Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

NOTHING = "(nothing)"
"""No node is selected."""

ROWS = 24
"""Nodes with a check box; of a larger scene one types a part of their paths."""


class TreePanel:
    """A check box of each node, and one list to select from.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._session, self._gui = viewer.session, viewer.server.gui
        self.visible: dict[str, viser.GuiCheckboxHandle] = {}
        """Check boxes by path."""
        self._folder = self._gui.add_folder("Scene")
        with self._folder:
            self.selected = self._gui.add_dropdown("Selected", (NOTHING,))
            self.find = self._gui.add_text("Find", "", hint="A part of the paths of the nodes to list.")
            self.rest = self._gui.add_markdown("")
        self.selected.on_update(by_hand(self._choose))
        self.find.on_update(by_hand(lambda event: self._list(self._session.shown)))
        self._session.on_change(self._changed)
        self._list(self._session.shown)

    def _changed(self, before: Shown, now: Shown) -> None:
        if now.state is not before.state:
            self._list(now)
            return
        for path, box in self.visible.items():
            set_value(box, path not in now.hidden)
        set_value(self.selected, NOTHING if now.chosen is None else now.chosen.path)

    def _choose(self, event: Any) -> None:
        self._session.choose(None if self.selected.value == NOTHING else self.selected.value)

    def _list(self, now: Shown) -> None:
        """Bring the check boxes to the nodes there are; those that stay are left alone."""
        paths = [path for path, _ in now.state.walk() if path != "/"]
        found = [path for path in paths if self.find.value.lower() in path.lower()]
        for path in [path for path in self.visible if path not in found[:ROWS]]:
            self.visible.pop(path).remove()
        for order, path in enumerate(found[:ROWS]):
            if path not in self.visible:
                self.visible[path] = self._row(path, order)
            set_value(self.visible[path], path not in now.hidden)
        options = (NOTHING, *paths)
        if tuple(self.selected.options) != options:
            self.selected.options = options
        set_value(self.selected, NOTHING if now.chosen is None else now.chosen.path)
        self.find.visible = len(paths) > ROWS
        self.rest.content = f"and {len(found) - ROWS} more" if len(found) > ROWS else ""

    def _row(self, path: str, order: int) -> viser.GuiCheckboxHandle:
        with self._folder:
            box = self._gui.add_checkbox(path, True, order=1000.0 + order, hint="Show it and what is below it.")
        box.on_update(by_hand(lambda event: self._session.hide(path, not box.value)))
        return box
