"""A room's corner of known geometry, rendered in the test, and photos of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from scenekit.cameras import Camera, look_at


class Room:
    """The planes x = −2, y = 2 and z = 0, each with its own texture."""

    lens = Camera("SIMPLE_RADIAL", 320, 240, (280.0, 160.0, 120.0, -0.05))
    corner = np.array([-2.0, 2.0, 0.0])

    def __init__(self) -> None:
        self.textures = [_texture(seed) for seed in (1, 2, 3)]

    def photo(self, T_world_cam: np.ndarray) -> np.ndarray:
        """What a camera sees, shape (240, 320)."""
        width, height = self.lens.width, self.lens.height
        pixels = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1).reshape(-1, 2)
        rays = self.lens.unproject(pixels) @ T_world_cam[:3, :3].T
        eye, nearest, grey = T_world_cam[:3, 3], np.full(len(rays), np.inf), np.zeros(len(rays))
        for axis, texture in enumerate(self.textures):
            with np.errstate(divide="ignore"):
                distance = (self.corner[axis] - eye[axis]) / rays[:, axis]
            hit = (distance > 0) & (distance < nearest)
            where = np.delete(eye + distance[hit, None] * rays[hit], axis, 1)
            grey[hit] = map_coordinates(texture, (where * 100).T, order=1, mode="grid-wrap")
            nearest[hit] = distance[hit]
        return grey.clip(0, 255).astype(np.uint8).reshape(height, width)

    def poses(self, count: int = 7) -> np.ndarray:
        """Cameras on an arc in front of the corner, shape (count, 4, 4)."""
        angles = np.linspace(-0.9, 0.1, count)
        eyes = [np.array([1.5 * np.cos(a) - 0.3, 1.8 * np.sin(a) + 0.2, 1.2 + 0.1 * np.sin(9 * a)]) for a in angles]
        return np.stack([look_at(eye, np.array([-1.5, 1.3, 0.5])) for eye in eyes])


def _texture(seed: int) -> np.ndarray:
    """Noise with detail at several scales, shape (512, 512)."""
    rng = np.random.default_rng(seed)
    layers = [gaussian_filter(rng.normal(size=(512, 512)), s, mode="wrap") * s for s in (1.5, 4.0, 10.0)]
    image = sum(layers)
    return 128 + 60 * image / image.std()


@pytest.fixture(scope="session")
def room() -> Room:
    return Room()


@pytest.fixture(scope="session")
def photos(room, tmp_path_factory) -> Path:
    """A folder of photos of the room, with names that are hard on programs."""
    folder = tmp_path_factory.mktemp("room")
    for i, T_world_cam in enumerate(room.poses()):
        path = folder / ("left side" if i < 3 else "rechts/größe") / f"IMG {i}.{'JPG' if i % 2 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(room.photo(T_world_cam)).save(path, quality=95)
    return folder
