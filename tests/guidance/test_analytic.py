"""The exact denoiser against numerical integration and its own limits."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.prior import Views
from scenekit.guidance.schedule import NoiseSchedule
from tests.guidance.conftest import made, sides, things


def test_the_denoiser_is_the_posterior_mean_of_numerical_integration():
    """One pixel of one channel, two modes: E[x₀ | x_t] by a sum over a fine grid of x₀."""
    values, spread = torch.tensor([0.3, 0.8]), 0.2
    prior = AnalyticPrior(
        ["low", "high"], lambda views: values[None, :, None, None, None].expand(len(views), -1, -1, -1, -1),
        Views(torch.zeros(1), torch.zeros(1)), spread=spread, prediction="sample",
    )  # fmt: skip
    t, grid = torch.tensor([150, 400, 700]), torch.linspace(-4, 4, 20001, dtype=torch.float64)
    x_t = torch.tensor([0.1, -0.3, 0.5])[:, None, None, None]
    found = prior.predict(x_t, t, prior.condition([""] * 3, None)).flatten()
    density = sum(torch.exp(-((grid - mean) ** 2) / (2 * spread**2)) for mean in (2 * values - 1).double())
    for i in range(3):
        a, b = prior.schedule.signal(t[i : i + 1]).double(), prior.schedule.noise(t[i : i + 1]).double()
        posterior = density * torch.exp(-((x_t[i].double() - a * grid) ** 2) / (2 * b**2)).flatten()
        assert float(found[i]) == pytest.approx(float((posterior * grid).sum() / posterior.sum()), abs=1e-5)


@pytest.mark.parametrize("kind", ["epsilon", "v", "sample"])
def test_all_kinds_of_prediction_mean_the_same_noise(kind):
    x_t, t = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.tensor([50, 300, 600, 950])
    found, plain = made(kind), made("epsilon")
    condition = plain.condition(["red"], sides())
    noise = found.schedule.epsilon(x_t, found.predict(x_t, t, condition), t, kind)
    torch.testing.assert_close(noise, plain.predict(x_t, t, condition), rtol=1e-5, atol=1e-5)


def test_a_prompt_and_a_view_leave_one_picture():
    prior = made("sample", spread=1e-3)
    views = sides()
    t = torch.full((4,), 500)
    x_t = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    clean = prior.decode(prior.predict(x_t, t, prior.condition(["blue"], views)))
    torch.testing.assert_close(clean, things(views)[:, 1], rtol=0, atol=1e-4)


def test_nearly_clean_pictures_stay_as_they_are():
    schedule = NoiseSchedule(torch.tensor([1 - 1e-7, 0.5]))
    prior = AnalyticPrior(["red", "blue"], things, sides(), schedule=schedule, prediction="sample")
    picture = prior.encode(things(sides())[:, 0])
    clean = prior.predict(picture, torch.zeros(4, dtype=torch.long), prior.condition([""] * 4, None))
    torch.testing.assert_close(clean, picture, rtol=0, atol=1e-3)


def test_words_it_does_not_know_are_answered_with_those_it_does(prior: AnalyticPrior):
    with pytest.raises(InputError, match="red, blue"):
        prior.condition(["a dragon"], sides())
