"""Up and scale of a scene."""

import numpy as np
import pytest

from scenekit.cameras import look_at, rotation_from_quaternion
from scenekit.capture.level import TYPICAL_DISTANCE, levelling, moved_pose, up_direction


def orbit(count: int = 12, *, height: float = 1.0) -> np.ndarray:
    """Level cameras on a circle that look down at the origin."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([look_at(np.array([3 * np.cos(a), 3 * np.sin(a), height]), np.zeros(3)) for a in angles])


def turned(Ts: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same cameras in an arbitrary frame, and the rotation that led there."""
    R = rotation_from_quaternion(np.random.default_rng(seed).normal(size=4))
    G = np.eye(4)
    G[:3, :3] = R
    return G @ Ts, R


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("height", [0.0, 1.0, 2.5])
def test_up_of_an_orbit_is_its_axis(seed, height):
    Ts, R = turned(orbit(height=height), seed)
    np.testing.assert_allclose(up_direction(Ts[:, :3, :3])[0], R[:, 2], atol=1e-9)


def test_up_of_one_sided_photos_from_above_is_the_axis_they_are_level_about():
    """Their mean up leans towards the scene by the pitch; the level axis does not."""
    Ts, R = turned(orbit(40, height=1.5)[:14], 1)
    up, _ = up_direction(Ts[:, :3, :3])
    mean_up = -Ts[:, :3, 1].mean(0)
    assert up @ R[:, 2] > 1 - 1e-9 and mean_up / np.linalg.norm(mean_up) @ R[:, 2] < 0.99


def test_up_of_photos_that_hardly_turn_is_their_mean_up():
    Ts = np.stack([look_at(np.array([x, -3.0, 0.0]), np.array([x, 0.0, 0.0])) for x in (0.0, 0.1, 0.2)])
    up, how = up_direction(Ts[:, :3, :3])
    np.testing.assert_allclose(up, [0, 0, 1], atol=1e-9)
    assert "mean" in how


@pytest.mark.parametrize("seed", range(3))
def test_a_levelled_scene_is_upright_centred_and_of_a_plausible_size(seed):
    Ts, R = turned(orbit(), seed)
    middle = R @ np.array([0.3, -0.2, 0.1])
    distances = np.array([4.0, 8.0, 12.0])
    T, note = levelling(Ts[:, :3, :3], Ts[:, :3, 3], distances, middle)
    np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, (TYPICAL_DISTANCE / 8) ** 2 * np.eye(3), atol=1e-12)
    np.testing.assert_allclose(T @ [*middle, 1], [0, 0, 0, 1], atol=1e-12)
    ups = np.stack([-moved_pose(T, T_world_cam)[:3, 1] for T_world_cam in Ts])
    np.testing.assert_allclose(ups.mean(0)[:2], 0, atol=1e-9)
    assert (ups[:, 2] > 0).all() and note.endswith(".")


def test_a_moved_pose_sees_the_moved_world_as_before():
    """Camera coordinates of a point change only by the scale."""
    Ts, _ = turned(orbit(), 4)
    T, _ = levelling(Ts[:, :3, :3], Ts[:, :3, 3], np.array([7.0]), np.array([0.1, 0.2, 0.3]))
    point = np.array([0.4, -0.5, 0.6, 1.0])
    before = np.linalg.inv(Ts[0]) @ point
    after = np.linalg.inv(moved_pose(T, Ts[0])) @ (T @ point)
    np.testing.assert_allclose(after[:3], TYPICAL_DISTANCE / 7 * before[:3], atol=1e-12)


def test_photos_whose_ups_cancel_keep_a_frame():
    Rs = np.stack([np.eye(3), np.diag([-1.0, -1.0, 1.0])])
    up, how = up_direction(Rs)
    assert np.linalg.norm(up) == 1.0 and "cancel" in how


def test_up_side_down_scenes_are_turned_by_half_a_turn():
    Ts = orbit()
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    T, _ = levelling((flip @ Ts)[:, :3, :3], (flip @ Ts)[:, :3, 3], np.array([2.0]), np.zeros(3))
    np.testing.assert_allclose(T[:3, :3] @ [0, 0, -1], [0, 0, 1], atol=1e-9)
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1.0)
