"""Schedules and shrunk views."""

import pytest
import torch

from scenekit.capture.views import View
from scenekit.fit.schedules import decay, factor_at, sh_degree_at, shrunk, view_at


def test_decay_is_exponential_and_ends_at_last():
    assert decay(0, 0.01) == 1
    assert decay(0.5, 0.01) == pytest.approx(0.1)
    assert decay(1, 0.01) == pytest.approx(0.01)
    assert decay(2, 0.01) == pytest.approx(0.01)


def test_sh_degree_grows_by_equal_intervals():
    assert [sh_degree_at(p, 3, 0.3) for p in (0, 0.09, 0.1, 0.19, 0.2, 0.3, 1)] == [0, 0, 1, 1, 2, 3, 3]
    assert sh_degree_at(0, 3, 0.0) == 3


def test_resolution_goes_from_coarse_to_full():
    assert [factor_at(p, ((0.2, 4), (0.5, 2))) for p in (0, 0.19, 0.2, 0.49, 0.5, 1)] == [4, 4, 2, 2, 1, 1]
    assert factor_at(0, ()) == 1


def test_each_epoch_sees_each_view_once_in_an_order_of_its_own():
    epochs = [[view_at(step, 7, seed=3) for step in range(7 * e, 7 * e + 7)] for e in range(20)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 10
    assert epochs != [[view_at(step, 7, seed=4) for step in range(7 * e, 7 * e + 7)] for e in range(20)]


def test_shrinking_averages_areas():
    image = torch.randint(0, 256, (12, 20, 3), dtype=torch.uint8)
    view = View("a", image, torch.eye(3), torch.eye(4))
    exact = image.double().reshape(3, 4, 5, 4, 3).mean((1, 3))
    assert (shrunk(view, 4).image.double() - exact).abs().max() <= 1  # each axis rounds once


def test_a_shrunk_camera_sees_each_point_at_the_same_place_in_the_image():
    K = torch.tensor([[50.0, 0, 11], [0, 60, 7], [0, 0, 1]])
    view = View("a", torch.zeros(15, 22, 3, dtype=torch.uint8), K, torch.eye(4))
    small = shrunk(view, 2)
    point = torch.tensor([0.1, -0.05, 1.0])
    full, half = K @ point, small.K @ point
    assert half[0] / small.width == pytest.approx(float(full[0] / view.width))
    assert half[1] / small.height == pytest.approx(float(full[1] / view.height))


def test_a_shrunk_pixel_counts_only_if_all_its_pixels_count():
    mask = torch.ones(8, 8, dtype=torch.bool)
    mask[0, 0] = False
    view = View("a", torch.zeros(8, 8, 3, dtype=torch.uint8), torch.eye(3), torch.eye(4), mask)
    assert shrunk(view, 4).mask.tolist() == [[False, True], [True, True]]
