"""Planning from room to room, at the smallest sizes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.errors import InputError
from scenekit.jepa.network import TINY
from scenekit.jepa.tokens import TokenConfig
from scenekit.pipelines.bench_two_rooms import Config, blocks, run, walked
from scenekit.planning import CemConfig

SMALL = Config(
    only=("LDAD", "random encoder"), seeds=1, episodes=2, walks=12, length=26, steps=2, batch=4, width=16, depth=1,
    network=replace(TINY, tokens=TokenConfig(count=16, neighbours=4, elements=128)),
    search=CemConfig(samples=4, elites=2, iterations=1),
)  # fmt: skip


def test_all_play_the_same_tasks_and_what_was_played_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(SMALL, output=tmp_path)
    result = run(config)
    assert [row.name for row in result.rows] == ["random policy", "the true world", "LDAD", "random encoder"]
    figures = result.rows[2].tables["two rooms"]
    assert {"solved, other room", "position R²", "effective rank", "25 steps on [m]"} <= set(figures)
    assert "| solved, where a walk ends |" in str(result)
    monkeypatch.setattr("scenekit.pipelines.bench_two_rooms.measured", None)
    assert run(config) == result


def test_an_action_of_a_plan_is_the_steps_between_two_frames() -> None:
    known, asked = walked(0, SMALL)
    assert blocks(known).shape == (12, 5, 10) and len(asked.states) == 2
    assert torch.equal(blocks(known)[3, 1], known.actions[3, 5:10].flatten())


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(InputError, match="two rooms"):
        replace(SMALL, only=("made up",))
