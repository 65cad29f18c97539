"""Tests of scenekit.viewer.drawing, in a real browser."""

from collections.abc import Callable
from typing import Any

from scenekit.edits import Move
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import Viewer
from tests.viewer.conftest import eventually, pixels


def cloud(name: str, n: int = 500, seed: int = 0) -> Node:
    return Node(name, splats=random_splats(n, degree=0, extent=0.5, scale=0.05, seed=seed))


def test_a_move_is_seen_and_undo_brings_the_picture_back(opened: Callable[..., tuple[Viewer, Any]]) -> None:
    viewer, page = opened(Scene(SceneState(Node("", children=(cloud("a"),)))))
    before = pixels(page)
    viewer.session.apply(Move("/a", by=(0.0, 0.0, 0.8)))
    assert eventually(lambda: (pixels(page) != before).any())
    viewer.session.undo()
    assert eventually(lambda: (pixels(page) == before).all())
