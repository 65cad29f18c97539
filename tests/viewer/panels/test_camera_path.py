"""The film: keyframes from what somebody sees, and a video of the way between them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from scenekit.errors import InputError
from scenekit.render.camera_path import Key
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import Viewer
from scenekit.viewer.cameras import projected
from scenekit.viewer.panels import camera_path
from scenekit.viewer.panels.camera_path import CameraPathPanel
from scenekit.viewer.screenshots import key_of
from tests.viewer.conftest import HERE, eventually
from tests.viewer.test_cameras import dot, middle

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


PLACES = np.array([[0.3, 0.1, -0.2], [-0.3, 0.3, 0.2], [0.0, -0.4, 0.1]])
"""Of a red, a green and a blue dot."""


def three_dots() -> Scene:
    """What tells from where it is seen."""
    dots = zip("rgb", PLACES.tolist(), np.eye(3).tolist(), strict=True)
    nodes = tuple(Node(name, splats=dot(tuple(place), tuple(color))) for name, place, color in dots)
    return Scene(SceneState(Node("", children=nodes)))


def seen_from(page: Any, key: Key) -> bool:
    """Whether a page shows the dots where a camera there sees them, within two pixels."""
    seen = [middle(page, channel) for channel in range(3)]
    expected = projected(key.lens(640, 480), key.pose.matrix, PLACES)
    return None not in seen and bool(np.abs(np.array(seen) - expected).max() < 2.0)


def test_a_preview_in_a_browser_leads_along_the_path_and_back(
    opened: Callable[..., tuple[Viewer, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)  # stands still unless the test sets it
    monkeypatch.setattr(camera_path, "time", SimpleNamespace(monotonic=lambda: clock.now))
    viewer, page = opened(three_dots())
    panel, (person,) = panel_of(viewer), viewer.server.get_clients().values()
    page.get_by_role("tab", name="Export").click()

    def stands(eye: tuple[float, float, float]) -> Key:
        """Somebody looks from there at the dots."""
        person.camera.position, person.camera.look_at, person.camera.fov = eye, (0.0, 0.0, 0.0), 0.9
        eventually(lambda: seen_from(page, key_of(person)))
        return key_of(person)

    for count, eye in enumerate([(2.5, -1.5, 1.0), (2.5, 1.5, 0.5), (0.5, 2.5, 1.0)], 1):
        stands(eye)
        page.get_by_role("button", name="Add this view").click()
        eventually(lambda count=count: len(panel.keys) == count)
    before, path = stands((-2.0, 2.0, 1.5)), panel.path
    around, up = person.camera.look_at, person.camera.up_direction
    for moments, ended_by_hand in (((0.0, 0.3, 0.8), False), ((0.6,), True)):
        clock.now = 0.0
        eventually(lambda: panel._preview is None)
        page.get_by_role("button", name="Preview").click()
        eventually(lambda: panel._preview is not None)  # it has begun, and looked at the clock
        for moment in moments:
            clock.now = moment * path.seconds
            eventually(lambda: seen_from(page, path.at(clock.now)))
            np.testing.assert_allclose(person.camera.position, path.at(clock.now).pose.position, atol=1e-3)
        if ended_by_hand:
            page.get_by_role("button", name="Preview").click()
        else:
            clock.now = path.seconds
        eventually(lambda: seen_from(page, before))
        np.testing.assert_allclose(person.camera.position, before.pose.position, atol=1e-3)
        np.testing.assert_allclose(person.camera.look_at, around, atol=1e-3)
        np.testing.assert_allclose(person.camera.up_direction, up, atol=1e-3)
    assert panel.path == path


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
