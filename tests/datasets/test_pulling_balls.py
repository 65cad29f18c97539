"""Balls that pull at each other keep what a closed system keeps, and follow their closed form."""

import math

import pytest
import torch

from scenekit.datasets.pulling_balls import Balls
from scenekit.errors import InputError


@pytest.mark.parametrize("coordinates", [2, 3])
def test_the_centre_of_mass_stays_and_energy_does_not_drift(coordinates: int):
    law = Balls(coordinates=coordinates, dt=0.05)
    places = law.recordings(20, 400, generator=torch.Generator().manual_seed(0)).double()
    assert float(places.mean(2).abs().max()) < 1e-3
    velocity = (places[:, 2:] - places[:, :-2]) / (2 * law.dt)
    length = (places[:, 1:-1, :, None] - places[:, 1:-1, None]).norm(dim=-1)
    stretch = (length - law.rest) * (1 - torch.eye(law.count))
    energy = 0.5 * velocity.square().sum((-1, -2)) + 0.25 * law.stiffness * stretch.square().sum((-1, -2))
    drift = (energy[:, -50:].mean(1) - energy[:, :50].mean(1)).abs() / energy.mean(1)
    assert float(drift.max()) < 0.03


def test_two_balls_on_a_spring_without_length_swing_as_the_textbook_says():
    law = Balls(count=2, rest=0.0, stiffness=2.0, dt=0.1)
    first = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]], dtype=torch.float64)
    angle = 2 * math.asin(law.dt * math.sqrt(2 * law.stiffness) / 2)  # of the discrete oscillator, each step
    history = torch.stack([first, first * math.cos(angle)], 1)
    swing = law.after(history, 30)[0, :, 0, 0]
    assert torch.allclose(swing, torch.cos(angle * torch.arange(2, 32, dtype=torch.float64)), atol=1e-9)


def test_steps_too_large_to_be_stable_are_refused():
    with pytest.raises(InputError, match="balls"):
        Balls(dt=1.5)
    with pytest.raises(InputError, match="balls"):
        Balls(coordinates=1)
