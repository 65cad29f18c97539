"""The noisy television: its moments are those of its formulas."""

import math

import pytest
import torch

from scenekit.datasets.noisy_tv import noisy_tv
from scenekit.errors import InputError


def test_signal_and_distractor_have_the_moments_of_their_equations():
    tv = noisy_tv(40_000, noise=8.0, seed=1)
    assert float(tv.signal.var()) == pytest.approx(0.1**2 / (1 - 0.99**2), rel=0.15)
    assert float(tv.distractor.var()) == pytest.approx(0.3**2 / (1 - 0.9**2), rel=0.05)
    lagged = (tv.signal[:-1] * tv.signal[1:]).mean() / tv.signal.square().mean()
    assert float(lagged) == pytest.approx(0.99 * math.cos(0.1 * math.pi), abs=0.005)
    loudness = noisy_tv(40_000, noise=8.0, seed=1).seen.var() / noisy_tv(40_000, noise=0.0, seed=1).seen.var()
    assert 40 < float(loudness) < 90


def test_the_same_seed_is_the_same_recording_and_nonsense_is_refused():
    assert torch.equal(noisy_tv(50, noise=2.0, seed=3).seen, noisy_tv(50, noise=2.0, seed=3).seen)
    assert not torch.equal(noisy_tv(50, noise=2.0, seed=3).seen, noisy_tv(50, noise=2.0, seed=4).seen)
    with pytest.raises(InputError, match="noisy tv"):
        noisy_tv(0, noise=1.0)
    with pytest.raises(InputError, match="noisy tv"):
        noisy_tv(10, noise=-1.0)
