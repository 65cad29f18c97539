"""The benchmark of training on CUDA; on a CPU, without its peers."""

import json
import shutil

import pytest
import torch

from scenekit.errors import BackendError, InputError
from scenekit.pipelines.bench_cuda import Config, multiplied, run, simple_trainer
from scenekit.splats import random_splats


def test_multiplied_gaussians_lie_where_they_lay():
    splats = random_splats(50)
    assert len(multiplied(splats, 20)) == 20
    many = multiplied(splats, 5000)
    assert len(many) == 5000
    torch.testing.assert_close(many.means.mean(0), splats.means.mean(0), atol=0.02, rtol=0)
    assert many.log_scales.max() < splats.log_scales.max() - 2


def test_the_peer_says_what_is_missing():
    with pytest.raises(BackendError, match="simple_trainer"):
        simple_trainer(random_splats(5), [], 20, reads_loss=True)


def test_too_few_steps_are_refused(tmp_path):
    with pytest.raises(InputError, match="steps"):
        Config(tmp_path, steps=3)


def test_our_trainer_is_measured(photos, tmp_path):
    shutil.copytree(photos / "images", tmp_path / "posed" / "images")
    shutil.copytree(photos / "truth" / "colmap", tmp_path / "posed" / "sparse" / "0")
    config = Config(
        tmp_path / "posed", workspace=tmp_path / "work", gaussians=(300,), contenders=("warp",), steps=20, device="cpu",
        output=tmp_path / "figures.json",
    )  # fmt: skip
    result = run(config)
    assert [row.contender for row in result.rows] == ["warp"]
    assert result.rows[0].psnr > result.rows[0].before
    assert json.loads((tmp_path / "figures.json").read_text())["rows"][0]["gaussians"] == 300
    assert "| 300 | warp |" in str(result)
