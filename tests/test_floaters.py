"""Floaters: each reason on a cloud that has just it."""

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at, pinhole
from scenekit.errors import InputError
from scenekit.floaters import FloaterConfig, extent, floaters, isolation
from scenekit.splats import Splats, random_splats

CAMERA = pinhole(60, 60, 30, 30, 30, 30)


def grid(n: int = 8, step: float = 0.1) -> Splats:
    """n³ solid splats in a grid."""
    axis = torch.arange(n) * step
    means = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    count = len(means)
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(count, 1)
    return Splats(means, quats, torch.full((count, 3), 0.03).log(), torch.full((count,), 3.0), torch.zeros(count, 1, 3))


def test_a_regular_grid_has_no_floaters():
    assert not any(mask.any() for mask in floaters(grid()).values())


def test_a_small_splat_far_off_is_alone_and_a_large_one_that_reaches_its_neighbours_is_not():
    splats = grid()
    splats.means[:2] = torch.tensor([[3.0, 3, 3], [-2.0, -2, -2]])
    splats.log_scales[1] = torch.tensor(1.5).log()
    assert floaters(splats)["alone"].nonzero().tolist() == [[0]]


def test_faint_and_large_are_limits_of_opacity_and_size():
    splats = grid()
    splats.logit_opacities[3] = -6.0
    splats.log_scales[5, 1] = torch.tensor(0.8).log()
    found = floaters(splats)
    assert found["faint"].nonzero().tolist() == [[3]]
    assert found["large"].nonzero().tolist() == [[5]]
    assert extent(splats.means.double()) == pytest.approx(0.7 * 3**0.5)


def test_what_fewer_photos_show_than_wanted_is_unseen():
    """Two photos from above; the lower half of a solid block is hidden from both, and only one shows the far splat."""
    splats = grid()
    splats.logit_opacities[:] = 9.0
    splats.log_scales[:] = torch.tensor(0.06).log()
    splats.means[0] = torch.tensor([2.4, 0.35, 0.35])
    top = [np.array([0.35 + dx, 0.35, 2.0]) for dx in (-0.1, 0.9)]
    views = [(CAMERA, look_at(eye, np.array([eye[0], 0.351, 0.0]), up=(0, 1, 0))) for eye in top]
    unseen = floaters(splats, FloaterConfig(min_photos=2), views=views)["unseen"]
    assert unseen[0] and not floaters(splats, FloaterConfig(min_photos=1), views=views)["unseen"][0]
    assert unseen[1:][splats.means[1:, 2] < 0.25].all() and not unseen[1:][splats.means[1:, 2] > 0.65].any()
    assert not floaters(splats)["unseen"].any()


def test_isolation_of_a_line_of_equal_steps_is_that_of_its_ends_over_its_middle():
    points = torch.arange(50, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0, 0], dtype=torch.float64)
    expected = torch.ones(50, dtype=torch.float64)
    expected[[0, -1]] = 1.5
    assert torch.equal(isolation(points, torch.zeros(50), 2), expected)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_splats_are_no_floaters(n):
    assert not floaters(random_splats(n), FloaterConfig(min_opacity=0, max_size=0))["alone"].any()


@pytest.mark.parametrize("name", ["isolation", "min_opacity", "max_size", "min_photos"])
def test_negative_and_non_finite_limits_are_refused(name):
    for value in (-1, float("nan")):
        with pytest.raises(InputError, match=name):
            FloaterConfig(**{name: value})
