"""The figures of text to 3D, on a tiny judge and a prior that knows nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes import VOCABULARY, build, parse
from scenekit.errors import InputError
from scenekit.generate.recipes import RECIPES
from scenekit.generate.splats import SplatSketchConfig
from scenekit.guidance.judge import Judge, JudgeConfig, JudgeNetwork
from scenekit.guidance.shapes_prior import ShapesPrior
from scenekit.guidance.transformer import PictureTransformer, TransformerConfig
from scenekit.pipelines import bench_generate, bench_guidance
from scenekit.pipelines.generate_plan import Overrides

SMALL = TransformerConfig(side=16, patch=4, width=32, depth=1, heads=2)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("judge") / "judge.safetensors"
    Judge(JudgeNetwork(JudgeConfig(side=16, channels=(8,), blocks=(1,), features=8, width=8)), VOCABULARY).save(file)
    return file


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("prior") / "prior.safetensors"
    ShapesPrior(PictureTransformer(SMALL), VOCABULARY).save(file)
    return file


def test_prompts_are_different_and_of_the_vocabulary():
    assert len(set(bench_guidance.PROMPTS)) == 40
    assert len(set(bench_generate.FACES)) == 20
    for prompt in (*bench_guidance.PROMPTS, *bench_generate.FACES):
        parse(prompt)


def test_a_prior_is_judged_beside_the_truth(judge: Path, weights: Path, tmp_path: Path):
    config = bench_guidance.Config(weights, judge, prompts=3, steps=2, faces=0, output=tmp_path / "all.png")
    result = bench_guidance.run(config)
    assert [row.pictures for row in result.rows] == [
        "things, judge's light",
        "things, prior's light",
        "prior's samples",
    ]
    assert "by chance 33.3%" in str(result)
    assert result.opposite == 1.0
    assert config.output is not None and config.output.is_file()


def test_the_prior_of_the_package_knows_front_from_back():
    assert bench_guidance.told_opposite(ShapesPrior.load(), seed=1) > 1.3


def test_two_fronts_look_the_same_from_the_front_and_from_behind():
    thing = build(parse("a red clock"), np.random.default_rng(0))
    true, twin = (bench_guidance.all_around(t, 4) for t in (thing, bench_guidance.with_two_fronts(thing)))
    light = 0.06  # the lamps of the studio stand on one side
    assert (
        float((twin[2].flip(-1) - twin[0]).abs().mean()) < light / 2 < float((true[2].flip(-1) - true[0]).abs().mean())
    )


def test_a_prompt_that_fails_says_why_and_what_it_took(judge: Path, tmp_path: Path):
    config = bench_generate.Config(judge=judge, weights=tmp_path / "none.safetensors")
    made = bench_generate.generated("a red mug", tmp_path, config)
    assert "exit code 2" in made.problem and "none.safetensors" in (tmp_path / "log.txt").read_text()
    assert made.seconds > 0 and made.peak_bytes > 10_000_000
    assert not made.is_sound


def test_failures_are_kept_and_count_as_wrong(
    judge: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fails(prompt: str, folder: Path, config: bench_generate.Config) -> bench_generate.Made:
        return bench_generate.Made(prompt, "exit code 4: nothing is there", 3.0, 10**9)

    monkeypatch.setattr(bench_generate, "generated", fails)
    config = bench_generate.Config(tmp_path, prompts=2, only="prompts", weights=weights, judge=judge)
    result = bench_generate.run(config)
    assert result.prompts is not None and "nothing is there" in str(result)
    assert result.prompts.splats == result.prompts.meshes == (False, False)
    monkeypatch.setattr(bench_generate, "generated", None)  # nothing is made twice
    assert bench_generate.run(config) == result
    with pytest.raises(InputError, match="another recipe"):
        bench_generate.run(replace(config, recipe=Overrides(scale=3.0)))
    assert (tmp_path / "prompts.png").is_file() and (tmp_path / "figures.json").is_file()


def test_faces_are_counted_with_and_without_views(
    judge: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tiny = replace(RECIPES["shapes"], splats=SplatSketchConfig(count=200, voxels=16))
    monkeypatch.setitem(RECIPES, "shapes", tiny)
    recipe = Overrides(steps=1, views=2, side=16)
    config = bench_generate.Config(tmp_path, faces=2, only="faces", weights=weights, judge=judge, recipe=recipe)
    result = bench_generate.run(config)
    assert result.faces is not None and set(result.faces.second) == set(bench_generate.FACES[:2])
    assert "two-faced" in str(result)
    assert bench_generate.run(config) == result


@pytest.mark.parametrize("number", [1, 41])
def test_numbers_of_prompts_out_of_range_are_refused(number: int, judge: Path, weights: Path):
    with pytest.raises(InputError, match="prompts"):
        bench_generate.run(bench_generate.Config(prompts=number, judge=judge, weights=weights))
    with pytest.raises(InputError, match="prompts"):
        bench_guidance.run(bench_guidance.Config(weights, judge, prompts=number))
