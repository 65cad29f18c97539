"""Two clouds to edit, and people who use the controls of a viewer without a browser."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole, quaternion_from_rotation
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import SH_C0, random_splats
from scenekit.viewer import Viewer, ViewerConfig
from scenekit.viewer.cameras import camera_of, look_through, projected
from tests.viewer.conftest import eventually, frames, pixels

EYE = (1.0, -4.0, 1.0)
"""Sees both clouds."""


def cloud(name: str, x: float, rgb: tuple[float, float, float], n: int = 400) -> Node:
    """An opaque cloud of about a metre, of one colour."""
    splats = random_splats(n, degree=0, extent=0.4, scale=0.06)
    sh = ((torch.tensor(rgb) - 0.5) / SH_C0).expand(n, 1, 3).clone()
    splats = replace(splats, logit_opacities=torch.full((n,), 4.0), sh=sh)
    return Node(name, Pose((x, 0.0, 0.0)), splats=splats)


def two_clouds() -> Scene:
    """/a, red, at the origin, and /b, blue, two metres beside it."""
    return Scene(SceneState(Node("", children=(cloud("a", 0.0, (0.9, 0.1, 0.1)), cloud("b", 2.0, (0.1, 0.1, 0.9))))))


class Person:
    """What the panels ask of viser's clients, and what they tell them."""

    def __init__(self, eye: tuple[float, float, float] = EYE):
        T = look_at(np.array(eye), np.array([1.0, 0.0, 0.0]))
        self.client_id, self.told = 7, []
        self.camera = SimpleNamespace(
            position=T[:3, 3],
            wxyz=quaternion_from_rotation(T[:3, :3]),
            look_at=np.array([1.0, 0.0, 0.0]),
            fov=0.9,
            image_width=640,
            image_height=480,
        )
        self.rectangles: list[Any] = []
        nothing = SimpleNamespace(remove=lambda: None)
        self.scene = SimpleNamespace(
            on_rect_select=lambda: self.rectangles.append,
            remove_rect_select_callback=self.rectangles.clear,
            add_line_segments=lambda *args, **options: nothing,
        )

    def add_notification(self, title: str, body: str = "", **options: Any) -> Any:
        """Keep what was told."""
        self.told.append((title, body))
        return SimpleNamespace(remove=lambda: None)

    def uses(self, control: Any, value: Any = None) -> None:
        """Click a button, or change another control to a value."""
        if value is not None:
            control._impl.value = value
        for callback in control._impl.update_cb:
            callback(SimpleNamespace(client=self, client_id=self.client_id, target=control))

    def clicks(
        self, viewer: Viewer, at: tuple[float, float, float], screen_pos: tuple[float, float] = (0.5, 0.5)
    ) -> None:
        """Click into the scene where a point of the world is seen."""
        towards = np.array(at) - self.camera.position
        event = SimpleNamespace(
            client=self,
            client_id=self.client_id,
            ray_origin=tuple(self.camera.position),
            ray_direction=tuple(towards / np.linalg.norm(towards)),
            screen_pos=screen_pos,
        )
        viewer.pointer._click(event)  # type: ignore[arg-type]


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    """A viewer of two clouds that nobody looks at yet."""
    with Viewer(two_clouds(), ViewerConfig(port=0, open=False)) as made:
        yield made


def panel(viewer: Viewer, kind: type[Any]) -> Any:
    """The panel of a kind that the viewer made."""
    return next(panel for panel in viewer.panels if isinstance(panel, kind))


def on_page(viewer: Viewer, page: Any) -> Callable[[tuple[float, float, float]], tuple[float, float]]:
    """Puts the one who looks at `EYE`; tells where on the page a point of the world is [px]."""
    (client,) = viewer.server.get_clients().values()
    elsewhere = pixels(page)
    look_through(client, pinhole(640, 480, 500, 500, 320, 240), look_at(np.array(EYE), np.array([1.0, 0.0, 0.0])))
    eventually(lambda: np.allclose(client.camera.position, EYE, atol=1e-3))
    eventually(lambda: (pixels(page) != elsewhere).any())
    frames(page)

    def where(point: tuple[float, float, float]) -> tuple[float, float]:
        box = page.locator("canvas").first.bounding_box()
        x, y = projected(*camera_of(client), np.array([point]))[0]
        return box["x"] + x * box["width"] / client.camera.image_width, box["y"] + y * box[
            "height"
        ] / client.camera.image_height

    return where
