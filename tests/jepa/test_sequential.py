"""Sequences: views that add up, actions that matter, and blocks in the order of attention."""

import pytest
import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.jepa.clips import Clips, Recordings
from scenekit.jepa.elements import FEATURES
from scenekit.jepa.masks import Blocks
from scenekit.jepa.network import JepaConfig
from scenekit.jepa.objective import MaskedObjective, ObjectiveConfig
from scenekit.jepa.sequential import OrderedObjective, SequenceObjective, saliency, salient_first
from scenekit.jepa.tokens import Tokens
from scenekit.jepa.training import Trainer, TrainingConfig

T = 16
MICRO = JepaConfig(width=16, depth=2, heads=2, hidden=8, predictor_width=16, predictor_depth=1, predictor_heads=2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scenes(b: int = 3) -> Tokens:
    g = generator()
    return Tokens(
        torch.randn(b, T, 4, FEATURES, generator=g), torch.rand(b, T, 3, generator=g) * 2 - 1, torch.ones(b, T),
        torch.zeros(b, T, dtype=torch.int64), torch.ones(b, T, dtype=torch.bool), torch.ones(b, 4),
    )  # fmt: skip


def views(n: int, steps: int) -> tuple[Tensor, Tensor]:
    """A thing of three numbers, seen as R(angle) thing in the first two; actions are turns, cos and sin of them."""
    g = generator(1)
    thing = torch.randn(n, 3, generator=g)
    angle = torch.rand(n, steps, generator=g) * 6.28
    x = thing[:, None, 0] * angle.cos() - thing[:, None, 1] * angle.sin()
    y = thing[:, None, 0] * angle.sin() + thing[:, None, 1] * angle.cos()
    turn = angle.diff(dim=1)
    return torch.stack([x, y, thing[:, 2:].expand_as(x)], -1), torch.stack([turn.cos(), turn.sin()], -1)


def test_it_learns_what_a_turn_does_to_a_view():
    torch.manual_seed(0)
    model = SequenceObjective(nn.Linear(3, 16), 16, 2, depth=1, ema=0.99)
    frames, actions = views(600, 4)
    config = TrainingConfig(steps=300, batch=64, learning_rate=5e-3, warm_up=20, precision="float32", watch_every=1000)
    Trainer(model, Recordings(frames[:500], actions[:500], window=4), config, folder=None).train()
    new = Clips.of(frames[500:], actions[500:])
    with torch.no_grad():
        error = float(model.losses(new, generator=generator())["prediction"])
        wrong = Clips.of(frames[500:], torch.cat([actions[500:, :-1], -actions[500:, -1:]], 1))  # half a turn more
        assert error < 0.15 and float(model.losses(wrong, generator=generator())["prediction"]) > 3 * error


def test_targets_are_of_a_running_mean_without_gradient():
    model = SequenceObjective(nn.Linear(3, 8), 8, 2, depth=1, heads=2, ema=0.5)
    before = model.mean.weight.clone()
    model.losses(Clips.of(*views(8, 3)), generator=generator())["prediction"].backward()
    assert model.mean.weight.grad is None and model.encoder.weight.grad is not None
    with torch.no_grad():
        model.encoder.weight += 1
    model.after_step(0.1)
    assert torch.allclose(model.mean.weight, before + 0.5)
    assert model.aggregate(torch.randn(5, 1, 8), torch.zeros(5, 0, 2)).shape == (5, 8)


def test_views_add_up_in_any_order_each_with_the_action_that_leads_away_from_it():
    torch.manual_seed(0)
    model = SequenceObjective(nn.Identity(), 8, 2, depth=1, heads=2)
    z, a = torch.randn(3, 4, 8), torch.randn(3, 3, 2)
    whole, order = model.aggregate(z, a), torch.tensor([2, 0, 1])
    both = model.aggregate(torch.cat([z[:, order], z[:, 3:]], 1), a[:, order])
    assert torch.allclose(both, whole, atol=1e-5)
    assert not torch.allclose(model.aggregate(z, a[:, order]), whole, atol=1e-3)
    tokens = torch.cat([z[:, :3] + model.action(a), z[:, 3:]], 1)
    wanted = model.transformer(torch.cat([model.start.expand(3, 1, -1), tokens], 1))[:, 0]
    assert torch.allclose(whole, wanted, atol=1e-6)


def test_saliency_is_the_attention_of_the_last_block():
    torch.manual_seed(0)
    model, batch = MaskedObjective(MICRO, ObjectiveConfig(), Blocks()), scenes()
    batch.valid[0, 10:] = False
    found = saliency(model.encoder, batch)
    assert torch.allclose(found.sum(1), torch.ones(3), atol=1e-5)
    assert (found[0, 10:] == 0).all() and (found[1:] > 0).all()
    with torch.no_grad():  # one head by hand, of one scene
        block = model.encoder.transformer.blocks[1]
        block.self_attn.in_proj_weight.zero_()
        block.self_attn.in_proj_bias.zero_()  # attends to all alike
    assert torch.allclose(saliency(model.encoder, batch)[1], torch.full((T,), 1 / T), atol=1e-6)
    batch.valid[1] = False
    with pytest.raises(InputError, match="tokens"):
        saliency(model.encoder, batch)


def test_blocks_are_predicted_from_those_before_them_the_most_salient_first():
    torch.manual_seed(0)
    model, batch = OrderedObjective(MICRO, ObjectiveConfig(), Blocks()), scenes()
    mask = model.masks(batch, generator=generator(2))
    order = salient_first(model.trained, batch, mask)
    attended = saliency(model.trained, batch)
    means = [float(attended.gather(1, block).mean()) for block in mask.targets]
    assert sorted(order) == [0, 1, 2, 3] and order == sorted(range(4), key=lambda i: -means[i])
    ordered, plain = model._predicted(batch, mask), MaskedObjective._predicted(model, batch, mask)
    assert torch.allclose(ordered[order[0]], plain[order[0]], atol=1e-6)
    second, seen = order[1], torch.cat([mask.context, mask.targets[order[0]]], 1)
    asked = batch.centers.take_along_dim(mask.targets[second][..., None], 1)
    known = batch.take(seen)
    wanted = model.predictor(model.encoder(known), known.centers, asked)
    assert torch.allclose(ordered[second], wanted, atol=1e-6)
    assert not torch.allclose(ordered[second], plain[second], atol=1e-4)
