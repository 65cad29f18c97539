"""A prior whose every answer is known: two things, seen from four sides, of 8×8 pixels."""

import math

import pytest
import torch
from torch import Tensor

from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.prior import Views
from scenekit.guidance.schedule import Prediction

SIDE = 8


def sides(count: int = 4) -> Views:
    return Views(torch.arange(count) * 2 * math.pi / count, torch.zeros(count))


def things(views: Views) -> Tensor:
    """A red and a blue ramp whose brighter end turns with the azimuth, shape (n, 2, 3, 8, 8)."""
    x, y = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="xy")
    way = views.azimuth.float()[:, None, None]
    ramp = 0.5 + 0.35 * (x * way.cos() + y * way.sin()) / math.sqrt(2)
    dark = torch.full_like(ramp, 0.1)
    return torch.stack([torch.stack([ramp, dark, dark], 1), torch.stack([dark, dark, ramp], 1)], 1)


def made(prediction: Prediction = "epsilon", spread: float = 0.1) -> AnalyticPrior:
    return AnalyticPrior(["red", "blue"], things, sides(), spread=spread, prediction=prediction)


@pytest.fixture
def prior() -> AnalyticPrior:
    return made()
