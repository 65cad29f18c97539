"""nerfstudio's cameras and ours see the same."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at
from scenekit.errors import InputError
from scenekit.nerfstudio.cameras import colors_of, lens_of, opencv_pose, opengl_pose, view_of


def camera(pose: torch.Tensor, **changes: object) -> SimpleNamespace:
    values = {name: torch.tensor([[v]]) for name, v in {"fx": 40.0, "fy": 41.0, "cx": 20.5, "cy": 15.0}.items()}
    values |= {"width": torch.tensor([[40]]), "height": torch.tensor([[30]]), "camera_to_worlds": pose[None]}
    return SimpleNamespace(**{**values, "distortion_params": None, **changes})


def test_poses_come_back() -> None:
    T = look_at(np.array([1.0, 2, 3]), np.zeros(3))
    np.testing.assert_allclose(opencv_pose(opengl_pose(T)), T, atol=1e-6)


def test_a_point_ahead_lies_on_nerfstudios_minus_z_and_above_is_plus_y() -> None:
    T = look_at(np.array([0.0, -4, 0]), np.zeros(3))  # along +y, Z up
    pose = opengl_pose(T)
    in_camera = pose[:, :3].T @ (torch.tensor([0.0, 0, 1]) - pose[:, 3])
    torch.testing.assert_close(in_camera, torch.tensor([0.0, 1, -4]), rtol=0, atol=1e-6)


def test_a_view_has_the_lens_the_pose_and_the_mask() -> None:
    T = look_at(np.array([0.0, -4, 1]), np.zeros(3))
    mask = torch.zeros(30, 40, 1, dtype=torch.bool)
    image = torch.randint(0, 256, (30, 40, 3), dtype=torch.uint8)
    view = view_of(camera(opengl_pose(T)), {"image": image, "mask": mask}, name="a", background="black")
    assert torch.equal(view.image, image) and view.mask is not None and not view.mask.any()
    np.testing.assert_allclose(view.viewmat.numpy() @ T, np.eye(4), atol=1e-6)
    assert view.K.tolist() == [[40.0, 0, 20.5], [0, 41.0, 15.0], [0, 0, 1]]


def test_transparent_pixels_show_what_is_behind() -> None:
    half = torch.tensor([200, 100, 0, 128], dtype=torch.uint8).expand(2, 2, 4)
    shown = colors_of({"image": half}, torch.ones(3))[0, 0]
    expected = torch.tensor([200, 100, 0]) / 255 * 128 / 255 + (1 - 128 / 255)
    torch.testing.assert_close(shown, expected)
    torch.testing.assert_close(colors_of({"image": half.float() / 255}, torch.ones(3))[0, 0], expected)


def test_a_lens_with_distortion_is_refused() -> None:
    with pytest.raises(InputError, match="distortion"):
        lens_of(camera(torch.eye(4)[:3], distortion_params=torch.tensor([[0.1, 0, 0, 0, 0, 0]])))
