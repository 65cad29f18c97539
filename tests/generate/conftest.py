"""A thing whose pictures are known from everywhere: a red ball with a blue cap towards +x, before a studio's grey."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from scenekit.generate.distil import DistilConfig, ShadingSchedule, distil
from scenekit.generate.guide import Guide
from scenekit.generate.representation import Representation
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.distillation import DistillationConfig
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import ViewCameraConfig, ViewCameras, placed

SIDE, RADIUS, CAP = 32, 0.4, 0.2
BEHIND = (0.6, 0.6, 0.6)
CAMERAS = ViewCameraConfig(elevation=(-10, 85), distance=(2.8, 2.8), fov=(36, 36), on_sphere=1.0, height=0.0)


def seen_from(views: Views, side: int = SIDE) -> ViewCameras:
    n = len(views)
    return placed(views, [2.8] * n, [36.0] * n, side, 0.0)


def ball(views: Views) -> Tensor:
    """Its pictures by exact rays, 4 × 4 to a pixel, shape (n, 1, 3, 32, 32)."""
    fine = 4 * SIDE
    poses = torch.from_numpy(seen_from(views).T_world_cam).float()
    at = (torch.arange(fine) + 0.5) / fine * 2 - 1
    x, y = torch.meshgrid(at * math.tan(math.radians(18)), at * math.tan(math.radians(18)), indexing="xy")
    rays = torch.nn.functional.normalize(torch.stack([x, y, torch.ones_like(x)], -1), dim=-1)
    ways, eyes = torch.einsum("nij,hwj->nhwi", poses[:, :3, :3], rays), poses[:, None, None, :3, 3]
    middle = -(ways * eyes).sum(-1)
    inside = RADIUS**2 - (eyes.square().sum(-1) - middle**2)
    points = eyes + (middle - inside.clamp(min=0).sqrt())[..., None] * ways
    color = torch.where((points[..., :1] > CAP), torch.tensor([0.1, 0.2, 0.7]), torch.tensor([0.7, 0.15, 0.1]))
    picture = torch.where(inside[..., None] > 0, color, torch.tensor(BEHIND)).movedim(-1, 1)
    return torch.nn.functional.avg_pool2d(picture, 4)[:, None]


def ball_guide(**numbers: object) -> Guide:
    """It as a prior with one mode; a scale of 1 asks for it as it is."""
    around = Views(torch.arange(4) * math.pi / 2, torch.full((4,), 0.3))
    cached = ball(around)
    prior = AnalyticPrior(["ball"], lambda views: cached if views is around else ball(views), around)
    return Guide(prior, "ball", DistillationConfig(**({"scale": 1.0} | numbers)))  # type: ignore[arg-type]


def run_config(**numbers: object) -> DistilConfig:
    fixed = {"steps": 6, "views": 2, "side": SIDE, "save_every": 3, "show_every": 3, "record_every": 3}
    looks = {"cameras": CAMERAS, "shading": ShadingSchedule(plain=1.0), "background": BEHIND}
    return DistilConfig(**(fixed | looks | numbers))  # type: ignore[arg-type]


def check_that_a_resumed_run_ends_with_the_same_bits(made: Callable[[], Representation], folder: Path) -> None:
    """A run that is stopped when it first shows its pictures and goes on, beside one that is not."""
    whole, first, second = made(), made(), made()
    distil(whole, ball_guide(), run_config(), progress=False)

    def stop(step: int, _: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(first, ball_guide(), run_config(), folder=folder, progress=False, on_show=stop)
    distil(second, ball_guide(), run_config(), folder=folder, progress=False)
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name


@pytest.fixture
def guide() -> Guide:
    return ball_guide()
