"""`scenekit jepa`: makes, learns, goes on, embeds and shows, at the smallest sizes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_shards import read_rollouts
from scenekit.datasets.token_shards import TokenShardConfig
from scenekit.errors import FileError, InputError
from scenekit.io.images import read_image
from scenekit.io.splat_files import read_splats, write_splats
from scenekit.jepa.energy import SHARES
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
    return run(Config(Train(data.parent / "run", data=data, size="tiny", training=TRAINING, intact=2))).path


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
    jepa = Jepa.load(weights)
    assert jepa.config.tokens.count == 24 and len(jepa.usual) == len(SHARES)
    levels = [jepa.limit(share) for share in SHARES]
    assert levels == sorted(levels) and levels[0] > 0


def test_a_finished_training_is_not_done_again_and_another_is_refused(weights: Path, data: Path) -> None:
    before = weights.read_bytes()
    train = Train(weights.parent, data=data, size="tiny", training=TRAINING, intact=2)
    run(Config(train))
    assert weights.read_bytes() == before
    with pytest.raises(FileError, match="other mask"):
        run(Config(replace(train, mask="layers")))


def in_two_processes(train: Train, *words: str) -> subprocess.Popen[str]:
    """The command line's training under `torchrun`, with these options more."""
    said = ["-o", str(train.output), "--size", train.size, "--precision", "float32", "--warm-up", "1", *words]
    said += ["--steps", str(train.training.steps), "--batch", "4", "--watch-every", "2", "--save-every", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         "-m", "scenekit", "jepa", "train", *said],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "200"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_learn_as_one_does_and_one_of_them_says_so(data: Path, tmp_path: Path) -> None:
    train = Train(tmp_path / "one", data=data, size="tiny", training=replace(TRAINING, precision="float32"))
    run(Config(train))
    process = in_two_processes(replace(train, output=tmp_path / "two"), "--data", str(data))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [line.split(":")[0] for line in out.splitlines() if "effective rank" in line] == [
        str(tmp_path / "two" / "scenes.safetensors")
    ]
    one, two = (json.loads((tmp_path / name / "log.json").read_text()) for name in ("one", "two"))
    assert two["losses"]["prediction"] == pytest.approx(one["losses"]["prediction"], rel=0.2)  # of other masks
    models = [Jepa.load(tmp_path / name / "scenes.safetensors") for name in ("one", "two")]
    assert models[0].config == models[1].config and models[0].normalised == models[1].normalised


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT to send")
def test_two_processes_make_their_scenes_stop_at_ctrl_c_and_go_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENEKIT_DATA", str(tmp_path))
    scenes = ["--scenes.scenes", "6", "--scenes.per-shard", "2", "--scenes.variant", "objects", "--workers", "2"]
    scenes += ["--scenes.tokens.count", "24", "--scenes.tokens.neighbours", "8", "--scenes.tokens.elements", "192"]
    stopped = Train(tmp_path / "stopped", size="tiny", training=replace(TRAINING, steps=200))
    process = in_two_processes(stopped, *scenes)
    while not (stopped.output / "checkpoint.safetensors").is_file() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "The last checkpoint is kept" in process.communicate(timeout=120)[1]
    taken = len(json.loads((stopped.output / "log.json").read_text())["losses"]["prediction"])
    assert 2 <= taken < 200 and not (stopped.output / "scenes.safetensors").exists()
    for train in (stopped, replace(stopped, output=tmp_path / "whole")):
        process = in_two_processes(train, *scenes)
        err = process.communicate(timeout=300)[1]
        assert process.returncode == 0, err
    whole, again = (tmp_path / name / "scenes.safetensors" for name in ("whole", "stopped"))
    assert whole.read_bytes() == again.read_bytes()


def test_the_autoencoder_leaves_an_encoder_that_embeds(data: Path, tmp_path: Path) -> None:
    train = Train(tmp_path / "run", data=data, size="tiny", method="autoencoder", mask="random", training=TRAINING)
    jepa = Jepa.load(run(Config(train)).path)
    assert jepa.network.predictor is None
    assert bool(jepa.embed(random_splats(100)).pooled.isfinite().all())


def test_blocks_in_their_order_leave_a_model_as_others_do(data: Path, tmp_path: Path) -> None:
    train = Train(tmp_path / "run", data=data, size="tiny", method="ordered", training=TRAINING, intact=0)
    jepa = Jepa.load(run(Config(train)).path)
    assert jepa.network.predictor is not None and jepa.normalised


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


def test_a_part_is_looked_at_alone_and_spoilt_if_asked_for(weights: Path, tmp_path: Path) -> None:
    write_splats(tmp_path / "a.ply", random_splats(300))
    run(Config(Energy(tmp_path / "a.ply", tmp_path / "b", weights, draws=1, path="/a", flaw="floater")))
    assert len(read_splats(tmp_path / "b" / "energy.ply")) == 308
    with pytest.raises(InputError, match="path"):
        run(Config(Energy(tmp_path / "a.ply", tmp_path / "c", weights, path="/b")))


def test_weights_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.ply", random_splats(50))
    with pytest.raises(FileError, match="weights of a 3D-JEPA"):
        run(Config(Energy(tmp_path / "a.ply", tmp_path / "energy", tmp_path / "none.safetensors")))
    assert not (tmp_path / "energy").exists()


def test_the_seed_says_all(weights: Path, data: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    again = run(Config(Train(tmp_path / "run", data=data, size="tiny", training=TRAINING, intact=2))).path
    assert again.read_bytes() == weights.read_bytes()
