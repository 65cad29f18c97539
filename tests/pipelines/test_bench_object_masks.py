"""Object masks beside none, at the smallest sizes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_clips import ACTIONS, FEATURES
from scenekit.errors import InputError
from scenekit.jepa.objects import ObjectConfig
from scenekit.jepa.training import TrainingConfig
from scenekit.pipelines.bench_object_masks import AHEAD, COUNTERFACTUAL, TABLE, Config, Windows, baselines, made, run

SMALL = Config(
    masked=(0, 1), seeds=1, every=1, asked=5,
    rollouts=RolloutConfig(rollouts=3, least=2, bodies=3, things=0.0, elements=1, steps=9),
    objects=ObjectConfig(FEATURES, ACTIONS, history=3, masked=0, width=8, depth=1, heads=2),
    training=TrainingConfig(steps=2, batch=4, warm_up=1, watch_every=2, save_every=2),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("object-masks")


def test_arms_are_compared_and_what_was_measured_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, output=folder)
    result = run(config)
    rows = {row.name: row.tables[TABLE] for row in result.rows}
    assert list(rows) == ["M = 0", "M = 1", "standing still", "moving on", "without the change", "made again"]
    assert rows["made again"][COUNTERFACTUAL][0] < 1e-6
    assert rows["without the change"]["as it was [m]"] == [0.0] and rows["without the change"][COUNTERFACTUAL][0] > 0.01
    assert result.lower["M = 1"] == [1 - rows["M = 1"][COUNTERFACTUAL][0] / rows["M = 0"][COUNTERFACTUAL][0]]
    assert "counterfactual, M = 1" in str(result) and (folder / "figures.json").is_file()
    monkeypatch.setattr("scenekit.pipelines.bench_object_masks.learned", None)
    assert run(config) == result


def test_the_truth_has_no_error_and_what_is_changed_is_not_asked_for(folder: Path) -> None:
    _, asked = made(replace(SMALL, output=folder))
    windows = Windows.of(asked, SMALL)
    truth = windows.errors(windows.places[:, 3:], windows.were[:, 3:])
    assert truth and not any(truth.values())
    b = asked.kinds.shape[1]
    nonsense = windows.places[:, 3:].clone()
    wrong = torch.arange(b) == asked.changed.repeat(len(nonsense) // len(asked))[:, None]
    nonsense.permute(0, 2, 1, 3)[wrong] = 100.0
    assert windows.errors(nonsense, windows.were[:, 3:]) == truth


def test_moving_on_is_right_where_nothing_acts(folder: Path) -> None:
    _, asked = made(replace(SMALL, output=folder))
    windows = Windows.of(asked, SMALL)
    even = windows.places[:, :1] + 0.02 * torch.arange(3 + AHEAD)[:, None, None]
    found = baselines(replace(windows, places=even, were=even + 1))
    assert found["moving on"]["all of the twins [m]"] < 1e-5
    assert found["standing still"][f"{AHEAD} steps on [m]"] == pytest.approx(0.02 * AHEAD * 3**0.5, rel=1e-4)


def test_arms_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(InputError, match="object masks"):
        replace(SMALL, masked=(0, 3))
    with pytest.raises(InputError, match="frames"):
        replace(SMALL, every=2)
