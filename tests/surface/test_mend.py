"""Mend: what was broken on purpose is whole again, and what is sound stays the very same."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.mass import mass_properties
from scenekit.meshes import Mesh
from scenekit.surface.mend import mended, wound
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


BALL = mesh_of(trimesh.creation.icosphere(3, 0.5))
VOLUME = mass_properties(BALL).volume


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


def test_of_an_open_surface_the_fewer_faces_are_turned() -> None:
    cap = BALL.faces[(BALL.vertices[BALL.faces][:, :, 2] > 0).all(1)]
    turn = torch.arange(len(cap)) % 3 == 0
    broken = replace(BALL, faces=torch.where(turn[:, None], cap.flip(1), cap))
    a, b, c = Surface(wound(broken)).triangles.swapaxes(0, 1)
    assert ((np.cross(b - a, c - a) * a).sum(1) > 0).all()


def test_of_flat_faces_alone_nothing_is_left() -> None:
    line = Mesh(torch.tensor([[0, 0, 0], [1, 0, 0], [2, 0, 0.0]]), torch.tensor([[0, 1, 2]]))
    assert not len(mended(line).faces)
