"""Tests of scenekit.viewer.door: people are let in before there is anything to see, and see it when it is there."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import Door, Viewer, ViewerConfig
from scenekit.viewer.cameras import home
from tests.viewer.conftest import HERE, SIZE, drawn, eventually


@pytest.fixture
def door() -> Iterator[Door]:
    with Door(HERE, note="Opening kitchen") as made:
        yield made


def test_its_address_answers_at_once_and_no_more_once_it_is_closed(door: Door) -> None:
    with urllib.request.urlopen(door.url, timeout=60) as page:
        assert page.status == 200
    door.close()
    door.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(door.url, timeout=60)


def test_a_tab_is_opened_only_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch, door: Door) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    door.invite()
    assert opened == []
    with Door(ViewerConfig(port=0)) as inviting:
        inviting.invite()
        assert opened == [inviting.url]


def test_who_came_before_the_scene_is_shown_it_from_where_all_begin(browser: Any, door: Door) -> None:
    page = browser.new_page(viewport=SIZE)
    page.goto(door.url + "?fixedDpr=1")
    eventually(door.server.get_clients)
    eventually(lambda: "Opening kitchen" in page.inner_text("body"))
    assert not drawn(page)
    nodes = (Node("cloud", splats=random_splats(400, degree=0, scale=0.3)),)
    with Viewer(Scene(SceneState(Node("", children=nodes))), door=door) as viewer:
        (client,) = door.server.get_clients().values()
        eye, target = home(viewer.session.shown.state)
        eventually(lambda: np.allclose(client.camera.position, eye, atol=1e-3))
        assert np.allclose(client.camera.look_at, target, atol=1e-3)
        eventually(lambda: drawn(page))
        assert "Opening kitchen" not in page.inner_text("body")
    page.context.close()
