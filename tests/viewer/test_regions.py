"""Tests of scenekit.viewer.regions: what is shown is what is selected."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.splats import random_splats
from scenekit.viewer.gizmo import Release
from scenekit.viewer.regions import Region

STATE = SceneState(Node("", children=(Node("a", splats=random_splats(2000, degree=0)),)))
TURNED = Pose((0.3, -0.2, 0.1), (math.cos(0.3), 0.0, math.sin(0.3), 0.0))


class Scene:
    """Keeps what is added to viser's scene."""

    def __init__(self) -> None:
        self.added: dict[str, Any] = {}

    def add(self, name: str, *args: Any, **options: Any) -> Any:
        thing = SimpleNamespace(remove=lambda: self.added.pop(name), on_update=lambda callback: None, **options)
        self.added[name] = thing
        return thing

    add_box = add_icosphere = add_transform_controls = add


@pytest.fixture
def region() -> Region:
    scene = Scene()
    return Region(SimpleNamespace(scene=scene), lambda client: None)  # type: ignore[arg-type]


def inside(region: Region) -> np.ndarray:
    """Gaussians that are in the solid as it is drawn, by its own pose and sizes."""
    (solid,) = (thing for name, thing in region._api.added.items() if not name.endswith("gizmo"))  # type: ignore[attr-defined]
    T = np.linalg.inv(Pose(tuple(solid.position), tuple(solid.wxyz)).matrix)
    points = STATE.node("/a").splats.means.double().numpy() @ T[:3, :3].T + T[:3, 3]
    if hasattr(solid, "radius"):
        return np.linalg.norm(points, axis=1) <= solid.radius
    return (np.abs(points) <= np.array(solid.dimensions) / 2).all(1)


@pytest.mark.parametrize("shape", ["Sphere", "Box"])
def test_what_lies_in_the_solid_that_is_seen_is_selected_also_after_it_was_dragged(region, shape):
    region.put(shape, Pose((0.1, 0.2, 0.0)), (0.9, 0.7, 0.5) if shape == "Box" else (0.9, 0.9, 0.9))
    for end in (region.pose, TURNED):
        region._release(Release(None, region.pose, end))
        mask = region.selection.mask(STATE, "/a").numpy()
        assert 0 < mask.sum() < len(mask)
        np.testing.assert_array_equal(mask, inside(region))


def test_a_region_that_is_cleared_is_gone(region):
    region.put("Box", TURNED, (1.0, 1.0, 1.0))
    region.clear()
    assert region.selection is None and list(region._api.added) == ["/region/gizmo"]
