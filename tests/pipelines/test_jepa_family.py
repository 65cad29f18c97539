"""`scenekit jepa train` on rollouts: every member learns, goes on to the same bits, and leaves what it says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_clips import ACTIONS, RolloutClips
from scenekit.datasets.rollouts_shards import write_rollouts
from scenekit.errors import FileError, InputError
from scenekit.jepa.clips import Clips
from scenekit.jepa.training import TrainingConfig
from scenekit.jepa.world import WorldModel
from scenekit.pipelines.jepa import Config, Train, run
from scenekit.pipelines.jepa_family import MOVING, Moving

TRAINING = TrainingConfig(steps=4, batch=4, warm_up=1, watch_every=2, save_every=2)
SMALL = Moving(steps=5, every=1, history=2, width=8, depth=1, heads=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rollouts")
    write_rollouts(folder, RolloutConfig(rollouts=4, steps=6, elements=32, per_shard=2, things=0.0))
    return folder


@pytest.mark.parametrize("method", MOVING)
def test_a_member_learns_leaves_its_log_and_is_not_trained_twice(method: str, data: Path, tmp_path: Path) -> None:
    train = Train(tmp_path, data, "tiny", method, training=TRAINING, moving=SMALL)  # type: ignore[arg-type]
    result = run(Config(train))
    log = json.loads((tmp_path / "log.json").read_text())
    assert log["method"] == method and log["moving"]["width"] == 8 and log["data"]["rollouts"] == 4
    assert all(len(values) == 4 for values in log["losses"].values()) and log["health"]
    assert result.path.name == ("world.safetensors" if method == "world" else "checkpoint.safetensors")
    before = result.path.read_bytes()
    run(Config(train))
    assert result.path.read_bytes() == before
    with pytest.raises(FileError, match="moving"):
        run(Config(replace(train, moving=replace(SMALL, every=2, steps=3))))


def test_a_world_that_was_stopped_goes_on_to_the_same_bits_and_rolls_out(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = Train(tmp_path / "whole", data, "tiny", "world", training=TRAINING, moving=SMALL)
    whole, stopped = run(Config(train)).path, replace(train, output=tmp_path / "stopped")
    taken: list[int] = []

    def interrupted(self: RolloutClips, numbers: torch.Tensor) -> Clips:
        taken.append(len(numbers))
        if len(taken) == 4:
            raise KeyboardInterrupt
        return batch(self, numbers)

    batch = RolloutClips.batch
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RolloutClips, "batch", interrupted)
        run(Config(stopped))
    assert not (stopped.output / "world.safetensors").exists()
    assert run(Config(stopped)).path.read_bytes() == whole.read_bytes()
    model = WorldModel.load(whole)
    latents = model.encode(RolloutClips(data, steps=2).batch(torch.tensor([1])).frames)
    assert model.rollout(latents, torch.zeros(4, ACTIONS)).shape == (3, 8)


def test_scenes_are_not_learned_from_as_rollouts(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="tokens"):
        run(Config(Train(tmp_path, data, "tiny", training=TRAINING)))
    with pytest.raises(InputError, match="clips"):
        run(Config(Train(tmp_path, data, "tiny", "world", training=TRAINING, moving=replace(SMALL, steps=9))))
