"""The judge learns which words and sides pictures show, its file says the same, and it says what it cannot judge."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scenekit.errors import FileError, InputError
from scenekit.guidance.disturbance import disturbed
from scenekit.guidance.judge import SIDES, Judge, JudgeConfig, JudgeNetwork, side_numbers
from scenekit.guidance.judge_training import JudgeTrainer, JudgeTrainingConfig, SeenThings
from scenekit.guidance.weights import write_weights

COLORS = {"red": (230, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 230), "white": (250, 250, 250)}
WORDS = ("a", "thing", *COLORS, "left", "right")
SMALL = JudgeConfig(side=16, channels=(16, 32), blocks=(1, 1), width=16, words=4, vocabulary=16)
CONFIG = JudgeTrainingConfig(
    steps=250, batch=16, alike=4, learning_rate=5e-3, warm_up=10, save_every=100, network=SMALL
)


def things(n: int = 32) -> SeenThings:
    """A square of some colour with a black spot below it if seen from the front, above it from behind."""
    names = list(COLORS)
    rgba = np.zeros((n, 2, 16, 16, 4), np.uint8)
    for i in range(n):
        rgba[i, :, 4:12, 4:12] = (*COLORS[names[i % 4]], 255)
        rgba[i, 0, 9:12, 5:11, :3] = 0
        rgba[i, 1, 4:7, 5:11, :3] = 0
    said = [[f"a {names[i % 4]} thing", f"{names[i % 4]} thing"] for i in range(n)]
    azimuth = np.tile(np.array([0, math.pi], np.float32), (n, 1))
    return SeenThings(rgba, said, azimuth, np.zeros((n, 2), np.float32))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return JudgeTrainer(things(), WORDS, CONFIG).train()


def pictures() -> torch.Tensor:
    """One of each colour, from the front, then from behind."""
    rgba = torch.from_numpy(things(4).rgba).float() / 255
    over = rgba[..., :3] + 0.5 * (1 - rgba[..., 3:])
    return over.permute(1, 0, 4, 2, 3).flatten(0, 1)


def test_a_trained_judge_finds_the_words_and_the_side(judge: Judge):
    scores = judge.scores(pictures(), [f"a {color} thing" for color in COLORS])
    assert scores.argmax(1).tolist() == [0, 1, 2, 3] * 2
    assert judge.sides(pictures()).argmax(1).tolist() == [SIDES.index("front")] * 4 + [SIDES.index("back")] * 4


def test_pictures_of_another_size_are_recognised(judge: Judge):
    large = pictures().repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert judge.scores(large, [f"a {color} thing" for color in COLORS]).argmax(1).tolist() == [0, 1, 2, 3] * 2


def test_a_saved_judge_says_the_same(judge: Judge, tmp_path: Path):
    judge.save(tmp_path / "judge.safetensors")
    again = Judge.load(tmp_path / "judge.safetensors")
    asked = (pictures(), ["a red thing", "white thing"])
    torch.testing.assert_close(again.scores(*asked), judge.scores(*asked), atol=0.02, rtol=0)
    assert again.vocabulary.words == WORDS


def test_the_judge_so_far_is_written_while_it_learns(tmp_path: Path):
    file = tmp_path / "judge.safetensors"
    JudgeTrainer(things(), WORDS, replace(CONFIG, steps=2, save_every=1)).train(file)
    assert Judge.load(file).scores(pictures(), ["a red thing"]).shape == (8, 1)


def test_the_same_seed_learns_the_same():
    short = replace(CONFIG, steps=3)
    first, second = JudgeTrainer(things(), WORDS, short), JudgeTrainer(things(), WORDS, short)
    first.train()
    second.train()
    assert first.losses == second.losses


def test_quarters_of_the_circle_and_what_is_steep():
    azimuth = torch.tensor([0, 44, 46, 134, 136, 180, 224, 226, 314, 316, 400, -46, 0]).deg2rad()
    elevation = torch.tensor([0.0] * 12 + [61.0]).deg2rad()
    names = ["front"] * 2 + ["right"] * 2 + ["back"] * 3 + ["left"] * 2 + ["front"] * 2 + ["left", "overhead"]
    assert [SIDES[i] for i in side_numbers(azimuth, elevation)] == names


def test_disturbed_pictures_are_pictures_over_other_backgrounds():
    rgba = torch.from_numpy(things(8).rgba[:, 0])
    first = disturbed(rgba, torch.Generator().manual_seed(0))
    assert first.shape == (8, 3, 16, 16)
    assert bool((first == first.clamp(0, 1)).all())
    assert len({tuple(corner) for corner in first[:, :, 0, 0].tolist()}) == 8
    assert torch.equal(first, disturbed(rgba, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("prompt", ["", "a mauve thing", "a a a a a"])
def test_prompts_it_cannot_judge_are_refused(judge: Judge, prompt: str):
    with pytest.raises(InputError, match="prompt"):
        judge.scores(pictures(), ["a red thing", prompt])


def test_pictures_of_another_shape_are_refused(judge: Judge):
    with pytest.raises(InputError, match="pictures"):
        judge.scores(pictures()[0], ["a red thing"])


@pytest.mark.parametrize("what", ["few", "side", "words"])
def test_things_that_do_not_fit_are_refused(what: str):
    given, words = things(), WORDS
    if what == "few":
        given = things(8)
    elif what == "side":
        given = replace(given, rgba=given.rgba[:, :, :8])
    else:
        words = tuple("abcdefghijklmnop")
    with pytest.raises(InputError):
        JudgeTrainer(given, words, CONFIG)


@pytest.mark.parametrize("how", ["missing", "truncated", "foreign", "header", "size"])
def test_files_that_are_no_judge_are_refused(how: str, tmp_path: Path):
    file, network = tmp_path / "judge.safetensors", JudgeNetwork(SMALL)
    if how == "foreign":
        save_file({"a": torch.zeros(2)}, file)
    elif how == "header":
        write_weights(file, network, {"judge": {"side": "wide"}, "vocabulary": WORDS})
    elif how == "size":
        write_weights(file, network, {"judge": {"side": 32}, "vocabulary": WORDS})
    elif how == "truncated":
        Judge(network, WORDS).save(file)
        file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(FileError):
        Judge.load(file)
