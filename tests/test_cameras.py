"""Lens models, with pycolmap's as the other program."""

import numpy as np
import pycolmap
import pytest

from scenekit.cameras import (
    PARAMS,
    Camera,
    inverse_pose,
    look_at,
    pinhole,
    quaternion_from_rotation,
    rotation_from_quaternion,
)
from scenekit.errors import InputError

COEFFICIENTS = {
    "k1": -0.12,
    "k2": 0.05,
    "k3": -0.01,
    "k4": 0.004,
    "k5": 0.01,
    "k6": -0.002,
    "p1": 0.003,
    "p2": -0.002,
    "f": 500.0,
    "fx": 500.0,
    "fy": 520.0,
    "cx": 322.0,
    "cy": 238.0,
}


def lens(model: str) -> Camera:
    """A plainly distorted lens of this model."""
    return Camera(model, 640, 480, tuple(COEFFICIENTS[p] for p in PARAMS[model]))


def some_points() -> np.ndarray:
    """Points in front of the camera, up to 35° off its axis."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.uniform(-0.5, 0.5, (200, 2)), np.ones((200, 1))], 1) * rng.uniform(0.5, 9, (200, 1))


@pytest.mark.parametrize("model", sorted(PARAMS))
def test_projection_is_colmaps(model):
    camera, points = lens(model), some_points()
    theirs = pycolmap.Camera(model=model, width=640, height=480, params=camera.params)
    np.testing.assert_allclose(camera.project(points), theirs.img_from_cam(points), atol=1e-9)


@pytest.mark.parametrize("model", sorted(PARAMS))
def test_unproject_inverts_project(model):
    camera, points = lens(model), some_points()
    np.testing.assert_allclose(camera.unproject(camera.project(points)), points / points[:, 2:], atol=1e-9)


@pytest.mark.parametrize("model", sorted(PARAMS))
def test_a_resized_lens_sees_the_same_rays(model):
    """Both sides scaled alike, so that one focal length stays right."""
    camera, points = lens(model), some_points()
    np.testing.assert_allclose(camera.resized(320, 240).project(points), camera.project(points) / 2, atol=1e-9)


def test_only_lenses_without_distortion_are_pinholes():
    assert {m for m in PARAMS if lens(m).is_pinhole} == {"SIMPLE_PINHOLE", "PINHOLE"}
    assert Camera("OPENCV", 640, 480, (500, 500, 320, 240, 0, 0, 0, 0)).is_pinhole


@pytest.mark.parametrize(
    ("model", "size", "params", "message"),
    [
        ("FOV", (640, 480), (1.0,), "one of SIMPLE_PINHOLE"),
        ("PINHOLE", (640, 480), (1.0, 2.0), "fx, fy, cx, cy"),
        ("PINHOLE", (0, 480), (500, 500, 320, 240), "0x480"),
        ("PINHOLE", (640, 10**6), (500, 500, 320, 240), "65535"),
        ("PINHOLE", (640, 480), (500, np.nan, 320, 240), "finite"),
        ("PINHOLE", (640, 480), (500, -1, 320, 240), "positive"),
    ],
)
def test_an_impossible_lens_is_an_error(model, size, params, message):
    with pytest.raises(InputError, match=message):
        Camera(model, *size, params)


def test_look_at_puts_the_target_in_the_middle_and_up_upwards():
    eye, target = np.array([1.0, -2.0, 1.5]), np.array([0.2, 0.3, 0.1])
    T_cam_world = inverse_pose(look_at(eye, target))
    camera = pinhole(640, 480, 500, 500, 320, 240)

    def seen(point: np.ndarray) -> np.ndarray:
        return camera.project((T_cam_world[:3, :3] @ point + T_cam_world[:3, 3])[None])[0]

    np.testing.assert_allclose(seen(target), [320, 240], atol=1e-9)
    above = seen(target + np.array([0, 0, 0.1]))
    assert above[1] < 240 and abs(above[0] - 320) < 1e-9


def test_quaternions_and_rotations_are_inverse():
    rng = np.random.default_rng(0)
    for quat in [*rng.normal(size=(100, 4)), np.array([0.0, 1, 0, 0]), np.array([1e-9, 0, 0, 1])]:
        R = rotation_from_quaternion(quat)
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(rotation_from_quaternion(quaternion_from_rotation(R)), R, atol=1e-12)
        theirs = pycolmap.Rotation3d(np.roll(quat / np.linalg.norm(quat), -1)).matrix()
        np.testing.assert_allclose(R, theirs, atol=1e-12)


def test_inverse_pose_is_the_matrix_inverse():
    T = look_at(np.array([1.0, 2, 3]), np.zeros(3))
    np.testing.assert_allclose(
        inverse_pose(np.stack([T, np.eye(4)])), np.linalg.inv(np.stack([T, np.eye(4)])), atol=1e-12
    )
