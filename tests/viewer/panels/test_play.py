"""The play tab, in a real browser: a box falls, everybody sees it, and the scene is as it was."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scenekit.body import Body
from scenekit.errors import InputError
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import Viewer
from scenekit.viewer.panels.play import PlayPanel, runs_beside
from scenekit.viewer.panels.push import middle_and_size
from tests.viewer.conftest import HERE, drag, eventually, frames, pixels
from tests.viewer.panels.conftest import EYE, on_page

NOBODY = SimpleNamespace(client=None)


def a_box(height: float = 1.0) -> Scene:
    """500 Gaussians in a box, which is rigid."""
    splats = random_splats(500, degree=0, extent=0.15, scale=0.02, seed=1)
    box = Node("box", Pose((0, 0, height)), splats=splats, body=Body("dynamic"), material=materials["wood"])
    return Scene(SceneState(Node("", children=(box,))))


def panel_of(viewer: Viewer) -> PlayPanel:
    return next(panel for panel in viewer.panels if isinstance(panel, PlayPanel))


def test_a_box_falls_before_everybody_and_the_scene_stays(opened: Callable[..., tuple[Viewer, Any]]) -> None:
    viewer, page = opened(a_box())
    panel, before, first = panel_of(viewer), viewer.session.shown, pixels(page)
    panel.seconds.value, panel.fps.value = 0.4, 20.0
    page.get_by_role("tab", name="Play").click()
    page.get_by_role("button", name="Simulate").click()
    eventually(lambda: viewer.playback.frame == 8 and not viewer.playback.playing)
    height = viewer.playback.shown.state.pose("/box").position[2]
    assert height == pytest.approx(1 - 9.81 * 0.4**2 / 2, abs=0.03)
    eventually(lambda: (pixels(page) != first).any())
    viewer.playback.show(0)
    eventually(lambda: (pixels(page) == first).all())
    assert viewer.session.shown is before
    assert viewer.session.scene.past == []


def test_a_drag_in_a_browser_pushes_and_the_box_flies_that_way(opened: Callable[..., tuple[Viewer, Any]]) -> None:
    viewer, page = opened(a_box(0.5))
    where, panel = on_page(viewer, page), panel_of(viewer)
    page.get_by_role("tab", name="Play").click()
    before = pixels(page)
    page.get_by_label("Push by dragging").click()
    eventually(lambda: (pixels(page) != before).any())
    frames(page)
    x, y = where((0.0, 0.0, 0.5))
    before = pixels(page)
    drag(page, (x, y), (x + 15, y), (x + 30, y))
    eventually(lambda: (pixels(page) != before).any())
    page.mouse.up()
    vx, _, vz = eventually(lambda: panel.pushes.velocities)["/box"]
    assert vx == pytest.approx(4.0 * 30 / 500 * np.linalg.norm(EYE), rel=0.3) and abs(vz) < 0.3 * vx
    panel.seconds.value, panel.fps.value = 0.2, 20.0
    page.get_by_role("button", name="Simulate").click()
    eventually(lambda: viewer.playback.frame == 4 and not viewer.playback.playing)
    assert viewer.playback.shown.state.pose("/box").position[0] == pytest.approx(0.2 * vx, rel=0.1)


def test_a_drag_is_a_push_along_it() -> None:
    with Viewer(a_box(), HERE) as viewer:
        pushes = panel_of(viewer).pushes
        pushes.strength.value = 4.0
        pushes.drag("/box", (0.0, 0.0, 1.0), (0.5, 0.0, 1.0))
        assert pushes.velocities == {"/box": (2.0, 0.0, 0.0)}
        assert "2.00 m/s" in pushes.list.content
        viewer.session.scene.state = SceneState()
        viewer.session.show()
        assert pushes.velocities == {}


def test_runs_that_are_not_beside_the_scene_are_not_opened(tmp_path: Path) -> None:
    for name in ("scene/inside", "beside", "elsewhere/run"):
        (tmp_path / name).mkdir(parents=True)
        for file in ("frames.json", "config.json"):
            (tmp_path / name / file).write_text(json.dumps({}))
    assert set(runs_beside(tmp_path / "scene")) == {"inside", "beside"}
    assert runs_beside(None) == {}
    scene = a_box()
    scene.folder = tmp_path / "scene"
    with Viewer(scene, HERE) as viewer:
        panel = panel_of(viewer)
        assert set(panel.kept.options) == {"inside", "beside"}
        for name in ("../elsewhere/run", str(tmp_path / "elsewhere" / "run"), "nothing"):
            panel.kept.value = name
            with pytest.raises(InputError, match="one of inside, beside"):
                panel._open(NOBODY)
        assert viewer.playback.clip is None


def test_absurd_lengths_are_refused() -> None:
    with Viewer(a_box(), HERE) as viewer:
        panel = panel_of(viewer)
        for seconds in (-1.0, 1e9, float("nan")):
            panel.seconds.value = seconds
            with pytest.raises(InputError, match="at most 60 s"):
                panel._simulate(NOBODY)
        assert not viewer.jobs.busy


def test_the_box_to_drag_is_around_the_splats() -> None:
    node = a_box().state.node("/box")
    assert node.splats is not None
    middle, size = middle_and_size(node)
    inside = (np.abs(node.splats.means.numpy() - middle) <= size / 2).all(1)
    assert inside.mean() == pytest.approx(0.94, abs=0.03)
