"""Adaptive density control: its arithmetic."""

from dataclasses import replace

import pytest
import torch

from scenekit.errors import InputError
from scenekit.fit.optimizer import Adam, Rates
from scenekit.fit.strategies import ADC, MCMC, Run
from scenekit.fit.strategies.adc import reset_opacities, split
from scenekit.splats import random_splats

RUN = Run(steps=100, extent=1.0)
RATE = {"rate": 1e-3}


def adam_of(n, scale=0.001, seed=0):
    splats = random_splats(n, scale=scale, seed=seed)
    adam = Adam(replace(splats, logit_opacities=torch.zeros(n)))
    for tensor in adam.splats.tensors().values():
        tensor.grad = torch.ones_like(tensor)
    adam.step(Rates())
    return adam


def state_with(strategy, adam, rows, pull=1.0):
    state = strategy.start(adam.splats)
    state["gradient"][rows] = 3 * pull
    state["seen"] += 3
    return state


def densify(strategy, state, adam, step=50):
    strategy.after_step(state, adam, step, RUN, generator=torch.Generator().manual_seed(0), **RATE)


def test_small_gaussians_are_cloned_with_all_their_parameters():
    strategy, adam = ADC(every=0.01, every_steps=1, grow=1.0, reset_every=0), adam_of(10)
    before = adam.splats.map(lambda t: t.detach().clone())
    state = state_with(strategy, adam, [2, 5])
    densify(strategy, state, adam)
    assert len(adam.splats) == 12
    for name, tensor in adam.splats.tensors().items():
        old = before.tensors()[name]
        assert torch.equal(tensor.detach(), torch.cat([old, old[[2, 5]]]))
        assert (adam.first[name][10:] == 0).all() and (adam.first[name][:10] != 0).all()
    assert len(state["gradient"]) == 12 and (state["gradient"] == 0).all()


def test_large_gaussians_are_replaced_by_two_halves():
    strategy, adam = ADC(every=0.01, every_steps=1, grow=1.0, reset_every=0), adam_of(10, scale=0.5)
    before = adam.splats.map(lambda t: t.detach().clone())
    densify(strategy, state_with(strategy, adam, [4]), adam)
    assert len(adam.splats) == 11
    assert not (adam.splats.means == before.means[4]).all(-1).any()
    torch.testing.assert_close(adam.splats.scales[-2:].detach(), before.scales[[4, 4]] / 1.6)
    torch.testing.assert_close(adam.splats.sh[-2:].detach(), before.sh[[4, 4]])


def test_halves_are_drawn_from_the_gaussian_they_replace():
    one = random_splats(1, scale=0.3, seed=5)
    many = split(one.map(lambda t: t.repeat(20_000, *[1] * (t.ndim - 1))), 1.6, torch.Generator().manual_seed(0))
    offsets = (many.means - one.means).double()
    w, x, y, z = torch.nn.functional.normalize(one.quats[0].double(), dim=0)
    R = torch.stack(
        [
            torch.stack([w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)]),
            torch.stack([2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)]),
            torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z]),
        ]
    )
    covariance = R @ torch.diag(one.scales[0].double() ** 2) @ R.T
    spread = offsets.T @ offsets / len(offsets)
    torch.testing.assert_close(spread, covariance, rtol=0.05, atol=0.01 * covariance.max().item())


def test_the_cap_is_kept_and_the_strongest_pulls_win():
    strategy, adam = ADC(every=0.01, every_steps=1, grow=1.0, reset_every=0, cap=13), adam_of(10)
    state = strategy.start(adam.splats)
    state["gradient"] += torch.arange(1.0, 11.0)
    state["seen"] += 1
    means = adam.splats.means.detach().clone()
    densify(strategy, state, adam)
    assert len(adam.splats) == 13
    assert torch.equal(adam.splats.means.detach()[10:], means[7:])
    densify(strategy, state_with(strategy, adam, slice(None)), adam)
    assert len(adam.splats) == 13


def test_each_time_adds_at_most_its_share():
    strategy, adam = ADC(every=0.01, every_steps=1, grow=0.05, reset_every=0), adam_of(100)
    counts = []
    for _ in range(3):
        densify(strategy, state_with(strategy, adam, slice(None)), adam)
        counts.append(len(adam.splats))
    assert counts == [105, 110, 115]


def test_short_runs_densify_less_often_and_reset_never():
    strategy, run = ADC(), Run(2000, 1.0)
    assert [s for s in range(1, 2001) if run.is_due(s, strategy.every, 0, 0.1, at_least=50)] == [50, 100, 150, 200]
    adam = adam_of(10)
    strategy.after_step(strategy.start(adam.splats), adam, 200, run, generator=torch.Generator(), **RATE)
    assert (adam.splats.opacities > 0.4).all()


