"""Mend: what was broken on purpose is whole again, what is sound stays the very same, and validation agrees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.capture.capture import Frame
from scenekit.edits.mend import Mend, mended
from scenekit.errors import InputError
from scenekit.mass import mass_properties
from scenekit.meshes import Mesh
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import merge, random_splats
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


def scene_of(node: Node) -> Scene:
    return Scene(SceneState(Node("", children=(node,)), Frame("given", "given")))


BALL = mesh_of(trimesh.creation.icosphere(3, 0.5))
VOLUME = mass_properties(BALL).volume


def test_what_is_sound_stays_the_very_same() -> None:
    scene = scene_of(Node("ball", mesh=BALL, splats=random_splats(50)))
    before = scene.state.node("/ball")
    after = scene.apply(Mend("/")).state.node("/ball")
    assert after.mesh is before.mesh
    assert after.splats is before.splats


@pytest.mark.parametrize("seed", range(5))
def test_faces_turned_at_random_look_outwards_again(seed: int) -> None:
    turn = torch.rand(len(BALL.faces), generator=torch.Generator().manual_seed(seed)) < 0.4
    broken = replace(BALL, faces=torch.where(turn[:, None], BALL.faces.flip(1), BALL.faces))
    whole = mended(broken)
    assert Surface(whole).is_closed
    assert mass_properties(whole).volume == pytest.approx(VOLUME, rel=1e-6)


def test_a_hollow_keeps_its_cavity_and_a_moebius_strip_its_one_side() -> None:
    inner = mesh_of(trimesh.creation.icosphere(2, 0.3))
    vertices = torch.cat([BALL.vertices, inner.vertices])
    hollow = Mesh(vertices, torch.cat([BALL.faces, inner.faces.flip(1) + len(BALL.vertices)]))
    assert mended(hollow) is hollow
    t = np.arange(30) * 2 * np.pi / 30
    rims = [
        np.stack([(1 + w * np.cos(t / 2)) * np.cos(t), (1 + w * np.cos(t / 2)) * np.sin(t), w * np.sin(t / 2)], 1)
        for w in (-0.3, 0.3)
    ]
    faces = []
    for k in range(30):
        c, d = ((k + 1) % 30, 30 + (k + 1) % 30)[:: 1 if k < 29 else -1]
        faces += [[k, 30 + k, c], [30 + k, d, c]]
    strip = Mesh(torch.tensor(np.concatenate(rims), dtype=torch.float32), torch.tensor(faces))
    assert mended(strip, max_hole=0) is strip


def test_small_holes_are_closed_and_large_ones_are_left() -> None:
    vertex_faces = (BALL.faces == 20).any(1)
    pricked = replace(BALL, faces=BALL.faces[~vertex_faces])
    whole = mended(pricked)
    assert Surface(whole).is_closed
    assert mass_properties(whole).volume == pytest.approx(VOLUME, rel=1e-2)
    half = replace(BALL, faces=BALL.faces[(BALL.vertices[BALL.faces][:, :, 2] > 0).all(1)])
    assert not Surface(mended(half)).is_closed
    assert Surface(mended(half, max_hole=10)).is_closed


def test_flat_doubled_and_broken_faces_and_idle_and_doubled_vertices_go() -> None:
    bad = torch.tensor([[0, 0, 1], [0, 1, 2], [3, 642, 4]])
    faces = torch.cat([BALL.faces, BALL.faces[:3], bad[:1], bad[2:]])
    vertices = torch.cat([BALL.vertices, torch.full((1, 3), torch.nan), torch.ones(2, 3)])
    whole = mended(Mesh(vertices, faces))
    assert torch.equal(whole.vertices, BALL.vertices)
    assert torch.equal(whole.faces, BALL.faces)


def test_colours_and_texture_coordinates_follow_their_vertices() -> None:
    uvs, colours = torch.rand(642, 2), torch.randint(0, 256, (642, 4)).to(torch.uint8)
    pricked = replace(BALL, uvs=uvs, vertex_colors=colours, faces=BALL.faces[~(BALL.faces == 20).any(1)])
    whole = mended(pricked)
    assert whole.uvs is not None
    assert whole.vertex_colors is not None
    rim = torch.unique(BALL.faces[(BALL.faces == 20).any(1)])
    rim = rim[rim != 20]
    torch.testing.assert_close(whole.uvs[-1], uvs[rim].mean(0))
    assert torch.equal(whole.vertex_colors[-1], colours[rim].double().mean(0).round().to(torch.uint8))
    assert torch.equal(whole.uvs[:20], uvs[:20])


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
