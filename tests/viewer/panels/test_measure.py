"""Tests of scenekit.viewer.panels.measure."""

import numpy as np
import pytest

from scenekit.edits import Rotate
from scenekit.viewer import Viewer
from scenekit.viewer.panels.measure import COLOR, ENDS, MeasurePanel
from tests.viewer.conftest import eventually, pixels
from tests.viewer.panels.conftest import Person, on_page, panel, two_clouds


def test_two_clicks_and_a_length_make_metres(viewer: Viewer) -> None:
    measure, person, before = panel(viewer, MeasurePanel), Person(), viewer.session.shown.state
    person.uses(measure.ends)
    assert measure.scale.disabled
    for x in (0.0, 2.0):
        person.clicks(viewer, at=(x, 0.0, 0.0))
    apart = measure.apart
    assert apart == pytest.approx(2.0, abs=0.3) and f"{apart:.4g} m" in measure.distance.content
    person.uses(measure.metres, 5.0)
    person.uses(measure.scale)
    assert measure.apart == pytest.approx(5.0, rel=1e-9)
    state = viewer.session.shown.state
    np.testing.assert_allclose(state.pose("/b").position, 5.0 / apart * np.array(before.pose("/b").position))
    assert state.frame.scale == "measured"
    viewer.session.undo()
    assert viewer.session.shown.state is before and measure.apart == pytest.approx(apart, rel=1e-9)
    person.clicks(viewer, at=(0.0, 0.0, 0.0))
    assert len(measure.points[ENDS]) == 1 and measure.scale.disabled


def test_two_clicks_in_a_browser_draw_a_line_and_its_length(opened) -> None:
    viewer, page = opened(two_clouds())
    measure, where, before = panel(viewer, MeasurePanel), on_page(viewer, page), pixels(page)
    page.get_by_role("tab", name="Edit").click()
    page.get_by_text("Measure", exact=True).click()
    page.get_by_role("button", name=ENDS).click()
    clicks = [where(point) for point in ((-0.3, 0.0, 0.0), (0.3, 0.0, -0.35))]
    for number, click in enumerate(clicks, 1):
        page.mouse.click(*click)
        eventually(lambda number=number: len(measure.points[ENDS]) == number)
    seen = [where(tuple(point)) for point in measure.points[ENDS]]
    np.testing.assert_allclose(seen, clicks, atol=1.5)
    assert 0.3 < measure.apart < 1.0
    length = float(np.linalg.norm(np.subtract(*clicks)))
    eventually(lambda: 0.4 * length < orange(pixels(page)) - orange(before) < 4 * length)  # 3 px wide, under a label


def orange(picture: np.ndarray) -> int:
    """Pixels in the colour of the line."""
    return int((np.abs(picture.astype(int) - COLOR).max(-1) < 40).sum())


def test_three_clicks_on_a_floor_make_it_level(viewer: Viewer) -> None:
    measure, person = panel(viewer, MeasurePanel), Person((1.0, -3.0, 3.0))
    viewer.session.apply(Rotate("/", 20.0, (1.0, 0.0, 0.0), about=(0.0, 0.0, 0.0)))
    person.uses(measure.floor)
    for at in ((-0.2, 0.0, 0.0), (2.2, 0.1, 0.0), (2.0, -0.3, 0.1)):
        person.clicks(viewer, at=at)
    points = np.stack(next(points for points in measure.points.values() if len(points) == 3))
    person.uses(measure.level)
    T = viewer.session.shown.state.frame.T_world_source
    level = points @ T[:3, :3].T
    np.testing.assert_allclose(level[:, 2], level[0, 2], atol=1e-9)
    assert (T[:3, :3] @ (person.camera.position - points.mean(0)))[2] > 0
    assert viewer.session.shown.state.frame.up == "given" and measure.level.disabled


def test_a_click_on_nothing_is_no_point(viewer: Viewer) -> None:
    measure, person = panel(viewer, MeasurePanel), Person()
    person.uses(measure.ends)
    person.clicks(viewer, at=(1.0, 0.0, 3.0))
    assert person.told[-1][0] == "Nothing there" and not measure.points[ENDS]
