"""Controls that answer: what goes wrong is told to the person who used them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import viser

from scenekit.viewer.jobs import answering


def button(
    gui: viser.GuiApi, label: str, do: Callable[[viser.GuiEvent[Any]], None], **look: Any
) -> viser.GuiButtonHandle:
    """Add a button that does something, and tells who clicked it what went wrong.

    Args:
        gui: Where.
        label: What is on it.
        do: What it does.
        look: Options of viser's button: hint, icon, color, disabled.
    """
    handle = gui.add_button(label, **look)
    handle.on_click(answering(do))
    return handle


def by_hand(do: Callable[[viser.GuiEvent[Any]], None]) -> Callable[[viser.GuiEvent[Any]], None]:
    """The callback of a control, called only when a person changed it and not when a panel did."""

    def done(event: viser.GuiEvent[Any]) -> None:
        if event.client is not None:
            do(event)

    return answering(done)


def set_value(control: Any, value: object) -> None:
    """Let a control show a value (viser's types say that none can be set)."""
    control.value = value
