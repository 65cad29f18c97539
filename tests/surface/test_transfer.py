"""Transfer: what lies near takes the look of what it lies near to."""

from dataclasses import replace

import numpy as np
import torch
import trimesh

from scenekit.meshes import Mesh
from scenekit.surface.transfer import colored_like, nearest


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


FINE, COARSE = (mesh_of(trimesh.creation.icosphere(level, 0.5)) for level in (5, 2))


def test_the_nearest_point_is_no_farther_than_any_other() -> None:
    points = np.random.default_rng(0).normal(size=(200, 3))
    face, weights = nearest(COARSE, points)
    corners = COARSE.vertices.double().numpy()[COARSE.faces.numpy()]
    found = np.einsum("nk,nkx->nx", weights, corners[face])
    each = np.repeat(points, len(corners), axis=0)
    of_each = trimesh.triangles.closest_point(np.tile(corners, (len(points), 1, 1)), each)
    exact = np.linalg.norm(of_each - each, axis=1).reshape(len(points), -1).min(1)
    assert np.abs(np.linalg.norm(points - found, axis=1) - exact).max() < 1e-6


def test_colours_alpha_and_material_come_over() -> None:
    rgba = torch.cat([(FINE.vertices + 0.5) * 255, torch.full((len(FINE.vertices), 1), 99.0)], 1)
    fine = replace(FINE, vertex_colors=rgba.round().to(torch.uint8), base_color=(0.5, 1.0, 1.0, 1.0), metallic=0.7)
    coarse = colored_like(COARSE, fine)
    assert coarse.vertex_colors is not None and coarse.metallic == 0.7 and coarse.base_color == (0.5, 1.0, 1.0, 1.0)
    assert (coarse.vertex_colors[:, :3] - (COARSE.vertices + 0.5) * 255).abs().max() < 3
    assert (coarse.vertex_colors[:, 3] == 99).all()


def test_a_texture_becomes_vertex_colours() -> None:
    """Red on the left half, blue on the right, laid over x."""
    texture = torch.zeros(1, 100, 4, dtype=torch.uint8)
    texture[..., 3] = 255
    texture[:, :50, 0] = texture[:, 50:, 2] = 200
    uvs = torch.stack([FINE.vertices[:, 0] * 0.99 + 0.5, torch.full((len(FINE.vertices),), 0.5)], 1)
    coarse = colored_like(COARSE, replace(FINE, uvs=uvs, texture=texture))
    assert coarse.vertex_colors is not None and coarse.uvs is None and coarse.texture is None
    left, right = COARSE.vertices[:, 0] < -0.02, COARSE.vertices[:, 0] > 0.02
    assert (coarse.vertex_colors[left] == torch.tensor([200, 0, 0, 255])).all()
    assert (coarse.vertex_colors[right] == torch.tensor([0, 0, 200, 255])).all()


def test_without_a_look_there_is_none() -> None:
    assert colored_like(COARSE, FINE).vertex_colors is None
