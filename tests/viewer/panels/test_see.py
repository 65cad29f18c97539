"""Tests of the tab "See" in a real browser: what a person asks for is what their page shows, and theirs alone."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scenekit.cameras import look_at, pinhole
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.edits import Move
from scenekit.scene import Node, Scene, SceneState
from scenekit.viewer import Viewer
from scenekit.viewer.cameras import camera_of, look_through, projected
from scenekit.viewer.panels.see import SeePanel
from scenekit.viewer.pictures import palette
from tests.viewer.conftest import drag, eventually, frames, look, pixels
from tests.viewer.panels.conftest import panel
from tests.viewer.test_cameras import dot, middle
from tests.viewer.test_picking import box_mesh

Opened = Callable[..., tuple[Viewer, Any]]

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def colour(rgb: np.ndarray, like: Any, within: float = 40.0) -> int:
    """Pixels that are near a colour 0..1."""
    return int((np.abs(rgb.astype(float) - 255 * np.array(like)).max(-1) < within).sum())


def photos(folder: Path) -> Capture:
    """Two blue photos of the middle of the world."""
    found = []
    for name, eye in (("left.png", (2.0, -1.0, 1.0)), ("right.png", (2.0, 1.0, 1.0))):
        Image.new("RGB", (64, 48), (0, 0, 255)).save(folder / name)
        camera, pose = pinhole(64, 48, 60.0, 60.0, 32.0, 24.0), look_at(np.array(eye), np.zeros(3))
        found.append(Photo(name, folder / name, camera, pose))
    return Capture(found, Points.none(), "photos")


def two_dots(*more: Node) -> Scene:
    """A red and a green dot, a hand apart."""
    left, right = (
        Node(n, splats=dot(at, c)) for n, at, c in (("r", (0.0, -0.1, 0.0), RED), ("g", (0.0, 0.1, 0.0), GREEN))
    )
    return Scene(SceneState(Node("", children=(left, right, *more))))


def controls(viewer: Viewer, number: int = 0) -> Any:
    """Those of a person, once they are there."""
    see = next(panel for panel in viewer.panels if type(panel).__name__ == "SeePanel")
    assert eventually(lambda: len(see.controls) > number)
    return list(see.controls.values())[number]


def test_orbiting_hiding_and_the_modes(opened: Opened) -> None:
    viewer, page = opened(two_dots())
    (client,) = viewer.server.get_clients().values()
    assert eventually(lambda: colour(pixels(page), RED) and colour(pixels(page), GREEN))

    before = camera_of(client)[1]
    drag(page, (100, 400), (130, 400), (160, 400))
    page.mouse.up()
    assert eventually(lambda: np.abs(camera_of(client)[1] - before).max() > 0.05)

    viewer.session.hide("/g")
    assert eventually(lambda: colour(pixels(page), RED) and not colour(pixels(page), GREEN))
    viewer.session.hide("/g", False)
    assert eventually(lambda: colour(pixels(page), GREEN))

    mine = controls(viewer)
    mine.drawn_by.value = "scenekit"
    assert eventually(lambda: mine.person.has_picture and mine.person.painted >= mine.person.moved)
    assert eventually(lambda: colour(pixels(page), RED) and colour(pixels(page), GREEN))
    viewer.session.hide("/r")
    assert eventually(lambda: not colour(pixels(page), RED) and colour(pixels(page), GREEN))
    viewer.session.hide("/r", False)
    mine.shows.value = "objects"
    assert eventually(lambda: colour(pixels(page), palette(3)[1]) and colour(pixels(page), palette(3)[2]))
    mine.shows.value, mine.drawn_by.value = "colour", "browser"
    assert eventually(lambda: not mine.person.has_picture)
    assert eventually(lambda: colour(pixels(page), RED) and not colour(pixels(page), palette(3)[2]))


def test_a_photo_is_looked_through_and_compared_with_the_picture(opened: Opened, tmp_path: Path) -> None:
    viewer, page = opened(two_dots(Node("photos", cameras=photos(tmp_path))))
    (client,), mine = viewer.server.get_clients().values(), controls(viewer)
    mine.photo.value = "right.png"
    expected = look_at(np.array([2.0, 1.0, 1.0]), np.zeros(3))
    assert eventually(lambda: np.allclose(camera_of(client)[1], expected, atol=1e-3))

    mine.shows.value = "compare"
    assert eventually(lambda: 0.45 < colour(pixels(page), (0, 0, 1)) / (640 * 480) < 0.5)
    mine.split.value = 0.1
    assert eventually(lambda: 0.07 < colour(pixels(page), (0, 0, 1)) / (640 * 480) < 0.11 and colour(pixels(page), RED))
    mine.shows.value = "error"
    assert eventually(
        lambda: colour(pixels(page), (1, 1, 1)) > 0.9 * 640 * 480
    )  # white beside blue is as wrong as is shown


def test_a_click_on_the_frustum_of_a_photo_looks_through_it(opened: Opened, tmp_path: Path) -> None:
    viewer, page = opened(two_dots(Node("photos", cameras=photos(tmp_path))))
    (client,), mine = viewer.server.get_clients().values(), controls(viewer)
    page.get_by_label("Photos", exact=True).click()
    eye = np.array([2.0, 1.0, 1.0])  # of right.png; what is on its axis is seen there from farther back on it
    aside, through = look_at(1.6 * eye, np.array([0.0, 0.8, 0.5])), look_at(eye, np.zeros(3))
    look_through(client, pinhole(640, 480, 500.0, 500.0, 320.0, 240.0), aside)
    page.mouse.click(*eventually(lambda: frustum(page, client, eye)))
    eventually(lambda: np.allclose(camera_of(client)[1], through, atol=1e-3))
    eventually(lambda: page.get_by_label("Photo", exact=True).first.input_value() == "right.png")
    assert mine.photo.value == "right.png"
    eventually(lambda: seen_at(page, client, (0.0, -0.1, 0.0), 0) and seen_at(page, client, (0.0, 0.1, 0.0), 1))
    look_through(client, pinhole(640, 480, 500.0, 500.0, 320.0, 240.0), aside)
    eventually(lambda: frustum(page, client, eye))


def test_photos_that_are_switched_on_do_not_hide_what_is_seen_from_one_of_them(opened: Opened, tmp_path: Path) -> None:
    viewer, page = opened(two_dots(Node("photos", cameras=photos(tmp_path))))
    (client,), through = viewer.server.get_clients().values(), look_at(np.array([2.0, 1.0, 1.0]), np.zeros(3))
    controls(viewer).photo.value = "right.png"
    eventually(lambda: np.allclose(camera_of(client)[1], through, atol=1e-3))
    page.get_by_label("Photos", exact=True).click()
    eventually(lambda: ("/photos", "cameras") in viewer.drawing.parts)
    frames(page)
    assert eventually(lambda: all(seen_at(page, client, (0.0, y, 0.0), i) for i, y in enumerate((-0.1, 0.1))))


def frustum(page: Any, client: Any, eye: np.ndarray) -> tuple[float, float] | None:
    """Where a page shows the blue picture of a photo, with the lines of its frustum [px]; None if it does not."""
    x, y = projected(*camera_of(client), eye[None])[0]
    around = pixels(page)[round(y) - 10 : round(y) + 10, round(x) - 10 : round(x) + 10]
    return (float(x), float(y)) if colour(around, (0, 0, 1)) > 200 else None


def seen_at(page: Any, client: Any, place: tuple[float, float, float], channel: int) -> bool:
    """Whether a page shows what is of one channel where a person sees a place, within two pixels."""
    seen = middle(page, channel)
    return seen is not None and np.abs(seen - projected(*camera_of(client), np.array([place]))[0]).max() < 2.0


def test_meshes_boxes_photos_and_selection_are_drawn(opened: Opened, tmp_path: Path) -> None:
    small = box_mesh().transform(torch.diag(torch.tensor([0.2, 0.2, 0.2, 1.0])))
    viewer, page = opened(two_dots(Node("box", mesh=small), Node("photos", cameras=photos(tmp_path))))
    (client,), aside = viewer.server.get_clients().values(), look_at(np.array([4.5, 0.0, 1.5]), np.zeros(3))
    look_through(client, pinhole(640, 480, 500.0, 500.0, 320.0, 240.0), aside)
    assert eventually(lambda: np.allclose(camera_of(client)[1], aside, atol=1e-3))
    assert eventually(lambda: (pixels(page) == pixels(page)).all())
    empty = pixels(page)
    for change in (
        lambda: viewer.drawing.restyle(layers=frozenset({"cameras"})),
        lambda: viewer.drawing.restyle(layers=frozenset({"cameras", "box"})),
        lambda: viewer.session.choose("/box"),
        lambda: viewer.session.hide("/box"),
    ):
        before = pixels(page)
        change()
        assert eventually(lambda before=before: (pixels(page) != before).any())
    viewer.session.hide("/box", False)
    viewer.session.choose(None)
    viewer.drawing.restyle(layers=frozenset())
    assert eventually(lambda: (np.abs(pixels(page).astype(int) - empty) > 8).mean() < 0.01)


def test_two_browsers_see_the_same_scene_and_each_its_own_mode(opened: Opened, browser: Any) -> None:
    viewer, one = opened(two_dots())
    other = look(browser, viewer)
    for page in (one, other):
        assert eventually(lambda page=page: colour(pixels(page), RED))
    viewer.session.apply(Move("/r", by=(0.0, 0.0, 50.0)))
    for page in (one, other):
        assert eventually(lambda page=page: not colour(pixels(page), RED) and colour(pixels(page), GREEN))
    controls(viewer, 1).shows.value = "objects"
    assert eventually(lambda: colour(pixels(other), palette(3)[2]))
    assert colour(pixels(one), GREEN) and not colour(pixels(one), palette(3)[2])
    viewer.session.undo()
    assert eventually(lambda: colour(pixels(one), RED))
    assert eventually(lambda: colour(pixels(other), palette(3)[1]))


def test_an_edit_while_somebody_leaves_is_made_and_what_fails_for_who_stays_is_told(viewer: Viewer) -> None:
    def removed() -> None:
        raise RuntimeError("Cannot assign to 'visible' on a removed GuiDropdownHandle.")

    see = panel(viewer, SeePanel)
    see.controls[99] = SimpleNamespace(client=SimpleNamespace(client_id=99), show_photos=removed)
    viewer.session.apply(Move("/a", (0.0, 0.0, 1.0)))
    assert viewer.session.shown.state.pose("/a").position == (0.0, 0.0, 1.0)
    viewer.server._connected_clients[99] = see.controls[99].client
    with pytest.raises(RuntimeError, match="removed"):
        viewer.session.undo()
    del viewer.server._connected_clients[99]
