"""Score distillation against its formulas, and against a target it must reach."""

import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.distillation import DistillationConfig, distilled, timesteps, weight
from scenekit.guidance.prior import Condition, guided_epsilon
from tests.guidance.conftest import made, sides, things


def conditions(prior: AnalyticPrior) -> tuple[Condition, Condition]:
    return prior.condition(["red"], sides()), prior.condition([""] * 4, None)


@pytest.mark.parametrize("kind", ["epsilon", "v", "sample"])
@pytest.mark.parametrize("convention", ["uncond", "cond"])
@pytest.mark.parametrize("weighting", ["sigma2", "uniform", "fantasia", "clean"])
def test_the_sds_gradient_is_its_formula(kind, convention, weighting):
    """w(t) (ε̂ − ε) ∂x/∂picture, with ∂x/∂picture = 2 as pictures are encoded, over the mean of the batch."""
    prior = made(kind)
    condition, nothing = conditions(prior)
    config = DistillationConfig(scale=20.0, convention=convention, weighting=weighting)
    pictures = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    found = distilled(
        prior, pictures, condition, nothing, config=config, progress=0.3, generator=torch.Generator().manual_seed(9)
    )
    generator = torch.Generator().manual_seed(9)
    t = timesteps(config, 1000, 4, 0.3, generator)
    noise = torch.randn(pictures.shape, generator=generator)
    x_t = prior.schedule.noised(2 * pictures - 1, noise, t)
    guided = guided_epsilon(prior, x_t, t, condition, nothing, scale=20.0, convention=convention)
    expected = weight(prior, t, weighting) * (guided - noise) * 2 / 4
    assert torch.equal(found.t, t)
    assert float((found.gradient - expected).norm() / expected.norm()) < 1e-5


def test_weighed_as_clean_it_leads_from_the_picture_to_the_clean_one_within_range():
    prior = made()
    condition, nothing = conditions(prior)
    pictures = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    for threshold in (False, True):
        config = DistillationConfig(scale=60.0, weighting="clean", timesteps=(0.4, 0.9), threshold=threshold)
        found = distilled(
            prior, pictures, condition, nothing, config=config, progress=0.0, generator=torch.Generator().manual_seed(9)
        )
        assert (float(found.clean.abs().max()) <= 1) == threshold
        expected = (2 * pictures - 1 - found.clean) * 2 / 4
        assert float((found.gradient - expected).norm() / expected.norm()) < 1e-4


def test_the_gradient_goes_through_the_encoder_of_a_larger_picture(prior: AnalyticPrior):
    """Of a picture twice as large, against finite differences of ⟨pull, encode(picture)⟩, which is linear."""
    condition, nothing = conditions(prior)
    pictures = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    found = distilled(
        prior, pictures, condition, nothing, config=DistillationConfig(), progress=0.0,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    small = distilled(
        prior, prior.decode(prior.encode(pictures)), condition, nothing, config=DistillationConfig(), progress=0.0,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    bump = torch.zeros_like(pictures)
    bump[1, 2, 5, 6] = 1e-2
    moved = prior.encode(pictures + bump) - prior.encode(pictures)
    assert float((small.gradient / 2 * moved).sum()) == pytest.approx(float((found.gradient * bump).sum()), rel=1e-3)


@pytest.mark.parametrize(("method", "rate"), [("sds", 0.5), ("ism", 2.0)])
def test_pictures_that_follow_the_gradient_become_what_the_words_say(method, rate):
    """ISM's pull is what changes over an interval of timesteps, so it is weaker."""
    prior = made(spread=0.05)
    condition, nothing = conditions(prior)
    pictures = torch.full((4, 3, 8, 8), 0.5)
    generator, config = torch.Generator().manual_seed(0), DistillationConfig(method=method, scale=1.0)
    for step in range(400):
        result = distilled(prior, pictures, condition, nothing, config=config, progress=step / 400, generator=generator)
        pictures = (pictures - rate * result.gradient).clamp(0, 1)
    error = (pictures - things(sides())[:, 0]).pow(2).mean()
    assert float(-10 * error.log10()) > 25


def test_vsd_pulls_no_more_once_its_score_is_the_priors_own():
    """ε_φ(x_t, y) = ε̂(x_t, y): nothing is left to learn, whatever the noise."""
    prior = made()
    condition, nothing = conditions(prior)

    class Same:
        def predict_epsilon(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
            return prior.predict(x_t, t, condition)

        def learn(self, latents: Tensor, condition: Condition, generator: torch.Generator) -> float:
            return 0.0

    pictures = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    result = distilled(
        prior, pictures, condition, nothing, config=DistillationConfig("vsd", scale=1.0), progress=0.0,
        generator=torch.Generator().manual_seed(0), score=Same(),
    )  # fmt: skip
    assert float(result.gradient.abs().max()) < 1e-5


def test_timesteps_are_drawn_and_fall_as_said():
    generator = torch.Generator().manual_seed(0)
    drawn = timesteps(DistillationConfig(), 1000, 20_000, 0.0, generator)
    assert (int(drawn.min()), int(drawn.max())) == (20, 979)
    shrunk = timesteps(DistillationConfig(annealing="shrink"), 1000, 20_000, 0.2, generator)
    assert (int(shrunk.min()), int(shrunk.max())) == (20, 500)
    halfway = timesteps(DistillationConfig(annealing="shrink"), 1000, 20_000, 0.1, generator)
    assert int(halfway.max()) == 739
    line = [int(timesteps(DistillationConfig(annealing="line"), 1000, 2, p, generator)[0]) for p in (0.0, 0.5, 1.0)]
    assert line == [979, 500, 20]


def test_a_limit_holds_the_pull(prior: AnalyticPrior):
    condition, nothing = conditions(prior)
    result = distilled(
        prior, torch.rand(4, 3, 8, 8), condition, nothing, config=DistillationConfig(clip=1e-3), progress=0.0,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert float(result.gradient.abs().max()) == pytest.approx(2e-3, rel=1e-5)


def test_vsd_needs_a_score_model(prior: AnalyticPrior):
    condition, nothing = conditions(prior)
    with pytest.raises(InputError, match="score model"):
        distilled(
            prior, torch.rand(4, 3, 8, 8), condition, nothing, config=DistillationConfig("vsd"), progress=0.0,
            generator=torch.Generator(),
        )  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{"timesteps": (0.9, 0.1)}, {"late": 0.01}, {"shrinking": 0}, {"interval": 0}, {"clip": 0.0}, {"method": "x"}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        DistillationConfig(**options)
