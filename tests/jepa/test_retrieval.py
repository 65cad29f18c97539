"""Retrieval, drift, partial views and AUROC against what they must be of made features."""

import math

import pytest
import torch

from scenekit.errors import InputError
from scenekit.jepa.retrieval import auroc, drift, partial, recall
from scenekit.jepa.tokens import TokenConfig, Tokens, tokenize
from scenekit.splats import random_splats


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_recall_is_of_all_of_none_and_by_chance() -> None:
    x = torch.randn(100, 16, generator=chance())
    assert recall(x, 5 * x) == 1
    assert recall(x, x.roll(1, 0)) == 0
    assert recall(x, torch.randn(100, 16, generator=chance(1))) < 0.06


def test_drift_is_the_chord_and_its_share_of_what_is_between_things() -> None:
    angle = 0.1
    one = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    found = drift(one, one @ turn)
    assert found.distance == pytest.approx(2 * math.sin(angle / 2))
    between = (2 * math.sin(math.pi / 4 + angle / 2) + 2 * math.sin(math.pi / 4 - angle / 2)) / 2
    assert found.relative == pytest.approx(found.distance / between)


def test_features_that_are_nearly_the_same_of_everything_have_no_relative_advantage() -> None:
    x, moved = (torch.randn(50, 8, generator=chance(seed)) for seed in (0, 1))
    clear, dull = drift(x, x + 0.1 * moved), drift(x + 50, x + 50 + 0.1 * moved)
    assert dull.distance < 0.1 * clear.distance
    assert dull.relative > 0.5 * clear.relative


@pytest.fixture
def tokens() -> Tokens:
    config = TokenConfig(count=20, neighbours=4, elements=100)
    made = [tokenize(random_splats(200, seed=seed), config, generator=chance()) for seed in range(3)]
    batch = Tokens.stack(made)
    batch.valid[1, 10:] = False
    return batch


def test_a_partial_view_lacks_one_side_and_nothing_else(tokens: Tokens) -> None:
    left = partial(tokens, 0.55, generator=chance())
    assert left.valid.sum(1).tolist() == [9, 4, 9] and not bool((left.valid & ~tokens.valid).any())
    assert torch.equal(left.centers, tokens.centers)
    for centers, kept, valid in zip(tokens.centers, left.valid, tokens.valid, strict=True):
        gone = valid & ~kept
        way = centers[gone].mean(0) - centers[kept].mean(0)
        assert (centers[gone] @ way).mean() > (centers[kept] @ way).mean()
    assert torch.equal(partial(tokens, 0.0, generator=chance()).valid, tokens.valid)
    assert partial(tokens, 0.99, generator=chance()).valid.sum(1).tolist() == [1, 1, 1]
    other = partial(tokens, 0.55, generator=chance(1))
    assert not torch.equal(other.valid, left.valid)


def test_auroc_counts_pairs() -> None:
    scores = torch.tensor([0.1, 0.4, 0.4, 0.8])
    positive = torch.tensor([False, True, False, True])
    assert auroc(scores, positive) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert auroc(-scores, positive) == pytest.approx(1 - 3.5 / 4)
    assert auroc(torch.ones(4), positive) == 0.5


def test_what_cannot_be_ranked_is_refused(tokens: Tokens) -> None:
    with pytest.raises(InputError, match="scores"):
        auroc(torch.ones(3), torch.zeros(3, dtype=torch.bool))
    with pytest.raises(InputError, match="features"):
        recall(torch.ones(3, 2), torch.ones(2, 2))
    with pytest.raises(InputError, match="missing"):
        partial(tokens, 1.0, generator=chance())
