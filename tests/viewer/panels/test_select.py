"""Tests of scenekit.viewer.panels.select: by the panel's own controls, and by a mouse in a browser."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scenekit.selection import Box, Sphere
from scenekit.viewer import Viewer
from scenekit.viewer.cameras import camera_of, projected
from scenekit.viewer.panels.select import SelectPanel
from scenekit.viewer.session import Chosen
from tests.viewer.conftest import drag, eventually, frames, pixels
from tests.viewer.panels.conftest import Person, on_page, panel, two_clouds


def counted_in(viewer: Viewer) -> int:
    """How many Gaussians of the selected node are selected."""
    chosen = viewer.session.selected
    return int(chosen.where.mask(viewer.session.shown.state, chosen.path).sum())


def test_a_click_selects_the_node_it_meets_and_beside_it_nothing(viewer: Viewer) -> None:
    person = Person()
    person.clicks(viewer, at=(2.0, 0.0, 0.0))
    assert viewer.session.selected.path == "/b"
    assert panel(viewer, SelectPanel).node.value == "/b"
    person.clicks(viewer, at=(1.0, 0.0, 2.0))
    assert viewer.session.shown.chosen is None


def test_a_rectangle_selects_in_the_node_that_was_chosen_and_tools_are_each_persons_own(viewer: Viewer) -> None:
    select, person, other = panel(viewer, SelectPanel), Person(), Person()
    other.client_id = 8
    person.uses(select.tools, "Rectangle")
    (drag,) = person.rectangles
    drag(SimpleNamespace(client=person, client_id=7, screen_min=(0.5, 0.0), screen_max=(1.0, 1.0)))
    assert viewer.session.selected.path == "/b"
    person.uses(select.node, "/a")
    drag(SimpleNamespace(client=person, client_id=7, screen_min=(0.5, 0.0), screen_max=(1.0, 1.0)))
    assert viewer.session.selected.path == "/a" and viewer.session.selected.where is None
    assert person.told[-1][0] == "Nothing there"
    assert viewer.pointer.held_by(person).name == "Rectangle" and viewer.pointer.held_by(other).name == "Hand"
    person.uses(select.tools, "Click")
    assert not person.rectangles


def test_a_lasso_closes_at_its_first_corner(viewer: Viewer) -> None:
    select, person = panel(viewer, SelectPanel), Person()
    person.uses(select.tools, "Lasso")
    for corner in ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0), (0.001, 0.001)):
        person.clicks(viewer, at=(0.0, 0.0, 0.0), screen_pos=corner)
    assert viewer.session.selected.path == "/a"
    assert "400 of 400 Gaussians" in select.count.content


def test_a_lasso_begins_anew_when_the_person_looks_elsewhere(viewer: Viewer) -> None:
    select, person = panel(viewer, SelectPanel), Person()
    person.uses(select.tools, "Lasso")
    person.clicks(viewer, at=(0.0, 0.0, 0.0), screen_pos=(0.9, 0.9))
    person.camera.position = person.camera.position + np.array([0.0, -1.0, 0.0])
    for corner in ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0)):
        person.clicks(viewer, at=(0.0, 0.0, 0.0), screen_pos=corner)
    person.uses(select.close)
    assert viewer.session.selected.where.corners == ((0.0, 0.0), (320.0, 0.0), (320.0, 480.0))


def test_a_sphere_is_put_where_one_clicks_and_its_radius_is_a_slider(viewer: Viewer) -> None:
    select, person = panel(viewer, SelectPanel), Person()
    person.uses(select.tools, "Sphere")
    person.clicks(viewer, at=(2.0, 0.0, 0.0))
    first = viewer.session.selected
    assert first.path == "/b" and isinstance(first.where, Sphere) and select.radius.visible
    person.uses(select.radius, first.where.radius * 1.5)
    assert viewer.session.selected.where == Sphere(first.where.centre, first.where.radius * 1.5)
    assert f"{counted_in(viewer)} of 400 Gaussians" in select.count.content
    person.uses(select.text, "Sphere((0, 0, 0), 0.4)")
    person.uses(select.by_text)
    assert not select.radius.visible and f"{counted_in(viewer)} of 400 Gaussians" in select.count.content
    person.uses(select.radius, first.where.radius * 2)
    assert viewer.session.selected == Chosen("/a", Sphere((0, 0, 0), 0.4))


def test_what_is_drawn_combines_with_what_was_selected(viewer: Viewer) -> None:
    select, person = panel(viewer, SelectPanel), Person()
    person.uses(select.node, "/a")
    person.uses(select.text, "HalfSpace((1, 0, 0))")
    person.uses(select.by_text)
    person.uses(select.combine, "Subtract")
    person.uses(select.text, "HalfSpace((0, 0, 1))")
    person.uses(select.by_text)
    x, _, z = viewer.session.shown.state.node("/a").splats.means.T
    where = viewer.session.selected.where
    assert (where.mask(viewer.session.shown.state, "/a") == ((x >= 0) & ~(z >= 0))).all()
    person.uses(select.invert)
    assert (viewer.session.selected.where.mask(viewer.session.shown.state, "/a") == ~((x >= 0) & ~(z >= 0))).all()


def test_a_text_that_is_no_selection_is_told_to_the_person(viewer: Viewer) -> None:
    select, person = panel(viewer, SelectPanel), Person()
    person.uses(select.text, "__import__('os')")
    person.uses(select.by_text)
    assert person.told[-1][0] == "That did not work" and viewer.session.shown.chosen is None


def test_a_click_and_a_rectangle_in_a_browser_select_what_is_seen_there(opened) -> None:
    viewer, page = opened(two_clouds())
    where = on_page(viewer, page)
    page.mouse.click(*where((0.0, 0.0, 0.0)))
    eventually(lambda: viewer.session.shown.chosen)
    assert viewer.session.selected.path == "/a"
    viewer.session.choose(None)
    unmarked = pixels(page)
    (client,) = viewer.server.get_clients().values()
    viewer.pointer.take(client, panel(viewer, SelectPanel).tool("Rectangle"))
    page.wait_for_timeout(500)
    drag(page, (100, 400), (150, 325), (200, 250))
    page.mouse.up()
    assert eventually(lambda: viewer.session.shown.chosen).path == "/a"
    agree(viewer, "/a", (100, 250), (200, 400))
    eventually(lambda: (pixels(page) != unmarked).any())
    viewer.session.choose(None)
    viewer.pointer.take(client, panel(viewer, SelectPanel).tool("Lasso"))
    x, y = where((0.0, 0.0, 0.0))
    corners = [(x - 60, y), (x + 60, y), (x + 60, y + 60), (x - 60, y + 60)]  # below the notes
    for corner in corners:
        page.mouse.click(*corner)
        frames(page)
    eventually(lambda: 300 < (pixels(page) != unmarked).any(-1).sum() < 4 * 360)  # an outline 3 px wide, 360 px long
    page.mouse.click(*corners[0])
    assert eventually(lambda: viewer.session.shown.chosen).path == "/a"
    agree(viewer, "/a", corners[0], corners[2])
    eventually(lambda: (pixels(page) != unmarked).any())


def tinted(page: Any) -> np.ndarray:
    """Where a page shows red splats in the tint of what is selected [px], shape (n, 2)."""
    r, g, b = pixels(page).astype(int).transpose(2, 0, 1)
    rows, columns = np.nonzero((r > 200) & (g > b + 40) & (g < 130))
    return np.stack([columns, rows], 1) + 0.5


def tinted_around(page: Any, place: tuple[float, float]) -> bool:
    """Whether more than a few pixels are, and their middle is near to a place [px]."""
    found = tinted(page)
    return len(found) > 1000 and bool(np.abs(found.mean(0) - place).max() < 15)


def wire(page: Any) -> int:
    """Pixels of blue lines in the left half of a page, where no splats are blue."""
    r, g, b = pixels(page)[:, :300].astype(int).transpose(2, 0, 1)
    return int(((b > 120) & (b > r + 60) & (b > g + 40)).sum())


@pytest.mark.parametrize("shape", ["Sphere", "Box"])
def test_a_region_in_a_browser_tints_what_lies_in_it_and_delete_removes_that_alone(opened, shape: str) -> None:
    viewer, page = opened(two_clouds())
    where, session, before = on_page(viewer, page), viewer.session, viewer.session.shown.state
    page.get_by_role("tab", name="Edit").click()
    eventually(lambda: not len(tinted(page)) and not wire(page))
    page.get_by_role("button", name=shape, exact=True).click()
    (client,) = viewer.server.get_clients().values()
    eventually(lambda: viewer.pointer.held_by(client).name == shape)
    click = where((0.0, 0.0, 0.0))
    page.mouse.click(*click)
    first = eventually(lambda: session.shown.chosen)
    np.testing.assert_allclose(where(middle_of(first.where)), click, atol=1.5)
    eventually(lambda: wire(page) > 100)
    eventually(lambda: tinted_around(page, click))

    x, y = click
    drag(page, (x + 85, y), (x + 65, y), (x + 45, y))
    page.mouse.up()
    chosen = eventually(lambda: session.shown.chosen if session.shown.chosen != first else None)
    np.testing.assert_allclose(where(middle_of(chosen.where)), (x - 40, y), atol=3)
    eventually(lambda: tinted_around(page, (x - 40, y)))

    red = before.node("/a").splats  # at the origin
    means = red.means.double().numpy() - middle_of(chosen.where)
    if shape == "Sphere":
        inside = np.linalg.norm(means, axis=1) <= chosen.where.radius
    else:
        inside = (np.abs(means) <= (np.array(chosen.where.high) - chosen.where.low) / 2).all(1)
    assert chosen.path == "/a" and 40 < inside.sum() < 360
    page.keyboard.press("Delete")
    eventually(lambda: session.shown.state is not before)
    after, left = session.shown.state, red.take(torch.from_numpy(np.flatnonzero(~inside))).tensors()
    assert all(torch.equal(left[name], tensor) for name, tensor in after.node("/a").splats.tensors().items())
    assert after.node("/b") is before.node("/b")
    eventually(lambda: not len(tinted(page)) and not wire(page))


def middle_of(region: Sphere | Box) -> tuple[float, float, float]:
    """Of a ball or a box [m]."""
    if isinstance(region, Sphere):
        return region.centre
    x, y, z = (np.array(region.low) + region.high) / 2
    return x, y, z


def agree(viewer: Viewer, path: str, low: tuple[float, float], high: tuple[float, float]) -> None:
    """What is selected of a node is what is seen between two corners [px], but for two pixels along their edges."""
    (client,) = viewer.server.get_clients().values()
    means = viewer.session.shown.state.splats(path).means.double().numpy()
    seen = projected(*camera_of(client), means + viewer.session.shown.state.pose(path).position)
    inside, outside = (((seen > np.add(low, by)) & (seen < np.subtract(high, by))).all(1) for by in (2, -2))
    mask = viewer.session.selected.where.mask(viewer.session.shown.state, path).numpy()
    assert inside.sum() > 20 and mask[inside].all() and not mask[~outside].any()
