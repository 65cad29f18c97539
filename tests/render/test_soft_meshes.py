"""The differentiable mesh renderer against closed forms, finite differences and the ray caster."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from scenekit.cameras import Camera, look_at, pinhole
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.meshes import render_mesh
from scenekit.render.soft_meshes import SoftMesh, mesh_edges, render_soft, soft_mesh
from scenekit.surface.atlas import unwrap

CAMERA = pinhole(96, 80, 120.0, 120.0, 48.0, 40.0)
ORIGIN = np.eye(4)
"""Looks along +Z."""


def soft(vertices: Tensor, faces: Tensor | list[list[int]], **looks: object) -> SoftMesh:
    faces = torch.as_tensor(faces)
    return SoftMesh(vertices, faces, mesh_edges(vertices, faces), **looks)


def ball(subdivisions: int, radius: float = 0.2) -> tuple[Tensor, Tensor]:
    shape = trimesh.creation.icosphere(subdivisions, radius)
    return torch.tensor(shape.vertices), torch.tensor(shape.faces)


def colored(points: Tensor) -> Tensor:
    """A smooth colouring of space, uint8 RGBA."""
    rgb = 0.5 + 0.4 * torch.sin(points * torch.tensor([21.0, 17.0, 25.0]) + 1)
    return torch.cat([255 * rgb, torch.full_like(rgb[:, :1], 255)], 1).round().to(torch.uint8)


def projected_area(vertices: Tensor) -> Tensor:
    """Of one triangle in the picture [px²]."""
    a, b, c = vertices[:, :2] / vertices[:, 2:] * CAMERA.fx
    return 0.5 * ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]).abs()


@pytest.mark.parametrize("seed", range(6))
def test_the_covered_area_of_a_triangle_and_its_gradient_are_those_of_the_closed_form(seed):
    corners = torch.tensor([[-0.2, -0.15, 1.0], [0.2, -0.1, 1.0], [0.0, 0.2, 1.0]], dtype=torch.float64)
    corners += 0.05 * torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ours, theirs = (corners.clone().requires_grad_() for _ in range(2))
    area = render_soft(soft(ours, [[0, 1, 2]]), CAMERA, ORIGIN).alpha.sum()
    wanted = projected_area(theirs)
    (area / wanted.detach()).backward()
    wanted.log().backward()
    torch.testing.assert_close(area, wanted, rtol=5e-4, atol=0)
    assert (ours.grad - theirs.grad).norm() < 0.03 * theirs.grad.norm()


@pytest.mark.parametrize("subdivisions", [4, 6])
def test_a_ball_that_comes_nearer_covers_more_even_where_faces_are_smaller_than_pixels(subdivisions):
    """Its outline is a circle of area π f² r² / (z² − r²)."""
    vertices, faces = ball(subdivisions)
    move = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    area = render_soft(replace(soft(vertices, faces), vertices=vertices + move), CAMERA, ORIGIN).alpha.sum()
    area.backward()
    wanted = math.pi * CAMERA.fx**2 * 0.04 / (1 - 0.04)
    assert area.item() == pytest.approx(wanted, rel=3e-3)
    assert float(move.grad[2]) == pytest.approx(-2 * wanted / (1 - 0.04), rel=0.01)
    flux = 2 * CAMERA.fx * math.sqrt(wanted / math.pi)  # what one half of the outline gains by a move sideways
    assert move.grad[:2].abs().max() < 0.015 * flux


def test_a_moved_ball_before_a_wall_changes_the_picture_as_a_supersampled_one_does():
    """The derivative of a weighted sum of colours by a move, through outline, texture and occlusion at once.

    What remains is the error of one ray per pixel as a quadrature, which falls with the size of a pixel.
    """
    camera = CAMERA.resized(384, 320)
    vertices, faces = ball(4, 0.15)
    wall = torch.tensor([[-0.7, -0.7, 0.4], [0.7, -0.7, 0.5], [0.7, 0.7, 0.5], [-0.7, 0.7, 0.4]], dtype=torch.float64)
    points = torch.cat([vertices, wall]) + torch.tensor([0.03, 0.02, 1.0])
    both = torch.cat([faces, torch.tensor([[0, 1, 2], [0, 2, 3]]) + len(vertices)])
    mesh = Mesh(points.float(), both, colored(points))
    v, u = torch.meshgrid(torch.arange(320) / 320, torch.arange(384) / 384, indexing="ij")
    weights = torch.stack([torch.sin(5 * u + 3 * v), torch.cos(4 * v), u * v], -1)
    moving = (torch.arange(len(points)) < len(vertices)).float()[:, None]

    def fine(step: Tensor) -> float:
        moved = replace(mesh, vertices=mesh.vertices + moving * step)
        return float((render_mesh(moved, camera, ORIGIN, samples=4).rgb * weights).sum())

    at = torch.zeros(3, requires_grad=True)
    start = soft_mesh(mesh)
    (render_soft(replace(start, vertices=start.vertices + moving * at), camera, ORIGIN).rgb * weights).sum().backward()
    differences = torch.tensor([(fine(h) - fine(-h)) / 0.01 for h in 0.005 * torch.eye(3)])
    assert (at.grad - differences).norm() < 0.04 * differences.norm()


def test_texture_and_vertex_colour_gradients_are_exact():
    """Against float64 finite differences, through bilinear lookup, interpolation in linear light and outlines."""
    vertices = torch.tensor([[-0.2, -0.2, 1.0], [0.3, -0.1, 1.2], [0.0, 0.25, 0.9]], dtype=torch.float64)
    uvs = torch.tensor([[-0.2, 0.1], [1.3, 0.3], [0.4, 1.2]], dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    looks = torch.rand(4, 5, 3, generator=rng, dtype=torch.float64), torch.rand(3, 3, generator=rng).double()
    small = CAMERA.resized(24, 20)

    def drawn(texture: Tensor, colors: Tensor) -> Tensor:
        mesh = soft(vertices, [[0, 1, 2]], uvs=uvs, texture=texture, vertex_colors=colors, base_color=(0.9, 0.8, 1.0))
        return render_soft(mesh, small, ORIGIN).rgb

    assert torch.autograd.gradcheck(drawn, tuple(look.requires_grad_() for look in looks))


@pytest.mark.parametrize("shading", ["none", "headlight"])
def test_within_faces_colour_depth_and_normals_move_exactly_with_the_vertices(shading):
    """Against float64 finite differences of a surface that fills the picture."""
    vertices = torch.tensor([[-2.0, -2, 1.5], [2, -2, 2], [2, 2, 1.5], [-2, 2, 2.1]], dtype=torch.float64)
    vertices.requires_grad_()
    colors = torch.rand(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    small = CAMERA.resized(8, 6)

    def drawn(vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mesh = soft(vertices, [[0, 1, 2], [0, 2, 3]], vertex_colors=colors)
        frame = render_soft(mesh, small, ORIGIN, shading=shading)
        return frame.rgb, frame.depth, frame.normals

    assert torch.autograd.gradcheck(drawn, (vertices,))


def test_within_outlines_the_picture_is_the_ray_casters_and_on_them_the_supersampled_one():
    points, faces = ball(4)
    shape = unwrap(Mesh(points.float(), faces), texel=0.01)
    texture = torch.randint(0, 256, shape.texture.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    texture[..., 3] = 255
    mesh = replace(shape, texture=texture)
    pose = look_at(np.array([0.6, 0.3, 0.4]), np.zeros(3))
    for shading in ("none", "headlight"):
        ours = render_soft(soft_mesh(mesh), CAMERA, pose, background=(0.2, 0.4, 0.6), shading=shading)
        theirs = render_mesh(mesh, CAMERA, pose, background=(0.2, 0.4, 0.6), shading=shading)
        within = ours.alpha == theirs.alpha
        torch.testing.assert_close(ours.rgb[within], theirs.rgb[within], atol=2e-4, rtol=0)
        torch.testing.assert_close(ours.depth, theirs.depth, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.normals, theirs.normals, atol=1e-4, rtol=0)
        assert torch.equal(ours.faces, theirs.faces)
    fine = render_mesh(mesh, CAMERA, pose, samples=8).alpha
    assert (ours.alpha - fine).abs().max() < 0.125  # most that a line across a pixel differs from its area, at 45°
    assert (ours.alpha - fine)[~within].mean().abs() < 0.002 and (~within).sum() > 100


def test_seams_of_a_texture_are_no_outlines():
    points, faces = ball(3)
    cut = unwrap(Mesh(points.float(), faces), texel=0.01)
    assert len(cut.vertices) > len(points)
    assert len(mesh_edges(cut.vertices, cut.faces).ends) == len(faces) * 3 // 2


def test_what_is_hidden_gets_no_gradient():
    points, faces = ball(3, 0.1)
    plate = torch.tensor([[-0.3, -0.3, 0.7], [0.3, -0.3, 0.7], [0.0, 0.4, 0.7]], dtype=torch.float64)
    vertices = torch.cat([points + torch.tensor([0.0, 0.0, 1.0]), plate]).requires_grad_()
    mesh = soft(vertices, torch.cat([faces, torch.tensor([[0, 1, 2]]) + len(points)]))
    mesh = replace(mesh, vertex_colors=torch.rand(len(vertices), 3, generator=torch.Generator().manual_seed(0)))
    frame = render_soft(mesh, CAMERA, ORIGIN)
    (frame.rgb.sum() + frame.alpha.sum()).backward()
    assert (vertices.grad[: len(points)] == 0).all() and (vertices.grad[len(points) :] != 0).any()


def test_the_winding_of_faces_does_not_matter_to_outlines():
    points, faces = ball(3)
    mixed = torch.where(torch.arange(len(faces))[:, None] % 3 == 0, faces.flip(1), faces)
    pictures = [
        render_soft(soft(points + torch.tensor([0.0, 0.0, 1.0]), some), CAMERA, ORIGIN).alpha for some in (faces, mixed)
    ]
    torch.testing.assert_close(*pictures, atol=1e-9, rtol=0)


def test_a_floor_that_reaches_behind_the_camera_has_finite_gradients_and_a_horizon():
    floor = torch.tensor([[-50.0, 0.2, -50], [50, 0.2, -50], [50, 0.2, 50], [-50, 0.2, 50]], requires_grad=True)
    frame = render_soft(soft(floor, [[0, 1, 2], [0, 2, 3]]), CAMERA, ORIGIN)
    (frame.alpha.sum() + frame.depth[70].sum()).backward()
    assert frame.alpha[30].max() == 0 and frame.alpha[60].min() == 1
    assert floor.grad.isfinite().all() and (floor.grad[:, 1] != 0).any()


def test_what_lies_behind_the_camera_is_not_seen():
    points, faces = ball(2)
    vertices = (points - torch.tensor([0.0, 0.0, 1.0])).requires_grad_()
    frame = render_soft(soft(vertices, faces), CAMERA, ORIGIN, background=(0.1, 0.2, 0.3))
    frame.rgb.sum().backward()
    assert (frame.alpha == 0).all() and torch.equal(frame.rgb[5, 5], frame.rgb.new_tensor([0.1, 0.2, 0.3]))
    assert frame.depth.isinf().all() and (frame.faces == -1).all() and (vertices.grad == 0).all()


def test_faces_without_area_change_nothing():
    points, faces = ball(3)
    vertices = points + torch.tensor([0.0, 0.0, 1.0])
    flat = torch.cat([faces, torch.tensor([[0, 1, 1], [2, 2, 2]]), faces[:5, [0, 1, 0]]])
    images, gradients = [], []
    for some in (faces, flat):
        moved = vertices.clone().requires_grad_()
        images.append(render_soft(soft(moved, some), CAMERA, ORIGIN).alpha)
        images[-1].square().sum().backward()
        gradients.append(moved.grad)
    torch.testing.assert_close(*images)
    torch.testing.assert_close(*gradients)


def test_bad_input_is_refused(monkeypatch):
    points, faces = ball(1)
    vertices = points + torch.tensor([0.0, 0.0, 1.0])
    with pytest.raises(InputError, match="no face"):
        render_soft(soft(vertices, faces[:0]), CAMERA, ORIGIN)
    with pytest.raises(InputError, match="finite"):
        render_soft(soft(vertices * torch.nan, faces), CAMERA, ORIGIN)
    with pytest.raises(InputError, match="pinhole"):
        render_soft(soft(vertices, faces), Camera("SIMPLE_RADIAL", 40, 30, (40.0, 20.0, 15.0, 0.1)), ORIGIN)
    monkeypatch.setattr("scenekit.render.soft_meshes.MAX_CROSSINGS", 100)
    with pytest.raises(InputError, match="at most 100"):
        render_soft(soft(vertices, faces), CAMERA, ORIGIN)
