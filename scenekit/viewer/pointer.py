"""What the pointer does in the scene beside looking around: what the tool does that a person holds.

pointer.take(event.client, Tool("Rectangle", "Drag a rectangle.", rectangle=select))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import viser

from scenekit.cameras import Array
from scenekit.viewer.jobs import answering
from scenekit.viewer.picking import surface_point
from scenekit.viewer.session import Shown

HAND = "Hand"
"""What nobody has to take up."""


@dataclass(frozen=True)
class Tool:
    """What clicks and rectangles mean while it is held."""

    name: str
    """Shown as long as it is held."""
    hint: str = ""
    """What to do with it."""
    click: Callable[[viser.SceneClickEvent], None] | None = None
    """Called with a click into the scene."""
    rectangle: Callable[[viser.SceneRectSelectEvent], None] | None = None
    """Called with a rectangle that was dragged; looking around by dragging has to wait then."""
    down: Callable[[viser.ClientHandle], None] | None = None
    """Called when it is put down, to forget what was begun."""


class Pointer:
    """Who holds what.

    Args:
        server: Whose browsers.
    """

    def __init__(self, server: viser.ViserServer):
        self.hand = Tool(HAND)
        """What is done by those who hold nothing."""
        self._held: dict[int, tuple[Tool, viser.NotificationHandle]] = {}
        server.scene.on_click()(answering(self._click))
        server.on_client_disconnect(self._left)
        command = server.gui.add_command("Put the tool down", hotkey="escape")
        command.on_trigger(answering(lambda event: self.put_down(event.client)))

    def take(self, client: viser.ClientHandle | None, tool: Tool) -> None:
        """Give a person a tool; the one held before is put down. Nobody is given none."""
        if client is None:
            return
        self.put_down(client)
        note = client.add_notification(tool.name, f"{tool.hint} Escape puts it down.", auto_close_seconds=None)
        self._held[client.client_id] = tool, note
        if tool.rectangle is not None:
            client.scene.on_rect_select()(answering(tool.rectangle))

    def put_down(self, client: viser.ClientHandle | None) -> None:
        """Take away what a person holds, if anything."""
        held = None if client is None else self._held.pop(client.client_id, None)
        if client is None or held is None:
            return
        tool, note = held
        note.remove()
        client.scene.remove_rect_select_callback()
        if tool.down is not None:
            tool.down(client)

    def held_by(self, client: viser.ClientHandle) -> Tool:
        """What a person holds."""
        return self._held[client.client_id][0] if client.client_id in self._held else self.hand

    def _left(self, client: viser.ClientHandle) -> None:
        """Forget who is gone; what was on his screen is gone with him."""
        self._held.pop(client.client_id, None)

    def _click(self, event: viser.SceneClickEvent) -> None:
        tool = self.held_by(event.client)
        if tool.click is not None:
            tool.click(event)


def surface_clicked(shown: Shown, event: viser.SceneClickEvent) -> tuple[Array, str] | None:
    """Where in the world a click meets what is shown [m], (3,), and which node; None if it meets nothing."""
    ray = np.array(event.ray_origin), np.array(event.ray_direction)
    return surface_point(shown.state, *ray, hidden=shown.hidden)
