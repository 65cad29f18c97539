"""The health of latents, against closed forms."""

import pytest
import torch

from scenekit.errors import FitError, InputError
from scenekit.jepa.diagnostics import effective_rank, health


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spectrum(values: list[float]) -> torch.Tensor:
    """Latents whose singular values these are."""
    x = torch.randn(40, len(values), generator=generator(), dtype=torch.float64)
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    return u * torch.tensor(values, dtype=torch.float64) @ v


@pytest.mark.parametrize("k", [1, 3, 8])
def test_equal_singular_values_count(k: int) -> None:
    assert effective_rank(spectrum([2.0] * k + [0.0] * (8 - k))) == pytest.approx(k, rel=1e-6)


def test_unequal_singular_values_count_as_their_entropy_says() -> None:
    assert effective_rank(spectrum([0.5, 0.25, 0.25])) == pytest.approx(2**1.5, rel=1e-6)


def test_one_vector_and_a_little_noise_in_all_directions_have_a_rank_near_1() -> None:
    same = torch.ones(100, 16) + 1e-4 * torch.randn(100, 16, generator=generator())
    assert 1 < effective_rank(same) < 1.01
    assert [alarm.split()[0] for alarm in health(same).alarms] == ["deviation"]
    assert effective_rank(torch.zeros(4, 3)) == 0


def test_health_is_that_of_plain_loops() -> None:
    x = torch.randn(30, 5, generator=generator()) + 1
    cosines = [torch.cosine_similarity(x[i], x[j], dim=0) for i in range(30) for j in range(30) if i != j]
    found = health(x)
    assert found.cosine == pytest.approx(float(torch.stack(cosines).mean()), abs=1e-6)
    assert found.deviation == pytest.approx(float(torch.stack([x[:, i].std() for i in range(5)]).mean()), rel=1e-6)
    assert found.alarms == ()


def test_one_direction_and_a_small_spread_raise_the_alarm() -> None:
    line = torch.randn(200, 1, generator=generator()) * torch.ones(64)
    assert [alarm.split()[0] for alarm in health(line).alarms] == ["effective"]
    assert [alarm.split()[0] for alarm in health(0.02 * torch.randn(200, 64, generator=generator())).alarms] == [
        "deviation"
    ]


def test_what_says_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="at least two"):
        health(torch.zeros(1, 4))
    with pytest.raises(FitError, match="not finite"):
        health(torch.tensor([[0.0, 1.0], [float("nan"), 2.0]]))
