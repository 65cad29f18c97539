"""Simplification: as few faces as an error allows, with the look of what was given."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface.simplify import deviation, simplified
from scenekit.validation.surface import Surface


def mesh_of(solid: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces, dtype=torch.int64))


BALL = mesh_of(trimesh.creation.icosphere(4, 0.5))
BOX = mesh_of(trimesh.creation.box((1, 2, 3)).subdivide().subdivide().subdivide())


def plane(size: int = 20) -> Mesh:
    x, y = np.meshgrid(np.arange(size + 1.0), np.arange(size + 1.0))
    cell = np.array([[0, 1, size + 2], [0, size + 2, size + 1]])
    faces = np.concatenate([cell + (size + 1) * row + column for row in range(size) for column in range(size)])
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1) / size
    return Mesh(torch.tensor(points, dtype=torch.float32), torch.tensor(faces))


def test_what_is_flat_needs_few_faces() -> None:
    box = simplified(BOX, error=1e-4)
    assert len(box.faces) == 12
    assert Surface(box).is_closed and Surface(box).solid.volume == pytest.approx(6, rel=1e-5)
    sheet = simplified(plane(), error=1e-4)
    assert len(sheet.faces) < 30
    assert float(Surface(sheet).areas.sum()) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("error", [0.001, 0.004, 0.02])
def test_a_ball_stays_within_the_error_and_uses_it(error: float) -> None:
    ball = simplified(BALL, error=error)
    faces = ball.vertices[ball.faces]
    inmost = float(faces.mean(1).norm(dim=1).min())  # about where a face is nearest to the middle
    assert 0.5 - inmost < error + 0.0013 and float(ball.vertices.norm(dim=1).max()) < 0.5 + error  # the ball's sagitta
    assert deviation(ball, BALL) <= error
    # A triangle of side s on a ball of radius r is off by s² / 6r, so it takes 4πr² / (√3/4 · 6 r e) of them.
    assert len(ball.faces) < 3 * 4 * np.pi * 0.25 / (3**0.5 / 4 * 6 * 0.5 * error)


def test_a_number_of_faces_is_met_and_an_error_stops_before_it() -> None:
    assert len(simplified(BALL, faces=500).faces) == 500
    assert len(simplified(BALL, faces=500, error=0.0005).faces) > 600
    assert len(simplified(BALL, faces=2000, error=0.1).faces) == 2000


def test_deviation_counts_all_of_the_mesh_and_all_but_a_thousandth_of_the_original() -> None:
    square, shift = plane(4), torch.tensor([0, 0, 0.1])
    moved = replace(square, vertices=square.vertices + shift)
    assert deviation(moved, square) == pytest.approx(0.1, rel=1e-5)
    longer = replace(moved, vertices=moved.vertices * torch.tensor([2.0, 1, 1]))
    assert deviation(longer, square) == pytest.approx((1 + 0.01) ** 0.5, rel=1e-5)
    assert deviation(square, longer) == pytest.approx((0.998**2 + 0.01) ** 0.5, rel=1e-3)
    sliver = torch.tensor([[0, 0, 5], [0.02, 0, 5], [0, 0.02, 5]])
    more = Mesh(torch.cat([square.vertices, sliver]), torch.cat([square.faces, torch.tensor([[25, 26, 27]])]))
    assert deviation(moved, more) == pytest.approx(0.1, rel=1e-5)
    assert deviation(more, moved) == pytest.approx(4.9, rel=1e-5)
    assert deviation(replace(square, faces=square.faces[:0]), moved) == float("inf")


def test_vertex_colours_are_those_of_the_place() -> None:
    rgba = torch.cat([(BALL.vertices + 0.5) * 255, torch.full((len(BALL.vertices), 1), 77.0)], 1)
    ball = simplified(replace(BALL, vertex_colors=rgba.round().to(torch.uint8), roughness=0.3), faces=300)
    assert ball.vertex_colors is not None and ball.roughness == 0.3
    expected = (ball.vertices * 0.5 / ball.vertices.norm(dim=1, keepdim=True) + 0.5) * 255
    assert (ball.vertex_colors[:, :3] - expected).abs().max() < 5
    assert (ball.vertex_colors[:, 3] == 77).all()


def test_few_faces_are_returned_as_they_are() -> None:
    box = mesh_of(trimesh.creation.box((1, 1, 1)))
    assert simplified(box, faces=12) is box
    assert simplified(box, error=0.001) is box


def test_bad_input_is_refused() -> None:
    for options, name in (
        ({}, "faces"),
        ({"faces": 3}, "faces"),
        ({"error": 0.0}, "error"),
        ({"error": np.nan}, "error"),
    ):
        with pytest.raises(InputError, match=name):
            simplified(BALL, **options)
    with pytest.raises(InputError, match="bake"):
        simplified(replace(BALL, uvs=torch.zeros(len(BALL.vertices), 2)), faces=100)
    broken = BALL.vertices.clone()
    broken[0] = torch.inf
    with pytest.raises(InputError, match="finite"):
        simplified(replace(BALL, vertices=broken), faces=100)
