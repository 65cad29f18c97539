"""CEM and MPPI: they find minima that are known, within the bounds, the same ones for the same seed."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.planning import CemConfig, MppiConfig, Plan, cem, mppi
from scenekit.planning.search import colored

CEM, MPPI = CemConfig(), MppiConfig(samples=512)
ICEM = replace(CEM, samples=100, elites=15, least_spread=0.02, color=2.0, keep=5)
BOTH = pytest.mark.parametrize("config", [CEM, ICEM, MPPI], ids=["cem", "icem", "mppi"])


def solved(cost: Any, config: CemConfig | MppiConfig, shape: tuple[int, ...], *, seed: int = 0, **options: Any) -> Plan:
    """The plan within ±2 in each number."""
    bounds: dict[str, Any] = {"low": torch.full(shape, -2.0), "high": torch.full(shape, 2.0)}
    generator = torch.Generator().manual_seed(seed)
    method: Any = cem if isinstance(config, CemConfig) else mppi
    return method(cost, config, **(bounds | options), generator=generator)


def rosenbrock(actions: Tensor) -> Tensor:
    x, y = actions[..., 0, 0], actions[..., 0, 1]
    return (1 - x).square() + 100 * (y - x.square()).square()


@BOTH
def test_the_minimum_of_a_quadratic_is_found(config: CemConfig | MppiConfig) -> None:
    wanted = torch.linspace(-1.5, 1.5, 10).reshape(5, 2)
    plan = solved(lambda actions: (actions - wanted).square().sum((-2, -1)), config, (5, 2))
    assert float((plan.actions - wanted).abs().max()) < 1e-2
    assert float(plan.cost) < 1e-3


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_the_minimum_of_rosenbrocks_valley_is_found(config: CemConfig | MppiConfig, seed: int) -> None:
    plan = solved(rosenbrock, replace(config, iterations=200, least_spread=0.02), (1, 2), seed=seed)
    assert float((plan.actions - 1).abs().max()) < 1e-2
    assert float(plan.cost) < 1e-4


@BOTH
def test_no_sample_leaves_the_bounds_and_a_minimum_outside_is_met_at_them(config: CemConfig | MppiConfig) -> None:
    low, high = torch.tensor([[-1.0, 0.2]]).expand(3, 2), torch.tensor([[0.5, 0.3]]).expand(3, 2)
    seen: list[bool] = []

    def cost(actions: Tensor) -> Tensor:
        seen.append(bool(((actions >= low) & (actions <= high)).all()))
        return (actions - 5).square().sum((-2, -1))

    plan = solved(cost, config, (3, 2), low=low, high=high)
    assert seen == [True] * config.iterations
    assert bool((plan.actions <= high).all()) and torch.allclose(plan.actions, high, atol=1e-5)


@BOTH
def test_the_seed_determines_the_plan_and_nothing_else_is_drawn(config: CemConfig | MppiConfig) -> None:
    before = torch.random.get_rng_state()
    first, second, other = (solved(rosenbrock, replace(config, iterations=3), (1, 2), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.actions, second.actions) and torch.equal(first.spread, second.spread)
    assert not torch.equal(first.actions, other.actions)
    assert torch.equal(before, torch.random.get_rng_state())


@BOTH
def test_what_is_forbidden_is_not_planned(config: CemConfig | MppiConfig) -> None:
    def cost(actions: Tensor) -> Tensor:
        squares = actions.square().sum((-2, -1))
        return torch.where(actions[..., 0, 0] < 1, torch.inf, squares)

    plan = solved(cost, config, (2, 1))
    assert float(plan.actions[0, 0]) >= 1
    assert float(plan.cost) < 1.02


@BOTH
def test_problems_side_by_side_have_each_their_own_solution(config: CemConfig | MppiConfig) -> None:
    wanted = torch.tensor([-1.0, 0.0, 1.5])
    plan = solved(lambda actions: (actions - wanted[:, None, None, None]).square().sum((-2, -1)), config, (3, 2, 1))
    assert plan.actions.shape == (3, 2, 1) and plan.cost.shape == (3,)
    assert float((plan.actions - wanted[:, None, None]).abs().max()) < 1e-2


@BOTH
def test_a_warm_start_is_among_the_samples(config: CemConfig | MppiConfig) -> None:
    needle = torch.tensor([[1.2345, -0.5432]])

    def cost(actions: Tensor) -> Tensor:
        return ((actions - needle).abs().amax((-2, -1)) > 1e-4).float()

    plan = solved(cost, replace(config, iterations=1), (1, 2), warm=needle)
    assert torch.equal(plan.actions, needle) and float(plan.cost) == 0


def test_mppi_weighs_by_the_exponential_of_the_cost() -> None:
    seen: list[Tensor] = []

    def cost(actions: Tensor) -> Tensor:
        seen.append(actions.clone())
        return actions.sum((-2, -1)) * 7

    config = MppiConfig(samples=9, iterations=2, momentum=0.0, temperature=0.3)
    solved(cost, config, (1, 1))
    actions = seen[0].double().flatten()
    costs = 7 * actions
    weights = torch.exp(-(costs - costs.min()) / (0.3 * (costs.median() - costs.min())))
    assert float(seen[1].flatten()[0]) == pytest.approx(float((weights * actions).sum() / weights.sum()), abs=1e-5)


def test_colored_noise_has_unit_variance_and_its_spectrum() -> None:
    white = torch.randn(20000, 16, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(colored(white, 0.0), white)
    noise = colored(white, 2.0)
    assert float(noise.var()) == pytest.approx(1, abs=0.02)
    power = torch.fft.rfft(noise, dim=-2).abs().square().mean((0, 2))
    assert float(power[2] / power[4]) == pytest.approx(4, rel=0.1)


@BOTH
def test_a_model_that_says_no_number_is_refused(config: CemConfig | MppiConfig) -> None:
    with pytest.raises(InputError, match="finite"):
        solved(lambda actions: actions.sum((-2, -1)) * math.nan, config, (2, 2))


def test_costs_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="cost"):
        solved(lambda actions: actions.sum(-1), CEM, (2, 2))


@pytest.mark.parametrize(
    "options",
    [
        {"low": torch.ones(2, 2)},
        {"low": torch.full((2, 2), 3.0)},
        {"high": torch.full((2, 2), math.inf)},
        {"low": torch.full((2, 2), math.nan)},
        {"warm": torch.zeros(3, 2)},
        {"warm": torch.full((2, 2), math.nan)},
        {"low": torch.zeros(0, 2), "high": torch.zeros(0, 2)},
    ],
)
def test_bounds_and_warm_starts_that_do_not_fit_are_refused(options: dict[str, Tensor]) -> None:
    options = {"high": torch.ones(2, 2)} | options
    with pytest.raises(InputError):
        solved(rosenbrock, CEM, (2, 2), **options)


@pytest.mark.parametrize(
    "wrong",
    [{"samples": 1}, {"elites": 1}, {"elites": 301}, {"iterations": 0}, {"momentum": 1.0}, {"spread": 0.0},
     {"least_spread": 2.0}, {"color": -1.0}, {"keep": 300}],
)  # fmt: skip
def test_configs_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        CemConfig(**wrong)
    with pytest.raises(InputError):
        MppiConfig(temperature=0.0)
