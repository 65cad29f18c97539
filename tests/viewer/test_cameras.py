"""Tests of scenekit.viewer.cameras, with a person who is made up, and with a real browser."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from copy import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import viser
from viser import transforms
from viser._messages import SetCameraLookAtMessage, SetCameraPositionMessage

from scenekit.cameras import look_at, pinhole
from scenekit.errors import InputError
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import SH_C0, Splats
from scenekit.viewer import Viewer
from scenekit.viewer.cameras import camera_of, look_through, pixel_ray, projected
from tests.viewer.conftest import eventually, pixels

POSE = look_at(np.array([2.0, -1.0, 1.5]), np.array([0.2, 0.1, 0.0]))


def person(**changed: object) -> Any:
    """Somebody whose browser reports a camera at `POSE`."""
    camera = {
        "position": POSE[:3, 3], "wxyz": transforms.SO3.from_matrix(POSE[:3, :3]).wxyz, "fov": 1.0,
        "image_width": 800, "image_height": 600,
    }  # fmt: skip
    return SimpleNamespace(camera=SimpleNamespace(**camera | changed))


def test_points_go_into_the_picture_and_back_along_their_rays() -> None:
    camera, T_world_cam = camera_of(person())
    points = np.random.default_rng(0).normal(size=(20, 3)) * 0.3
    for point, pixel in zip(points, projected(camera, T_world_cam, points), strict=True):
        origin, direction = pixel_ray(camera, T_world_cam, tuple(pixel))
        np.testing.assert_allclose(origin + direction * np.linalg.norm(point - origin), point, atol=1e-9)


def test_the_field_of_view_spans_the_height_at_any_size() -> None:
    for max_side, size in ((None, (800, 600)), (80, (80, 60)), (10_000, (800, 600))):
        camera, T_world_cam = camera_of(person(), max_side=max_side)
        assert (camera.width, camera.height) == size
        (_, top), (_, bottom) = (pixel_ray(camera, T_world_cam, (size[0] / 2, y)) for y in (0.0, size[1]))
        assert math.acos(top @ bottom) == pytest.approx(1.0)
        np.testing.assert_allclose(T_world_cam, POSE, atol=1e-12)


def test_points_behind_a_camera_are_nowhere_in_its_picture() -> None:
    camera, T_world_cam = camera_of(person())
    assert np.isnan(projected(camera, T_world_cam, (POSE[:3, 3] - POSE[:3, 2])[None])).all()


@pytest.mark.parametrize("lie", [{"fov": math.nan}, {"fov": 4.0}, {"image_width": 10**9}, {"position": [1e400, 0, 0]}])
def test_a_browser_that_reports_nonsense_is_not_believed(lie: dict[str, object]) -> None:
    with pytest.raises(InputError, match="camera"):
        camera_of(person(**lie))


class Browser:
    """What `look_through` asks of viser's clients; keeps the last message of each kind.

    Args:
        reports: Whether it tells after each message from where it saw before, as a slow one does.
    """

    def __init__(self, reports: bool = False):
        self.camera = viser.CameraHandle(SimpleNamespace(_websock_connection=self))  # type: ignore[arg-type]
        self.reports, self.told, self.atomic = reports, dict[type, Any](), nullcontext
        vars(self.camera._state).update(
            position=np.array([1.0, 2.0, 0.0]), update_timestamp=1.0, image_width=640, image_height=480, fov=1.0,
            wxyz=np.array([1.0, 0.0, 0.0, 0.0]), up_direction=np.array([0.0, 0.0, 1.0]),
        )  # fmt: skip
        self.before = copy(self.camera._state)

    def queue_message(self, message: Any) -> None:
        self.told[type(message)] = message
        if self.reports:
            self.camera._state = copy(self.before)


@pytest.mark.parametrize("roll", [0.0, 0.3, 1.6, 3.0])
@pytest.mark.parametrize("pitch", [0.0, 0.9, math.pi / 2])
def test_whoever_looks_through_a_camera_orbits_about_z_as_long_as_it_is_not_rolled(roll: float, pitch: float) -> None:
    browser: Any = Browser()
    level = look_at(np.zeros(3), np.array([math.cos(0.4), math.sin(0.4), 0.0]))
    T = np.eye(4)
    T[:3, :3] = level[:3, :3] @ rotation("x", -pitch) @ rotation("z", roll)
    T[:3, 3] = -3.0, 0.5, 2.0
    look_through(browser, pinhole(64, 48, 60.0, 60.0, 32.0, 24.0), T)
    np.testing.assert_allclose(camera_of(browser)[1], T, atol=1e-9)
    if roll == 0.0 and pitch < 1.5:
        np.testing.assert_allclose(browser.camera.up_direction, (0.0, 0.0, 1.0), atol=1e-12)


def test_what_a_browser_reports_meanwhile_turns_nobody_elsewhere() -> None:
    browser: Any = Browser(reports=True)
    look_through(browser, pinhole(64, 48, 60.0, 60.0, 32.0, 24.0), POSE)
    eye = np.array(browser.told[SetCameraPositionMessage].position)
    way = np.array(browser.told[SetCameraLookAtMessage].look_at) - eye
    np.testing.assert_allclose(eye, POSE[:3, 3], atol=1e-9)
    np.testing.assert_allclose(way / np.linalg.norm(way), POSE[:3, 2], atol=1e-9)


def rotation(axis: str, angle: float) -> np.ndarray:
    """About an axis of the camera [rad], shape (3, 3)."""
    return getattr(transforms.SO3, f"from_{axis}_radians")(angle).as_matrix()


def dot(at: tuple[float, float, float], color: tuple[float, float, float]) -> Splats:
    sh = (torch.tensor(color) - 0.5) / SH_C0
    return Splats(
        torch.tensor([at]), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), math.log(0.02)), torch.tensor([5.0]),
        sh[None, None],
    )  # fmt: skip


def middle(page: Any, channel: int) -> Any:
    """Where a page shows something that is of one channel only [px]; None if nowhere."""
    picture = pixels(page).astype(int)
    others = [c for c in range(3) if c != channel]
    rows, columns = np.nonzero((picture[..., channel] > 120) & (picture[..., others] < 80).all(-1))
    return None if not len(rows) else (columns.mean() + 0.5, rows.mean() + 0.5)


def test_a_browser_shows_points_where_our_camera_projects_them_also_after_it_was_put_elsewhere(
    opened: Callable[..., tuple[Viewer, Any]],
) -> None:
    places = np.array([[0.4, 0.1, -0.2], [-0.3, 0.3, 0.3], [0.0, -0.5, 0.1]])
    dots = [Node("rgb"[i], splats=dot(tuple(p), tuple(np.eye(3)[i].tolist()))) for i, p in enumerate(places)]
    viewer, page = opened(Scene(SceneState(Node("", children=tuple(dots)))))
    (client,) = viewer.server.get_clients().values()

    def agree() -> bool:
        expected = projected(*camera_of(client), places)
        seen = [middle(page, channel) for channel in range(3)]
        return None not in seen and bool(np.abs(np.array(seen) - expected).max() < 1.0)

    eventually(agree)
    look_through(client, pinhole(400, 200, 300.0, 300.0, 200.0, 100.0), POSE)
    eventually(lambda: np.allclose(camera_of(client)[1], POSE, atol=1e-4))
    eventually(agree)
    assert camera_of(client)[0].fx == pytest.approx(300.0 * 640 / 400, rel=1e-6)
