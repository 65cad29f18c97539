"""Regularisers against their closed forms."""

import math

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.regularisers import Ramp, opaque, orientation, sparsity


def test_only_normals_that_look_away_cost():
    """Two rays, one that sees nothing; n·d is 1, −1 and 1/2."""
    normals = torch.tensor([[0.0, 0, 1], [0, 0, -1], [0, math.sqrt(3) / 2, 0.5]])
    directions = torch.tensor([[0.0, 0, 1]]).expand(3, 3)
    weights = torch.tensor([0.2, 0.5, 0.4], requires_grad=True)
    loss = orientation(weights, normals, directions, torch.tensor([0.9, 0.0]))
    assert float(loss) == pytest.approx(0.2 * 1 + 0.4 * 0.25)
    assert not loss.requires_grad


def test_sparsity_is_a_tenth_of_nothing():
    assert float(sparsity(torch.zeros(5))) == pytest.approx(0.1)
    assert float(sparsity(torch.tensor([1.0]))) == pytest.approx(math.sqrt(1.01))


def test_entropy_is_greatest_at_a_half_and_nearly_nothing_at_the_ends():
    assert float(opaque(torch.tensor([0.5]))) == pytest.approx(math.log(2))
    assert float(opaque(torch.tensor([0.0, 1.0]))) == pytest.approx(0.0079, abs=1e-4)
    alpha = torch.tensor([0.3], requires_grad=True)
    opaque(alpha).backward()
    assert float(alpha.grad) == pytest.approx(math.log(0.7 / 0.3), rel=1e-5)  # −d/dα (α ln α + (1−α) ln(1−α))


def test_a_ramp_waits_rises_and_stays():
    ramp = Ramp(10, 1000, start=0.1, end=0.5)
    assert [ramp.at(p) for p in (0.0, 0.1, 0.3, 0.5, 1.0)] == pytest.approx([10, 10, 505, 1000, 1000])
    assert Ramp(1, 2, start=0.5, end=0.5).at(0.5) == 2


def test_a_ramp_that_ends_before_it_begins_is_refused():
    with pytest.raises(InputError, match="ramp"):
        Ramp(0, 1, start=0.6, end=0.5)
