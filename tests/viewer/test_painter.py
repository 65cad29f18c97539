"""Who wants a picture by scenekit gets a quick one while something moves and a whole one at rest."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scenekit.viewer import Viewer, contents
from scenekit.viewer.painter import Person
from tests.viewer.panels.conftest import Person as Client
from tests.viewer.panels.conftest import viewer as viewer


def test_a_moving_picture_leaves_out_what_is_seen_least_and_one_at_rest_nothing(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "QUICK", 0)
    sent: list[Any] = []
    client: Any = Client()
    client.scene = SimpleNamespace(
        set_background_image=lambda rgb, **options: sent.append(rgb),
        add_frame=lambda *args, **options: SimpleNamespace(remove=lambda: None),
    )
    client.flush = lambda: None
    viewer.painter.close()  # it paints when it is told to
    person = viewer.painter.people[client.client_id] = Person(client, drawn_by="scenekit")
    for resting in (False, True):
        viewer.painter._paint(person, resting)
    assert (sent[0] == 255).all() and (sent[1] != 255).any()
    assert max(sent[0].shape) < max(sent[1].shape) and np.uint8 == sent[1].dtype
