"""Trainings side by side, at the smallest sizes."""

from dataclasses import replace
from pathlib import Path

import pytest

from scenekit.datasets.token_shards import TokenShardConfig
from scenekit.errors import InputError
from scenekit.guidance.weights import read_weights
from scenekit.jepa.tokens import TokenConfig
from scenekit.jepa.training import TrainingConfig
from scenekit.pipelines import bench_jepa, bench_jepa_speed
from scenekit.pipelines.jepa_probe import Measured, Probe

SMALL = bench_jepa.Config(
    methods=("ema", "none", "autoencoder"), seeds=2, workers=1,
    scenes=TokenShardConfig(4, "objects", ("splats",), tokens=TokenConfig(count=24, neighbours=8, elements=192)),
    training=TrainingConfig(steps=2, batch=4, warm_up=1, watch_every=1, seed=3),
)  # fmt: skip


def test_every_method_has_the_same_budget_and_its_own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Probe] = []
    monkeypatch.setattr(bench_jepa, "probed", lambda probe: asked.append(probe) or Measured([], str(probe.output)))
    result = bench_jepa.run(replace(SMALL, output=tmp_path))
    files = [f"{method}-{seed}" for method in SMALL.methods for seed in range(2)]
    assert [path.parent.name for path in asked[0].weights] == files
    assert [row.name for row in result.collapse] == list(SMALL.methods)
    assert {len(values) for row in result.collapse for values in row.tables["collapse"].values()} == {2}
    assert (tmp_path / "collapse.svg").is_file() and "objects: not run" in (tmp_path / "tables.md").read_text()
    notes = [jepa_note(path) for path in asked[0].weights]
    assert len(set(notes)) == 3 and notes[0] == notes[1]
    assert len({path.read_bytes() for path in asked[0].weights}) == 6


def jepa_note(path: Path) -> str:
    return str(read_weights(path, wanted="weights")[0]["note"])


def test_a_method_twice_is_refused() -> None:
    with pytest.raises(InputError, match="bench jepa"):
        replace(SMALL, methods=("ema", "ema"))


def test_rates_stand_beside_that_of_one_process() -> None:
    rows = [bench_jepa_speed.Row(64, 1, 100.0), bench_jepa_speed.Row(64, 2, 180.0)]
    assert "| 64 | 2 | 180 | × 1.80 |" in str(bench_jepa_speed.Result(rows))
