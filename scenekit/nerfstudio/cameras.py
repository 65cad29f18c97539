"""nerfstudio's cameras and pictures as ours, and back. Its cameras look along −z with +y up (OpenGL), ours along +z.

nerfstudio's classes are handled by their fields alone, so that this module does not import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose, pinhole
from scenekit.capture.capture import Photo
from scenekit.capture.views import View
from scenekit.errors import InputError

GRAY = {"black": 0.0, "white": 1.0, "random": 0.0}
"""What lies behind pictures of a fit with each kind of background, where they are looked at."""


def opencv_pose(camera_to_world: Tensor) -> Array:
    """nerfstudio's camera to world, shape (3, 4), as our T_world_cam, float64, shape (4, 4)."""
    T = np.eye(4)
    T[:3] = camera_to_world.detach().cpu().double().numpy()
    return T * [1.0, -1.0, -1.0, 1.0]


def opengl_pose(T_world_cam: Array) -> Tensor:
    """Our T_world_cam, shape (4, 4), as nerfstudio's camera to world, float32, shape (3, 4)."""
    return torch.from_numpy((T_world_cam * [1.0, -1.0, -1.0, 1.0])[:3].astype(np.float32))


def lens_of(camera: Any) -> Camera:
    """The pinhole of one of nerfstudio's cameras, a batch of one or of none.

    Raises:
        InputError: If it has distortion, which nerfstudio's full-image data managers take out.
    """
    distortion = camera.distortion_params
    if distortion is not None and bool((distortion != 0).any()):
        raise InputError("camera", got=f"distortion {distortion.flatten().tolist()}", wanted="a pinhole camera")
    fx, fy, cx, cy, width, height = (float(getattr(camera, f)) for f in ("fx", "fy", "cx", "cy", "width", "height"))
    return pinhole(int(width), int(height), fx, fy, cx, cy)


def view_of(camera: Any, batch: Mapping[str, Tensor], *, name: str, background: str) -> View:
    """A camera and what its data manager gives for it as one of our views.

    Args:
        camera: One of nerfstudio's cameras.
        batch: `image`, uint8 or 0..1, shape (h, w, 3 or 4); `mask`, false where a pixel does not count, (h, w, 1).
        name: What to call it.
        background: Of the fit: what transparent pixels show.
    """
    lens = lens_of(camera)
    colors = colors_of(batch, torch.full((3,), GRAY[background]))
    mask = batch["mask"].cpu()[..., 0].bool() if "mask" in batch else None
    return View(
        name,
        (colors * 255).round().to(torch.uint8),
        torch.from_numpy(lens.K).float(),
        torch.from_numpy(inverse_pose(opencv_pose(camera.camera_to_worlds.reshape(3, 4)))).float(),
        mask,
    )


def colors_of(batch: Mapping[str, Tensor], behind: Tensor) -> Tensor:
    """The picture of a batch over a colour, shape (3,), which shows where it is transparent: 0..1, shape (h, w, 3)."""
    image = batch["image"].to(behind.device)
    image = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    if image.shape[-1] == 3:
        return image
    return image[..., :3] * image[..., 3:] + behind * (1 - image[..., 3:])


def camera_fields(photos: list[Photo], *, middle: Array, scale: float) -> dict[str, Tensor]:
    """The arguments of nerfstudio's `Cameras` for undistorted photos in the world x' = scale · (x − middle)."""
    poses = torch.stack([opengl_pose(photo.T_world_cam) for photo in photos])
    poses[:, :, 3] = (poses[:, :, 3] - torch.from_numpy(middle).float()) * scale
    columns = {name: [[float(getattr(photo.camera, name))] for photo in photos] for name in ("fx", "fy", "cx", "cy")}
    sizes = {name: [[getattr(photo.camera, name)] for photo in photos] for name in ("width", "height")}
    return (
        {"camera_to_worlds": poses}
        | {name: torch.tensor(values, dtype=torch.float32) for name, values in columns.items()}
        | {name: torch.tensor(values, dtype=torch.int64) for name, values in sizes.items()}
    )
