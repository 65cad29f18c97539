"""Scores of surfaces whose distance is known."""

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import look_at, pinhole
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.surface.scores import area_samples, object_scores, surface_scores


def solid(made: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(made.vertices.copy()).float(), torch.from_numpy(made.faces.copy()).long())


def ball(radius: float) -> Mesh:
    return solid(trimesh.creation.icosphere(6, radius))


def shifted(mesh: Mesh, x: float, y: float = 0.0, z: float = 0.0) -> Mesh:
    return Mesh(mesh.vertices + torch.tensor([x, y, z]), mesh.faces)


def from_above(tmp_path) -> Capture:
    photo = Photo(
        "a",
        tmp_path / "a",
        pinhole(200, 200, 100.0, 100.0, 100.0, 100.0),
        look_at(np.array([0, 0, 3.0]), np.zeros(3), up=(0, 1, 0)),
    )
    return Capture([photo], Points.none(), "colmap")


def test_concentric_spheres_are_their_difference_in_radius_apart():
    scores = surface_scores(ball(0.103), ball(0.1), samples=20_000)
    assert scores.accuracy == pytest.approx(0.003, rel=0.02) and scores.completeness == pytest.approx(0.003, rel=0.02)
    assert scores.chamfer == pytest.approx((scores.accuracy + scores.completeness) / 2)
    assert scores.precision == scores.recall == scores.f_score == 1


def test_a_sphere_moved_by_d_has_the_closed_form():
    """Seen from its centre, a point on a sphere moved by d is R + d cos θ away to first order; E|cos θ| = ½."""
    d, R, threshold = 0.002, 0.1, 0.001
    scores = surface_scores(shifted(ball(R), d), ball(R), samples=50_000, threshold=threshold)
    k = (np.arange(200_000) + 0.5) / 200_000 * 2 - 1  # cos θ is uniform on a sphere
    exact = np.abs(np.sqrt(R**2 + d**2 + 2 * R * d * k) - R)
    assert scores.accuracy == pytest.approx(exact.mean(), rel=0.02)
    assert scores.completeness == pytest.approx(exact.mean(), rel=0.02)
    assert scores.precision == pytest.approx((exact < threshold).mean(), abs=0.01)
    assert scores.f_score == pytest.approx((exact < threshold).mean(), abs=0.01)


def test_samples_are_uniform_by_area_not_by_vertex():
    fine = solid(trimesh.creation.box((1.0, 1.0, 1.0)).subdivide_loop(0))
    coarse = Mesh(
        torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 0, 0], [5.1, 0, 0], [5, 0.1, 0]]),
        torch.tensor([[0, 1, 2], [3, 4, 5]]),
    )
    points = area_samples(coarse, 10_000, np.random.default_rng(0))
    assert (points[:, 0] > 2).mean() == pytest.approx(0.005 / 0.505, abs=1e-3)
    side = area_samples(fine, 60_000, np.random.default_rng(0))
    assert np.allclose([(np.abs(side[:, k]) > 0.4999).mean() for k in range(3)], 1 / 3, atol=0.01)
    inside = points[points[:, 0] < 2]
    assert np.allclose(inside[:, :2].mean(0), 1 / 3, atol=0.01)


def test_what_the_photos_did_not_see_does_not_count(tmp_path):
    cube = solid(trimesh.creation.box((1.0, 1.0, 1.0)))
    top = cube.vertices[cube.faces][:, :, 2].amin(1) > 0.4
    lid = Mesh(cube.vertices, cube.faces[top])
    assert surface_scores(lid, cube, samples=5000).recall == pytest.approx(1 / 6, abs=0.02)
    seen = surface_scores(lid, cube, samples=5000, seen_from=from_above(tmp_path))
    assert seen.recall == 1 and seen.precision == 1 and seen.chamfer < 1e-5


def test_a_surface_that_fills_what_was_not_seen_is_not_punished_and_a_floater_is(tmp_path):
    cube = solid(trimesh.creation.box((1.0, 1.0, 1.0)))
    belly, floater = shifted(cube, 0, 0, -0.03), shifted(cube, 0, 0, 0.03)
    capture = from_above(tmp_path)
    bottom = belly.faces[(belly.vertices[belly.faces][:, :, 2] < -0.5).all(1)]
    both = Mesh(torch.cat([cube.vertices, belly.vertices]), torch.cat([cube.faces, bottom + 8]))
    assert surface_scores(both, cube, samples=5000, seen_from=capture).precision > 0.99
    lid = floater.faces[(floater.vertices[floater.faces][:, :, 2] > 0.5).all(1)]
    above = Mesh(torch.cat([cube.vertices, floater.vertices]), torch.cat([cube.faces, lid + 8]))
    assert surface_scores(above, cube, samples=5000, seen_from=capture).precision == pytest.approx(0.5, abs=0.02)


def test_each_thing_of_a_scene_has_its_own_score():
    one, two = ball(0.1), shifted(ball(0.1), 1.0)
    mesh = Mesh(
        torch.cat([ball(0.101).vertices, shifted(ball(0.104), 1.0).vertices]),
        torch.cat([one.faces, one.faces + len(one.vertices)]),
    )
    first, second = object_scores(mesh, [one, two], samples=5000, threshold=0.002)
    assert first.chamfer == pytest.approx(0.001, rel=0.05) and second.chamfer == pytest.approx(0.004, rel=0.02)
    assert first.f_score == 1 and second.f_score == 0


def test_the_same_seed_gives_the_same_scores():
    pair = ball(0.1), ball(0.102)
    assert surface_scores(*pair, samples=500, seed=3) == surface_scores(*pair, samples=500, seed=3)


def test_an_empty_mesh_is_infinitely_far():
    empty = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    scores = surface_scores(empty, ball(0.1), samples=100)
    assert scores.chamfer == np.inf and scores.f_score == 0
    with pytest.raises(InputError):
        surface_scores(ball(0.1), empty)


def test_a_threshold_of_zero_is_refused():
    with pytest.raises(InputError):
        surface_scores(ball(0.1), ball(0.1), threshold=0.0)
