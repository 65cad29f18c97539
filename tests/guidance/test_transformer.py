"""The network of the prior: what it may depend on, and what not."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.guidance.transformer import PictureTransformer, TransformerConfig, _patched, _whole
from scenekit.guidance.view_features import VIEW_FEATURES, view_features

SMALL = TransformerConfig(
    side=16,
    patch=4,
    width=32,
    depth=2,
    heads=2,
    words=6,
    vocabulary=20,
    expected_width=16,
    expected_depth=1,
    components=8,
)


def awake(seed: int = 0) -> PictureTransformer:
    """With weights that are not zero, so that everything has an effect."""
    torch.manual_seed(seed)
    network = PictureTransformer(SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


def inputs() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    words = torch.tensor([[3, 4, 0, 0], [5, 6, 7, 8]])
    view = view_features(torch.tensor([0.3, 2.0]), torch.tensor([0.1, 0.4]))
    return torch.randn(2, 3, 16, 16, generator=generator), torch.tensor([0.2, 0.7]), words, view


def test_patches_make_the_picture_they_were_cut_from():
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(_whole(_patched(x, 4), 4, 16), x)


def test_padding_after_the_words_changes_nothing():
    network, (x, t, words, view) = awake(), inputs()
    padded = torch.cat([words, torch.zeros(2, 2, dtype=torch.long)], 1)
    torch.testing.assert_close(network(x, t, padded, view), network(x, t, words, view), rtol=1e-5, atol=1e-5)


def test_time_words_view_and_picture_all_count():
    network, (x, t, words, view) = awake(), inputs()
    plain = network(x, t, words, view)
    others = [
        network(x + 1, t, words, view), network(x, t + 0.1, words, view), network(x, t, words, 0 * view),
        network(x, t, words + (words > 0).long(), view), network(x, t, words.flip(0), view),
    ]  # fmt: skip
    assert all(float((other - plain).abs().max()) > 1e-4 for other in others)


def test_what_is_expected_depends_on_words_and_view_only_and_counts():
    network, (x, t, words, view) = awake(), inputs()
    expected = network.expected(words, view)
    assert expected.shape == (2, 3, 8, 8)
    padded = torch.cat([words, torch.zeros(2, 2, dtype=torch.long)], 1)
    torch.testing.assert_close(network.expected(padded, view), expected, rtol=1e-5, atol=1e-6)
    assert float((network.expected(words, 0 * view) - expected).abs().max()) > 1e-4
    before = network(x, t, words, view)
    with torch.no_grad():
        network.expected.components.bias.add_(1)
    assert float((network(x, t, words, view) - before).abs().mean()) > 1e-3


def test_nothing_is_learned_of_the_expected_picture_through_the_clean_one():
    network, (x, t, words, view) = awake(), inputs()
    network(x, t, words, view).sum().backward()
    assert all(parameter.grad is None for parameter in network.expected.parameters())
    assert network.expected_in.weight.grad is not None and network.expected_out.weight.grad is not None


def test_one_picture_of_a_batch_does_not_see_another():
    network, (x, t, words, view) = awake(), inputs()
    alone = network(x[1:], t[1:], words[1:], view[1:])
    torch.testing.assert_close(network(x, t, words, view)[1:], alone, rtol=1e-4, atol=1e-5)


def test_a_view_and_one_a_turn_further_are_the_same_and_none_is_neither():
    angle, up = torch.tensor([0.4]), torch.tensor([0.2])
    torch.testing.assert_close(view_features(angle, up), view_features(angle + 2 * torch.pi, up))
    assert view_features(angle, up).shape == (1, VIEW_FEATURES)
    assert float(view_features(angle, up)[0, 0]) == 1.0


def test_an_untrained_network_predicts_grey():
    torch.manual_seed(0)
    assert float(PictureTransformer(SMALL)(*inputs()).detach().abs().max()) == 0.0


@pytest.mark.parametrize(
    "options", [{"side": 20, "patch": 8}, {"side": 15, "patch": 5}, {"width": 30}, {"expected_width": 30}]
)
def test_sizes_that_do_not_divide_are_refused(options: dict[str, int]):
    with pytest.raises(InputError, match="transformer"):
        TransformerConfig(**options)
