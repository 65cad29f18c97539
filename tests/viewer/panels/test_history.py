"""Tests of scenekit.viewer.panels.history."""

from pathlib import Path

import pytest

from scenekit.edits import Move
from scenekit.io.scene_folder import is_scene, read_scene
from scenekit.viewer import Viewer
from scenekit.viewer.panels.history import SHOWN, HistoryPanel
from tests.edits.conftest import same_bits
from tests.viewer.conftest import eventually, pixels
from tests.viewer.panels.conftest import Person, panel, two_clouds


def test_undo_and_redo_say_what_they_do_and_the_last_steps_are_listed(viewer: Viewer) -> None:
    history, person = panel(viewer, HistoryPanel), Person()
    assert history.undo.disabled and history.redo.disabled
    for i in range(SHOWN + 2):
        viewer.session.apply(Move("/a", (0.0, 0.0, float(i))))
    assert history.undo.label == f"Undo: move /a by (0, 0, {SHOWN + 1}) m" and history.redo.disabled
    unsaved, _, *rows = history.steps.content.splitlines()
    assert (
        unsaved == f"**{SHOWN + 2} not saved yet**"
        and len(rows) == SHOWN
        and rows[0] == f"{SHOWN + 2}. move /a by (0, 0, {SHOWN + 1}) m"
    )
    person.uses(history.undo)
    assert history.redo.label == f"Redo: move /a by (0, 0, {SHOWN + 1}) m"
    person.uses(history.redo)
    assert history.redo.disabled and len(viewer.session.scene.past) == SHOWN + 2


def test_a_scene_is_saved_under_a_name_beside_its_folder_then_in_place(
    viewer: Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    history, person = panel(viewer, HistoryPanel), Person()
    assert history.save.disabled
    person.uses(history.name, "kitchen")
    person.uses(history.save_as)
    viewer.jobs.wait()
    assert same_bits(read_scene(tmp_path / "kitchen").state, viewer.session.shown.state)
    viewer.session.apply(Move("/a", (0.0, 0.0, 1.0)))
    person.uses(history.save)
    viewer.jobs.wait()
    assert person.told[-1][0] == "Saved" and "not saved" not in history.steps.content
    assert len(read_scene(tmp_path / "kitchen").past) == 1


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "..", "kitchen"])
def test_save_as_writes_nowhere_else_and_over_nothing(viewer: Viewer, tmp_path: Path, name: str) -> None:
    viewer.session.save(tmp_path / "home" / "kitchen")
    before = sorted(tmp_path.rglob("*"))
    person, history = Person(), panel(viewer, HistoryPanel)
    person.uses(history.name, name)
    person.uses(history.save_as)
    viewer.jobs.wait()
    assert person.told[-1][0] == "That did not work"
    assert sorted(tmp_path.rglob("*")) == before


def test_the_button_in_a_browser_saves(opened, tmp_path: Path) -> None:
    scene = two_clouds()
    scene.folder = tmp_path / "kitchen"
    viewer, page = opened(scene)
    viewer.session.apply(Move("/a", (0.0, 0.0, 1.0)))
    page.get_by_role("tab", name="Edit").click()
    unsaved = page.get_by_text("not saved yet")
    unsaved.wait_for()
    before = pixels(page)
    page.get_by_role("button", name="Save", exact=True).click()
    eventually(lambda: is_scene(scene.folder))
    assert same_bits(read_scene(scene.folder).state, viewer.session.shown.state)
    unsaved.wait_for(state="hidden")
    assert (pixels(page) == before).all()
