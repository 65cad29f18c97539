"""Ctrl-C, and requests to end from the system, held back until work is in a state that can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What is held back: Ctrl-C, and what schedulers send before they kill."""


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether there was a signal; the first one does no more, a second one acts as ever.

    Python handles signals in the main thread alone; in others this changes nothing. What is ignored stays so.
    """
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        before = {n: handler for n, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: asked
    finally:
        restore()
