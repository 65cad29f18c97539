"""Tests of scenekit.viewer.panels.edit: by the panel's own controls, and by a mouse and keys in a browser."""

import numpy as np
import pytest

from scenekit import edits
from scenekit.scene import SceneState
from scenekit.selection import Everything, HalfSpace
from scenekit.viewer import Viewer
from scenekit.viewer.cameras import bounds
from scenekit.viewer.panels.edit import EditPanel
from tests.edits.conftest import same_bits
from tests.viewer.conftest import drag, eventually, frames, pixels
from tests.viewer.panels.conftest import Person, on_page, panel, two_clouds

RIGHT = HalfSpace((1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("control", "values", "edit"),
    [
        ("move", {"by": (0.1, 0.2, 0.3)}, edits.Move("/a", (0.1, 0.2, 0.3))),
        ("rotate", {"axis": "x", "angle": 30.0}, edits.Rotate("/a", 30.0, (1.0, 0.0, 0.0))),
        ("mirror", {"axis": "y"}, edits.Mirror("/a", (0.0, 1.0, 0.0))),
        ("scale", {"factor": 2.0}, edits.Scale("/a", 2.0)),
        ("rename", {"name": "mug"}, edits.Rename("/a", "mug")),
        ("duplicate", {}, edits.Duplicate("/a", "/a_2")),
        ("delete", {}, edits.Delete("/a")),
        ("merge", {"other": "/b"}, edits.Merge("/a", "/b")),
        ("reparent", {"other": "/b"}, edits.Reparent("/a", "/b")),
        ("opacity", {"times": 0.25}, edits.SetOpacity("/a", 0.25)),
        (
            "recolor",
            {"exposure": 1.0, "hue": 40.0, "saturation": 0.5, "light": (255, 51, 255)},
            edits.Recolor("/a", exposure=1.0, gains=(1.0, 0.2, 1.0), hue=40.0, saturation=0.5),
        ),
    ],
)
def test_a_button_makes_one_edit_and_undo_brings_the_very_tensors_back(viewer: Viewer, control, values, edit) -> None:
    before, person, edit_panel = viewer.session.shown.state, Person(), panel(viewer, EditPanel)
    viewer.session.choose("/a")
    for name, value in values.items():
        person.uses(getattr(edit_panel, name), value)
    person.uses(getattr(edit_panel, control))
    assert not person.told
    assert [label for _, label in viewer.session.scene.past] == [str(edit)]
    assert same_bits(viewer.session.shown.state, edit.apply(before))
    viewer.session.undo()
    assert viewer.session.shown.state is before


@pytest.mark.parametrize(
    ("control", "edit"),
    [
        ("split", edits.Split("/a", RIGHT, "/part")),
        ("crop", edits.Crop("/a", RIGHT)),
        ("delete", edits.Delete("/a", RIGHT)),
        ("opacity", edits.SetOpacity("/a", 0.5, where=RIGHT)),
    ],
)
def test_what_is_done_to_a_part_leaves_the_rest(viewer: Viewer, control, edit) -> None:
    before, person = viewer.session.shown.state, Person()
    viewer.session.choose("/a", RIGHT)
    person.uses(getattr(panel(viewer, EditPanel), control))
    assert not person.told
    assert same_bits(viewer.session.shown.state, edit.apply(before))


def test_slow_edits_are_jobs(viewer: Viewer) -> None:
    before, edit_panel = viewer.session.shown.state, panel(viewer, EditPanel)
    viewer.session.choose("/")
    Person().uses(edit_panel.keep, 0.25)
    Person().uses(edit_panel.decimate)
    viewer.jobs.wait()
    assert same_bits(viewer.session.shown.state, edits.Decimate("/", keep=0.25).apply(before))


def test_buttons_that_cannot_do_anything_are_disabled(viewer: Viewer) -> None:
    edit_panel = panel(viewer, EditPanel)

    def able() -> set[str]:
        names = ("move", "scale", "delete", "split", "rename", "recolor")
        return {name for name in names if not getattr(edit_panel, name).disabled}

    assert able() == set()
    viewer.session.choose("/a")
    assert able() == {"move", "scale", "delete", "rename", "recolor"}
    viewer.session.choose("/a", RIGHT)
    assert able() == {"delete", "split", "recolor"}
    viewer.session.choose("/")
    assert able() == {"move", "scale", "recolor"}


def test_what_does_not_fit_is_told_and_changes_nothing(viewer: Viewer) -> None:
    before, person, edit_panel = viewer.session.shown.state, Person(), panel(viewer, EditPanel)
    viewer.session.choose("/a")
    for name in ("b", "../b", ""):
        person.uses(edit_panel.name, name)
        person.uses(edit_panel.rename)
    person.uses(edit_panel.by, (float("nan"), 0.0, 0.0))
    person.uses(edit_panel.move)
    viewer.session.choose("/a", Everything())
    person.uses(edit_panel.split)
    assert [title for title, _ in person.told] == ["That did not work"] * 5
    assert viewer.session.shown.state is before


def red(page) -> float:
    """Height of what is red on the page, in the middle [px]; 0 if nothing is."""
    picture = pixels(page).astype(int)
    rows, _ = np.nonzero((picture[..., 0] > 150) & (picture[..., 1] < 120))
    return float(rows.mean()) if len(rows) else 0.0


def area(page) -> int:
    """How much of the page is red [px]."""
    picture = pixels(page).astype(int)
    return int(((picture[..., 0] > 150) & (picture[..., 1] < 120)).sum())


def choose_a(viewer: Viewer, page) -> None:
    """Select /a, and wait until its handles are seen."""
    before = pixels(page)
    viewer.session.choose("/a")
    eventually(lambda: (pixels(page) != before).any())
    frames(page)


def test_handles_in_a_browser_move_a_node_keys_undo_and_delete(opened) -> None:
    viewer, page = opened(two_clouds())
    where, session, before = on_page(viewer, page), viewer.session, viewer.session.shown.state
    eventually(lambda: red(page))
    height = red(page)
    x, y = map(float, where((0.0, 0.0, 0.0)))
    choose_a(viewer, page)
    drag(page, (x, y - 85), (x, y - 65), (x, y - 45))
    eventually(lambda: viewer.drawing.frames["/a"].position[2] < -0.2)
    assert session.shown.state is before
    page.mouse.up()
    eventually(lambda: session.shown.state is not before)
    position = session.shown.state.pose("/a").position
    assert position[2] == pytest.approx(-40 / 500 * 17**0.5, rel=0.2) and abs(position[0]) + abs(position[1]) < 1e-9
    assert len(session.scene.past) == 1 and tuple(viewer.drawing.frames["/a"].position) == position
    eventually(lambda: red(page) > height + 20)
    page.keyboard.press("Control+z")
    eventually(lambda: session.shown.state is before)
    eventually(lambda: abs(red(page) - height) < 2)
    page.keyboard.press("Delete")
    eventually(lambda: "/a" not in session.shown.state)
    eventually(lambda: not red(page))


def test_pictures_that_scenekit_draws_follow_the_handles(opened) -> None:
    viewer, page = opened(two_clouds())
    where, before = on_page(viewer, page), viewer.session.shown.state
    x, y = map(float, where((0.0, 0.0, 0.0)))
    choose_a(viewer, page)
    (client,) = viewer.server.get_clients().values()
    person = viewer.painter.person(client)
    person.drawn_by = "scenekit"
    viewer.painter.touch(person)
    eventually(lambda: person.painted >= person.moved)
    height = eventually(lambda: red(page))
    drag(page, (x, y - 85), (x, y - 65), (x, y - 45))
    eventually(lambda: red(page) > height + 20)
    assert viewer.session.shown.state is before
    page.mouse.up()
    eventually(lambda: viewer.session.shown.state is not before)
    eventually(lambda: red(page) > height + 20)


def test_the_arrow_in_a_browser_scales_a_node_and_all_see_it_grow(opened) -> None:
    viewer, page = opened(two_clouds())
    where, session, before = on_page(viewer, page), viewer.session, viewer.session.shown.state
    Person().uses(panel(viewer, EditPanel).handles, "scale")
    low, high = bounds(before, "/a")
    middle = (low + high) / 2
    ends = [np.array(where(tuple(high + reach * (high - middle)))) for reach in (0.0, 1.0)]
    along = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    size = eventually(lambda: area(page))
    choose_a(viewer, page)
    grip = ends[0] + 50 * along
    drag(page, tuple(grip), tuple(grip + 10 * along), tuple(grip + (ends[1] - ends[0])))
    eventually(lambda: area(page) > 2 * size)
    assert session.shown.state is before and viewer.drawing.held is not None
    page.mouse.up()
    eventually(lambda: session.shown.state is not before)
    after = bounds(session.shown.state, "/a")
    np.testing.assert_allclose((after[1] - after[0]) / (high - low), 2.0, rtol=0.1)
    np.testing.assert_allclose((after[0] + after[1]) / 2, middle, atol=1e-3)
    eventually(lambda: area(page) > 2 * size)
    page.keyboard.press("Control+z")
    eventually(lambda: session.shown.state is before)
    eventually(lambda: area(page) < 1.2 * size)


def test_who_leaves_in_the_middle_of_a_drag_leaves_the_scene_as_it_was(opened) -> None:
    viewer, page = opened(two_clouds())
    where, session, before = on_page(viewer, page), viewer.session, viewer.session.shown.state
    x, y = map(float, where((0.0, 0.0, 0.0)))
    choose_a(viewer, page)
    drag(page, (x, y - 85), (x, y - 65), (x, y - 45))
    eventually(lambda: viewer.drawing.frames["/a"].position[2] < -0.2)
    page.close()
    eventually(lambda: not viewer.server.get_clients())
    eventually(lambda: tuple(viewer.drawing.frames["/a"].position) == (0.0, 0.0, 0.0))
    assert session.shown.state is before and not session.scene.past
    session.apply(edits.Move("/a", (0.0, 0.0, 1.0)))
    assert (
        isinstance(session.shown.state, SceneState) and not panel(viewer, EditPanel).gizmos["move and turn"].gizmo.held
    )
