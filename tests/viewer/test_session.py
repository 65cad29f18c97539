"""Tests of scenekit.viewer.session."""

import threading
from pathlib import Path

import pytest

from scenekit.edits import Delete, Move
from scenekit.errors import InputError
from scenekit.scene import Node, Scene, SceneState
from scenekit.selection import Everything, Near
from scenekit.splats import random_splats
from scenekit.viewer.session import Chosen, Session, Shown, is_hidden

UP = Move("/a", by=(0.0, 0.0, 1.0))


@pytest.fixture
def session() -> Session:
    inner = Node("inner", splats=random_splats(5, degree=0))
    return Session(
        Scene(
            SceneState(Node("", children=(Node("a", splats=random_splats(5, degree=0)), Node("b", children=(inner,)))))
        )
    )


def test_listeners_hear_every_change_with_what_was_before_until_they_stop(session: Session) -> None:
    heard: list[tuple[Shown, Shown]] = []
    stop = session.on_change(lambda before, now: heard.append((before, now)))
    session.apply(UP)
    session.hide("/a")
    session.undo()
    assert [before for before, _ in heard[1:]] == [now for _, now in heard[:-1]]
    assert heard[0][1].state.node("/a").pose.position == (0.0, 0.0, 1.0) and heard[-1][1] is session.shown
    stop()
    session.redo()
    assert len(heard) == 3


def test_an_edit_that_does_not_fit_changes_and_tells_nothing(session: Session) -> None:
    heard: list[Shown] = []
    session.on_change(lambda before, now: heard.append(now))
    with pytest.raises(InputError):
        session.apply(UP, Delete("/none"))
    assert not heard and session.shown.state is session.scene.state


def test_what_is_selected_or_hidden_is_forgotten_when_it_is_gone(session: Session) -> None:
    session.choose("/b/inner", Everything())
    session.hide("/b")
    assert session.selected == Chosen("/b/inner", Everything()) and session.shown.hidden == {"/b"}
    session.apply(Delete("/b"))
    assert session.shown.chosen is None and not session.shown.hidden
    with pytest.raises(InputError, match="selection"):
        _ = session.selected
    for wrong in ("/b", "/../a", "a"):
        with pytest.raises(InputError, match="path"):
            session.choose(wrong)
        with pytest.raises(InputError, match="path"):
            session.hide(wrong)


def test_nodes_below_a_hidden_one_are_hidden() -> None:
    hidden = frozenset({"/b"})
    assert [is_hidden(path, hidden) for path in ("/", "/a", "/b", "/b/inner", "/bb")] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert is_hidden("/a", frozenset({"/"}))


def test_unsaved_steps_are_counted_in_both_directions(session: Session, tmp_path: Path) -> None:
    assert session.unsaved == 0
    session.apply(UP, UP)
    assert session.unsaved == 2
    session.save(tmp_path / "scene")
    assert session.unsaved == 0
    session.undo()
    assert session.unsaved == 1
    session.redo()
    assert session.unsaved == 0


def test_changes_of_many_threads_come_one_after_the_other(session: Session) -> None:
    heights: list[float] = []
    session.on_change(lambda before, now: heights.append(now.state.node("/a").pose.position[2]))
    threads = [threading.Thread(target=lambda: [session.apply(UP) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heights == [float(i) for i in range(1, 81)]


def test_a_part_is_selected_of_a_node_and_of_what_is_below_it() -> None:
    part = Chosen("/b", Everything())
    assert part.part("/b") == part.part("/b/inner") == Everything()
    assert part.part("/bb") is part.part("/") is Chosen("/b").part("/b") is None


def test_a_selection_that_asks_for_a_node_that_is_gone_is_forgotten(session: Session) -> None:
    session.choose("/b", Near("/a", 1.0))
    session.apply(UP)
    assert session.shown.chosen == Chosen("/b", Near("/a", 1.0))
    session.apply(Delete("/a"))
    assert session.shown.chosen is None
