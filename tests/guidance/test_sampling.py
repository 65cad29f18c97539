"""Samples of the exact denoiser are what it holds."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.sampling import sampled
from tests.guidance.conftest import made, sides, things


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["epsilon", "v", "sample"])
def test_a_prompt_and_a_view_give_their_picture(eta: float, kind):
    prior, views = made(kind, spread=0.01), sides()
    condition, nothing = prior.condition(["red"], views), prior.condition([""] * 4, None)
    found = sampled(prior, condition, nothing, steps=30, eta=eta, scale=1.0, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(prior.decode(found), things(views)[:, 0], rtol=0, atol=0.05)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_samples_spread_as_the_gaussian_they_are_from(eta: float):
    """A single mode with s = 0.3: the spread about its mean, in many steps."""
    prior = AnalyticPrior(["red"], lambda views: things(views)[:, :1], sides(1), spread=0.3)
    condition = prior.condition(["red"] * 64, None)
    generator = torch.Generator().manual_seed(0)
    found = sampled(prior, condition, condition, steps=1000, eta=eta, scale=1.0, generator=generator)
    away = found - prior.encode(things(sides(1))[:, 0])
    assert float(away.std()) == pytest.approx(0.3, rel=0.03)
    assert float(away.mean()) == pytest.approx(0.0, abs=0.01)


def test_the_same_seed_gives_the_same_picture(prior: AnalyticPrior):
    condition, nothing = prior.condition(["red"], sides()), prior.condition([""] * 4, None)
    first, second = (
        sampled(prior, condition, nothing, steps=5, eta=1.0, generator=torch.Generator().manual_seed(7))
        for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize(("steps", "eta"), [(0, 0.0), (2000, 0.0), (10, 1.5)])
def test_impossible_steps_are_refused(prior: AnalyticPrior, steps: int, eta: float):
    with pytest.raises(InputError, match="sampling"):
        sampled(prior, prior.condition(["red"], sides()), prior.condition([""] * 4, None), steps=steps, eta=eta)
