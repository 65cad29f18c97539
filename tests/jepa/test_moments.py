"""Moments of tokens, and how surprising they are."""

import math

import pytest
import torch
from torch.distributions import StudentT

from scenekit.jepa.elements import COLOR, FEATURES, SPREAD, USUAL
from scenekit.jepa.moments import MOMENTS, NU, moments, surprise
from scenekit.jepa.tokens import TokenConfig, tokenize
from scenekit.splats import random_splats


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_moments_are_mean_and_deviation_in_usual_units_and_the_radius() -> None:
    config = TokenConfig(count=16, neighbours=8, elements=256)
    tokens = tokenize(random_splats(2000), config, generator=generator())
    found = moments(tokens)
    assert found.shape == (16, MOMENTS)
    for token in (0, 9):
        for number in (0, 7, COLOR.start):
            values = tokens.elements[token, :, number].double().numpy()
            mean, deviation = (values.mean() - USUAL[number]) / SPREAD[number], values.std() / SPREAD[number]
            assert float(found[token, number]) == pytest.approx(mean, abs=1e-4)
            assert float(found[token, FEATURES + number]) == pytest.approx(deviation, abs=1e-4)
        wanted = (math.log(float(tokens.radii[token])) + 1.6) / 0.3
        assert float(found[token, -1]) == pytest.approx(wanted, abs=1e-4)


def test_surprise_is_the_likelihood_of_students_t_less_a_constant() -> None:
    g = generator()
    mean, variance, said = torch.randn(3, 5, MOMENTS, generator=g, dtype=torch.float64)
    found = surprise(torch.cat([mean, variance], -1), said)
    exact = -StudentT(NU, mean, (variance / 2).exp()).log_prob(said).mean(-1)
    constant = -StudentT(torch.tensor(NU, dtype=torch.float64)).log_prob(torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(found.double(), exact - constant, rtol=0, atol=1e-5)


def test_what_is_sure_to_be_has_no_infinite_density() -> None:
    sure = torch.cat([torch.zeros(1, MOMENTS), torch.full((1, MOMENTS), -1e4)], -1)
    assert float(surprise(sure, torch.zeros(1, MOMENTS))) == -3.5
    assert math.isfinite(float(surprise(sure, torch.full((1, MOMENTS), 1e6))))
