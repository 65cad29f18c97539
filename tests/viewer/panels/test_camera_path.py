"""The film: keyframes from what somebody sees, and a video of the way between them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from scenekit.errors import InputError
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import Viewer
from scenekit.viewer.panels.camera_path import CameraPathPanel
from scenekit.viewer.screenshots import key_of
from tests.viewer.conftest import HERE, eventually

NOBODY = SimpleNamespace(client=None)


def a_scene() -> Scene:
    cloud = Node("cloud", splats=random_splats(300, degree=0, extent=0.4, scale=0.05, seed=1))
    return Scene(SceneState(Node("", children=(cloud,))))


def panel_of(viewer: Viewer) -> CameraPathPanel:
    return next(panel for panel in viewer.panels if isinstance(panel, CameraPathPanel))


def test_a_film_between_two_views_is_made_and_sent(opened: Callable[..., tuple[Viewer, Any]], tmp_path: Path) -> None:
    viewer, page = opened(a_scene())
    panel, person = panel_of(viewer), next(iter(viewer.server.get_clients().values()))
    page.get_by_role("tab", name="Export").click()
    page.get_by_role("button", name="Add this view").click()
    eventually(lambda: len(panel.keys) == 1)
    first = key_of(person)
    person.camera.position = (1.0, 3.0, 2.0)
    person.camera.look_at = (0.0, 0.0, 0.0)
    page.get_by_role("button", name="Add this view").click()
    eventually(lambda: len(panel.keys) == 2)
    assert panel.keys[1].pose.position == pytest.approx((1.0, 3.0, 2.0))
    panel.seconds.value, panel.fps.value, panel.size.value = 0.5, 10.0, (96, 64)
    with page.expect_download() as got:
        page.get_by_role("button", name="Make the video").click()
    got.value.save_as(tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 6
    assert frames[0].shape == (64, 96, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 30
    panel.key.value = "1"
    page.get_by_role("button", name="Go there").click()
    eventually(lambda: np.allclose(key_of(person).pose.position, first.pose.position, atol=1e-3))


def test_a_keyframe_that_is_not_there_and_a_film_of_none_are_refused() -> None:
    with Viewer(a_scene(), HERE) as viewer:
        panel = panel_of(viewer)
        for number in ("none", "7", "../1"):
            panel.key.value = number
            with pytest.raises(InputError, match="keyframe"):
                panel._remove(NOBODY)
        with pytest.raises(InputError, match="keyframe"):
            panel._film(NOBODY)
        panel.fps.value = 1e9
        with pytest.raises(InputError, match="per second"):
            panel._film(NOBODY)
        panel.seconds.value = float("nan")
        with pytest.raises(InputError, match="length"):
            _ = panel.path
