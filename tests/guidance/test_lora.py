"""VSD's score model: it begins as the prior, learns renderings, and VSD with a true one is at rest where it should."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.guidance.analytic import AnalyticPrior
from scenekit.guidance.distillation import DistillationConfig, distilled, timesteps, weight
from scenekit.guidance.lora import LoraConfig, LoraScore, adapted
from scenekit.guidance.prior import Condition, Views, guided_epsilon
from scenekit.guidance.shapes_prior import ShapesPrior
from scenekit.guidance.transformer import PictureTransformer, TransformerConfig
from tests.guidance.conftest import made, sides

VIEWS = Views(torch.arange(4) * math.pi / 2, torch.full((4,), 0.2))


def shapes(seed: int = 0) -> ShapesPrior:
    """Untrained, but with no layer at zero."""
    torch.manual_seed(seed)
    network = PictureTransformer(TransformerConfig(side=16, patch=8, width=32, depth=2, heads=2, words=4, vocabulary=8))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return ShapesPrior(network, ["a", "red", "mug"])


def stable_diffusion(folder: Path, kind: str = "sd"):
    for package in ("diffusers", "transformers", "accelerate"):
        pytest.importorskip(package)
    from scenekit.guidance.diffusers_prior import DiffusersPrior
    from tests.guidance.tiny_pipelines import saved

    return DiffusersPrior.load(saved(kind, folder / kind))


KINDS = ("shapes", "sd", "xl", "if", "multiview")


@pytest.fixture
def prior(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCENEKIT_DATA", str(tmp_path))
    return shapes() if request.param == "shapes" else stable_diffusion(tmp_path, request.param)


def asked(prior) -> tuple[Tensor, Tensor, Condition]:
    x_t = torch.randn(4, *prior.shape, generator=torch.Generator().manual_seed(1))
    return x_t, torch.tensor([100, 400, 700, 900]), prior.condition(["a red mug"], VIEWS)


@pytest.mark.parametrize("prior", KINDS, indirect=True)
def test_an_untrained_one_says_exactly_what_the_prior_says(prior):
    x_t, t, condition = asked(prior)
    with torch.no_grad():
        expected = prior.schedule.epsilon(x_t, prior.predict(x_t, t, condition), t, prior.prediction)
    assert torch.equal(LoraScore(prior).predict_epsilon(x_t, t, condition), expected)


@pytest.mark.parametrize("prior", ["shapes", "sd", "if"], indirect=True)
def test_it_learns_renderings_better_than_the_prior_knows_them_and_leaves_the_prior_alone(prior):
    """All renderings are one picture; compared on noise that was not learned from."""
    x_t, t, condition = asked(prior)
    before = prior.predict(x_t, t, condition).detach().clone()
    score = LoraScore(prior, LoraConfig(rate=3e-2))
    latents = torch.full((4, *prior.shape), 0.5)
    with torch.no_grad():
        first = [float(score.loss(latents, condition, torch.Generator().manual_seed(s))) for s in range(10)]
    generator = torch.Generator().manual_seed(77)
    for _ in range(30):
        score.learn(latents, condition, generator)
    with torch.no_grad():
        last = [float(score.loss(latents, condition, torch.Generator().manual_seed(s))) for s in range(10)]
    assert sum(last) < 0.99 * sum(first)  # 0.97, 0.61, 0.94 of it
    assert torch.equal(prior.predict(x_t, t, condition), before)


@pytest.mark.parametrize("prior", KINDS, indirect=True)
def test_only_what_was_added_learns_and_it_has_the_rank(prior):
    score = LoraScore(prior, LoraConfig(rank=3))
    frozen = {id(parameter) for parameter in prior.network.parameters()}
    learned = {name: p for name, p in score.prior.network.named_parameters() if p.requires_grad}
    assert learned and not any(id(parameter) in frozen for parameter in learned.values())
    for name, parameter in learned.items():
        if name.endswith(".up"):
            assert parameter.shape[1] == 3


def test_diffusers_network_comes_to_know_the_camera(tmp_path, monkeypatch):
    monkeypatch.setenv("SCENEKIT_DATA", str(tmp_path))
    prior = stable_diffusion(tmp_path)
    score = LoraScore(prior, LoraConfig(rate=1e-2))
    x_t, t, condition = asked(prior)
    turned = prior.condition(["a red mug"], Views(VIEWS.azimuth + 1.0, VIEWS.elevation))
    assert torch.equal(score.predict_epsilon(x_t, t, condition), score.predict_epsilon(x_t, t, turned))
    for seed in range(3):
        score.learn(torch.rand(4, *prior.shape), condition, torch.Generator().manual_seed(seed))
    assert not torch.equal(score.predict_epsilon(x_t, t, condition), score.predict_epsilon(x_t, t, turned))
    assert prior.network.class_embedding is None


def test_a_restored_one_goes_on_as_if_never_stopped():
    prior, latents = shapes(), torch.rand(4, 3, 16, 16)
    condition = prior.condition(["a red mug"], VIEWS)

    def step(score: LoraScore, seed: int) -> float:
        return score.learn(latents, condition, torch.Generator().manual_seed(seed))

    score = LoraScore(prior)
    step(score, 1)
    again = LoraScore(prior, seed=5)
    again.restore({name: tensor.clone() for name, tensor in score.tensors().items()})
    assert [step(score, s) for s in (2, 3)] == [step(again, s) for s in (2, 3)]


def test_a_network_without_such_layers_is_answered():
    with pytest.raises(InputError, match="none in this network"):
        adapted(nn.Linear(2, 2), LoraConfig(layers=("qkv",)), torch.Generator())


@pytest.mark.parametrize("options", [{"rank": 0}, {"rate": 0.0}])
def test_numbers_that_cannot_be_are_answered(options):
    with pytest.raises(InputError, match="LoRA"):
        LoraConfig(**options)


# VSD


class Exact:
    """ε_φ of renderings that are N(mean, s² I): E[ε | x_t] = √(1−ᾱ) (x_t − √ᾱ mean) / (ᾱ s² + 1 − ᾱ)."""

    def __init__(self, prior: AnalyticPrior, mean: Tensor, spread: float):
        self.prior, self.mean, self.spread = prior, mean, spread

    def predict_epsilon(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        a = self.prior.schedule.alphas_cumprod[t][:, None, None, None]
        return (1 - a).sqrt() * (x_t - a.sqrt() * self.mean) / (a * self.spread**2 + 1 - a)

    def learn(self, latents: Tensor, condition: Condition, generator: torch.Generator) -> float:
        return 0.0


def vsd(prior: AnalyticPrior, pictures: Tensor, score, *, scale: float, seed: int):
    condition, nothing = prior.condition(["red"], sides()), prior.condition([""] * 4, None)
    return distilled(
        prior, pictures, condition, nothing, config=DistillationConfig("vsd", scale=scale), progress=0.0,
        generator=torch.Generator().manual_seed(seed), score=score,
    )  # fmt: skip


def test_vsd_with_an_exact_score_model_is_its_formula():
    """w(t) (ε̂ − ε_φ) · 2 / b, 2 of the encoder; the noise that was drawn is not in it."""
    prior = made()
    pictures = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    score = Exact(prior, 2 * pictures - 1, 0.3)
    found = vsd(prior, pictures, score, scale=7.5, seed=4)
    generator = torch.Generator().manual_seed(4)
    t = timesteps(DistillationConfig(), 1000, 4, 0.0, generator)
    x_t = prior.schedule.noised(2 * pictures - 1, torch.randn(pictures.shape, generator=generator), t)
    condition, nothing = prior.condition(["red"], sides()), prior.condition([""] * 4, None)
    guided = guided_epsilon(prior, x_t, t, condition, nothing, scale=7.5)
    expected = weight(prior, t, "sigma2") * (guided - score.predict_epsilon(x_t, t, condition)) * 2 / 4
    assert float((found.gradient - expected).norm() / expected.norm()) < 1e-5


def test_vsd_is_at_rest_where_renderings_are_spread_as_the_prior_and_sds_is_not():
    """Renderings of N(μ, s²), as the prior has them. SDS pulls each to μ, by w √ᾱ (1−ᾱ)^½ (x₀ − μ) / v on average; VSD
    none. Renderings of another mean are pulled back by VSD, all the same way."""
    prior, spread = made(spread=0.3), 0.3
    mean = 2 * prior.targets(sides())[:, 0] - 1
    exact, shifted = Exact(prior, mean, spread), Exact(prior, mean + 0.4, spread)
    still, back = torch.zeros_like(mean), torch.zeros_like(mean)
    rms = 0.0
    for seed in range(60):
        noise = spread * torch.randn(mean.shape, generator=torch.Generator().manual_seed(10_000 + seed))
        here = vsd(prior, (mean + noise + 1) / 2, exact, scale=1.0, seed=seed).gradient
        there = vsd(prior, (mean + noise + 1.4) / 2, shifted, scale=1.0, seed=seed).gradient
        still, back, rms = still + here / 60, back + there / 60, rms + float(there.square().mean().sqrt()) / 60
    assert float(still.abs().max()) < 1e-4 * rms
    assert float(back.min()) > 0.5 * float(back.mean()) > 0


def test_a_score_model_that_learns_puts_vsd_to_rest():
    """An affine ε_φ for one timestep, fitted to renderings that are spread as the prior: what is left falls as 1/√n."""
    prior, spread, t = made(spread=0.3), 0.3, torch.full((4,), 500)
    mean, condition = 2 * prior.targets(sides())[:, 0] - 1, prior.condition(["red"], sides())
    generator, schedule = torch.Generator().manual_seed(0), prior.schedule
    left = []
    for n in (100, 1600):
        noise = torch.randn(n, *mean.shape, generator=generator)
        x_t = (
            schedule.signal(t) * (mean + spread * torch.randn(noise.shape, generator=generator))
            + schedule.noise(t) * noise
        )
        centred = x_t - x_t.mean(0)
        slope = (centred * noise).mean() / centred.square().mean()
        learned = noise.mean(0) + slope * centred[:8]
        said = torch.stack([prior.predict(x, t, condition) for x in x_t[:8]])
        left.append(float((said - learned).square().mean().sqrt()))
    assert left[1] < 0.4 * left[0] and left[1] < 0.05
