"""Tests of scenekit.viewer.pointer."""

from types import SimpleNamespace
from typing import Any

import pytest

from scenekit.viewer.pointer import HAND, Pointer, Tool
from tests.viewer.panels.conftest import Person


@pytest.fixture
def pointer() -> Pointer:
    def taken(*args: Any, **options: Any) -> Any:
        return lambda callback: callback

    scene = SimpleNamespace(on_click=taken)
    gui = SimpleNamespace(add_command=lambda *args, **options: SimpleNamespace(on_trigger=taken()))
    return Pointer(SimpleNamespace(scene=scene, gui=gui, on_client_disconnect=taken()))  # type: ignore[arg-type]


def click(pointer: Pointer, person: Any) -> None:
    pointer._click(SimpleNamespace(client=person, client_id=person.client_id))  # type: ignore[arg-type]


def test_a_click_does_what_the_tool_does_that_this_person_holds(pointer):
    said: list[str] = []
    ann, bob = Person(), Person()
    bob.client_id = 8
    pointer.hand = Tool(HAND, click=lambda event: said.append("hand"))
    pointer.take(ann, Tool("Ruler", click=lambda event: said.append("ruler")))
    click(pointer, ann)
    click(pointer, bob)
    pointer.put_down(ann)
    click(pointer, ann)
    assert said == ["ruler", "hand", "hand"]


def test_a_tool_is_put_down_before_another_is_taken(pointer):
    said: list[str] = []
    ann = Person()
    pointer.take(ann, Tool("Lasso", rectangle=lambda event: None, down=lambda client: said.append("down")))
    assert len(ann.rectangles) == 1 and not said
    pointer.take(ann, Tool("Ruler"))
    assert not ann.rectangles and said == ["down"] and pointer.held_by(ann).name == "Ruler"


def test_nobody_holds_nothing(pointer):
    pointer.take(None, Tool("Ruler"))
    pointer.put_down(None)
    assert pointer.held_by(Person()).name == HAND
