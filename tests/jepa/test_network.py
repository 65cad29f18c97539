"""Encoder and predictor: sets in, sets out."""

from dataclasses import replace

import pytest
import torch

from scenekit.errors import InputError
from scenekit.jepa.elements import FEATURES, SPREAD, USUAL
from scenekit.jepa.network import TINY, Encoder, JepaConfig, Places, Predictor, Transformer
from scenekit.jepa.tokens import Tokens

B, T, K = 3, 12, 8


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_tokens(seed: int = 0) -> Tokens:
    g = generator(seed)
    return Tokens(
        elements=torch.randn(B, T, K, FEATURES, generator=g),
        centers=2 * torch.rand(B, T, 3, generator=g) - 1,
        radii=0.1 + 0.3 * torch.rand(B, T, generator=g),
        owners=torch.zeros(B, T, dtype=torch.int64),
        valid=torch.ones(B, T, dtype=torch.bool),
        frame=torch.rand(B, 4, generator=g) + 0.5,
    )


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(TINY)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(1)
    return Predictor(TINY, extra=2)


def test_tokens_in_another_order_have_the_same_latents(encoder: Encoder) -> None:
    tokens, order = some_tokens(), torch.randperm(T, generator=generator(5))
    moved = encoder(tokens.take(order.expand(B, T)))
    torch.testing.assert_close(moved, encoder(tokens)[:, order], rtol=0, atol=1e-5)


def test_elements_in_another_order_or_twice_have_the_same_latents(encoder: Encoder) -> None:
    tokens, order = some_tokens(), torch.randperm(K, generator=generator(5))
    latents = encoder(tokens)
    for elements in (tokens.elements[:, :, order], torch.cat([tokens.elements] * 2, 2)):
        torch.testing.assert_close(encoder(replace(tokens, elements=elements)), latents, rtol=0, atol=1e-5)


def test_nobody_sees_an_invalid_token(encoder: Encoder) -> None:
    tokens = some_tokens()
    valid = tokens.valid.clone()
    valid[:, -3:] = False
    elements = tokens.elements.clone()
    elements[:, -3:] = 100.0
    latents = encoder(replace(tokens, valid=valid, elements=elements))[:, :-3]
    few = encoder(tokens.take(torch.arange(T - 3).expand(B, -1)))
    torch.testing.assert_close(latents, few, rtol=0, atol=1e-5)


def test_a_query_is_predicted_from_what_is_nearest_to_it() -> None:
    torch.manual_seed(3)
    predictor, g = Predictor(replace(TINY, near=4)), generator(1)
    context, places, asked = (torch.randn(B, n, w, generator=g) for n, w in ((T, TINY.width), (T, 3), (5, 3)))
    found = predictor(context, places, asked)
    assert found.shape == (B, 5, TINY.width)
    for b, m in ((0, 0), (2, 4)):
        away = (places[b] - asked[b, m]).norm(dim=1)
        near = away.argsort()[:4]
        few = predictor(context[b : b + 1, near], places[b : b + 1, near], asked[b : b + 1, m : m + 1])
        torch.testing.assert_close(few[0, 0], found[b, m], rtol=0, atol=1e-5)
        valid = torch.ones(B, T, dtype=torch.bool)
        valid[b, near[0]] = False
        others = away.argsort()[1:5]
        wanted = predictor(context[b : b + 1, others], places[b : b + 1, others], asked[b : b + 1, m : m + 1])
        passed = predictor(context, places, asked, valid=valid)[b, m]
        torch.testing.assert_close(passed, wanted[0, 0], rtol=0, atol=1e-5)
    few = predictor(context[:, :2], places[:, :2], asked, valid=torch.tensor([[True, False]] * B))
    torch.testing.assert_close(few, predictor(context[:, :1], places[:, :1], asked), rtol=0, atol=1e-5)
    with pytest.raises(InputError, match="near"):
        replace(TINY, near=-1)


def test_a_token_alone_says_nothing_of_its_place_and_of_others(encoder: Encoder) -> None:
    tokens = some_tokens()
    alone = encoder.alone(tokens)
    for token in ((0, 0), (2, 7)):
        one = tokens.map(lambda tensor: tensor[token[0] : token[0] + 1])  # noqa: B023
        one = replace(one, centers=torch.zeros_like(one.centers)).take(torch.tensor([[token[1]]]))
        torch.testing.assert_close(encoder(one)[0, 0], alone[token], rtol=0, atol=1e-5)
    moved = replace(tokens, centers=tokens.centers + 1, valid=torch.zeros_like(tokens.valid))
    torch.testing.assert_close(encoder.alone(moved), alone)


