"""The splats of an export: where they are written, and what a camera sees of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole
from scenekit.errors import FileError, InputError
from scenekit.export import splat_files
from scenekit.export.assets import Assets
from scenekit.export.splat_view import SplatView
from scenekit.io.splat_files import write_splats
from scenekit.poses import Pose
from scenekit.render.splats import render
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats, merge, random_splats

CAMERA = pinhole(96, 64, 90.0, 90.0, 48.0, 32.0)
LOOK = look_at(np.array([0.7, -0.5, 0.8]), np.array([0.1, 0.2, 0.5]))
TURNED = Pose((0.15, 0.1, 0.55), (math.cos(0.7), math.sin(0.7) * 0.6, 0.0, math.sin(0.7) * 0.8)).matrix


@pytest.fixture
def behind() -> Splats:
    """Splats of no link, of a higher degree than the cup's."""
    return random_splats(200, degree=3, extent=0.3, seed=1)


@pytest.fixture
def folder(tmp_path, assets: Assets, behind: Splats):
    place = Pose((-0.1, 0.3, 0.2), (math.cos(0.2), math.sin(0.2), 0.0, 0.0))
    cup = Node("a_cup", splats=assets.assets[1].links[0].splats)
    state = SceneState(Node("", children=(Node("table", children=(cup,)), Node("wall", place, splats=behind))))
    link = replace(assets.assets[1].links[0], path="/table/a_cup")
    made = replace(assets, assets=(assets.assets[0], replace(assets.assets[1], links=(link,)), assets.assets[2]))
    files = splat_files.write(tmp_path / "splats", made, state)
    assert [file.name for file in files] == ["cup.ply", "rest.ply"]
    return tmp_path


def by_hand(cup: Splats, behind: Splats, T: np.ndarray) -> torch.Tensor:
    place = Pose((-0.1, 0.3, 0.2), (math.cos(0.2), math.sin(0.2), 0.0, 0.0)).matrix
    whole = merge([cup.transform(torch.from_numpy(T)), behind.transform(torch.from_numpy(place))])
    return render(whole, CAMERA, LOOK).rgb


def test_frame_is_the_picture_of_the_scene_moved_by_hand(folder, assets, behind):
    cup, view = assets.assets[1].links[0].splats, SplatView(folder)
    seen = view.frame({"cup": TURNED}, CAMERA, LOOK).rgb
    assert seen.amax() > 0.2  # something is there
    torch.testing.assert_close(seen, by_hand(cup, behind, TURNED), atol=1e-5, rtol=0)  # centres are moved in float32


def test_frame_depends_on_nothing_before_it(folder):
    view, home = SplatView(folder), np.eye(4)
    first = view.frame({"cup": home}, CAMERA, LOOK).rgb.clone()
    moved = view.frame({"cup": TURNED}, CAMERA, LOOK).rgb.clone()
    assert (moved - first).abs().amax() > 0.1
    torch.testing.assert_close(view.frame({"cup": home}, CAMERA, LOOK).rgb, first, atol=0, rtol=0)
    torch.testing.assert_close(SplatView(folder).frame({"cup": TURNED}, CAMERA, LOOK).rgb, moved, atol=0, rtol=0)


def test_only_what_moved_is_touched(folder, behind):
    view = SplatView(folder)
    before = view.place({"cup": np.eye(4)}).means.clone()
    after = view.place({"cup": TURNED}).means
    assert (before[:-200] != after[:-200]).any(1).all()
    assert torch.equal(before[-200:], after[-200:])


def test_link_without_a_pose_is_an_error(folder):
    with pytest.raises(InputError, match="pose of cup"):
        SplatView(folder).frame({}, CAMERA, LOOK)


def test_missing_folder_is_an_error_and_one_without_splats_is_black(tmp_path):
    with pytest.raises(FileError, match="nothing"):
        SplatView(tmp_path / "nowhere")
    assert SplatView(tmp_path).frame({}, CAMERA, LOOK).rgb.abs().amax() == 0


def test_gaussians_that_are_not_finite_are_not_drawn(folder, behind):
    behind.means[3] = float("nan")
    write_splats(folder / "splats" / "rest.ply", behind)
    view = SplatView(folder)
    assert len(view.world) == 60 + 199
    assert view.frame({"cup": TURNED}, CAMERA, LOOK).rgb.isfinite().all()


def test_nothing_is_written_of_a_scene_without_splats(tmp_path, assets):
    bare = replace(assets, assets=(assets.assets[0],))
    assert splat_files.write(tmp_path / "splats", bare, SceneState()) == []
    assert not (tmp_path / "splats").exists()
