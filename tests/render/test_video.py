"""The turntable: closed forms for rings, arcs and single cameras."""

import numpy as np
import pytest
import torch

from scenekit.cameras import Array, look_at, pinhole
from scenekit.errors import InputError
from scenekit.render.video import draw, focus_point, turntable
from scenekit.splats import random_splats

TARGET = np.array([0.3, -0.2, 0.7])


def ring(angles: Array, *, radius: float = 2.0, height: float = 1.0) -> Array:
    eyes = TARGET + np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full_like(angles, height)], 1)
    return np.stack([look_at(eye, TARGET) for eye in eyes])


def angles_of(path: Array) -> Array:
    return np.arctan2(path[:, 1, 3] - TARGET[1], path[:, 0, 3] - TARGET[0])


def test_axes_that_meet_in_a_point_have_it_as_their_focus() -> None:
    np.testing.assert_allclose(focus_point(ring(np.linspace(0, 5, 9))), TARGET, atol=0.01)


def test_a_ring_of_cameras_gives_a_full_turn_on_that_ring() -> None:
    path = turntable(ring(np.linspace(0, 2 * np.pi, 24, endpoint=False)), frames=36)
    np.testing.assert_allclose(np.linalg.norm(path[:, :2, 3] - TARGET[:2], axis=1), 2.0, atol=0.03)
    np.testing.assert_allclose(path[:, 2, 3], TARGET[2] + 1.0, atol=0.03)
    turned = np.unwrap(angles_of(path))
    np.testing.assert_allclose(np.diff(turned), 2 * np.pi / 36, atol=0.02)


def test_an_arc_of_cameras_is_never_left() -> None:
    path = turntable(ring(np.linspace(-0.5, 0.8, 9)), frames=50)
    angles = angles_of(path)
    assert angles.min() == pytest.approx(-0.5, abs=0.02)
    assert angles.max() == pytest.approx(0.8, abs=0.02)
    assert np.abs(np.diff(angles)).max() < 0.1


def test_an_arc_across_the_branch_cut_of_the_angle_is_one_arc() -> None:
    angles = angles_of(turntable(ring(np.pi + np.linspace(-0.3, 0.3, 7)), frames=40))
    assert np.abs(angles).min() > np.pi - 0.35


def test_every_pose_looks_at_the_focus_with_z_up_in_the_image() -> None:
    poses = ring(np.linspace(0, 6, 20))
    path, focus = turntable(poses, frames=7), focus_point(poses)
    for T in path:
        toward = (focus - T[:3, 3]) / np.linalg.norm(focus - T[:3, 3])
        np.testing.assert_allclose(T[:3, 2], toward, atol=1e-9)
        assert T[2, 1] < 0  # the image's y axis points down
        np.testing.assert_allclose(T[:3, :3].T @ T[:3, :3], np.eye(3), atol=1e-12)


@pytest.mark.parametrize("count", [1, 5])
def test_parallel_axes_have_a_finite_focus_in_front(count: int) -> None:
    poses = np.stack([look_at(np.array([0.1 * i, 0, 0]), np.array([0.1 * i, 5.0, 0.2])) for i in range(count)])
    focus = focus_point(poses)
    assert np.isfinite(focus).all()
    assert (((focus - poses[:, :3, 3]) * poses[:, :3, 2]).sum(1) > 0).all()
    assert np.isfinite(turntable(poses, frames=5)).all()


def test_cameras_straight_above_still_give_a_path() -> None:
    above = np.stack([look_at(TARGET + np.array([0, 0, h]), TARGET, up=(1.0, 0.0, 0.0)) for h in (1.0, 1.5)])
    path = turntable(above, frames=8)
    assert np.isfinite(path).all()
    assert (path[:, 2, 3] > TARGET[2] + 0.5).all()


def test_nothing_to_turn_around_is_an_error() -> None:
    with pytest.raises(InputError, match="0 poses"):
        turntable(np.zeros((0, 4, 4)))


def test_frames_are_bytes_of_the_cameras_size() -> None:
    poses = turntable(ring(np.linspace(0, 6, 12)), frames=2)
    frames = list(draw(random_splats(20), pinhole(21, 13, 20, 20, 10, 6), poses, backend="torch"))
    assert [(frame.shape, frame.dtype) for frame in frames] == [((13, 21, 3), np.uint8)] * 2
    assert torch.from_numpy(frames[0]).float().std() > 0
