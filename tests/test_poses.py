"""Poses: the axioms of a group, and what is no pose."""

import numpy as np
import pytest

from scenekit.errors import InputError
from scenekit.poses import Pose


def pose(seed: int) -> Pose:
    rng = np.random.default_rng(seed)
    quat = rng.normal(size=4)
    return Pose(tuple(rng.normal(size=3)), tuple(quat / np.linalg.norm(quat)))


def same(a: Pose, b: Pose) -> None:
    np.testing.assert_allclose(a.matrix, b.matrix, atol=1e-12)


def test_poses_are_a_group():
    for seed in range(20):
        a, b, c = pose(seed), pose(seed + 50), pose(seed + 100)
        same((a @ b) @ c, a @ (b @ c))
        same(a @ a.inverse(), Pose())
        same(a.inverse() @ a, Pose())
        assert a @ Pose() == a == Pose() @ a
        np.testing.assert_allclose((a @ b).matrix, a.matrix @ b.matrix, atol=1e-12)


def test_a_pose_is_its_matrix():
    for seed in range(20):
        np.testing.assert_allclose(Pose.from_matrix(pose(seed).matrix).matrix, pose(seed).matrix, atol=1e-12)


def test_equal_poses_are_equal_and_numbers_are_plain():
    assert Pose((np.float32(1), 2, 3)) == Pose((1.0, 2.0, 3.0))
    assert all(type(value) is float for value in Pose((np.float64(1), 2, 3)).position)


@pytest.mark.parametrize(
    ("position", "quat"),
    [
        ((0, 0), (1, 0, 0, 0)),
        ((0, 0, float("nan")), (1, 0, 0, 0)),
        ((0, 0, 0), (0, 0, 0, 0)),
        ((0, 0, 0), (1, 1, 0, 0)),
        ((0, 0, 0), (float("inf"), 0, 0, 0)),
    ],
)
def test_what_is_no_pose_is_refused(position, quat):
    with pytest.raises(InputError, match=r"pose\."):
        Pose(position, quat)


@pytest.mark.parametrize("matrix", [2 * np.eye(4), np.diag([-1.0, 1, 1, 1]), np.eye(3), np.full((4, 4), np.nan)])
def test_a_matrix_that_is_not_rigid_is_refused(matrix):
    with pytest.raises(InputError, match="rigid"):
        Pose.from_matrix(matrix)
