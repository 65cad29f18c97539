"""Mend: what was broken on purpose is whole again, what is sound stays the very same, and validation agrees."""

from dataclasses import replace

import pytest
import torch
import trimesh

from scenekit.capture.capture import Frame
from scenekit.edits.mend import Mend
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import merge, random_splats


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


def scene_of(node: Node) -> Scene:
    return Scene(SceneState(Node("", children=(node,)), Frame("given", "given")))


BALL = mesh_of(trimesh.creation.icosphere(3, 0.5))


def test_what_is_sound_stays_the_very_same() -> None:
    scene = scene_of(Node("ball", mesh=BALL, splats=random_splats(50)))
    before = scene.state.node("/ball")
    after = scene.apply(Mend("/")).state.node("/ball")
    assert after.mesh is before.mesh
    assert after.splats is before.splats


def test_splats_that_are_broken_or_doubled_go_and_undo_brings_them_back() -> None:
    splats = merge([random_splats(40), random_splats(40).map(lambda t: t[:4])])
    means, quats = splats.means.clone(), splats.quats.clone()
    means[7], quats[9] = torch.nan, 0
    scene = scene_of(Node("cloud", splats=replace(splats, means=means, quats=quats)))
    before = scene.state
    kept = scene.apply(Mend("/cloud")).state.node("/cloud").splats
    assert kept is not None
    rows = [k for k in range(40) if k not in (7, 9)]
    assert torch.equal(kept.means, splats.means[rows])
    assert scene.undo().state is before


def test_what_validation_says_that_mend_mends_is_mended() -> None:
    turn = torch.arange(len(BALL.faces)) % 7 == 0
    faces = torch.where(turn[:, None], BALL.faces.flip(1), BALL.faces)[~(BALL.faces == 20).any(1)]
    faces = torch.cat([faces, faces[:2], torch.tensor([[5, 5, 9]])])
    splats = merge([random_splats(400), random_splats(400).map(lambda t: t[:4])])
    scene = scene_of(Node("ball", mesh=replace(BALL, faces=faces), splats=splats))
    mendable = {f.code for f in scene.validate() if "mend /ball" in f.remedy}
    assert {
        "mesh-winding",
        "mesh-holes",
        "mesh-duplicate-faces",
        "mesh-degenerate-faces",
        "splats-duplicates",
    } <= mendable
    assert mendable & {f.code for f in scene.apply(Mend("/ball")).validate()} == set()


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(InputError, match="max_hole"):
        scene_of(Node("a")).apply(Mend("/", max_hole=-1.0))
