"""`scenekit jepa`: makes, learns, goes on, embeds and shows, at the smallest sizes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_shards import read_rollouts
from scenekit.datasets.token_shards import TokenShardConfig
from scenekit.errors import FileError
from scenekit.io.images import read_image
from scenekit.io.splat_files import write_splats
from scenekit.jepa.jepa import Jepa
from scenekit.jepa.tokens import TokenConfig
from scenekit.jepa.training import TrainingConfig
from scenekit.pipelines.jepa import Config, Embed, Energy, Train, run
from scenekit.pipelines.jepa_data import Data, Rollouts
from scenekit.splats import random_splats

TRAINING = TrainingConfig(steps=4, batch=4, warm_up=1, watch_every=2, save_every=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jepa") / "shards"
    tokens = TokenConfig(count=24, neighbours=8, elements=192)
    shards = TokenShardConfig(scenes=4, variant="objects", views=("splats", "mesh"), per_shard=2, tokens=tokens)
    made = run(Config(Data(output=folder, workers=1, shards=shards)))
    assert made.path == folder and "4 scenes" in str(made)
    return folder


@pytest.fixture(scope="module")
def weights(data: Path) -> Path:
    return run(Config(Train(data.parent / "run", data=data, size="tiny", training=TRAINING))).path


def test_rollouts_are_made_and_gone_on_with(tmp_path: Path) -> None:
    config = RolloutConfig(rollouts=3, steps=2, elements=16, per_shard=2, things=0.0)
    made = run(Config(Rollouts(output=tmp_path, workers=1, shards=config)))
    assert made.path == tmp_path and "3 rollouts" in str(made)
    files = sorted(tmp_path.glob("*.safetensors"))
    whole, stamp = files[1].read_bytes(), files[0].stat().st_mtime_ns
    files[1].unlink()
    run(Config(Rollouts(output=tmp_path, workers=1, shards=config)))
    assert files[1].read_bytes() == whole and files[0].stat().st_mtime_ns == stamp
    assert [len(shard) for shard in read_rollouts(tmp_path)] == [2, 1]


def test_training_leaves_weights_a_log_and_plots(weights: Path) -> None:
    names = {path.name for path in weights.parent.iterdir()}
    assert names == {"scenes.safetensors", "checkpoint.safetensors", "log.json", "losses.svg", "collapse.svg"}
    log = json.loads((weights.parent / "log.json").read_text())
    assert log["method"] == "jepa" and log["network"]["tokens"]["count"] == 24 and len(log["losses"]["prediction"]) == 4
    assert Jepa.load(weights).config.tokens.count == 24


def test_a_finished_training_is_not_done_again_and_another_is_refused(weights: Path, data: Path) -> None:
    before = weights.read_bytes()
    train = Train(weights.parent, data=data, size="tiny", training=TRAINING)
    run(Config(train))
    assert weights.read_bytes() == before
    with pytest.raises(FileError, match="other mask"):
        run(Config(replace(train, mask="layers")))


def test_the_autoencoder_leaves_an_encoder_that_embeds(data: Path, tmp_path: Path) -> None:
    train = Train(tmp_path / "run", data=data, size="tiny", method="autoencoder", mask="random", training=TRAINING)
    jepa = Jepa.load(run(Config(train)).path)
    assert jepa.network.predictor is None
    assert bool(jepa.embed(random_splats(100)).pooled.isfinite().all())


def test_latents_of_scenes_are_written(weights: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.ply", tmp_path / "b.ply"]
    for seed, file in enumerate(files):
        write_splats(file, random_splats(300, seed=seed))
    run(Config(Embed(tuple(files), tmp_path / "latents.safetensors", weights)))
    with safe_open(tmp_path / "latents.safetensors", "pt") as file:
        assert json.loads(file.metadata()["scenes"]) == [str(path) for path in files]
        assert file.get_tensor("1.pooled").shape == (96,) and file.get_tensor("0.centers").shape == (24, 3)


def test_an_energy_map_is_a_picture_and_a_table(weights: Path, tmp_path: Path) -> None:
    write_splats(tmp_path / "a.ply", random_splats(300))
    result = run(Config(Energy(tmp_path / "a.ply", tmp_path / "energy", weights, draws=1)))
    assert "highest" in str(result)
    assert read_image(tmp_path / "energy" / "energy.png").shape == (640, 1280, 3)
    rows = json.loads((tmp_path / "energy" / "tokens.json").read_text())
    assert len(rows) == 24 and rows[0]["node"] == "/a"
    assert [row["energy"] for row in rows] == sorted((row["energy"] for row in rows), reverse=True)


def test_weights_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.ply", random_splats(50))
    with pytest.raises(FileError, match="weights of a 3D-JEPA"):
        run(Config(Energy(tmp_path / "a.ply", tmp_path / "energy", tmp_path / "none.safetensors")))
    assert not (tmp_path / "energy").exists()


def test_the_seed_says_all(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    train = Train(tmp_path / "a", data=data, size="tiny", training=TRAINING)
    files = [run(Config(replace(train, output=tmp_path / name))).path for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
