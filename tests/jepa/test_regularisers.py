"""SIGReg and variance–covariance, against closed forms, finite differences, and themselves in two processes."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.jepa.regularisers import sigreg, variance_covariance
from scenekit.jepa.variational import moments_kl

D, N = 64, 128


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def statistic(latents: Tensor, seed: int = 0) -> float:
    return float(sigreg(latents, generator=generator(seed)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [N, 1000])
def test_samples_of_the_normal_distribution_score_about_one(n: int, seed: int) -> None:
    assert 0.8 <= statistic(torch.randn(n, D, generator=generator(seed))) <= 1.4


@pytest.mark.parametrize("n", [N, 1000])
def test_latents_that_are_all_zero_score_as_the_integral_says(n: int) -> None:
    """n ∫ φ (1 − φ)² dt over −3..3, by a rule much finer than ours."""
    t = np.linspace(-3, 3, 100_001)
    normal = np.exp(-(t**2) / 2)
    exact = float(np.trapezoid(normal * (1 - normal) ** 2, t))
    assert statistic(torch.zeros(n, D)) == pytest.approx(0.402 * n, rel=0.01)
    assert statistic(torch.zeros(n, D)) == pytest.approx(exact * n, rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_latents_of_another_spread_place_or_rank_score_high(seed: int) -> None:
    x = torch.randn(N, D, generator=generator(seed))
    assert statistic(2 * x) > 0.2 * N
    assert statistic(x / 2) > 0.1 * N
    assert statistic(x + 1) > 0.2 * N
    assert statistic(x[:, :1] * torch.randn(D, generator=generator(seed + 9))) > 0.1 * N


def test_the_statistic_is_that_of_a_plain_loop_in_float64() -> None:
    x = torch.randn(20, 5, generator=generator())
    a = torch.randn(5, 7, generator=generator(3))
    a = (a / a.norm(dim=0)).double().numpy()
    worth = 0.0
    for column in a.T:
        for j in range(17):
            t = 3 * j / 16
            weight = (3 / 16) * (2 if 0 < j < 16 else 1)
            angle = t * (x.double().numpy() @ column)
            normal = math.exp(-t * t / 2)
            worth += 20 * weight * normal * ((np.cos(angle).mean() - normal) ** 2 + np.sin(angle).mean() ** 2) / 7
    assert float(sigreg(x, directions=7, generator=generator(3))) == pytest.approx(worth, rel=1e-5)


@pytest.mark.parametrize("kind", ["sigreg", "variance", "covariance"])
def test_the_gradient_is_that_of_finite_differences(kind: str) -> None:
    x = (0.7 * torch.randn(12, 4, generator=generator())).requires_grad_()

    def loss(x: Tensor) -> Tensor:
        if kind == "sigreg":
            return sigreg(x, directions=16, generator=generator(1))
        return variance_covariance(x)[kind == "covariance"]

    (gradient,) = torch.autograd.grad(loss(x), x)
    towards = torch.randn(12, 4, generator=generator(2))
    step = 1e-2
    with torch.no_grad():
        slope = (loss(x + step * towards) - loss(x - step * towards)) / (2 * step)
    assert float((gradient * towards).sum()) == pytest.approx(float(slope), rel=2e-3)


def test_variance_and_covariance_are_those_of_numpy() -> None:
    x = torch.randn(50, 6, generator=generator()) * torch.tensor([0.1, 0.5, 1, 1, 2, 0.0])
    C = np.cov(x.double().numpy().T)
    variance, covariance = variance_covariance(x)
    wanted = np.maximum(0, 1 - np.sqrt(C.diagonal() + 1e-4)).mean()
    assert float(variance) == pytest.approx(wanted, rel=1e-4)
    assert float(covariance) == pytest.approx((C**2).sum() / 6 - (C.diagonal() ** 2).sum() / 6, rel=1e-3)


def test_every_call_takes_other_directions_and_the_same_seed_the_same() -> None:
    x, shared = torch.randn(N, D, generator=generator()), generator()
    assert float(sigreg(x, generator=shared)) != float(sigreg(x, generator=shared))
    assert statistic(x) == statistic(x)


def test_low_precision_around_it_does_not_change_the_statistic() -> None:
    x = torch.randn(N, D, generator=generator())
    with torch.autocast("cpu", torch.bfloat16):
        inside = statistic(x), *map(float, variance_covariance(x))
    assert inside == (statistic(x), *map(float, variance_covariance(x)))


def test_two_processes_say_what_one_says_of_everything(in_two_processes: Callable[[str], list[Path]]) -> None:
    """Value and gradient, of unequal parts and of other generators; not the mean over parts (le-wm issue 24)."""
    files = in_two_processes("""
from scenekit.jepa.regularisers import sigreg, variance_covariance
from scenekit.jepa.variational import moments_kl
rank = processes.rank()
x = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
mine = (x[:15] if rank == 0 else x[15:]).clone().requires_grad_()
found = {}
found["sigreg"] = sigreg(mine, directions=32, generator=torch.Generator().manual_seed(5 + rank))
found["variance"], found["covariance"] = variance_covariance(mine)
found["moments"] = moments_kl(mine)
gradients = {n: torch.autograd.grad(v, mine, retain_graph=True)[0] / 2 for n, v in found.items()}
torch.save({"value": {n: v.detach() for n, v in found.items()}, "gradient": gradients}, folder / f"{rank}.pt")
""")
    first, second = (torch.load(file, weights_only=True) for file in files)
    x = torch.randn(40, 8, generator=generator()).requires_grad_()
    alone = {"sigreg": sigreg(x, directions=32, generator=generator(5))}
    alone["variance"], alone["covariance"] = variance_covariance(x)
    alone["moments"] = moments_kl(x)
    for name, value in alone.items():
        assert first["value"][name] == second["value"][name]
        torch.testing.assert_close(first["value"][name], value.detach(), rtol=1e-5, atol=1e-6)
        both = torch.cat([first["gradient"][name], second["gradient"][name]])
        torch.testing.assert_close(both, torch.autograd.grad(value, x, retain_graph=True)[0], rtol=1e-4, atol=1e-6)
    parts = [float(sigreg(part.detach(), directions=32, generator=generator(5))) for part in (x[:15], x[15:])]
    assert abs(sum(parts) / 2 - float(alone["sigreg"])) > 0.01  # so the test can tell


@pytest.mark.parametrize("shape", [(0, 4), (3,), (4, 0)])
def test_no_latents_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="latents"):
        sigreg(torch.zeros(shape), generator=generator())
