"""Probes against closed forms, planted signals and chance."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.nn import functional

from scenekit.errors import FitError, InputError
from scenekit.jepa.probe import DECAYS, classification, near_classes, r2, regression


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("features", [4, 90])
def test_a_regression_is_the_closed_form_of_its_ridge(features: int) -> None:
    x, y = noise(60, features) * 10.0 ** torch.arange(-2, 2).repeat(features)[:features] + 5, noise(60, 2, seed=1)
    probe = regression(x, y)
    z = (x - x.mean(0)) / x.std(0)
    left = z.T @ z / 60 + probe.penalty * torch.eye(features)
    weights = torch.linalg.solve(left, z.T @ (y - y.mean(0)) / 60)
    assert torch.allclose(probe(x), z @ weights + y.mean(0), atol=1e-10)


def test_a_planted_linear_signal_is_found_whatever_the_units() -> None:
    x = noise(200, 6) * 10.0 ** torch.arange(-3, 3)
    y = (x / x.std(0)) @ noise(6, 3, seed=1) + 2
    probe = regression(x[:150], y[:150])
    assert r2(probe(x[150:]), y[150:]) > 0.9999


def test_noise_tells_nothing_even_with_more_features_than_examples() -> None:
    x, y = noise(100, 300), noise(100, 1, seed=1)
    probe = regression(x[:80], y[:80])
    assert -0.35 < r2(probe(x[80:]), y[80:]) < 0.2


def test_a_constant_feature_changes_nothing() -> None:
    x, y = noise(50, 3), noise(50, 1, seed=1)
    with_constant = torch.cat([x, torch.full((50, 1), 7.0)], 1)
    assert torch.allclose(regression(x, y)(x), regression(with_constant, y)(with_constant), atol=1e-10)


def test_a_classification_is_where_another_optimiser_ends() -> None:
    x, labels = noise(90, 3), torch.arange(90) % 3
    x[:, 0] += labels
    probe = classification(x, labels, 3)
    z = (x - x.mean(0)) / x.std(0)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = torch.from_numpy(flat.reshape(4, 3)).requires_grad_()
        value = functional.cross_entropy(z @ both[:3] + both[3], labels)
        value = value + probe.penalty / 2 * both[:3].square().sum()
        value.backward()
        return float(value), both.grad.numpy().ravel()

    found = minimize(loss, np.zeros(12), jac=True, method="BFGS", options={"gtol": 1e-9}).x.reshape(4, 3)
    assert np.allclose(probe.weights.numpy(), found[:3], atol=1e-4)
    assert probe.penalty in DECAYS


def test_classes_in_the_features_are_found_and_those_of_noise_are_not() -> None:
    labels = torch.arange(400) % 4
    clear, blind = noise(400, 8) + 4 * functional.one_hot(labels, 8), noise(400, 8, seed=1)
    for x, low, high in ((clear, 0.95, 1.0), (blind, 0.1, 0.42)):
        linear = classification(x[:300], labels[:300], 4)(x[300:]).argmax(1)
        near = near_classes(x[:300], labels[:300], x[300:], 4)
        for found in (linear, near):
            assert low <= float((found == labels[300:]).double().mean()) <= high


def test_the_nearest_example_decides_alone() -> None:
    x = torch.eye(5)
    assert near_classes(x, torch.arange(5), 3 * x.flip(0), 5, k=1).tolist() == [4, 3, 2, 1, 0]


def test_r2_of_the_truth_is_one_and_of_the_mean_zero() -> None:
    y = torch.cat([noise(30, 2), torch.ones(30, 1)], 1)
    assert r2(y, y) == 1
    assert r2(y.mean(0).expand_as(y), y) == pytest.approx(0)
    assert r2(-y, y) < 0


def test_what_cannot_be_probed_is_refused() -> None:
    x = noise(10, 2)
    with pytest.raises(InputError, match="examples"):
        regression(x, noise(9, 1))
    with pytest.raises(FitError, match="not finite"):
        regression(x / 0, noise(10, 1))
    with pytest.raises(InputError, match="labels"):
        classification(x, torch.arange(10), 3)
    with pytest.raises(InputError, match="vary"):
        r2(torch.ones(3, 1), torch.ones(3, 1))
