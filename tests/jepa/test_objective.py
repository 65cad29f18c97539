"""The masked objective, its baseline, and that nothing leaks from what is hidden."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.diagnostics import Health
from scenekit.jepa.elements import FEATURES
from scenekit.jepa.masked_autoencoder import MaskedAutoencoder, chamfer
from scenekit.jepa.masks import Blocks, Random
from scenekit.jepa.moments import ANSWERS, moments, surprise
from scenekit.jepa.network import JepaConfig
from scenekit.jepa.objective import MaskedObjective, ObjectiveConfig, follow, normalised, rows
from scenekit.jepa.tokens import TokenConfig, Tokens
from scenekit.jepa.training import Trainer, TrainingConfig

T, K = 16, 4
MICRO = JepaConfig(
    width=32, depth=1, heads=2, hidden=16, predictor_width=16, predictor_depth=1, predictor_heads=2,
    tokens=TokenConfig(count=T, neighbours=K, elements=T * K),
)  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scenes(b: int, seed: int = 0) -> Tokens:
    """Scenes whose tokens say where they are, as on a surface, and some of what the scene says everywhere."""
    g = generator(seed)
    centers = functional.normalize(torch.randn(b, T, 3, generator=g), dim=-1)
    style = torch.randn(b, 1, 1, FEATURES, generator=g)
    bend = torch.cat([centers] * 5, -1)[:, :, None]
    elements = 0.3 * torch.randn(b, T, K, FEATURES, generator=g) + style * (1 + bend)
    return Tokens(
        elements, centers, torch.full((b, T), 0.3), torch.zeros(b, T, dtype=torch.int64),
        torch.ones(b, T, dtype=torch.bool), torch.tensor([0.0, 0, 0, 1]).expand(b, 4),
    )  # fmt: skip


class Scenes:
    def __init__(self, count: int):
        self.all = scenes(count)

    def __len__(self) -> int:
        return len(self.all.radii)

    def batch(self, numbers: Tensor) -> Tokens:
        return self.all.map(lambda tensor: tensor[numbers])


def objective(targets: str = "ema", **options: float | bool) -> MaskedObjective:
    torch.manual_seed(0)
    return MaskedObjective(MICRO, ObjectiveConfig(targets=targets, **options), Blocks())  # type: ignore[arg-type]


def test_the_error_is_that_of_the_paper_written_out() -> None:
    made, batch = objective(), scenes(3)
    mask = Blocks()(batch, generator=generator(1))
    terms = made.losses(batch, generator=generator(1))
    wanted = []
    for i in range(3):
        scene = batch.map(lambda tensor: tensor[i : i + 1])  # noqa: B023
        goal = functional.layer_norm(made.trained(scene), (MICRO.width,))[0]
        seen = scene.take(mask.context[i : i + 1])
        context = made.encoder(seen)
        for block in mask.targets:
            guess = made.predictor(context, seen.centers, scene.centers[:, block[i]])[0]
            for a, j in zip(guess, block[i], strict=True):
                away = (a - goal[j]).abs()
                wanted.append(torch.where(away < 1, away**2 / 2, away - 0.5).mean())
    assert terms["prediction"].item() == pytest.approx(torch.stack(wanted).mean().item(), rel=1e-5)


@pytest.mark.parametrize("targets", ["ema", "sigreg"])
def test_a_token_alone_is_the_same_target_whatever_its_place_and_scene(targets: str) -> None:
    made, batch = objective(targets, alone=True), scenes(3)
    latents, order = made.latents(batch), torch.tensor([2, 0, 1])
    torch.testing.assert_close(latents, made.latents(replace(batch, centers=-batch.centers)))
    mixed = replace(batch, elements=batch.elements[order])
    torch.testing.assert_close(made.latents(mixed).unflatten(0, (3, T)), latents.unflatten(0, (3, T))[order])
    terms = made.losses(batch, generator=generator(1))
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in made.parameters() if p.requires_grad)


def test_moments_are_predicted_beside_latents() -> None:
    made, batch = objective("sigreg", moments=2.0), scenes(3)
    mask, terms = Blocks()(batch, generator=generator(1)), made.losses(batch, generator=generator(1))
    assert set(terms) == {"prediction", "moments", "sigreg"}
    seen, hidden = batch.take(mask.context), torch.cat(mask.targets, 1)
    blocks = [made.predictor(made.encoder(seen), seen.centers, rows(batch.centers, block)) for block in mask.targets]
    answer = torch.cat(blocks, 1)
    assert answer.shape[-1] == MICRO.width + ANSWERS
    said = moments(batch.take(hidden))
    torch.testing.assert_close(terms["moments"], 2 * surprise(answer[..., MICRO.width :], said).mean())
    away = functional.smooth_l1_loss(answer[..., : MICRO.width], rows(made.trained(batch), hidden))
    torch.testing.assert_close(terms["prediction"], away)
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in made.parameters())


def test_the_prediction_does_not_depend_on_what_hidden_tokens_say() -> None:
    made, batch = objective(), scenes(2)
    mask = Blocks()(batch, generator=generator(1))
    heard = []
    made.predictor.register_forward_hook(lambda module, arguments, answer: heard.append(answer))
    made.losses(batch, generator=generator(1))
    hidden, elements = torch.cat(mask.targets, 1), batch.elements.clone()
    elements[torch.arange(2)[:, None], hidden] += 5
    made.losses(replace(batch, elements=elements), generator=generator(1))
    blocks = len(mask.targets)
    assert all(torch.equal(a, b) for a, b in zip(heard[:blocks], heard[blocks:], strict=True))


def test_targets_of_a_running_mean_get_no_gradient_and_follow() -> None:
    made, batch = objective(), scenes(2)
    assert made.mean is not None
    sum(made.losses(batch, generator=generator()).values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is None for p in made.mean.parameters())
    assert all(p.grad is not None for p in [*made.encoder.parameters(), *made.predictor.parameters()])
    with torch.no_grad():
        for p in made.encoder.parameters():
            p += 1
    before = [p.clone() for p in made.mean.parameters()]
    made.after_step(0.5)
    decay = (0.996 + 0.9999) / 2
    for old, kept, new in zip(before, made.mean.parameters(), made.encoder.parameters(), strict=True):
        torch.testing.assert_close(kept, decay * old + (1 - decay) * new)


@pytest.mark.parametrize(
    ("targets", "terms"),
    [
        ("ema", {"prediction"}),
        ("sigreg", {"prediction", "sigreg"}),
        ("variance", {"prediction", "variance", "covariance"}),
        ("none", {"prediction"}),
    ],
)
def test_each_way_has_its_terms_and_gradients_reach_every_weight(targets: str, terms: set[str]) -> None:
    made = objective(targets)
    losses = made.losses(scenes(2), generator=generator())
    assert set(losses) == terms and all(bool(term.isfinite()) for term in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in made.parameters() if p.requires_grad)


def test_masks_differ_from_step_to_step() -> None:
    made, shared, batch = objective(), generator(), scenes(2)
    first, second = (made.losses(batch, generator=shared)["prediction"] for _ in range(2))
    assert first.item() != second.item()


def test_latents_watched_are_those_of_valid_tokens() -> None:
    made, batch = objective(), scenes(2)
    valid = batch.valid.clone()
    valid[0, 10:] = False
    assert made.latents(replace(batch, valid=valid)).shape == (T + 10, MICRO.width)


def trained(made: MaskedObjective | MaskedAutoencoder, steps: int) -> Trainer:
    config = TrainingConfig(steps=steps, batch=8, warm_up=10, learning_rate=5e-3, precision="float32", watch_every=40)
    trainer = Trainer(made, Scenes(32), config, folder=None)
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def health() -> dict[str, Health]:
    """Of the same small model after the same steps."""
    return {way: trained(objective(way, directions=64), 120).log.health[-1] for way in ("none", "sigreg", "ema")}


def test_end_to_end_without_anything_against_it_collapses_and_the_alarm_says_so(health: dict[str, Health]) -> None:
    assert health["none"].deviation < 0.05 and health["none"].cosine > 0.99
    assert health["none"].rank * MICRO.width < 3
    assert health["none"].alarms


@pytest.mark.parametrize("way", ["sigreg", "ema"])
def test_a_running_mean_and_sigreg_keep_it_from_that(health: dict[str, Health], way: str) -> None:
    assert health[way].deviation > 0.15 and health[way].rank > 0.2
    assert not health[way].alarms


def test_the_autoencoder_learns() -> None:
    torch.manual_seed(0)
    losses = trained(MaskedAutoencoder(MICRO, Random(shares=(0.6,), context=0.4)), 120).log.losses["reconstruction"]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_chamfer_distance_is_that_of_loops() -> None:
    a, b = torch.randn(2, 5, 3, generator=generator()), torch.randn(2, 4, 3, generator=generator(1))
    for i in range(2):
        one = sum(min(float((x - y).square().sum()) for y in b[i]) for x in a[i]) / 5
        other = sum(min(float((x - y).square().sum()) for x in a[i]) for y in b[i]) / 4
        assert float(chamfer(a, b)[i]) == pytest.approx(one + other, rel=1e-5)


def test_the_chamfer_distance_of_a_set_to_itself_is_0_with_a_finite_gradient() -> None:
    a = torch.randn(1, 6, 3, generator=generator()).requires_grad_()
    distance = chamfer(a, a.detach()[:, torch.randperm(6, generator=generator())])
    distance.sum().backward()
    assert distance.item() == 0 and a.grad is not None and not bool(a.grad.any())


def test_normalised_latents_have_mean_0_and_variance_1() -> None:
    latents = normalised(5 + 3 * torch.randn(4, 50, generator=generator()))
    torch.testing.assert_close(latents.mean(-1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(latents.var(-1, correction=0), torch.ones(4), atol=1e-4, rtol=0)


def test_rows_are_those_of_each_scene() -> None:
    latents, index = torch.randn(2, 6, 3, generator=generator()), torch.tensor([[1, 5], [0, 2]])
    torch.testing.assert_close(rows(latents, index), torch.stack([latents[0, [1, 5]], latents[1, [0, 2]]]))


def test_a_mean_that_follows_at_once_is_the_same() -> None:
    a, b = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    follow(a, b, 0.0)
    assert torch.equal(a.weight, b.weight) and torch.equal(a.bias, b.bias)


@pytest.mark.parametrize(
    "options", [{"ema": (0.9, 0.5)}, {"sigreg": -1.0}, {"directions": 0}, {"variance": float("nan")}]
)
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError):
        ObjectiveConfig(**options)  # type: ignore[arg-type]
