"""Training the prior: it learns what words and views mean, stops and goes on, and says what it cannot use."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from scenekit.errors import FileError, InputError
from scenekit.guidance.prior import Views
from scenekit.guidance.sampling import sampled
from scenekit.guidance.shapes_prior import ShapesPrior
from scenekit.guidance.training import Pictures, Trainer, TrainingConfig
from scenekit.guidance.transformer import TransformerConfig

WORDS = ("red", "blue")
SMALL = TransformerConfig(
    side=8, patch=4, width=32, depth=2, heads=2, words=2, vocabulary=8, expected_width=64, components=32
)
CONFIG = TrainingConfig(
    steps=400, batch=16, many=64, learning_rate=3e-3, warm_up=20, ema=0.98, save_every=100, network=SMALL
)


def pictures() -> Pictures:
    """The left half is coloured as the word says if seen from the front, the right half if from behind."""
    pixels = np.full((4, 8, 8, 3), 128, np.uint8)
    prompts, azimuth = [], []
    for i in range(4):
        word, behind = WORDS[i % 2], i // 2
        pixels[i, :, 4 * behind : 4 * behind + 4] = (230, 20, 20) if word == "red" else (20, 20, 230)
        prompts.append([word])
        azimuth.append(math.pi * behind)
    return Pictures(pixels, prompts, np.array(azimuth, np.float32), np.zeros(4, np.float32))


@pytest.fixture(scope="module")
def trained() -> ShapesPrior:
    return Trainer(pictures(), WORDS, CONFIG, folder=None).train()


def test_samples_of_a_trained_prior_show_the_words_from_the_view(trained: ShapesPrior):
    views = Views(torch.tensor([0.0, 0.0, math.pi, math.pi]), torch.zeros(4))
    asked, nothing = trained.condition(["red", "blue", "red", "blue"], views), trained.condition([""] * 4, None)
    generator = torch.Generator().manual_seed(0)
    shown = trained.decode(sampled(trained, asked, nothing, steps=25, scale=2.0, generator=generator))
    truth = torch.from_numpy(pictures().pixels).permute(0, 3, 1, 2) / 255
    assert float((shown - truth).abs().mean()) < 0.06


def test_what_is_expected_of_words_and_view_is_their_mean_picture(trained: ShapesPrior):
    views = Views(torch.tensor([0.0, 0.0, math.pi, math.pi]), torch.zeros(4))
    truth = functional.avg_pool2d(torch.from_numpy(pictures().pixels).permute(0, 3, 1, 2) / 127.5 - 1, 2)
    each = trained.condition(["red", "blue", "red", "blue"], views).tensors
    with torch.no_grad():
        assert float((trained.network.expected(each["words"], each["view"]) - truth).abs().mean()) < 0.05
        red = trained.condition(["red"], None).tensors
        assert float((trained.network.expected(red["words"], red["view"]) - truth[::2].mean(0)).abs().mean()) < 0.05


def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path: Path):
    short = replace(CONFIG, steps=60, save_every=20)
    whole = Trainer(pictures(), WORDS, short, folder=None)
    whole.train()
    stopped = Trainer(pictures(), WORDS, short, folder=tmp_path)
    for _ in range(47):
        stopped.losses.append(stopped._learn())
        stopped.step += 1
        if stopped.step % 20 == 0:
            stopped._save()
    resumed = Trainer(pictures(), WORDS, short, folder=tmp_path)
    assert resumed.step == 40
    resumed.train()
    assert np.allclose(resumed.losses, whole.losses, rtol=0, atol=1e-6)
    for name, tensor in whole.prior.network.state_dict().items():
        assert torch.equal(tensor, resumed.prior.network.state_dict()[name])


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path):
    Trainer(pictures(), WORDS, replace(CONFIG, steps=2), folder=tmp_path).train()
    with pytest.raises(FileError, match="batch"):
        Trainer(pictures(), WORDS, replace(CONFIG, batch=8), folder=tmp_path)


@pytest.mark.parametrize("what", ["side", "none", "words"])
def test_pictures_that_do_not_fit_are_refused(what: str):
    given, words = pictures(), WORDS
    if what == "side":
        given = replace(given, pixels=given.pixels[:, :4, :4])
    elif what == "none":
        given = replace(given, pixels=given.pixels[:0])
    else:
        words = tuple("abcdefg")
    with pytest.raises(InputError):
        Trainer(given, words, CONFIG, folder=None)
