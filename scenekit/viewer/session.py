"""A session: one scene, and all who look at it and change it. Knows nothing of browsers.

    session = Session(open_scene("kitchen"))
    session.on_change(draw)
    session.apply(edits.Move("/table/mug", by=(0, 0, 0.3)))

Whatever changes the scene passes here, one thing at a time, so that any number of browsers and a notebook see the same.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType

from scenekit.errors import InputError, ScenekitError
from scenekit.scene import Edit, Scene, SceneState, join, split_path
from scenekit.selection import Selection


@dataclass(frozen=True)
class Chosen:
    """What is selected: a node, or a part of what it holds."""

    path: str
    """Of the node."""
    where: Selection | None = None
    """Which of the Gaussians and faces of the node and of what is below it; None for all, and the nodes themselves."""

    def part(self, path: str) -> Selection | None:
        """What is selected of the node at `path` if it is a part; None if it is all or nothing."""
        names = split_path(self.path)
        return self.where if split_path(path)[: len(names)] == names else None

    def stands(self, state: SceneState) -> bool:
        """False if the node is gone, or what the selection asks for, such as a node that something is to be near to."""
        try:
            for path, _ in state.walk(self.path):
                if self.where is not None:
                    self.where.mask(state, path)
        except ScenekitError:
            return False
        return True


@dataclass(frozen=True)
class Shown:
    """What there is to see at one moment. A value: what did not change is the same object as before."""

    state: SceneState
    """The scene."""
    chosen: Chosen | None = None
    """What is selected."""
    hidden: frozenset[str] = frozenset()
    """Paths that are not shown, nor what is below them."""


def is_hidden(path: str, hidden: frozenset[str]) -> bool:
    """True if a node or one above it is among the hidden ones."""
    names = split_path(path)
    return any(join(*names[:depth]) in hidden for depth in range(len(names) + 1))


Listener = Callable[[Shown, Shown], None]
"""Called with what was seen before and what is seen now."""


class Session:
    """A scene that is looked at.

    Args:
        scene: It may go on being changed by others only through this session.
    """

    def __init__(self, scene: Scene):
        self.scene = scene
        self.shown = Shown(scene.state)
        self.lock = threading.RLock()
        """Held while the scene changes and those who listen are told."""
        self._listeners: list[Listener] = []
        self._saved = scene.state

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` of every change from now on, in the thread that makes it and in the order they are made.

        Returns a function that makes it stop.
        """
        with self.lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self.lock, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def apply(self, *edits: Edit) -> None:
        """Make the edits, one step of history each.

        Raises:
            InputError: If one does not fit; nothing has happened then.
        """
        with self.lock:
            self.scene.apply(*edits)
            self.show()

    def undo(self, steps: int = 1) -> None:
        """Go back; raises InputError if fewer edits were made."""
        with self.lock:
            self.scene.undo(steps)
            self.show()

    def redo(self, steps: int = 1) -> None:
        """Go forward again; raises InputError if fewer edits were undone."""
        with self.lock:
            self.scene.redo(steps)
            self.show()

    def save(self, folder: str | Path | None = None) -> Path:
        """Write the scene with its history; where it came from, if no folder is given."""
        with self.lock:
            saved = self.scene.save(folder)
            self._saved = self.scene.state
            return saved

    def choose(self, path: str | None, where: Selection | None = None) -> None:
        """Select a node, a part of it, or nothing.

        Raises:
            InputError: If there is no such node.
        """
        with self.lock:
            if path is not None:
                self.scene.state.node(path)
            self.show(chosen=None if path is None else Chosen(path, where))

    def hide(self, path: str, hidden: bool = True) -> None:
        """Hide a node and what is below it, or show it again.

        Raises:
            InputError: If there is no such node.
        """
        with self.lock:
            self.scene.state.node(path)
            self.show(hidden=self.shown.hidden | {path} if hidden else self.shown.hidden - {path})

    @property
    def unsaved(self) -> int:
        """Steps of history between what is seen and what was saved or opened, at least 1 if they differ."""
        with self.lock:
            if self.scene.state is self._saved:
                return 0
            past = [state for state, _ in reversed(self.scene.past)]
            future = [state for state, _ in reversed(self.scene.future)]
            away = [i for states in (past, future) for i, state in enumerate(states, 1) if state is self._saved]
            return min(away, default=1)

    @property
    def selected(self) -> Chosen:
        """What is selected.

        Raises:
            InputError: If nothing is.
        """
        if self.shown.chosen is None:
            raise InputError("selection", got="nothing", wanted="a node or a part of one", hint="Select one first.")
        return self.shown.chosen

    def show(self, *, chosen: Chosen | EllipsisType | None = ..., hidden: frozenset[str] | None = None) -> None:
        """Tell all what there is to see now; what was selected or hidden and is gone is forgotten."""
        with self.lock:
            before, state = self.shown, self.scene.state
            chosen = before.chosen if chosen is ... else chosen
            hidden = before.hidden if hidden is None else hidden
            if chosen is not None and state is not before.state and not chosen.stands(state):
                chosen = None
            self.shown = Shown(state, chosen, frozenset(path for path in hidden if path in state))
            for listener in tuple(self._listeners):
                listener(before, self.shown)
