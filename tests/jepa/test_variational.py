"""Variational JEPA: closed forms against integrals, the belief against Kalman's filter, and what it learns."""

import math

import pytest
import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.jepa.clips import Clips
from scenekit.jepa.variational import Gaussian, VariationalConfig, VariationalObjective, kl, moments_kl, product

CASES = [((0.3, 0.5), (-0.2, 1.3)), ((1.5, 2.0), (1.4, 0.3)), ((-2.0, 0.1), (0.0, 1.0))]
"""Means and deviations of pairs."""


def normal(mean: float, deviation: float) -> Gaussian:
    return Gaussian(*(torch.tensor([v], dtype=torch.float64) for v in (mean, 2 * math.log(deviation))))


def density(x: Tensor, mean: float, deviation: float) -> Tensor:
    return torch.exp(-((x - mean) ** 2) / (2 * deviation**2)) / (deviation * math.sqrt(2 * math.pi))


@pytest.fixture(scope="module")
def line() -> Tensor:
    return torch.linspace(-30, 30, 600_001, dtype=torch.float64)


@pytest.mark.parametrize(("q", "p"), CASES)
def test_the_divergence_is_its_integral(q: tuple[float, float], p: tuple[float, float], line: Tensor):
    width = 12 * q[1]
    x = torch.linspace(q[0] - width, q[0] + width, 200_001, dtype=torch.float64)
    fraction = ((x - p[0]) ** 2 / p[1] ** 2 - (x - q[0]) ** 2 / q[1] ** 2) / 2 + math.log(p[1] / q[1])
    integral = float(torch.trapezoid(density(x, *q) * fraction, x))
    assert float(kl(normal(*q), normal(*p))) == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize(("q", "p"), CASES)
def test_a_product_of_experts_is_the_normalised_product_of_densities(
    q: tuple[float, float], p: tuple[float, float], line: Tensor
):
    both = density(line, *q) * density(line, *p)
    both = both / torch.trapezoid(both, line)
    mean = torch.trapezoid(both * line, line)
    variance = torch.trapezoid(both * (line - mean) ** 2, line)
    found = product(normal(*q), normal(*p))
    assert float(found.mean) == pytest.approx(float(mean), rel=1e-6)
    assert float(found.log_variance.exp()) == pytest.approx(float(variance), rel=1e-6)


def test_minus_log_density_and_intervals_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance, x = torch.randn(3, 50, 6, generator=generator, dtype=torch.float64)
    oracle = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    assert torch.allclose(Gaussian(mean, log_variance).nll(x), -oracle.log_prob(x).sum(-1))
    many = Gaussian(torch.zeros(200_000), torch.full((200_000,), 0.7))
    draws = many.sample(generator)
    assert float(many.covers(draws, share=0.68).float().mean()) == pytest.approx(0.68, abs=0.004)
    assert float(many.covers(draws, share=0.95).float().mean()) == pytest.approx(0.95, abs=0.002)


def test_the_divergence_of_moments_is_that_of_a_full_gaussian():
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(4000, 5, generator=generator) @ torch.randn(5, 5, generator=generator) + 0.3
    covariance = torch.cov(latents.T, correction=0)
    q = torch.distributions.MultivariateNormal(latents.mean(0), covariance)
    oracle = torch.distributions.kl_divergence(q, torch.distributions.MultivariateNormal(torch.zeros(5), torch.eye(5)))
    assert float(moments_kl(latents)) == pytest.approx(float(oracle), rel=1e-4)


def linear(d: int, a: int, config: VariationalConfig) -> VariationalObjective:
    torch.manual_seed(0)
    return VariationalObjective(nn.Identity(), nn.Linear(d + a, 2 * d), d, config)