def test_what_a_token_says_is_heard_beside_where_it_is() -> None:
    """Untrained: the part of a token's latent that is of its elements is of the order of that of its place."""
    torch.manual_seed(2)
    encoder, tokens = Encoder(TINY), some_tokens()
    g = generator(9)
    usual = torch.tensor(USUAL) + torch.tensor(SPREAD) * torch.randn(B, T, 1, FEATURES, generator=g)
    elements = usual + 0.3 * torch.tensor(SPREAD) * torch.randn(B, T, K, FEATURES, generator=g)
    heard: list[torch.Tensor] = []
    for part in (encoder.pooled, encoder.place):
        part.register_forward_hook(lambda module, arguments, answer: heard.append(answer.flatten(0, 1).std(0).mean()))
    encoder(replace(tokens, elements=elements))
    assert 0.3 < float((heard[0] / heard[1]).detach()) < 3


def test_latents_depend_on_places_sizes_and_what_others_say(encoder: Encoder) -> None:
    tokens = some_tokens()
    latents = encoder(tokens)
    elements = tokens.elements.clone()
    elements[:, 1] += 1
    changes = (
        {"centers": tokens.centers + 0.1},
        {"radii": 2 * tokens.radii},
        {"frame": 2 * tokens.frame},
        {"elements": elements},
    )
    for change in changes:
        changed = encoder(replace(tokens, **change))
        assert float((changed - latents)[:, 0].abs().max()) > 1e-3


def test_tokens_of_no_size_have_finite_latents(encoder: Encoder) -> None:
    tokens = some_tokens()
    assert bool(encoder(replace(tokens, radii=0 * tokens.radii)).isfinite().all())


def test_places_of_another_kind_take_those_of_the_tokens() -> None:
    encoder, tokens = Encoder(replace(TINY, coordinates=4)), some_tokens()
    early, late = (torch.cat([tokens.centers, torch.full((B, T, 1), t)], -1) for t in (0.0, 0.5))
    assert float((encoder(tokens, places=early) - encoder(tokens, places=late)).abs().max()) > 1e-3


def test_the_predictor_answers_each_query_by_its_place_and_extra(predictor: Predictor) -> None:
    g = generator()
    context, places = torch.randn(B, T, TINY.width, generator=g), torch.rand(B, T, 3, generator=g)
    asked, extra = torch.rand(B, 5, 3, generator=g), torch.rand(B, 5, 2, generator=g)
    answers = predictor(context, places, asked, extra)
    assert answers.shape == (B, 5, TINY.width)
    order = torch.randperm(T, generator=g)
    again = predictor(context[:, order], places[:, order], asked.flip(1), extra.flip(1)).flip(1)
    torch.testing.assert_close(again, answers, rtol=0, atol=1e-5)
    for other in (predictor(context, places, asked + 0.2, extra), predictor(context, places, asked, extra + 0.2)):
        assert float((other - answers).abs().max()) > 1e-3


def test_the_predictor_passes_over_invalid_context(predictor: Predictor) -> None:
    g = generator()
    context, places = torch.randn(B, T, TINY.width, generator=g), torch.rand(B, T, 3, generator=g)
    asked, extra = torch.rand(B, 5, 3, generator=g), torch.rand(B, 5, 2, generator=g)
    valid = torch.arange(T).expand(B, T) < 7
    answers = predictor(context, places, asked, extra, valid=valid)
    torch.testing.assert_close(answers, predictor(context[:, :7], places[:, :7], asked, extra), rtol=0, atol=1e-5)


def test_extras_that_are_missing_or_unasked_for_are_refused(predictor: Predictor) -> None:
    context, places = torch.zeros(1, 2, TINY.width), torch.zeros(1, 2, 3)
    with pytest.raises(InputError, match="query_extra: got none"):
        predictor(context, places, places)
    with pytest.raises(InputError, match="query_extra: got some"):
        Predictor(TINY)(context, places, places, places)


def test_a_barred_token_is_not_attended_to() -> None:
    torch.manual_seed(0)
    transformer, x = Transformer(16, 2, 2), torch.randn(1, 6, 16, generator=generator())
    later = torch.ones(6, 6, dtype=torch.bool).triu(1)
    changed = torch.cat([x[:, :4], x[:, 4:] + 1], 1)
    torch.testing.assert_close(transformer(x, barred=later)[:, :4], transformer(changed, barred=later)[:, :4])


def test_waves_of_places_are_octaves() -> None:
    places = Places(1, 3, 8)
    assert places.rates.tolist() == pytest.approx([torch.pi / 2, torch.pi, 2 * torch.pi])


@pytest.mark.parametrize(
    "options",
    [{"width": 50}, {"heads": 0}, {"depth": 1000}, {"predictor_width": 1 << 30}, {"hidden": 0}, {"bands": 99}],
)
def test_impossible_sizes_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(InputError):
        JepaConfig(**options)  # type: ignore[arg-type]
