"""A tiny known scene, photographed from a ring of cameras."""

from math import cos, sin

import numpy as np
import pytest
import torch

from scenekit.cameras import inverse_pose, look_at
from scenekit.capture.views import View
from scenekit.render.splats import rasterization
from scenekit.splats import random_splats

WIDTH, HEIGHT = 40, 32


def photograph(splats, T_world_cam, name):
    """A view of the splats over black, drawn by the plain twin, which any machine has."""
    K = torch.tensor([[40.0, 0, 20], [0, 40, 16], [0, 0, 1]])
    viewmat = torch.from_numpy(inverse_pose(T_world_cam)).float()
    image, _, _ = rasterization(
        splats.means,
        splats.quats,
        splats.scales,
        splats.opacities,
        splats.sh,
        viewmat[None],
        K[None],
        WIDTH,
        HEIGHT,
        sh_degree=splats.sh_degree,
        backend="torch",
    )
    return View(name, (image[0].clamp(0, 1) * 255).round().to(torch.uint8), K, viewmat, points=splats.means)


@pytest.fixture(scope="session")
def views():
    """Nine views of 60 Gaussians."""
    truth = random_splats(60, degree=0, extent=0.7, scale=0.15, seed=3)
    angles = np.linspace(0, 2 * np.pi, 10)[:-1]
    eyes = [np.array([3 * cos(a), 3 * sin(a), 1.0]) for a in angles]
    return [photograph(truth, look_at(eye, np.zeros(3)), f"{i}.png") for i, eye in enumerate(eyes)]


@pytest.fixture
def start():
    """Where fits start: other Gaussians than the true ones."""
    return random_splats(100, degree=1, extent=0.7, scale=0.1, seed=1)
