"""Clean: what was put in too much is gone, what was there stays, and the report says so."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh, merge_meshes
from scenekit.surface.clean import CleanConfig, CleanReport, clean
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


def colored(mesh: Mesh) -> Mesh:
    """Red for x, green for y, blue for z, in −0.5..0.5 m."""
    rgb = ((mesh.vertices + 0.5).clamp(0, 1) * 255).round()
    return replace(mesh, vertex_colors=torch.cat([rgb, torch.full((len(rgb), 1), 255.0)], 1).to(torch.uint8))


BALL = colored(mesh_of(trimesh.creation.icosphere(4, 0.5)))


def ball_at(x: float, radius: float) -> Mesh:
    small = mesh_of(trimesh.creation.icosphere(2, radius))
    return colored(replace(small, vertices=small.vertices + torch.tensor([x, 0, 0])))


def off_by(mesh: Mesh) -> float:
    """Mean difference between the colours of vertices and those of the place they are at, 0..255."""
    assert mesh.vertex_colors is not None
    rgb = (mesh.vertices + 0.5) * 255
    return float((mesh.vertex_colors[:, :3] - rgb).abs().mean())


def test_what_is_clean_stays_as_it_is() -> None:
    mesh, report = clean(BALL)
    assert torch.equal(mesh.vertices, BALL.vertices) and torch.equal(mesh.faces, BALL.faces)
    assert report == CleanReport(5120, 5120, 0, 0, 0, 0, 0, 0, 0, 0.0, 0)
    assert str(report) == "5120 → 5120 faces"


def test_each_fault_is_mended_and_counted() -> None:
    vertices = torch.cat([BALL.vertices, torch.full((1, 3), torch.nan)])
    vertices[40] *= 1.5  # a spike
    turn = torch.zeros(5120, dtype=torch.bool)
    turn[100:130] = True
    faces = torch.where(turn[:, None], BALL.faces.flip(1), BALL.faces)
    hole = (faces == 1000).any(1)
    more = torch.tensor([[0, 1, 2562], [5, 5, 9]])
    faces = torch.cat([faces[~hole], faces[~hole][:7], more])
    broken = merge_meshes([colored(Mesh(vertices.nan_to_num(9), faces)), ball_at(0.8, 0.01), ball_at(0.9, 0.2)])
    vertices = broken.vertices.clone()
    vertices[2562] = torch.nan
    mesh, report = clean(replace(broken, vertices=vertices), CleanConfig(max_hole=0.2))
    assert (report.broken, report.needless, report.crumbs, report.spikes) == (1, 8, 1, 1)
    assert (report.turned, report.holes, report.left_open) == (30, 1, 0)
    surface = Surface(mesh)
    assert surface.is_closed and len(np.unique(surface.shell)) == 2
    assert surface.solid.volume == pytest.approx(4 / 3 * np.pi * (0.5**3 + 0.2**3), rel=0.02)
    assert off_by(replace(mesh, vertices=mesh.vertices.clamp(-0.5, 0.5))) < 2.0
    assert {"1 spike moved down", "30 faces turned", "1 hole closed", "1 crumb dropped"} < set(str(report).split("\n"))


def test_things_that_stand_alone_are_kept_and_crumbs_are_told_by_area() -> None:
    scene = merge_meshes([BALL, ball_at(0.8, 0.05), ball_at(1.0, 0.01)])
    assert clean(scene)[1].crumbs == 1  # areas of 1 %, and of 0.04 %
    assert clean(scene, CleanConfig(min_component=0.1))[1].crumbs == 2
    assert clean(scene, CleanConfig(min_component=0))[1].crumbs == 0


def test_an_open_surface_stays_open_and_is_said_to_be() -> None:
    bowl = replace(BALL, faces=BALL.faces[(BALL.vertices[BALL.faces][:, :, 2] < 0.1).all(1)])
    mesh, report = clean(bowl)
    assert len(mesh.faces) == len(bowl.faces) and report.left_open == 1


def test_smoothing_and_simplification_keep_volume_shape_and_colours() -> None:
    noise = torch.randn(len(BALL.vertices), 1, generator=torch.Generator().manual_seed(0))
    rough = replace(BALL, vertices=BALL.vertices * (1 + 0.003 * noise))
    mesh, report = clean(rough, CleanConfig(smooth=10, error=0.004))
    surface = Surface(mesh)
    assert surface.is_closed
    assert surface.solid.volume == pytest.approx(Surface(BALL).solid.volume, rel=0.01)
    assert len(mesh.faces) < 2560 and report.simplified == 5120 - len(mesh.faces)
    assert 0.001 < report.smoothed < 0.01
    assert (mesh.vertices.norm(dim=1) - 0.5).abs().max() < 0.007
    assert off_by(mesh) < 2.0


def test_a_textured_mesh_keeps_its_seams_and_is_not_simplified() -> None:
    """A ball cut in two along the equator of its texture."""
    upper = (BALL.vertices[BALL.faces].mean(1)[:, 2] > 0)[:, None]
    faces = torch.where(upper, BALL.faces, BALL.faces + len(BALL.vertices))
    uvs = torch.cat([torch.full((2562, 2), 0.2), torch.full((2562, 2), 0.8)])
    texture = torch.zeros(4, 4, 4, dtype=torch.uint8)
    mesh = Mesh(torch.cat([BALL.vertices, BALL.vertices]), faces, uvs=uvs, texture=texture)
    smooth, _ = clean(mesh, CleanConfig(smooth=5))
    assert smooth.uvs is not None and smooth.texture is texture
    assert Surface(smooth).is_closed
    assert torch.equal(smooth.uvs[smooth.faces], uvs[faces])
    with pytest.raises(InputError, match="texture"):
        clean(mesh, CleanConfig(faces=100))


def test_of_nothing_nothing_is_left() -> None:
    empty = Mesh(torch.full((3, 3), torch.nan), torch.tensor([[0, 1, 2]]))
    mesh, report = clean(empty)
    assert not len(mesh.faces) and report.broken == 1
    line = Mesh(torch.tensor([[0, 0, 0], [1, 0, 0], [2, 0, 0.0]]), torch.tensor([[0, 1, 2]]))
    mesh, report = clean(line, CleanConfig(max_hole=1, smooth=2, error=0.1))
    assert not len(mesh.faces) and report.needless == 1


@pytest.mark.parametrize(
    "options",
    [
        {"min_component": 2.0},
        {"min_component": float("nan")},
        {"spike": -1.0},
        {"max_hole": -1.0},
        {"smooth": -1},
        {"faces": 3},
        {"error": 0.0},
    ],
)
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        CleanConfig(**options)
