"""Noise schedules against their published ends, and the three predictions against each other."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.schedule import NoiseSchedule

SCHEDULES = {
    "linear": NoiseSchedule.linear(),
    "scaled": NoiseSchedule.scaled_linear(),
    "cosine": NoiseSchedule.cosine(),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_signal_and_noise_are_the_legs_of_a_unit_triangle(name: str):
    t = torch.arange(0, 1000, 37)
    schedule = SCHEDULES[name]
    torch.testing.assert_close(schedule.signal(t) ** 2 + schedule.noise(t) ** 2, torch.ones(len(t), 1, 1, 1))


def test_stable_diffusions_schedule_ends_where_its_own_does():
    """√ᾱ of the last timestep is 0.0682648, as its scheduler has it."""
    assert float(SCHEDULES["scaled"].signal(torch.tensor([999]))) == pytest.approx(0.06826481, rel=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v", "sample"])
def test_noise_and_picture_come_back_from_each_kind_of_prediction(kind):
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 5, 3, 4, 4, generator=generator, dtype=torch.float64)
    t = torch.tensor([1, 200, 500, 800, 990])
    schedule = NoiseSchedule(SCHEDULES["linear"].alphas_cumprod.double())
    x_t = schedule.noised(x0, noise, t)
    predicted = schedule.target(x0, noise, t, kind)
    torch.testing.assert_close(schedule.epsilon(x_t, predicted, t, kind), noise, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(schedule.sample(x_t, predicted, t, kind), x0, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("levels", [[0.5], [0.1, 0.9], [2.0, 1.0], [[0.9, 0.1]]])
def test_what_is_no_schedule_is_refused(levels):
    with pytest.raises(InputError, match="alphas_cumprod"):
        NoiseSchedule(torch.tensor(levels))
