"""A run whose fit learned a sky opens as a scene that has it beside its things, and takes it for none of them."""

import json
from pathlib import Path

import pytest
import torch

from scenekit.edits.clean import RemoveFloaters
from scenekit.frame import _extent
from scenekit.io.splat_files import write_splats
from scenekit.opening import open_scene
from scenekit.scene import Scene
from scenekit.segment import _only_cloud
from scenekit.sim.from_scene import role_of
from scenekit.splats import random_splats
from scenekit.surface.meshing import _cast
from scenekit.validation.placed import placed

NEAR, FAR = random_splats(200, degree=0, extent=1.0, seed=0), random_splats(50, degree=0, extent=100.0, seed=1)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run, as far as its scene goes."""
    (tmp_path / "run.json").write_text(json.dumps({"finished": True}))
    write_splats(tmp_path / "splats.ply", NEAR)
    write_splats(tmp_path / "sky.ply", FAR)
    return tmp_path


@pytest.fixture
def scene(run: Path) -> Scene:
    return open_scene(run)


def test_the_sky_is_a_node_of_its_own(scene: Scene) -> None:
    assert list(scene) == ["/scene", "/sky"]
    sky = scene.state.node("/sky").splats
    assert sky is not None and torch.equal(sky.means, FAR.means)


def test_a_run_without_a_sky_has_none(run: Path) -> None:
    (run / "sky.ply").unlink()
    assert list(open_scene(run)) == ["/scene"]


def test_it_is_in_pictures_and_not_among_what_is_measured(scene: Scene) -> None:
    assert len(scene.splats()) == len(NEAR)
    assert len(scene.splats(sky=True)) == len(NEAR) + len(FAR)
    assert len(scene.splats("/sky")) == len(FAR)
    assert _extent(scene.state, "/", 0.0).max() < 10


def test_it_is_no_thing_to_divide_mesh_move_or_validate(scene: Scene) -> None:
    state = scene.state
    assert _only_cloud(state) == "/scene"
    assert _cast(state).paths == ["/scene"]
    assert role_of(state, "/sky") == "nothing" and role_of(state, "/scene") != "nothing"
    assert "/sky" not in {thing.path for thing in placed(state)}


def test_floaters_are_not_sought_in_it(scene: Scene) -> None:
    scene.apply(RemoveFloaters())
    assert len(scene.splats("/sky")) == len(FAR)


def test_it_is_kept_with_the_scene(scene: Scene, run: Path) -> None:
    scene.save()
    again = open_scene(run)
    assert list(again) == ["/scene", "/sky"]
    assert torch.equal(again.splats("/sky").means, FAR.means)
