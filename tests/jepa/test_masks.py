"""Masks: exact, disjoint, compact where they say so, and another one at every call."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.jepa.elements import splat_elements
from scenekit.jepa.masks import (
    CLEAR,
    I_JEPA,
    Blocks,
    Hidden,
    Layers,
    Mask,
    MaskSampler,
    Objects,
    Random,
    Tubes,
    visibility,
)
from scenekit.jepa.tokens import TokenConfig, Tokens, tokenize
from scenekit.splats import random_splats
from scenekit.surface.flat_splats import flat_splats

SAMPLERS = [Blocks(), I_JEPA, Layers(), Random(), Hidden(), Objects(), Tubes(steps=4)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sphere(center: tuple[float, float, float], seed: int, radius: float = 1.0) -> Tensor:
    points = torch.nn.functional.normalize(torch.randn(700, 3, generator=generator(seed)), dim=1)
    return torch.cat([points * radius + torch.tensor(center), points], 1)


@pytest.fixture(scope="module")
def batch() -> Tokens:
    """Scenes of three balls in a row, each an object."""
    scenes = []
    for k in range(4):
        balls = torch.cat([sphere((2.5 * x, 0, 0), 10 * k + x) for x in range(3)])
        cloud = flat_splats(balls[:, :3], balls[:, 3:], torch.full((2100, 3), 0.5), area=37.7, opacity=0.9)
        elements = replace(splat_elements(cloud), owners=torch.arange(3).repeat_interleave(700))
        scenes.append(tokenize(elements, generator=generator(k)))
    return Tokens.stack(scenes)


def rows(mask: Mask) -> list[list[set[int]]]:
    """Sets of the context and of each target, scene by scene."""
    parts = [mask.context, *mask.targets]
    return [[set(part[b].tolist()) for part in parts] for b in range(len(mask.context))]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_context_and_targets_are_disjoint(batch: Tokens, sampler: MaskSampler) -> None:
    g = generator()
    for _ in range(20):
        for parts in rows(sampler(batch, generator=g)):
            assert sum(map(len, parts)) == len(set.union(*parts)) and min(map(len, parts)) > 0
            assert set.union(*parts) <= set(range(64))


def test_blocks_have_the_published_sizes(batch: Tokens) -> None:
    mask = Blocks()(batch, generator=generator())
    assert [target.shape for target in mask.targets] == [(4, 11), (4, 9), (4, 7), (4, 5)]
    assert mask.context.shape == (4, 32)
    assert all(len(part) == size for row in rows(mask) for part, size in zip(row, (32, 11, 9, 7, 5), strict=True))


def test_shares_between_bounds_reach_both(batch: Tokens) -> None:
    g = generator()
    masks = [I_JEPA(batch, generator=g) for _ in range(100)]
    sizes = {target.shape[1] for mask in masks for target in mask.targets}
    assert sizes == {10, 11, 12, 13}
    assert all(mask.context.shape[1] == 64 - sum(t.shape[1] for t in mask.targets) for mask in masks)


@pytest.mark.parametrize("sampler", [Blocks(), Layers(), Random(), Hidden()], ids=lambda s: type(s).__name__)
def test_no_mask_comes_twice_in_a_thousand_draws(batch: Tokens, sampler: MaskSampler) -> None:
    g, one = generator(), batch.map(lambda tensor: tensor[:1])
    drawn = [tuple(map(frozenset, rows(sampler(one, generator=g))[0])) for _ in range(1000)]
    assert len(set(drawn)) == 1000


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_the_same_seed_gives_the_same_mask(batch: Tokens, sampler: MaskSampler) -> None:
    assert rows(sampler(batch, generator=generator(3))) == rows(sampler(batch, generator=generator(3)))


def spread(tokens: Tokens, target: Tensor) -> float:
    """Mean distance of target tokens from their middle."""
    centers = tokens.take(target).centers
    return float((centers - centers.mean(1, keepdim=True)).norm(dim=-1).mean())


def test_blocks_are_compact(batch: Tokens) -> None:
    g = generator()
    radii = {
        sampler: np.mean([spread(batch, t) for _ in range(50) for t in sampler(batch, generator=g).targets])
        for sampler in (Blocks(), Random())
    }
    assert radii[Blocks()] < 0.65 * radii[Random()]


def test_random_masks_are_uniform(batch: Tokens) -> None:
    g, counts = generator(), torch.zeros(64)
    for _ in range(500):
        counts += torch.bincount(Random()(batch, generator=g).targets[0].flatten(), minlength=64)
    expected = 500 * 4 * 11 / 64
    assert float((counts - expected).abs().max()) < 5 * expected**0.5


def test_layers_lie_between_two_depths(batch: Tokens) -> None:
    """A slab is an interval along some direction: no token outside lies between the same bounds along the best one."""
    mask = Layers()(batch, generator=generator(1))
    directions = torch.nn.functional.normalize(torch.randn(20_000, 3, generator=generator()), dim=1)
    for b, target in enumerate(mask.targets[0]):
        depth = batch.centers[b] @ directions.T
        inside = depth[target]
        between = ((depth >= inside.amin(0)) & (depth <= inside.amax(0))).sum(0)
        assert int(between.min()) <= len(target) + 1


def test_objects_are_hidden_whole(batch: Tokens) -> None:
    g = generator()
    seen_owners = set()
    for _ in range(10):
        mask = Objects(objects=2)(batch, generator=g)
        for b, (context, *targets) in enumerate(rows(mask)):
            owners = [set(batch.owners[b, list(target)].tolist()) for target in targets]
            assert all(len(of) == 1 for of in owners) and owners[0] != owners[1]
            for of, target in zip(owners, targets, strict=True):
                assert target == set((batch.owners[b] == min(of)).nonzero().flatten().tolist())
                seen_owners |= of
            assert not set(batch.owners[b, list(context)].tolist()) & set.union(*owners)
    assert seen_owners == {0, 1, 2}


def test_tubes_hide_the_same_place_at_every_step() -> None:
    tokens = tokenize(random_splats(2000), TokenConfig(count=16), generator=generator())
    clip = Tokens.stack([tokens.take(torch.arange(16).repeat(5))] * 2)
    mask = Tubes(steps=5)(clip, generator=generator())
    for part in (mask.context, *mask.targets):
        by_step = part.reshape(2, 5, -1)
        assert torch.equal(by_step // 16, torch.arange(5)[:, None].expand_as(by_step))
    for target in mask.targets:
        places = (target.reshape(2, 5, -1) % 16).sort(2).values
        assert torch.equal(places, places[:, :1].expand_as(places))


def test_a_camera_sees_the_near_side_of_a_ball() -> None:
    ball = sphere((0, 0, 0), 1)
    cloud = flat_splats(ball[:, :3], ball[:, 3:], torch.full((700, 3), 0.5), area=12.6, opacity=0.9)
    tokens = Tokens.stack([tokenize(cloud, generator=generator())] * 2)
    eye = torch.tensor([[3.2, 0, 0], [0, 0, -3.2]])
    share = visibility(tokens, eye)
    facing = (tokens.centers * torch.nn.functional.normalize(eye, dim=1)[:, None]).sum(-1)
    assert float(share[facing > 0.7].mean()) > 0.95
    assert float(share[facing < -0.2].mean()) < 0.1


def test_what_hides_is_in_front(batch: Tokens) -> None:
    share = visibility(batch, torch.tensor([[-3.2, 0, 0]]).expand(4, 3))
    assert float(share[batch.owners == 0].mean()) > 0.35 and float(share[batch.owners == 2].mean()) < 0.1


def test_hidden_targets_are_seen_no_more_than_the_context(batch: Tokens) -> None:
    level = Hidden(0.4, 0.4, elevations=(90.0, 90.0))
    mask = level(batch, generator=generator())
    share = visibility(batch, torch.tensor([[0, 0, 3.2]]).expand(4, 3)).clamp(max=CLEAR)
    assert bool((share.gather(1, mask.targets[0]).amax(1) <= share.gather(1, mask.context).amin(1)).all())
    assert mask.targets[0].shape == mask.context.shape == (4, 26)


@pytest.mark.parametrize("sampler", [Blocks((0.2,), 0.2), Layers((0.2,), 0.2), Random((0.2,), 0.2), Hidden(0.2, 0.2)])
def test_tokens_that_are_not_valid_are_in_no_mask(batch: Tokens, sampler: MaskSampler) -> None:
    some = replace(batch, valid=torch.arange(64).expand(4, 64) % 2 == 0)
    for row in rows(sampler(some, generator=generator())):
        assert all(number % 2 == 0 for part in row for number in part)


@pytest.mark.parametrize("sampler", [Blocks(), Hidden()], ids=lambda sampler: type(sampler).__name__)
def test_too_few_tokens_are_refused(batch: Tokens, sampler: MaskSampler) -> None:
    with pytest.raises(InputError, match="10 that can be masked"):
        sampler(replace(batch, valid=torch.arange(64).expand(4, 64) < 10), generator=generator())
    with pytest.raises(InputError, match="1 that can be masked"):
        sampler(batch.take(torch.zeros(4, 1, dtype=torch.long)), generator=generator())


def test_masks_that_leave_no_context_are_refused(batch: Tokens) -> None:
    with pytest.raises(InputError, match="mask"):
        Mask(torch.zeros(2, 0, dtype=torch.long), (torch.zeros(2, 3, dtype=torch.long),))
    with pytest.raises(InputError, match="mask"):
        Mask(torch.zeros(2, 3, dtype=torch.long), ())
    for shares, context in (((0.6, 0.6), 0.1), ((0.5,), 0.6), ((0.0,), 0.5), ((), 0.5), (((0.3, 0.2),), 0.1)):
        with pytest.raises(InputError, match="shares"):
            Blocks(shares, context)
    with pytest.raises(InputError, match="objects"):
        Objects(objects=4)(batch, generator=generator())
    with pytest.raises(InputError, match="0 that can be masked"):
        Objects(objects=3)(batch, generator=generator())
    with pytest.raises(InputError, match="steps"):
        Tubes(steps=5)(batch, generator=generator())
