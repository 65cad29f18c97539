"""Things: on the floor, in the middle, as large as said; splats and mesh together; content validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes import build, parse, splats
from scenekit.edits import Move
from scenekit.errors import FitError, InputError
from scenekit.generate.thing import Thing, only_node, thing_of
from scenekit.io.scene_folder import read_scene
from scenekit.mass import mass_properties
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.quantities import Quantity
from scenekit.scene import SceneState
from scenekit.validation.surface import Surface

ASKED = Quantity(0.12, "authored", note="as was asked for.")
GUESSED = Quantity(0.11, "estimated", 0.04, "things of this kind are.")


def made(size: Quantity = ASKED, shift: tuple[float, float, float] = (0.3, -0.2, -0.7)) -> Thing:
    """A mug of shapes, somewhere off the middle and half as large, as a sketch may leave it."""
    shape = build(parse("a blue mug with a red handle"), np.random.default_rng(0))
    away = torch.diag(torch.tensor([0.5, 0.5, 0.5, 1.0], dtype=torch.float64))
    away[:3, 3] = torch.tensor(shift)
    cloud = splats(shape, 2000, np.random.default_rng(1))
    return thing_of(
        cloud.transform(away), shape.mesh.transform(away), name="mug", size=size, material=materials["ceramic"]
    )


def test_a_thing_stands_on_the_floor_in_the_middle_as_large_as_said() -> None:
    low, high = made().box
    assert low[2] == 0
    np.testing.assert_allclose((low + high)[:2], 0, atol=1e-7)
    assert (high - low).max() == pytest.approx(0.12, rel=1e-5)


def test_splats_and_mesh_agree_in_place() -> None:
    thing = made()
    assert float(Surface(thing.mesh).extent.max()) == pytest.approx(0.12, rel=1e-5)
    means = thing.splats.means.double().numpy()
    np.testing.assert_allclose([means.min(0), means.max(0)], thing.box, atol=0.002)
    assert float(thing.splats.scales.max()) < 0.01


def test_validation_is_content_but_for_what_was_estimated() -> None:
    assert [f.code for f in made().scene("").validate() if f.severity != "note"] == []
    assert [f.code for f in made(GUESSED).scene("").validate() if f.severity != "note"] == ["frame-scale-estimated"]


def test_mass_is_density_times_volume_and_scales_with_the_cube_of_the_size() -> None:
    thing, twice = made(), made(Quantity(0.24))
    assert thing.mass == pytest.approx(2400 * mass_properties(thing.mesh).volume)
    assert twice.mass == pytest.approx(8 * thing.mass, rel=1e-4)


def test_what_is_known_of_the_size_is_in_the_frame() -> None:
    asked, guessed = made().scene("").state.frame, made(GUESSED).scene("").state.frame
    assert (asked.scale, asked.up, asked.scale_spread) == ("given", "given", None)
    assert (guessed.scale, guessed.scale_spread) == ("estimated", pytest.approx(0.04 / 0.11))
    assert "12 cm" in asked.note and "11 cm" in guessed.note


def test_the_one_node_of_a_scene_is_found_where_it_is(tmp_path: Path) -> None:
    made().scene("a mug").apply(Move("/mug", by=(0.1, 0, 0))).save(tmp_path / "scene")
    node = only_node(read_scene(tmp_path / "scene").state)
    assert (node.name, node.pose.position) == ("mug", (0.1, 0, 0))
    with pytest.raises(InputError, match="0 nodes with a mesh"):
        only_node(SceneState())


def test_nothing_is_no_thing() -> None:
    thing = made()
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    with pytest.raises(FitError, match="0 faces"):
        thing_of(thing.splats, empty, name="mug", size=ASKED, material=materials["wood"])
    with pytest.raises(InputError, match=r"0\.1 mm to 10 km"):
        thing_of(thing.splats, thing.mesh, name="mug", size=Quantity(1e-9), material=materials["wood"])
