"""Downloads: what is read back from a file is what was in the scene."""

import io
import zipfile
from pathlib import Path

import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.io.mesh_files import read_mesh
from scenekit.io.splat_files import read_splats
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.selection import Box
from scenekit.splats import random_splats
from scenekit.viewer import downloads
from scenekit.viewer.downloads import exported, suffixes
from scenekit.viewer.session import Chosen


@pytest.fixture(scope="module")
def state() -> SceneState:
    """A table with a mug of splats on it, and a box with a mesh."""
    box = trimesh.creation.box((1, 2, 3))
    mesh = Mesh(torch.from_numpy(box.vertices.copy()).float(), torch.from_numpy(box.faces.copy()).long())
    mug = Node("mug", Pose((0, 0, 1)), splats=random_splats(40, degree=1, seed=1))
    table = Node("table", Pose((1, 0, 0)), splats=random_splats(60, degree=1, seed=2), children=(mug,))
    return SceneState(Node("", children=(table, Node("box", Pose((0, 5, 0)), mesh=mesh))))


def test_a_ply_of_everything_is_the_scene_in_the_world(state: SceneState, tmp_path: Path) -> None:
    file = exported(state, None, "Splats as ply")
    assert file.name == "scene.ply"
    (tmp_path / file.name).write_bytes(file.content)
    for name, tensor in read_splats(tmp_path / file.name).tensors().items():
        assert torch.equal(tensor, state.splats().tensors()[name])


def test_what_is_selected_alone_is_written(state: SceneState, tmp_path: Path) -> None:
    for what, count in ((Chosen("/table/mug"), 40), (Chosen("/table"), 100)):
        file = exported(state, what, "Splats as ply")
        (tmp_path / file.name).write_bytes(file.content)
        assert len(read_splats(tmp_path / file.name)) == count
    half = Chosen("/table/mug", Box((-9, -9, 1), (9, 9, 9)))
    file = exported(state, half, "Splats as ply")
    (tmp_path / file.name).write_bytes(file.content)
    above = state.splats("/table/mug").means[:, 2] >= 1
    assert torch.equal(read_splats(tmp_path / file.name).means, state.splats("/table/mug").means[above])


@pytest.mark.parametrize("kind", suffixes())
def test_every_format_that_is_offered_is_read_back(state: SceneState, tmp_path: Path, kind: str) -> None:
    file = exported(state, None, kind)
    if file.name.endswith(".zip"):
        zipfile.ZipFile(io.BytesIO(file.content)).extractall(tmp_path)
    else:
        (tmp_path / file.name).write_bytes(file.content)
    named = tmp_path / ("scene" + suffixes()[kind])
    if kind.startswith("Splats"):
        assert len(read_splats(named)) == 100
        return
    vertices = read_mesh(named).vertices
    torch.testing.assert_close(vertices.amax(0), torch.tensor([0.5, 6.0, 1.5]))


def test_what_is_not_there_is_said(state: SceneState, monkeypatch: pytest.MonkeyPatch) -> None:
    for what, kind in ((Chosen("/box"), "Splats as ply"), (Chosen("/table"), "Mesh as glb"), (None, "../ply")):
        with pytest.raises(InputError):
            exported(state, what, kind)
    monkeypatch.setattr(downloads, "LARGEST", 1000)
    with pytest.raises(InputError, match="MB"):
        exported(state, None, "Splats as ply")
