"""What is seen of a link, in files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from scenekit.export.assets import Assets, Link
from scenekit.export.visuals import with_texture, write_hulls, write_visual
from scenekit.io.mesh_files import read_mesh
from scenekit.meshes import Mesh
from scenekit.render.raycast import RayScene


@pytest.fixture
def cup(assets: Assets) -> Link:
    return assets.assets[1].links[0]


def colored() -> Mesh:
    """A ball whose vertices are as red as they are high."""
    ball = trimesh.creation.icosphere(subdivisions=3)
    colors = torch.full((len(ball.vertices), 4), 255, dtype=torch.uint8)
    colors[:, 0] = torch.from_numpy(np.round(127 + 120 * ball.vertices[:, 2])).to(torch.uint8)
    return Mesh(torch.from_numpy(ball.vertices).float(), torch.from_numpy(ball.faces).long(), colors)


def test_shape_and_texture_come_back_as_they_were_and_the_right_way_up(tmp_path: Path, cup: Link) -> None:
    visual = write_visual(tmp_path, cup)
    assert visual is not None and visual.texture is not None and cup.mesh is not None and cup.mesh.uvs is not None
    other = trimesh.load(tmp_path / visual.mesh, process=False)
    assert np.allclose(other.vertices, cup.mesh.vertices) and np.array_equal(other.faces, cup.mesh.faces)
    assert np.allclose(other.visual.uv, cup.mesh.uvs)
    image = np.array(Image.open(tmp_path / visual.texture))
    assert np.array_equal(image, cup.mesh.texture)
    assert image[0, 0, 1] < image[-1, 0, 1]  # the fixture's green grows downwards from row 0, which is v = 1


def test_an_mtl_names_a_texture_beside_it(tmp_path: Path, cup: Link) -> None:
    visual = write_visual(tmp_path, cup, mtl=True)
    assert visual is not None and {path.parent.as_posix() for path in visual.files} == {"meshes"}
    assert all((tmp_path / path).is_file() for path in visual.files)
    read = read_mesh(tmp_path / visual.mesh, up="z")
    assert cup.mesh is not None and cup.mesh.texture is not None and read.texture is not None
    assert torch.equal(read.texture, cup.mesh.texture)


def test_colors_of_vertices_become_a_texture_that_shows_the_same() -> None:
    mesh = colored()
    made = with_texture(mesh)
    assert made.vertex_colors is None and made.texture is not None and made.uvs is not None
    directions = trimesh.creation.icosphere(subdivisions=2).vertices
    hits = RayScene([(made.vertices.numpy(), made.faces.numpy())]).cast(3 * directions, -directions)
    uvs = (made.uvs.numpy()[made.faces.numpy()[hits.face]] * hits.weights[:, :, None]).sum(1)
    h, w = made.texture.shape[:2]
    row, column = ((1 - uvs[:, 1]) * h).astype(int).clip(0, h - 1), (uvs[:, 0] * w).astype(int).clip(0, w - 1)
    assert np.abs(made.texture.numpy()[row, column, 0] - (127 + 120 * directions[:, 2])).max() < 12


def test_one_color_of_all_vertices_becomes_the_base_color() -> None:
    mesh = colored()
    assert mesh.vertex_colors is not None
    mesh.vertex_colors[:] = torch.tensor([255, 0, 0, 255], dtype=torch.uint8)
    made = with_texture(mesh)
    assert made.texture is None and made.base_color == (1.0, 0.0, 0.0, 1.0)


def test_what_has_no_mesh_shows_its_solid_and_without_one_nothing(tmp_path: Path, cup: Link) -> None:
    assert write_visual(tmp_path, replace(cup, mesh=None)) is not None
    assert write_visual(tmp_path, replace(cup, mesh=None, solid=None)) is None


def test_hulls_are_files_of_their_own(tmp_path: Path, cup: Link) -> None:
    hulls = write_hulls(tmp_path, cup)
    assert len(hulls) == len(cup.body.pieces) == len(set(hulls.values()))
    assert all(trimesh.load(tmp_path / path).is_convex for path in hulls.values())
