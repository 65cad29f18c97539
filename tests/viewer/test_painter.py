"""Who wants a picture by scenekit gets a quick one while something moves and a whole one at rest."""

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scenekit.edits import Delete, Move
from scenekit.poses import Pose
from scenekit.viewer import Viewer, contents
from scenekit.viewer.drawing import Held
from scenekit.viewer.painter import REST, Person
from tests.viewer.panels.conftest import Person as Client
from tests.viewer.panels.conftest import viewer as viewer


def painted(viewer: Viewer) -> tuple[Person, list[Any]]:
    """Somebody whom scenekit draws for, and the pictures they are sent. The painter paints when it is told to."""
    sent: list[Any] = []
    client: Any = Client()
    client.scene = SimpleNamespace(
        set_background_image=lambda rgb, **options: sent.append(rgb),
        add_frame=lambda *args, **options: SimpleNamespace(remove=lambda: None),
    )
    client.flush = lambda: None
    viewer.painter.close()
    person = viewer.painter.people[client.client_id] = Person(client, drawn_by="scenekit")
    return person, sent


def test_whoever_is_new_gets_a_small_picture_first_and_a_large_one_at_rest(viewer: Viewer) -> None:
    person, sent = painted(viewer)
    person.moved = time.monotonic() - 100.0
    assert viewer.painter._serve(person) == REST
    waits = viewer.painter._serve(person)  # their browser is to show the first
    assert waits is not None and 0 < waits < REST and len(sent) == 1
    person.served -= REST
    assert viewer.painter._serve(person) is None and max(sent[0].shape) < max(sent[1].shape)
    assert viewer.painter._serve(person) is None and len(sent) == 2


def test_a_large_picture_is_given_up_where_somebody_moves(viewer: Viewer) -> None:
    person, sent = painted(viewer)
    person.moved = person.started = time.monotonic() - 100.0
    other = viewer.painter.people[99] = Person(Client(), moved=time.monotonic())  # type: ignore[arg-type]
    assert viewer.painter._serve(person) == 0.0 and sent == [] and person.painted < person.moved
    other.started = other.moved
    assert viewer.painter._serve(person) is None and len(sent) == 1 and person.painted == person.moved


def test_a_moving_picture_leaves_out_what_is_seen_least_and_one_at_rest_nothing(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "QUICK", 0)
    person, sent = painted(viewer)
    for resting in (False, True):
        viewer.painter._paint(person, resting)
    assert (sent[0] == 255).all() and (sent[1] != 255).any()
    assert max(sent[0].shape) < max(sent[1].shape) and np.uint8 == sent[1].dtype


def test_a_node_that_is_held_is_drawn_where_it_is_held_until_it_is_let_go(viewer: Viewer) -> None:
    person, sent = painted(viewer)
    before = viewer.session.shown
    viewer.painter._paint(person, resting=True)
    viewer.drawing.hold(Held("/a", Pose((0.0, 0.0, 1.0)).matrix, (Move("/a", (0.0, 0.0, 1.0)),)))
    viewer.painter._paint(person, resting=True)
    assert viewer.session.shown is before
    viewer.drawing.draw(before, before)
    viewer.painter._paint(person, resting=True)
    viewer.session.apply(Move("/a", (0.0, 0.0, 1.0)))
    viewer.painter._paint(person, resting=True)
    first, held, let_go, moved = sent
    assert (held == moved).all() and (let_go == first).all() and (held != first).any()


def test_what_is_held_and_gone_meanwhile_is_not_drawn(viewer: Viewer) -> None:
    viewer.session.apply(Delete("/a"))
    viewer.drawing.hold(Held("/a", Pose((0.0, 0.0, 1.0)).matrix, (Move("/a", (0.0, 0.0, 1.0)),)))
    assert viewer.drawing.held is None
