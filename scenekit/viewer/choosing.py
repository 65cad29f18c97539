"""From what somebody drew to what is selected: how selections combine, where what they mean is, and how much it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from scenekit.errors import InputError
from scenekit.scene import SceneState, join, split_path
from scenekit.selection import Selection
from scenekit.viewer.session import Shown, is_hidden

Combine = Literal["New", "Add", "Subtract", "Intersect"]
COMBINES: tuple[Combine, ...] = get_args(Combine)


@dataclass(frozen=True)
class Count:
    """How much is meant, of how much there is."""

    splats: int
    """Gaussians that are meant."""
    all_splats: int
    """Gaussians."""
    faces: int
    """Faces that are meant."""
    all_faces: int
    """Faces."""

    def __str__(self) -> str:
        kinds = (("Gaussians", self.splats, self.all_splats), ("faces", self.faces, self.all_faces))
        return ", ".join(f"{own:,} of {all_:,} {kind}" for kind, own, all_ in kinds if all_) or "nothing to see"


def combined(how: Combine, before: Selection | None, found: Selection) -> Selection:
    """What is selected after `found` was drawn; without anything selected before, nothing was.

    Raises:
        InputError: If it takes away from nothing.
    """
    if how == "New" or (how == "Add" and before is None):
        return found
    if before is None:
        raise InputError(how.lower(), got="no part selected yet", wanted="a part to take away from")
    return {"Add": before | found, "Subtract": before & ~found, "Intersect": before & found}[how]


def counted(state: SceneState, path: str, where: Selection | None) -> Count:
    """How much of a node, and of what is below it, is meant; all if `where` is None."""
    counts = [_count(state, at, where) for at, _ in state.walk(path)]
    return Count(*(sum(row[i] for row in counts) for i in range(4)))


def holder(shown: Shown, scope: str, where: Selection) -> str | None:
    """The lowest node from `scope` downwards that has, with all below it, what is meant of the shown nodes, if any.

    Raises:
        InputError: If hidden nodes below it would be changed along.
    """
    having = [path for path, _ in shown.state.walk(scope) if any(_count(shown.state, path, where)[::2])]
    seen = [path for path in having if not is_hidden(path, shown.hidden)]
    if not seen:
        return None
    common = _common([split_path(path) for path in seen])
    unseen = [path for path in having if path not in seen and split_path(path)[: len(common)] == common]
    if unseen:
        hint = "Select one node first, or show them."
        raise InputError("selection", got=f"part of {', '.join(unseen[:3])}, hidden", wanted="what is shown", hint=hint)
    return join(*common)


def _common(paths: list[list[str]]) -> list[str]:
    """The names that all paths begin with."""
    levels = [set(level) for level in zip(*paths, strict=False)]
    depth = next((i for i, level in enumerate(levels) if len(level) > 1), len(levels))
    return paths[0][:depth]


def _count(state: SceneState, path: str, where: Selection | None) -> tuple[int, int, int, int]:
    node = state.node(path)
    splats = 0 if node.splats is None else len(node.splats)
    faces = 0 if node.mesh is None else len(node.mesh.faces)
    if where is None:
        return splats, splats, faces, faces
    of_faces = where.faces(state, path)
    return int(where.mask(state, path).sum()), splats, 0 if of_faces is None else int(of_faces.sum()), faces
