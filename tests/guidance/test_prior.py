"""Classifier-free guidance: both conventions, and Perp-Neg against its definition."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.prior import Condition, guidance_weight, guided_epsilon, perpendicular
from tests.guidance.conftest import sides


def asked(prior: AnalyticPrior) -> tuple[torch.Tensor, torch.Tensor, Condition, Condition, Condition]:
    generator = torch.Generator().manual_seed(3)
    x_t, t = torch.randn(4, 3, 8, 8, generator=generator), torch.tensor([100, 300, 600, 900])
    return (
        x_t,
        t,
        prior.condition(["red"], sides()),
        prior.condition([""] * 4, None),
        prior.condition(["blue"], sides()),
    )


def test_a_hundred_from_the_prompt_is_a_hundred_and_one_from_nothing(prior: AnalyticPrior):
    x_t, t, red, nothing, _ = asked(prior)
    first = guided_epsilon(prior, x_t, t, red, nothing, scale=100, convention="cond")
    second = guided_epsilon(prior, x_t, t, red, nothing, scale=101, convention="uncond")
    assert torch.equal(first, second)


def test_guidance_is_its_formula(prior: AnalyticPrior):
    x_t, t, red, nothing, _ = asked(prior)
    with_words, without = prior.predict(x_t, t, red), prior.predict(x_t, t, nothing)
    for scale in (0.0, 1.0, 7.5):
        expected = without + scale * (with_words - without)
        torch.testing.assert_close(
            guided_epsilon(prior, x_t, t, red, nothing, scale=scale), expected, rtol=1e-5, atol=1e-5
        )
        expected = with_words + scale * (with_words - without)
        found = guided_epsilon(prior, x_t, t, red, nothing, scale=scale, convention="cond")
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_perp_neg_takes_away_only_what_is_perpendicular_to_the_prompt(prior: AnalyticPrior):
    x_t, t, red, nothing, blue = asked(prior)
    without = prior.predict(x_t, t, nothing)
    towards, away = prior.predict(x_t, t, red) - without, prior.predict(x_t, t, blue) - without
    weights = torch.tensor([-1.0, -0.5, 0.0, -2.0])
    found = guided_epsilon(prior, x_t, t, red, nothing, scale=2.0, negatives=[(blue, weights)])
    expected = without + 2 * (towards + weights[:, None, None, None] * perpendicular(away, towards))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    dots = (perpendicular(away, towards) * towards).sum((1, 2, 3))
    assert float(dots.abs().max()) < 1e-5 * float((towards**2).sum((1, 2, 3)).max())


def test_an_unknown_convention_is_answered():
    with pytest.raises(InputError, match="uncond or cond"):
        guidance_weight(7.5, "both")  # type: ignore[arg-type]
