"""The frame: estimated, implausible and tilted frames are told, and a measured level one passes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.cameras import look_at, pinhole
from scenekit.capture.capture import Capture, Frame, Photo, Points
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import Splats, merge, random_splats
from scenekit.validation import Finding, findings

Found = Callable[..., dict[str, Finding]]


def photos_around(count: int = 24) -> Capture:
    camera = pinhole(640, 480, 600.0, 600.0, 320.0, 240.0)
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    poses = [look_at(np.array([np.cos(t) * 1.5, np.sin(t) * 1.5, 1.0]), np.zeros(3)) for t in turns]
    photos = [Photo(f"{k}.jpg", Path(f"{k}.jpg"), camera, T) for k, T in enumerate(poses)]
    return Capture(photos, Points.none(), "photos")


def table(n: int = 3000) -> Splats:
    """A level table of flat Gaussians with a heap of round ones on it."""
    flat = random_splats(n, degree=0, extent=0.6)
    means, log_scales, quats = flat.means.clone(), torch.full((n, 3), -3.5), torch.zeros(n, 4)
    means[:, 2], log_scales[:, 2], quats[:, 0] = 0, -8.0, 1
    top = replace(flat, means=means, log_scales=log_scales, quats=quats, logit_opacities=torch.full((n,), 3.0))
    heap = random_splats(200, degree=0, extent=0.1)
    return merge([top, replace(heap, means=heap.means + torch.tensor([0, 0, 0.12]))])


def codes(state: SceneState) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings(state)}


def test_a_scale_that_nobody_measured_is_a_note_and_with_bodies_a_warning(solids: Any) -> None:
    floor, box = solids.static("floor", solids.box(), 0, 0, -1), solids.dynamic("box", solids.box())
    assert codes(solids.scene(floor, scale="estimated"))["frame-scale-estimated"].severity == "note"
    finding = codes(solids.scene(floor, box, scale="estimated"))["frame-scale-estimated"]
    assert (finding.severity, finding.figures) == ("warning", {"dynamic": 1})
    assert "Scale estimated" in finding.what
    for known in ("measured", "given"):
        assert "frame-scale-estimated" not in codes(solids.scene(floor, box, scale=known))


def test_an_up_that_was_estimated_is_a_note_with_its_spread(solids: Any) -> None:
    finding = codes(solids.scene(up="estimated", up_spread=np.radians(2)))["frame-up-estimated"]
    assert finding.severity == "note"
    assert "to 2°" in finding.what
    assert "frame-up-estimated" not in codes(solids.scene(up="given"))


@pytest.mark.parametrize(("size", "odd"), [(0.002, True), (0.2, False), (500.0, False), (3000.0, True)])
def test_a_scene_of_millimetres_or_kilometres_is_implausible(solids: Any, size: float, odd: bool) -> None:
    found = codes(solids.scene(solids.static("a", solids.box(size, size, size / 2))))
    assert ("scale-implausible" in found) == odd
    if odd:
        assert found["scale-implausible"].figures["extent"] == pytest.approx(size, rel=1e-5)
    cloud = Node("cloud", splats=random_splats(1000, degree=0, extent=size / 2))
    assert ("scale-implausible" in codes(solids.scene(cloud))) == odd


def test_a_thing_of_thirty_metres_on_a_table_is_odd(solids: Any, found: Found) -> None:
    table = solids.static("table", solids.box(1, 1, 1), 0, 0, -0.5)
    assert found(table, solids.dynamic("mug", solids.box(1, 1, 30), 0, 0, 15))["object-size"].figures == {"size": 30}
    assert "object-size" not in found(table, solids.dynamic("mug", solids.box(0.1, 0.1, 0.1), 0, 0, 0.05))


def test_a_level_table_passes_and_a_tilted_one_is_told_by_its_angle() -> None:
    frame = Frame("measured", "measured")
    nodes = (Node("scene", splats=table()), Node("cameras", cameras=photos_around()))
    level = Scene(SceneState(Node("", children=nodes), frame))
    assert "frame-unlevel" not in codes(level.state)
    tilted = level.apply(edits.Rotate("/", angle=12.0, axis=(1.0, 0.0, 0.0)))
    finding = codes(tilted.state)["frame-unlevel"]
    assert finding.severity == "warning"
    assert finding.figures["tilt"] == pytest.approx(np.radians(12), abs=np.radians(0.5))


def test_photos_that_were_all_held_askew_say_that_up_is_not_z(found: Found) -> None:
    assert "frame-unlevel" not in found(Node("cameras", cameras=photos_around()))
    angle = np.radians(60)
    askew = Node("cameras", Pose(quat=(np.cos(angle / 2), np.sin(angle / 2), 0, 0)), cameras=photos_around())
    finding = found(askew)["frame-unlevel"]
    assert finding.figures["tilt"] == pytest.approx(angle, abs=1e-6)
    assert finding.where == "cameras"
