"""Features: groups see what is theirs, empty groups and invalid tokens do no harm."""

from dataclasses import replace

import pytest
import torch

from scenekit.jepa.features import (
    ElementFeatures,
    Features,
    LatentFeatures,
    Standardised,
    VoxelFeatures,
    of_groups,
    of_scenes,
    untrained,
)
from scenekit.jepa.network import TINY
from scenekit.jepa.tokens import TokenConfig, Tokens, tokenize
from scenekit.splats import random_splats

CONFIG = replace(TINY, tokens=TokenConfig(count=12, neighbours=4, elements=60))
ALL: list[Features] = [LatentFeatures(untrained(CONFIG, seed=0)), ElementFeatures(), VoxelFeatures()]


@pytest.fixture
def tokens() -> Tokens:
    chance = torch.Generator().manual_seed(0)
    return Tokens.stack([tokenize(random_splats(80, seed=i), CONFIG.tokens, generator=chance) for i in range(3)])


@pytest.mark.parametrize("features", ALL, ids=lambda each: type(each).__name__)
def test_features_know_no_order_and_no_token_that_is_not_valid(features: Features, tokens: Tokens) -> None:
    found = of_scenes(features, tokens)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1)).expand(3, -1)
    assert torch.allclose(of_scenes(features, tokens.take(order)), found, atol=1e-5)
    tokens.valid[:, 8:] = False
    spoilt = replace(tokens, elements=tokens.elements.clone())
    spoilt.elements[:, 8:] = 9.0
    assert torch.allclose(of_scenes(features, spoilt), of_scenes(features, tokens), atol=1e-5)
    assert not torch.allclose(of_scenes(features, tokens), found, atol=1e-3)


@pytest.mark.parametrize("features", ALL, ids=lambda each: type(each).__name__)
def test_each_group_has_features_of_its_own(features: Features, tokens: Tokens) -> None:
    groups = torch.stack([torch.arange(12) < 5, torch.arange(12) >= 5, torch.zeros(12, dtype=torch.bool)])
    groups = groups.expand(3, -1, -1)
    found = of_groups(features, tokens, groups)
    assert torch.allclose(found, of_groups(features, tokens, groups.flip(1)).flip(1), atol=1e-5)
    assert not torch.allclose(found[:, 0], found[:, 1], atol=1e-3)
    assert not bool(found[:, 2].any())


def test_mean_and_largest_are_those_of_the_group(tokens: Tokens) -> None:
    each = ElementFeatures().of_tokens(tokens)
    groups = (torch.arange(12) < 5).expand(3, 1, -1)
    wanted = torch.cat([each[:, :5].mean(1), each[:, :5].amax(1)], -1)
    assert torch.allclose(of_groups(ElementFeatures(), tokens, groups)[:, 0], wanted, atol=1e-6)


def test_standardised_features_have_no_mean_and_a_deviation_of_one(tokens: Tokens) -> None:
    examples = of_scenes(ElementFeatures(), tokens)
    found = of_scenes(Standardised.on(ElementFeatures(), examples), tokens)
    assert torch.allclose(found.mean(0), torch.zeros(found.shape[1]), atol=1e-4)
    varied = examples.std(0) > 1e-3
    assert torch.allclose(found.std(0)[varied], torch.ones(int(varied.sum())), atol=1e-3)


def test_an_untrained_model_is_its_seed(tokens: Tokens) -> None:
    before = torch.random.get_rng_state()
    one, again, other = (of_scenes(LatentFeatures(untrained(CONFIG, seed=seed)), tokens) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.allclose(one, other, atol=1e-2)
    assert torch.equal(torch.random.get_rng_state(), before)
