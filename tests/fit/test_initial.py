"""The splats a fit starts from."""

import numpy as np
import pytest
import torch

from scenekit.capture.capture import Points
from scenekit.errors import FitError, InputError
from scenekit.fit import initial_splats
from scenekit.fit.initial import nearest_point, neighbour_distance, random_points


def grid(side=6):
    axis = np.arange(side, dtype=float)
    xyz = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    rgb = np.tile(np.array([[10, 128, 250]], np.uint8), (len(xyz), 1))
    return Points(xyz, rgb, np.zeros(len(xyz)))


def test_points_become_round_gaussians_of_their_colour_and_spacing():
    splats = initial_splats(grid(), degree=2, opacity=0.3)
    assert len(splats) == 216 and splats.sh_degree == 2
    torch.testing.assert_close(splats.scales, torch.ones(216, 3))
    torch.testing.assert_close(splats.opacities, torch.full((216,), 0.3))
    color = 0.5 + 0.28209479177387814 * splats.sh[:, 0]
    torch.testing.assert_close(color[0] * 255, torch.tensor([10.0, 128.0, 250.0]))
    assert (splats.sh[:, 1:] == 0).all()


def test_far_and_non_finite_points_are_left_out():
    points = grid()
    points.xyz[0] = np.nan
    points.xyz[1] = 1e6
    splats = initial_splats(points)
    assert len(splats) == 214
    assert splats.means.abs().max() <= 5


def test_points_in_one_place_get_a_finite_size():
    points = Points(np.zeros((200, 3)), np.zeros((200, 3), np.uint8), np.zeros(200))
    assert torch.isfinite(initial_splats(points).log_scales).all()
    assert (neighbour_distance(np.zeros((1, 3))) > 0).all()


def test_too_few_points_start_at_random_where_the_cameras_look(views):
    splats = initial_splats(Points.none(), views=views, random_count=500)
    assert len(splats) == 500
    assert splats.means.norm(dim=-1).max() < 3.3
    again = initial_splats(Points.none(), views=views, random_count=500)
    assert torch.equal(splats.means, again.means)
    with pytest.raises(FitError, match="points"):
        initial_splats(Points.none())


def test_random_points_are_in_at_least_half_of_the_images(views):
    points = torch.from_numpy(random_points(views, 300)).float()
    seen = torch.zeros(300)
    for view in views:
        cam = points @ view.viewmat[:3, :3].T + view.viewmat[:3, 3]
        pixel = cam @ view.K.T
        uv = pixel[:, :2] / pixel[:, 2:]
        seen += ((uv >= 0) & (uv < torch.tensor([view.width, view.height]))).all(-1) & (cam[:, 2] > 0)
    assert (seen >= len(views) // 2).all()


def test_optical_axes_meet_in_the_nearest_point():
    rng = np.random.default_rng(0)
    target = np.array([1.0, 2.0, 3.0])
    centres = rng.normal(size=(8, 3)) * 5
    axes = (target - centres) / np.linalg.norm(target - centres, axis=1, keepdims=True)
    np.testing.assert_allclose(nearest_point(centres, axes), target, atol=1e-9)


def test_parallel_axes_have_a_point_in_front_of_the_cameras():
    centres = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    axes = np.tile([[0.0, 0, 1]], (3, 1))
    assert nearest_point(centres, axes)[2] > 0


@pytest.mark.parametrize("wrong", [{"degree": 5}, {"opacity": 0.0}, {"opacity": 1.0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(InputError):
        initial_splats(grid(), **wrong)
