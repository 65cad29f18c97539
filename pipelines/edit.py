"""Changes a scene by one edit, or goes back and forth in its history, and saves it.

The history is saved along, so `scenekit edit kitchen undo` works days later. docs/scene.md shows every edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import tyro

from scenekit.edits import EDITS, Edit
from scenekit.errors import InputError
from scenekit.opening import open_scene
from scenekit.scene import HISTORY_BYTES, Scene
from scenekit.scene_diff import Difference

SHOWN = 40
"""Most differences that are printed."""


@dataclass(frozen=True)
class Undo:
    """Goes back in the history."""

    steps: int = 1
    """How many edits are taken back."""


@dataclass(frozen=True)
class Redo:
    """Goes forward again."""

    steps: int = 1
    """How many edits are made again."""


@dataclass(frozen=True)
class History:
    """Lists what was done, and what was undone; changes nothing."""


def command(edit: type[Any]) -> type[Any]:
    """An edit as a command: as it is, with its path, if it has one, as the first word."""
    if "path" not in edit.__dataclass_fields__:
        return edit
    default = edit.__dataclass_fields__["path"].default
    word = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NODE")]
    path = ("path", word, field(default=default))
    namespace = {"__doc__": edit.__doc__, "__module__": edit.__module__}
    return make_dataclass(edit.__name__, [path], bases=(edit,), namespace=namespace, frozen=True)


WORDS = {word: command(edit) for word, edit in EDITS.items()} | {"undo": Undo, "redo": Redo, "history": History}
"""What can be done, by its word."""

if TYPE_CHECKING:
    Action = Edit | Undo | Redo | History
else:
    Action = Union[tuple(Annotated[kind, tyro.conf.subcommand(word)] for word, kind in sorted(WORDS.items()))]  # noqa: UP007


@tyro.conf.configure(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes)
@dataclass(frozen=True)
class Config:
    """Which scene, what is done with it, and where it goes."""

    scene: tyro.conf.Positional[Path]
    """A scene, a run, or a file of splats or of a mesh."""
    action: Action
    """What to do."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FOLDER"), tyro.conf.CascadeSubcommandArgs] = (
        None
    )
    """Folder to save in; where the scene came from if not given."""
    history_bytes: Annotated[int, tyro.conf.CascadeSubcommandArgs] = HISTORY_BYTES
    """What the files of past states may take on disk [bytes]; the oldest steps are dropped first."""


def check(words: Sequence[str]) -> None:
    """Looks at the word for the edit, so that a wrong one is answered with those that exist.

    Args:
        words: What comes after `scenekit edit`.

    Raises:
        InputError: If the word after the scene is none of ours.
    """
    options = [word[:1] == "-" and "=" not in word for word in ("", *words)]
    free = [word for option, word in zip(options, words, strict=False) if not option and word[:1] != "-"]
    if len(free) < 2 or free[1] in WORDS or {"-h", "--help"} & set(words):
        return
    close = get_close_matches(free[1], WORDS, n=1)
    hint = f"Did you mean {close[0]}?" if close else "The scene comes first: scenekit edit SCENE EDIT …"
    raise InputError("edit", got=repr(free[1]), wanted="one of " + ", ".join(sorted(WORDS)), hint=hint)


@dataclass(frozen=True)
class Result:
    """The changed scene."""

    scene: Scene
    """As it is now, with its history."""
    folder: Path | None
    """Where it was saved; None if nothing was."""
    differences: list[Difference]
    """What is different."""
    done: tuple[str, ...] = ()
    """What was done, undone or redone, one line each."""

    def __str__(self) -> str:
        lines = [str(difference) for difference in self.differences[:SHOWN]]
        if len(self.differences) > SHOWN:
            lines.append(f"and {len(self.differences) - SHOWN} more")
        if self.folder is None:
            lines = history_lines(self.scene)
        elif not lines:
            lines = ["nothing is different"]
        lines = [*self.done, *lines]
        lines += ["scale estimated"] if self.scene.state.frame.scale == "estimated" else []
        return "\n".join([*lines, *([f"saved in {self.folder}"] if self.folder else [])])


def run(config: Config) -> Result:
    """Opens, changes and saves.

    Raises:
        FileError: If the scene is missing or damaged, or was changed by another process meanwhile.
        InputError: If the edit does not fit the scene, or there is no folder to save in.
    """
    scene = open_scene(config.scene)
    if isinstance(config.action, History):
        return Result(scene, None, [])
    if config.output is None and scene.folder is None:
        raise InputError("--output", got="none", wanted="a folder to save the scene in", hint="Give -o FOLDER.")
    before = Scene(scene.state)
    match config.action:
        case Undo(steps):
            scene.undo(steps)
            done = tuple(f"undone: {label}" for _, label in scene.future[len(scene.future) - steps :])
        case Redo(steps):
            scene.redo(steps)
            done = tuple(f"redone: {label}" for _, label in scene.past[len(scene.past) - steps :])
        case edit:
            scene.apply(edit)
            done = (str(edit),)
    folder = scene.save(config.output, history_bytes=config.history_bytes)
    return Result(scene, folder, before.diff(scene), done)


def history_lines(scene: Scene) -> list[str]:
    """Every edit, oldest first, with the present marked."""
    done = [f"  {label}" for _, label in scene.past]
    undone = [f"  {label} (undone)" for _, label in reversed(scene.future)]
    return [*done, "> now", *undone]
