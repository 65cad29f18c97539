"""The panel of the history: what was done, taken back, done again; and saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import viser

from scenekit.viewer.folders import beside
from scenekit.viewer.jobs import answering, notify
from scenekit.viewer.panels.controls import button
from scenekit.viewer.session import Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

SHOWN, WIDTH = 8, 60
"""Steps that are listed, the last ones; longest text of one [characters]."""


class HistoryPanel:
    """Undo, redo and save.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._viewer, self._session, gui = viewer, viewer.session, viewer.server.gui
        with gui.add_folder("History"):
            self.undo = button(gui, "Undo", lambda event: self._session.undo(), icon=viser.Icon.ARROW_BACK_UP)
            self.redo = button(gui, "Redo", lambda event: self._session.redo(), icon=viser.Icon.ARROW_FORWARD_UP)
            self.steps = gui.add_markdown("")
            self.save = button(gui, "Save", self._save, icon=viser.Icon.DEVICE_FLOPPY)
            self.name = gui.add_text("Save as", "", hint="Name of a new folder beside the scene's.")
            self.save_as = button(gui, "Save as", self._save_as)
        self._hotkey("Undo", "Z", "cmd/ctrl", lambda event: self._session.undo())
        self._hotkey("Redo", "Z", "cmd/ctrl+shift", lambda event: self._session.redo())
        self._hotkey("Save", "S", "cmd/ctrl", self._save)
        self._session.on_change(lambda before, now: self._show(now))
        self._show(self._session.shown)

    def _hotkey(self, label: str, key: Any, modifier: Any, do: Callable[[viser.CommandEvent], None]) -> None:
        self._viewer.server.gui.add_command(label, hotkey=key, modifier=modifier).on_trigger(answering(do))

    def _save(self, event: Any) -> None:
        self._viewer.jobs.start(
            "Save", self._session.save, lambda folder: self._saved(event.client, folder), client=event.client
        )

    def _save_as(self, event: viser.GuiEvent[Any]) -> None:
        folder = beside(self._session.scene.folder, self.name.value)
        self._viewer.jobs.start(
            "Save", lambda: self._session.save(folder), lambda to: self._saved(event.client, to), client=event.client
        )

    def _saved(self, client: viser.ClientHandle | None, folder: Any) -> None:
        self._show(self._session.shown)
        if client is not None:
            notify(client, "Saved", f"In {folder}.", color="green")

    def _show(self, now: Shown) -> None:
        past, future = self._session.scene.past, self._session.scene.future
        for handle, word, steps in ((self.undo, "Undo", past), (self.redo, "Redo", future)):
            handle.disabled = not steps
            handle.label = f"{word}: {shortened(steps[-1][1])}" if steps else word
        self.save.disabled = self._session.scene.folder is None
        rows = [f"{len(past) - i}. {shortened(label)}" for i, (_, label) in enumerate(past[: -SHOWN - 1 : -1])]
        unsaved = self._session.unsaved
        self.steps.content = "\n".join([*([f"**{unsaved} not saved yet**", ""] if unsaved else []), *rows])


def shortened(label: str) -> str:
    """What an edit did, in one short line."""
    return label if len(label) <= WIDTH else f"{label[: WIDTH - 1]}…"
