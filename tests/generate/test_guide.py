"""A guide asks its prior for what it says it asks."""

import math

import pytest
import torch

from scenekit.errors import InputError
from scenekit.generate.guide import Guide
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.distillation import DistillationConfig, distilled
from scenekit.guidance.prior import Condition, Views
from tests.generate.conftest import SIDE, ball_guide

VIEWS = Views(torch.tensor([0.0, math.pi / 2, math.pi]), torch.tensor([0.1, 0.3, 1.4]))


class Asked:
    """A prior that remembers its prompts and whether it was told the views."""

    def __init__(self):
        self.prompts: list[tuple[list[str], bool]] = []

    def condition(self, prompts, views):
        self.prompts.append((list(prompts), views is not None))
        return Condition({"words": torch.zeros(len(prompts), 1)})


class Score:
    """ε_φ that says zero and remembers what it learned."""

    def __init__(self):
        self.learned: list[torch.Tensor] = []

    def predict_epsilon(self, x_t, t, condition):
        return torch.zeros_like(x_t)

    def learn(self, latents, condition, generator):
        self.learned.append(latents)
        return 0.0


def pictures(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(4))


def test_it_pulls_as_the_distillation_of_its_condition_does(guide: Guide):
    prior, luck = guide.prior, torch.Generator()
    assert isinstance(prior, AnalyticPrior)
    found = guide.pull(pictures(), VIEWS, 0.25, luck.manual_seed(3))
    wanted = distilled(
        prior, pictures(), prior.condition(["ball"], VIEWS), prior.condition([""] * 3, None),
        config=guide.config, progress=0.25, generator=luck.manual_seed(3),
    )  # fmt: skip
    torch.testing.assert_close(found.gradient, wanted.gradient)
    assert torch.equal(found.t, wanted.t)


def test_it_pulls_towards_what_the_prior_knows():
    guide = ball_guide(weighting="uniform", timesteps=(0.3, 0.6))
    x, target = pictures().requires_grad_(), guide.prior.targets(VIEWS)[:, 0]  # type: ignore[attr-defined]
    before = (x.detach() - target).square().mean()
    for step in range(30):
        x = x.detach() - 0.2 * guide.pull(x, VIEWS, step / 30, torch.Generator().manual_seed(step)).gradient
    assert (x - target).square().mean() < 0.2 * before


def test_views_are_told_and_said_as_asked():
    told, untold = Asked(), Asked()
    Guide(told, " a red  mug ", DistillationConfig(), view_words=True).condition(VIEWS)  # type: ignore[arg-type]
    Guide(untold, "a red mug", DistillationConfig(), knows_views=False).condition(VIEWS)  # type: ignore[arg-type]
    said = ["a red mug, front view", "a red mug, side view", "a red mug, overhead view"]
    assert told.prompts == [(said, True)] and untold.prompts == [(["a red mug"] * 3, False)]


def test_what_is_not_wanted_takes_the_place_of_no_words():
    prior = Asked()
    Guide(prior, "a mug", DistillationConfig(), negative="blurry").unconditional(VIEWS)  # type: ignore[arg-type]
    Guide(prior, "a mug", DistillationConfig(), views_always=True).unconditional(VIEWS)  # type: ignore[arg-type]
    assert prior.prompts == [(["blurry"] * 3, False), ([""] * 3, True)]


def test_perp_neg_asks_between_the_two_nearest_sides():
    class Letters(Asked):
        def condition(self, prompts, views):
            return Condition({"words": torch.tensor([[float("side" in p), float("back" in p)] for p in prompts])})

    views = Views(torch.tensor([0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4]), torch.zeros(4))
    guide = Guide(Letters(), "a mug", DistillationConfig(), view_words=True, perp_neg=-1.0)  # type: ignore[arg-type]
    wanted = torch.tensor([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.5, 0.5]])
    torch.testing.assert_close(guide.condition(views).tensors["words"], wanted)


def test_other_sides_are_negatives_only_with_perp_neg_and_view_words():
    for words, weight, some in ((True, -2.0, True), (True, 0.0, False), (False, -2.0, False)):
        guide = Guide(Asked(), "a mug", DistillationConfig(), view_words=words, perp_neg=weight)  # type: ignore[arg-type]
        found = guide.negatives(VIEWS)
        assert bool(found) == some
        assert all((weights <= 0).all() for _, weights in found)


def test_a_score_model_learns_from_each_pull():
    score = Score()
    plain = ball_guide(method="vsd")
    guide = Guide(plain.prior, "ball", plain.config, score=score)
    guide.pull(pictures(), VIEWS, 0.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(score.learned, [guide.prior.encode(pictures())])


@pytest.mark.parametrize("prompt", ["", "   ", "x" * 301, "a \x00 mug"])
def test_prompts_that_say_nothing_are_refused(prompt):
    with pytest.raises(InputError, match="prompt"):
        Guide(Asked(), prompt, DistillationConfig()).condition(VIEWS)  # type: ignore[arg-type]


def test_words_that_the_prior_does_not_know_are_refused():
    guide = ball_guide()
    with pytest.raises(InputError, match="ball"):
        Guide(guide.prior, "a dragon", guide.config).pull(pictures(), VIEWS, 0.0, torch.Generator())
