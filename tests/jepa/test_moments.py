"""Moments of tokens, and how surprising they are."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, StudentT

from scenekit.jepa.elements import COLOR, FEATURES, SPREAD, USUAL
from scenekit.jepa.moments import ANSWERS, KINDS, MOMENTS, NU, contrast, moments, surprise
from scenekit.jepa.tokens import TokenConfig, tokenize
from scenekit.splats import random_splats


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_moments_are_mean_and_deviation_in_usual_units_the_radius_and_the_contrast() -> None:
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
        assert float(found[token, -2]) == pytest.approx(wanted, abs=1e-4)
    torch.testing.assert_close(found[:, -1], (contrast(tokens.elements.float()) - 0.046) / 0.045)


def test_contrast_is_the_difference_of_the_colours_of_nearest_elements() -> None:
    elements = torch.randn(3, 20, FEATURES, generator=generator())
    wanted = []
    for token in elements.double():
        apart = (token[:, None, :3] - token[None, :, :3]).norm(dim=-1).fill_diagonal_(math.inf)
        wanted.append((token[:, COLOR] - token[apart.argmin(1), COLOR]).abs().mean())
    torch.testing.assert_close(contrast(elements), torch.stack(wanted).float())


def test_one_element_alone_and_elements_of_one_colour_have_no_contrast() -> None:
    assert contrast(torch.randn(4, 1, FEATURES, generator=generator())).tolist() == [0.0] * 4
    assert (
        contrast(torch.randn(2, 5, FEATURES, generator=generator()) * (torch.arange(FEATURES) < 3)).tolist()
        == [0.0] * 2
    )


def test_surprise_is_the_likelihood_of_a_mixture_of_students_t_less_a_constant() -> None:
    g = generator()
    share = torch.randn(5, KINDS, generator=g, dtype=torch.float64)
    mean, variance = torch.randn(2, 5, KINDS, MOMENTS, generator=g, dtype=torch.float64)
    said = torch.randn(5, MOMENTS, generator=g, dtype=torch.float64)
    found = surprise(torch.cat([share, torch.cat([mean, variance], -1).flatten(-2)], -1), said)
    kinds = Independent(StudentT(NU, mean, (variance / 2).exp()), 1)
    exact = -MixtureSameFamily(Categorical(logits=share), kinds).log_prob(said) / MOMENTS
    constant = -StudentT(torch.tensor(NU, dtype=torch.float64)).log_prob(torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(found.double(), exact - constant, rtol=0, atol=1e-5)


def test_what_is_sure_to_be_has_no_infinite_density() -> None:
    kind = torch.cat([torch.zeros(MOMENTS), torch.full((MOMENTS,), -1e4)])
    sure = torch.cat([torch.zeros(KINDS), kind.repeat(KINDS)])
    assert len(sure) == ANSWERS
    assert float(surprise(sure, torch.zeros(MOMENTS))) == pytest.approx(-3.5)
    assert math.isfinite(float(surprise(sure, torch.full((MOMENTS,), 1e6))))
