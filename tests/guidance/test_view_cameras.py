"""Cameras around a thing: where they are, and that they are spread as said."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from scenekit.errors import InputError
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import ViewCameraConfig, drawn, placed


def test_azimuth_zero_sees_the_front_and_a_quarter_turn_is_at_plus_x():
    views = Views(torch.tensor([0.0, math.pi / 2], dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    found = placed(views, [2.0, 2.0], [40.0, 40.0], 64, 0.5)
    np.testing.assert_allclose(found.T_world_cam[:, :3, 3], [[0, -2, 0.5], [2, 0, 0.5]], atol=1e-12)
    np.testing.assert_allclose(found.T_world_cam[:, :3, 2], [[0, 1, 0], [-1, 0, 0]], atol=1e-12)


def test_the_field_of_view_is_across_the_picture():
    camera = placed(Views(torch.zeros(1), torch.zeros(1)), [2.0], [90.0], 64, 0.5).cameras[0]
    assert camera.fx == pytest.approx(32.0)


def test_cameras_are_spread_as_said():
    """Azimuths evenly, elevations half over the angle and half over the sphere (Kolmogorov–Smirnov)."""
    config = ViewCameraConfig(elevation=(-10, 80))
    found = drawn(config, 4000, 8, torch.Generator().manual_seed(0))
    low, high = math.radians(-10), math.radians(80)

    def mixed(angle: np.ndarray) -> np.ndarray:
        over_angle = (angle - low) / (high - low)
        over_sphere = (np.sin(angle) - math.sin(low)) / (math.sin(high) - math.sin(low))
        return (over_angle + over_sphere) / 2

    assert stats.kstest(found.views.elevation.numpy(), mixed).pvalue > 0.01
    assert stats.kstest(found.views.azimuth.numpy() / (2 * math.pi), "uniform").pvalue > 0.01
    distance = np.linalg.norm(found.T_world_cam[:, :3, 3] - [0, 0, 0.5], axis=1)
    assert stats.kstest((distance - 1.5) / 0.5, "uniform").pvalue > 0.01


def test_each_of_few_cameras_is_in_its_part_of_the_circle():
    azimuth = drawn(ViewCameraConfig(), 4, 8, torch.Generator().manual_seed(1)).views.azimuth
    assert (azimuth / (math.pi / 2)).floor().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("options", [{"elevation": (50, 10)}, {"distance": (0.0, 1.0)}, {"fov": (10, 170)}])
def test_impossible_ranges_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        ViewCameraConfig(**options)


def test_cameras_that_stand_together_are_at_right_angles_and_alike():
    config = ViewCameraConfig(together=4)
    found = drawn(config, 8, 16, torch.Generator().manual_seed(1))
    turns = found.views.azimuth.reshape(2, 4).diff(dim=1)
    torch.testing.assert_close(turns, torch.full_like(turns, math.pi / 2))
    assert len(found.views.elevation.unique()) == len({camera.fx for camera in found.cameras}) == 2


def test_cameras_that_stand_together_come_in_whole_groups():
    with pytest.raises(InputError, match="multiple of the 4"):
        drawn(ViewCameraConfig(together=4), 6, 16, torch.Generator())
