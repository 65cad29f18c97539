"""Facing out: open patches look to where light comes from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.meshes import Mesh, merge_meshes
from scenekit.surface.outside import facing_out


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


BALL = mesh_of(trimesh.creation.icosphere(3, 0.5))


def looks_out(mesh: Mesh) -> torch.Tensor:
    corners = mesh.vertices[mesh.faces]
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return (normals * corners.mean(1)).sum(1) > 0


@pytest.mark.parametrize("height", [-0.3, 0.0, 0.3])
def test_a_ball_without_its_top_looks_out_whichever_way_it_was_wound(height: float) -> None:
    bowl = replace(BALL, faces=BALL.faces[(BALL.vertices[BALL.faces][:, :, 2] < height).all(1)])
    assert facing_out(bowl) is bowl
    turned = facing_out(replace(bowl, faces=bowl.faces.flip(1)))
    assert looks_out(turned).all()


def test_single_faces_of_a_soup_find_out_each_for_itself() -> None:
    soup = Mesh(BALL.vertices[BALL.faces].reshape(-1, 3) * 1.0, torch.arange(3 * len(BALL.faces)).reshape(-1, 3))
    apart = soup.vertices.reshape(-1, 3, 3)
    apart = apart + 1e-4 * torch.randn(apart.shape, generator=torch.Generator().manual_seed(0))
    turn = torch.rand(len(soup.faces), generator=torch.Generator().manual_seed(1)) < 0.4
    faces = torch.where(turn[:, None], soup.faces.flip(1), soup.faces)
    assert looks_out(facing_out(Mesh(apart.reshape(-1, 3), faces))).float().mean() > 0.99


def test_what_is_closed_or_seen_from_nowhere_stays() -> None:
    inside_out = replace(BALL, faces=BALL.faces.flip(1))
    assert facing_out(inside_out) is inside_out
    small = replace(BALL, vertices=BALL.vertices * 0.3)
    hidden = replace(small, faces=small.faces[:300].flip(1))
    both = merge_meshes([BALL, hidden])
    assert np.array_equal(facing_out(both).faces, both.faces)