def test_faint_gaussians_are_pruned_and_huge_ones_after_a_reset():
    strategy, adam = ADC(every=0.01, every_steps=1, grow=1.0, reset_every=0.3, reset_steps=1), adam_of(10)
    with torch.no_grad():
        adam.splats.logit_opacities[3] = -6.0
        adam.splats.log_scales[7] = 0.0
    densify(strategy, strategy.start(adam.splats), adam, step=20)
    assert len(adam.splats) == 9
    densify(strategy, strategy.start(adam.splats), adam, step=50)
    assert len(adam.splats) == 8


def test_nothing_grows_outside_its_time():
    strategy, adam = ADC(every=0.01, every_steps=1, start_at=0.2, stop_at=0.4, reset_every=0), adam_of(10)
    for step in (1, 20, 41, 100):
        densify(strategy, state_with(strategy, adam, slice(None)), adam, step=step)
        assert len(adam.splats) == 10


def test_a_reset_lowers_opacities_and_forgets_their_moments():
    adam = adam_of(10)
    with torch.no_grad():
        adam.splats.logit_opacities[0] = -8.0
    reset_opacities(adam, 0.01)
    torch.testing.assert_close(adam.splats.opacities[1:].detach(), torch.full((9,), 0.01))
    assert adam.splats.logit_opacities[0].item() == -8.0
    assert (adam.first["logit_opacities"] == 0).all() and (adam.first["means"] != 0).all()


def test_statistics_are_means_over_the_views_that_drew_a_gaussian():
    class Means2d(torch.Tensor):
        pass

    means2d = torch.zeros(1, 3, 2).as_subclass(Means2d)
    means2d.absgrad = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [9.0, 9.0]]])
    meta = {"means2d": means2d, "radii": torch.tensor([[[1, 1], [2, 2], [0, 0]]]), "width": 4, "height": 2}
    strategy, splats = ADC(), random_splats(3)
    state = strategy.start(splats)
    for _ in range(2):
        strategy.after_backward(state, splats, meta)
    torch.testing.assert_close(state["gradient"], torch.tensor([2 * (6**2 + 4**2) ** 0.5, 4.0, 0.0]))
    assert state["seen"].tolist() == [2, 2, 0]


@pytest.mark.parametrize("steps", [200, 2000, 30_000])
def test_times_scale_with_the_run(steps):
    run, strategy = Run(steps, 1.0), ADC(every=0.01, every_steps=1, start_at=0.1, stop_at=0.5)
    due = [s for s in range(1, steps + 1) if run.is_due(s, strategy.every, strategy.start_at, strategy.stop_at)]
    assert len(due) == 40
    assert min(due) > 0.1 * steps and max(due) <= 0.5 * steps


def test_with_revised_opacity_a_clone_and_its_origin_let_through_what_one_did():
    strategy, adam = ADC(every=0.01, every_steps=1, grow=1.0, reset_every=0, revised_opacity=True), adam_of(10)
    before = adam.splats.opacities.detach().clone()
    densify(strategy, state_with(strategy, adam, [2, 5]), adam)
    after = adam.splats.opacities.detach()
    torch.testing.assert_close((1 - after[[2, 5]]) * (1 - after[10:]), 1 - before[[2, 5]])
    torch.testing.assert_close(after[[0, 1, 3, 4]], before[[0, 1, 3, 4]])


def test_regularisers_are_those_of_mcmc():
    strategy, adam = ADC(opacity_weight=0.3, scale_weight=0.7), adam_of(10)
    ours = adam.splats
    for tensor in ours.tensors().values():
        tensor.grad = torch.zeros_like(tensor)
    meta = {"means2d": torch.zeros(1, 10, 2), "width": 4, "height": 4, "radii": torch.zeros(1, 10, 2)}
    meta["means2d"].absgrad = torch.zeros(1, 10, 2)
    strategy.after_backward(strategy.start(ours), ours, meta)
    theirs = ours.map(lambda t: t.detach().clone().requires_grad_())
    (0.3 * theirs.opacities.mean() + 0.7 * theirs.scales.mean()).backward()
    torch.testing.assert_close(ours.logit_opacities.grad, theirs.logit_opacities.grad)
    torch.testing.assert_close(ours.log_scales.grad, theirs.log_scales.grad)


@pytest.mark.parametrize("strategy", [ADC, MCMC])
def test_a_cap_of_nothing_is_refused(strategy):
    with pytest.raises(InputError, match="cap"):
        strategy(cap=0)
