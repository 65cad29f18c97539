"""The embedded prior's files and words."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scenekit.errors import FileError, InputError
from scenekit.guidance.prior import Views
from scenekit.guidance.shapes_prior import ShapesPrior
from scenekit.guidance.transformer import PictureTransformer, TransformerConfig
from scenekit.guidance.weights import write_weights

WORDS = ("a", "red", "blue", "mug", "with", "handle")
SMALL = TransformerConfig(side=16, patch=4, width=32, depth=1, heads=2, words=6, vocabulary=20)


@pytest.fixture
def prior() -> ShapesPrior:
    torch.manual_seed(0)
    network = PictureTransformer(SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter)).copy_(parameter.half().float())
    return ShapesPrior(network, WORDS)


def test_a_saved_prior_says_the_same(prior: ShapesPrior, tmp_path: Path):
    prior.save(tmp_path / "small.safetensors", note="a test")
    again = ShapesPrior.load(tmp_path / "small.safetensors")
    views = Views(torch.tensor([0.1, 2.0]), torch.tensor([0.3, 0.2]))
    x, t = torch.randn(2, 3, 16, 16), torch.tensor([100, 900])
    asked = prior.condition(["a red mug"], views)
    assert again.vocabulary == WORDS
    assert torch.equal(again.predict(x, t, asked), prior.predict(x, t, asked))


@pytest.mark.gpu
def test_a_gpu_says_what_a_cpu_says_where_it_was_asked(prior: ShapesPrior, tmp_path: Path):
    prior.save(tmp_path / "small.safetensors")
    there = ShapesPrior.load(tmp_path / "small.safetensors", device="cuda")
    x, t, asked = torch.randn(2, 3, 16, 16), torch.tensor([100, 900]), prior.condition(["a red mug"] * 2, None)
    torch.testing.assert_close(there.predict(x, t, asked), prior.predict(x, t, asked), rtol=0.02, atol=0.02)
    assert there.predict(x.cuda(), t.cuda(), asked).is_cuda


def test_prompts_of_another_number_than_views_are_refused(prior: ShapesPrior):
    for prompts in ([], ["a red mug", "a blue mug"]):
        with pytest.raises(InputError, match="one for each of 3 views"):
            prior.condition(prompts, Views(torch.zeros(3), torch.zeros(3)))


def test_pictures_come_back_from_their_encoding(prior: ShapesPrior):
    pictures = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(prior.decode(prior.encode(pictures)), pictures)
    assert prior.encode(torch.rand(2, 3, 64, 64)).shape == (2, 3, 16, 16)


def test_words_it_does_not_know_are_answered_with_near_ones(prior: ShapesPrior):
    with pytest.raises(InputError, match=r"mugg.*mug for 'mugg'"):
        prior.condition(["a red mugg"], None)


def test_a_prompt_that_is_too_long_is_refused(prior: ShapesPrior):
    with pytest.raises(InputError, match="7 words"):
        prior.condition(["a red mug with a blue handle"], None)


def test_capitals_and_commas_do_not_matter(prior: ShapesPrior):
    assert prior.numbers("A Red, mug!") == prior.numbers("a red mug")
    assert prior.numbers("") == prior.numbers(" ,")


def damaged(path: Path, how: str) -> None:
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "another program's":
        save_file({"weight": torch.zeros(3)}, path)
    elif how == "a picture":
        path.write_bytes(b"\x89PNG" + bytes(100))
    elif how == "another size":
        network = PictureTransformer(
            TransformerConfig(side=16, patch=4, width=32, depth=2, heads=2, words=6, vocabulary=20)
        )
        ShapesPrior(network, WORDS).save(path)
        path.write_bytes(path.read_bytes().replace(b'\\"depth\\": 2', b'\\"depth\\": 1'))
    else:  # a header that lies
        lies = {
            "huge": {"width": 2**40}, "deep": {"depth": 10**9}, "deep inside": {"expected_depth": 10**9},
            "no patch": {"patch": 0}, "uneven": {"expected_width": 30}, "negative": {"components": -1},
        }  # fmt: skip
        write_weights(path, PictureTransformer(SMALL), {"network": lies[how], "vocabulary": WORDS})


@pytest.mark.parametrize(
    "how",
    ["missing", "truncated", "another program's", "a picture", "another size", "huge", "deep", "deep inside",
     "no patch", "uneven", "negative"],
)  # fmt: skip
def test_files_that_are_no_prior_are_refused(prior: ShapesPrior, tmp_path: Path, how: str):
    path = tmp_path / "small.safetensors"
    if how != "missing":
        prior.save(path)
        damaged(path, how)
    with pytest.raises(FileError, match="prior"):
        ShapesPrior.load(path)
