"""Refinement: a wrong shape and wrong colours come back to those that were photographed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import inverse_pose, look_at, pinhole
from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.render.meshes import render_mesh
from scenekit.surface.atlas import unwrap
from scenekit.surface.refine import RefineConfig, refine
from scenekit.surface.scores import surface_scores

CAMERA = pinhole(96, 72, 120.0, 120.0, 48.0, 36.0)
GREY = (0.3, 0.3, 0.3)


def colored(points: torch.Tensor) -> torch.Tensor:
    """A smooth colouring of space, uint8 RGBA."""
    rgb = 0.5 + 0.4 * torch.sin(points * torch.tensor([41.0, 37.0, 45.0]) + 1)
    return torch.cat([255 * rgb, torch.full_like(rgb[:, :1], 255)], 1).round().to(torch.uint8)


def ball(subdivisions: int) -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions, 0.1)
    vertices = torch.from_numpy(np.float32(shape.vertices))
    return Mesh(vertices, torch.from_numpy(np.int64(shape.faces)), colored(vertices))


def pose(k: float, height: float) -> np.ndarray:
    angle = 2 * np.pi * k / 12
    return look_at(np.array([0.4 * np.cos(angle), 0.4 * np.sin(angle), height]), np.zeros(3))


def photographed(mesh: Mesh) -> list[View]:
    K = torch.from_numpy(CAMERA.K).float()
    views = []
    for k in range(12):
        T = pose(k, 0.25 * (-1) ** k)
        image = render_mesh(mesh, CAMERA, T, samples=4, background=GREY).rgb
        views.append(View(str(k), (255 * image).round().to(torch.uint8), K, torch.from_numpy(inverse_pose(T)).float()))
    return views


def outside_of_both(a: Mesh, b: Mesh) -> float:
    """One minus the intersection over union of two silhouettes, from places between the photos'."""
    shares = []
    for k in (0.5, 4.5, 8.5):
        one, other = (render_mesh(m, CAMERA, pose(k, 0.1), samples=4).alpha for m in (a, b))
        shares.append(float(torch.minimum(one, other).sum() / torch.maximum(one, other).sum()))
    return 1 - min(shares)


@pytest.fixture(scope="module")
def truth() -> Mesh:
    return ball(4)


@pytest.fixture(scope="module")
def views(truth) -> list[View]:
    return photographed(truth)


@pytest.mark.parametrize("start", ["small", "bumped"])
def test_a_wrong_shape_becomes_the_photographed_one(truth, views, start):
    right = ball(3)
    x, y, _ = right.vertices.T
    scale = 0.9 if start == "small" else (1 + 0.08 * torch.sin(40 * x) * torch.sin(30 * y))[:, None]
    wrong = replace(right, vertices=right.vertices * scale)
    refined, report = refine(wrong, views, RefineConfig(steps=120, smoothness=5.0, background=GREY))
    before, after = (surface_scores(mesh, truth, samples=5000).chamfer for mesh in (wrong, refined))
    assert after < before / 3
    assert outside_of_both(refined, truth) < outside_of_both(wrong, truth) / 3
    assert report.psnr_after > report.psnr_before + 6 and report.flipped == 0
    moves = (refined.vertices - wrong.vertices).norm(dim=-1)
    assert report.moved == pytest.approx(float(moves.mean())) and report.moved_most == pytest.approx(float(moves.max()))


def test_a_grey_texture_becomes_the_photographed_colours_and_seams_stay_closed(truth, views):
    cut = unwrap(replace(ball(3), vertex_colors=None), texel=0.005)
    grey = replace(cut, texture=torch.full_like(cut.texture, 128))
    refined, report = refine(grey, views, RefineConfig(steps=120, color_rate=0.03, background=GREY))
    assert report.psnr_after > 28 > 20 > report.psnr_before
    _, place = np.unique(grey.vertices.numpy(), axis=0, return_inverse=True)
    for k in np.flatnonzero(np.bincount(place.reshape(-1)) > 1):
        same = refined.vertices[torch.from_numpy(place.reshape(-1) == k)]
        assert (same == same[0]).all()


def test_rates_of_zero_keep_shape_or_colours(views):
    wrong = replace(ball(2), vertices=ball(2).vertices * 0.95)
    refined, report = refine(wrong, views, RefineConfig(steps=3, vertex_rate=0.0))
    assert torch.equal(refined.vertices, wrong.vertices) and report.moved_most == 0
    assert not torch.equal(refined.vertex_colors, wrong.vertex_colors)
    refined, report = refine(wrong, views, RefineConfig(steps=3, color_rate=0.0))
    assert torch.equal(refined.vertex_colors, wrong.vertex_colors) and report.moved > 0


def test_what_a_mask_leaves_out_has_no_influence(views):
    half = torch.zeros(72, 96, dtype=torch.bool)
    half[:, :48] = True
    masked = [replace(view, mask=half) for view in views]
    spoilt = [replace(view, image=torch.where(half[..., None], view.image, 255)) for view in masked]
    wrong = replace(ball(2), vertices=ball(2).vertices * 0.95)
    one, other = (refine(wrong, some, RefineConfig(steps=6))[0] for some in (masked, spoilt))
    assert torch.equal(one.vertices, other.vertices) and torch.equal(one.vertex_colors, other.vertex_colors)


def test_a_texture_without_coordinates_is_left_as_it_is(views):
    odd = replace(ball(1), texture=torch.full((2, 2, 4), 9, dtype=torch.uint8))
    refined, _ = refine(odd, views, RefineConfig(steps=2))
    assert torch.equal(refined.texture, odd.texture) and not torch.equal(refined.vertices, odd.vertices)


def test_bad_input_is_refused(views):
    mesh = ball(1)
    with pytest.raises(InputError, match="at least one"):
        refine(mesh, [])
    with pytest.raises(InputError, match="no face"):
        refine(replace(mesh, faces=mesh.faces[:0]), views)
    with pytest.raises(InputError, match="shows the mesh"):
        refine(replace(mesh, vertices=mesh.vertices + 50), views)
    for bad in ({"steps": 0}, {"vertex_rate": -1.0}, {"color_rate": 2.0}, {"smoothness": float("nan")}):
        with pytest.raises(InputError, match=next(iter(bad))):
            RefineConfig(**bad)
