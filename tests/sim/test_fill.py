"""Filling: as many points as fit, all inside, the volume exact, and a bounded answer to bad input."""

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.sim.fill import fill, fill_splats, interior_splats
from scenekit.splats import SH_C0, Splats


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())


def shell(points: np.ndarray, scale: float) -> Splats:
    n = len(points)
    return Splats(
        torch.from_numpy(points).float(),
        torch.tensor([1.0, 0, 0, 0]).repeat(n, 1),
        torch.full((n, 3), scale).log(),
        torch.full((n,), 4.0),
        torch.zeros(n, 1, 3),
    )


BALL = trimesh.creation.icosphere(4, 0.1)


def test_a_box_holds_a_point_per_cube_of_the_spacing_and_its_whole_volume():
    points, volume = fill(mesh_of(trimesh.creation.box((0.2, 0.1, 0.3))), spacing=0.01)
    assert len(points) == 20 * 10 * 30
    assert float(volume.double().sum()) == pytest.approx(0.006, rel=1e-6)
    assert (points.abs() < torch.tensor([0.1, 0.05, 0.15])).all()


def test_points_of_a_ball_are_inside_and_their_mean_is_its_centre():
    points, volume = fill(mesh_of(BALL), spacing=0.008, jitter=0.0)
    assert (points.norm(dim=1) < 0.1).all()
    assert points.double().mean(0).abs().max() < 1e-4
    assert float(volume.double().sum()) == pytest.approx(BALL.volume, rel=1e-6)
    assert len(points) == pytest.approx(BALL.volume / 0.008**3, rel=0.03)


def test_jitter_moves_points_by_no_more_than_it_says_and_the_same_for_the_same_seed():
    regular, moved, again = (fill(mesh_of(BALL), spacing=0.01, jitter=j, seed=3).points for j in (0.0, 0.3, 0.3))
    assert 0 < float((moved - regular).abs().max()) <= 0.003 + 1e-7
    assert torch.equal(moved, again)


def test_too_many_points_are_refused_with_a_spacing_that_does():
    with pytest.raises(InputError, match="at least") as error:
        fill(mesh_of(BALL), spacing=1e-6, most=10_000)
    fits = float(error.value.wanted.split()[2])
    assert 0 < len(fill(mesh_of(BALL), spacing=fits, most=10_000).points) <= 10_500


@pytest.mark.parametrize(
    "shape",
    [trimesh.Trimesh(BALL.vertices, BALL.faces[1:]), trimesh.Trimesh(BALL.vertices, BALL.faces[:, ::-1])],
    ids=["open", "inside out"],
)
def test_a_mesh_without_an_inside_is_refused(shape: trimesh.Trimesh):
    with pytest.raises(InputError, match=r"surface\.solid"):
        fill(mesh_of(shape), spacing=0.01)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_a_spacing_must_be_a_length(spacing: float):
    with pytest.raises(InputError, match="spacing"):
        fill(mesh_of(BALL), spacing=spacing)


def test_a_thing_thinner_than_the_spacing_is_refused():
    sliver = trimesh.creation.box((0.1, 0.1, 1e-4))
    sliver.apply_transform(trimesh.transformations.rotation_matrix(0.7, (1, 2, 0)))
    with pytest.raises(InputError, match="thickness"):
        fill(mesh_of(sliver), spacing=0.2)


def test_a_shell_of_splats_is_filled_to_the_volume_of_its_ball():
    found = fill_splats(shell(BALL.vertices, 0.004), spacing=0.008)
    outer = 4 / 3 * np.pi * 0.106**3
    assert float(found.volume.sum()) == pytest.approx(outer, rel=0.12)
    assert (found.points.norm(dim=1) < 0.04).any(), "the middle is filled"


def test_a_shell_that_stands_without_a_bottom_is_filled_too():
    box = trimesh.creation.box((0.2, 0.2, 0.2))
    points, faces = trimesh.sample.sample_surface_even(box, 6000, seed=0)
    open_below = points[box.face_normals[faces][:, 2] > -0.5]
    found = fill_splats(shell(open_below, 0.003), spacing=0.01)
    assert (found.points.abs().amax(1) < 0.03).any()
    assert float(found.volume.sum()) == pytest.approx(0.2**3, rel=0.25)


def test_huge_and_broken_gaussians_cost_neither_time_nor_space():
    good = shell(BALL.vertices, 0.004)
    scales = good.log_scales.clone()
    scales[:20] = 30.0
    means = good.means.clone()
    means[20:24] = torch.tensor([float("nan"), float("inf"), 1e30, -1e30])[:, None]
    bad = Splats(means, good.quats, scales, good.logit_opacities, good.sh)
    found = fill_splats(bad, spacing=0.008)
    assert len(found.points) < 100_000
    assert found.points.isfinite().all()


def test_splats_that_cannot_be_seen_fill_nothing():
    ghost = shell(BALL.vertices, 0.004)
    with pytest.raises(InputError, match="opaque"):
        fill_splats(
            Splats(ghost.means, ghost.quats, ghost.log_scales, ghost.logit_opacities - 20, ghost.sh), spacing=0.01
        )


def test_the_inside_takes_the_colour_of_the_surface_nearest_to_it():
    surface = shell(BALL.vertices, 0.004)
    sh = torch.zeros(len(surface), 4, 3)
    sh[:, 0, 0] = torch.where(surface.means[:, 0] > 0, 0.5 / SH_C0, -0.5 / SH_C0)
    surface = Splats(surface.means, surface.quats, surface.log_scales, surface.logit_opacities, sh)
    points = torch.tensor([[0.05, 0, 0], [-0.05, 0, 0], [0.0999, 0, 0]])
    inside = interior_splats(points, surface, spacing=0.01)
    assert len(inside) == 2, "what lies at the surface needs none"
    red = 0.5 + SH_C0 * inside.sh[:, 0, 0]
    assert torch.allclose(red, torch.tensor([1.0, 0.0]), atol=1e-5)
    assert (inside.opacities > 0.98).all()
    assert torch.allclose(inside.scales, torch.tensor(0.005))
