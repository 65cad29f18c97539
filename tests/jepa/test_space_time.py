"""Space and time: tubes of two kinds, time as a place, and clips that are woven."""

from dataclasses import replace

import pytest
import torch

from scenekit.errors import InputError
from scenekit.jepa.clips import Clips
from scenekit.jepa.elements import FEATURES
from scenekit.jepa.masks import Blocks
from scenekit.jepa.network import JepaConfig
from scenekit.jepa.objective import MaskedObjective
from scenekit.jepa.space_time import V_JEPA_2, OneOf, SpaceTimeObjective, tubes, woven
from scenekit.jepa.tokens import Tokens

B, S, T = 3, 4, 24
MICRO = JepaConfig(width=16, depth=1, heads=2, hidden=8, predictor_width=16, predictor_depth=1, predictor_heads=2,
                   coordinates=4)  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clips() -> Clips:
    g, n = generator(), B * S
    frames = Tokens(
        torch.randn(n, T, 4, FEATURES, generator=g), torch.rand(n, T, 3, generator=g) * 2 - 1, torch.ones(n, T),
        torch.arange(T).expand(n, T), torch.ones(n, T, dtype=torch.bool), torch.tensor([0.0, 0, 0, 1]).expand(n, 4),
    )  # fmt: skip
    return Clips(frames, torch.zeros(B, S - 1, 0))


def objective() -> SpaceTimeObjective:
    torch.manual_seed(0)
    return SpaceTimeObjective(MICRO, S)


def test_woven_clips_have_their_steps_one_after_the_other():
    whole, clip = woven(clips()), clips()
    assert len(whole) == S * T and len(whole.centers) == B
    assert isinstance(clip.frames, Tokens)
    assert torch.equal(whole.centers[1, 2 * T : 3 * T], clip.frames.centers[1 * S + 2])
    frames = clip.frames.map(torch.clone)
    frames.frame[5, 0] += 1
    with pytest.raises(InputError, match="several frames"):
        woven(Clips(frames, clip.actions))
    with pytest.raises(InputError, match="numbers"):
        woven(Clips.of(torch.zeros(2, 3, 4)))


def test_masks_are_tubes_over_all_steps_of_two_kinds():
    whole, sizes, g = woven(clips()), set(), generator()
    for _ in range(20):
        mask = tubes(S)(whole, generator=g)
        (block,) = mask.targets  # predicted at once
        sizes.add(block.shape[1])
        steps = (block // T).sort(1).values
        assert (steps.unflatten(1, (S, -1)) == torch.arange(S)[:, None]).all()  # as many in each step
        assert mask.context.shape[1] + block.shape[1] == S * T
    assert sizes == {S * 8 * 2, S * 2 * 11}


def test_the_error_is_l1_of_normalised_targets_at_places_in_space_and_time():
    model, whole = objective(), woven(clips())
    found = model.losses(whole, generator=generator(1))["prediction"]
    mask = model.masks(whole, generator=generator(1))
    time = torch.linspace(-1, 1, S).repeat_interleave(T)[:, None].expand(B, S * T, 1)
    places = torch.cat([whole.centers, time], -1)
    row = torch.arange(B)[:, None]
    seen = places[row, mask.context]
    context = model.encoder(whole.take(mask.context), places=seen)
    targets = model.mean(whole, places=places)
    targets = (targets - targets.mean(-1, keepdim=True)) / (targets.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    errors = [
        (model.predictor(context, seen, places[row, block]) - targets[row, block]).abs().mean(-1)
        for block in mask.targets
    ]
    assert float(found) == pytest.approx(float(torch.cat(errors, 1).mean()), rel=1e-4)
    assert not found.isnan() and model.config == V_JEPA_2


def test_the_same_clip_backwards_has_other_latents():
    model, whole = objective(), woven(clips())
    order = torch.arange(S * T).reshape(S, T).flip(0).flatten().expand(B, -1)
    forward = model._latents(whole).reshape(B, S, T, -1)
    backward = model._latents(whole.take(order)).reshape(B, S, T, -1).flip(1)
    assert not torch.allclose(forward, backward, atol=1e-3)
    still = MaskedObjective(replace(MICRO, coordinates=3), V_JEPA_2, Blocks())  # without time
    backward = still._latents(whole.take(order)).reshape(B, S, T, -1).flip(1)
    assert torch.allclose(still._latents(whole).reshape(B, S, T, -1), backward, atol=1e-4)


def test_what_cannot_be_used_is_said():
    with pytest.raises(InputError, match="space and time"):
        SpaceTimeObjective(JepaConfig(), 4)
    with pytest.raises(InputError, match="samplers"):
        OneOf(())
    with pytest.raises(InputError, match="as many in each"):
        objective().latents(woven(clips()).take(torch.arange(10).expand(B, -1)))
