"""Splatting as MCMC: the relocation formula, the noise, the budget."""

from dataclasses import replace
from math import sqrt

import pytest
import torch

from scenekit.fit.optimizer import Adam
from scenekit.fit.strategies import MCMC, Run
from scenekit.fit.strategies.mcmc import MAX_COPIES, exploration, relocated
from scenekit.splats import random_splats

RUN = Run(steps=100, extent=1.0)


def step(strategy, adam, number=50, rate=0.0):
    strategy.after_step({}, adam, number, RUN, rate=rate, generator=torch.Generator().manual_seed(0))


def with_opacity(splats, opacities):
    return replace(splats, logit_opacities=torch.logit(opacities))


@pytest.mark.parametrize("copies", [1, 2, 3, 10, MAX_COPIES])
def test_stacked_copies_are_as_opaque_as_the_one_they_replace(copies):
    o = torch.tensor([0.05, 0.3, 0.7, 0.99], dtype=torch.float64)
    each, _ = relocated(o, torch.full((4,), copies))
    torch.testing.assert_close(1 - (1 - each) ** copies, o)


@pytest.mark.parametrize("copies", [1, 2, 3, 10])
def test_stacked_copies_have_the_same_integral_along_a_line(copies):
    """∫ 1 − (1 − o' g(x/s'))ᴺ dx = o ∫ g(x/s) dx for a Gaussian g: what Eq. 9 is derived from."""
    o = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    each, factor = relocated(o, torch.full((3,), copies))
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    for i in range(3):
        stack = 1 - (1 - each[i] * torch.exp(-0.5 * (x / factor[i]) ** 2)) ** copies
        one = o[i] * torch.exp(-0.5 * x**2)
        assert float(stack.sum() / one.sum()) == pytest.approx(1.0, rel=1e-6)


def test_one_copy_stays_what_it_is_and_two_follow_the_closed_form():
    o = torch.tensor([0.36], dtype=torch.float64)
    each, factor = relocated(o, torch.tensor([1]))
    assert each.item() == pytest.approx(0.36) and factor.item() == pytest.approx(1.0)
    each, factor = relocated(o, torch.tensor([2]))
    assert each.item() == pytest.approx(0.2)
    assert factor.item() == pytest.approx(0.36 / (2 * 0.2 - 0.04 / sqrt(2)))


def test_the_dead_move_to_the_living():
    opacities = torch.full((20,), 0.5)
    opacities[:5] = 0.001
    adam = Adam(with_opacity(random_splats(20), opacities))
    alive = adam.splats.means.detach()[5:].clone()
    step(MCMC(cap=20, every=0.01, every_steps=1), adam)
    assert len(adam.splats) == 20
    moved = adam.splats.means.detach()[:5]
    assert all((alive == mean).all(-1).any() for mean in moved)
    assert (adam.splats.opacities > 0.005).all()
    total = 1 - (1 - adam.splats.opacities[:5].detach()) ** 2
    assert (total <= 0.5 + 1e-6).all()  # each share is at most that of two copies


def test_a_lone_survivor_is_shared_by_all():
    opacities = torch.full((4,), 0.001)
    opacities[2] = 0.8
    adam = Adam(with_opacity(random_splats(4), opacities))
    step(MCMC(cap=4, every=0.01, every_steps=1), adam)
    assert (adam.splats.means == adam.splats.means[2]).all()
    torch.testing.assert_close(adam.splats.opacities.detach(), torch.full((4,), 1 - 0.2**0.25))


def test_growth_is_five_percent_and_stops_at_the_cap():
    adam = Adam(with_opacity(random_splats(100), torch.full((100,), 0.5)))
    counts = []
    for _ in range(4):
        step(MCMC(cap=112, every=0.01, every_steps=1), adam)
        counts.append(len(adam.splats))
    assert counts == [105, 110, 112, 112]
    assert all(len(m) == 112 for m in adam.first.values())


def test_a_scene_above_its_cap_does_not_grow():
    adam = Adam(with_opacity(random_splats(100), torch.full((100,), 0.5)))
    step(MCMC(cap=50, every=0.01, every_steps=1), adam)
    assert len(adam.splats) == 100


def test_noise_follows_the_shape_and_spares_the_opaque():
    n = 40_000
    one = random_splats(1, scale=0.3, seed=5)
    many = one.map(lambda t: t.repeat(n, *[1] * (t.ndim - 1)))
    faint = exploration(with_opacity(many, torch.full((n,), 0.005)), 1.0, torch.Generator().manual_seed(0)).double()
    w, x, y, z = torch.nn.functional.normalize(one.quats[0].double(), dim=0).tolist()
    R = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ],
        dtype=torch.float64,
    )
    sigma = R @ torch.diag(one.scales[0].double() ** 2) @ R.T
    expected = 0.25 * sigma @ sigma  # covariance of ½ Σ η
    torch.testing.assert_close(faint.T @ faint / n, expected, rtol=0.05, atol=0.02 * expected.abs().max().item())
    opaque = exploration(with_opacity(many, torch.full((n,), 0.5)), 1.0, torch.Generator().manual_seed(0))
    assert opaque.abs().max() < 1e-6 * faint.abs().max()


def test_regularisers_are_gradients_of_mean_opacity_and_mean_scale():
    strategy = MCMC(opacity_weight=0.3, scale_weight=0.7)
    ours, twin = (random_splats(50).map(lambda t: t.clone().requires_grad_()) for _ in range(2))
    (0.3 * twin.opacities.mean() + 0.7 * twin.scales.mean()).backward()
    for tensor in ours.tensors().values():
        tensor.grad = torch.zeros_like(tensor)
    strategy.after_backward({}, ours, {})
    torch.testing.assert_close(ours.logit_opacities.grad, twin.logit_opacities.grad)
    torch.testing.assert_close(ours.log_scales.grad, twin.log_scales.grad)