def test_a_belief_that_is_updated_is_kalmans():
    d, a = 3, 2
    model = linear(d, a, VariationalConfig())
    generator = torch.Generator().manual_seed(2)
    turn = torch.diag(torch.tensor([0.9, -0.5, 1.1]))  # without mixing, when covariances stay diagonal
    push, noise, seen_noise = torch.randn(d, a, generator=generator), torch.tensor([0.1, 0.2, 0.3]), 0.4
    with torch.no_grad():
        model.predictor.weight.zero_()
        model.predictor.weight[:d] = torch.cat([turn, push], 1)
        model.predictor.bias.copy_(torch.cat([torch.zeros(d), noise.log()]))
    mean, covariance = torch.zeros(d), torch.eye(d)
    belief = Gaussian(torch.zeros(1, d), torch.zeros(1, d))
    for _ in range(5):
        action, seen = torch.randn(a, generator=generator), torch.randn(d, generator=generator)
        mean, covariance = turn @ mean + push @ action, turn @ covariance @ turn.T + torch.diag(noise)
        gain = covariance @ torch.linalg.inv(covariance + seen_noise * torch.eye(d))
        mean, covariance = mean + gain @ (seen - mean), covariance - gain @ covariance
        evidence = Gaussian(seen[None], torch.full((1, d), math.log(seen_noise)))
        belief = model.believe(belief, action[None], evidence)
    assert torch.allclose(belief.mean[0], mean, atol=1e-5)
    assert torch.allclose(belief.log_variance.exp()[0], covariance.diagonal(), atol=1e-5)


def test_a_goal_as_prior_expert_pulls_a_prediction_by_its_precision():
    model = linear(2, 0, VariationalConfig(bayesian=True))
    latents, none = torch.randn(4, 2), torch.zeros(4, 0)
    free = Gaussian.of(model.predictor(latents))
    goal = Gaussian(torch.full((2,), 5.0), torch.full((2,), -3.0))
    pulled = model.predict(latents, none, prior=goal)
    weight = math.exp(3) / (math.exp(3) + (-free.log_variance).exp())
    assert torch.allclose(pulled.mean, free.mean + weight * (5.0 - free.mean), atol=1e-6)
    assert bool((pulled.deviation < free.deviation).all())


def walk(n: int, steps: int) -> Tensor:
    """Two autoregressions of variance 1, z' = ρ z + √(1 − ρ²) w with ρ = 0.8 and 0.3, behind a mixing of 2 → 3."""
    generator = torch.Generator().manual_seed(3)
    rho = torch.tensor([0.8, 0.3])
    z = [torch.randn(n, 2, generator=generator)]
    for _ in range(steps - 1):
        z.append(rho * z[-1] + (1 - rho**2).sqrt() * torch.randn(n, 2, generator=generator))
    return torch.stack(z, 1) @ torch.randn(2, 3, generator=generator)


@pytest.mark.parametrize("bayesian", [False, True])
def test_end_to_end_it_finds_the_predictable_number_and_how_far_it_is_predictable(bayesian: bool):
    torch.manual_seed(0)
    model = VariationalObjective(nn.Linear(3, 1), nn.Linear(1, 2), 1, VariationalConfig(bayesian=bayesian))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    known, new = (Clips.of(part) for part in walk(3000, 2).split([1000, 2000]))
    generator = torch.Generator().manual_seed(4)
    for _ in range(200):
        optimizer.zero_grad()
        torch.stack(list(model.losses(known, generator=generator).values())).sum().backward()
        optimizer.step()
    with torch.no_grad():
        q = model.target(new)
        predicted = model.predict(q.mean[:, 0], torch.zeros(2000, 0))
    correlation = float(torch.corrcoef(torch.stack([predicted.mean[:, 0], q.mean[:, 1, 0]]))[0, 1])
    assert correlation == pytest.approx(0.8, abs=0.04)
    covered = predicted.covers(Gaussian(q.mean[:, 1], q.log_variance[:, 1]).sample(generator)).float().mean()
    assert 0.64 < float(covered) < 0.72


def test_as_published_targets_have_no_gradient_and_follow():
    torch.manual_seed(0)
    model = VariationalObjective(nn.Linear(3, 2), nn.Linear(2, 4), 2, VariationalConfig(targets="ema", ema=0.75))
    before = model.mean.weight.clone()
    terms = model.losses(Clips.of(walk(10, 3)), generator=torch.Generator().manual_seed(0))
    assert set(terms) == {"prediction", "target"}
    sum(terms.values()).backward()
    assert model.mean.weight.grad is None and model.encoder.weight.grad is not None
    with torch.no_grad():
        model.encoder.weight += 1
    model.after_step(0.5)
    assert torch.allclose(model.mean.weight, before + 0.25)


def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match="experts"):
        product()
    with pytest.raises(InputError, match="above 1"):
        VariationalConfig(moments=0.5)
    with pytest.raises(InputError, match="variational prior"):
        VariationalConfig(prior=-1.0)
    with pytest.raises(InputError, match="clips"):
        Clips(torch.zeros(7, 3), torch.zeros(2, 2, 0))
    with pytest.raises(InputError, match="clips"):
        Clips.of(torch.zeros(4, 1, 3))
