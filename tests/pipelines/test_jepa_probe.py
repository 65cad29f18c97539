"""`scenekit jepa probe` on few, small scenes: what it measures, keeps and goes on with."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.datasets.token_shards import TokenShards
from scenekit.errors import InputError
from scenekit.jepa.features import untrained
from scenekit.jepa.network import TINY
from scenekit.jepa.tokens import TokenConfig, Tokens
from scenekit.pipelines import jepa_probe
from scenekit.pipelines.jepa import Config, run
from scenekit.pipelines.jepa_figures import distance, ranking, yaw
from scenekit.pipelines.jepa_probe import Measured, Probe, Row, Sizes, with_deviation

NETWORK = replace(TINY, tokens=TokenConfig(count=24, neighbours=8, elements=192))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    folder = tmp_path_factory.mktemp("probe")
    for seed in range(2):
        untrained(NETWORK, seed=10 + seed).save(folder / f"{seed}.safetensors", note="a model")
    weights = tuple(sorted(folder.glob("*.safetensors")))
    sizes = Sizes(objects=12, gallery=6, flawed=3, rollouts=20, steps=12)
    return Probe(weights, folder / "data", folder / "out", seeds=2, workers=1, sizes=sizes)


@pytest.fixture(scope="module")
def measured(config: Probe) -> Measured:
    found = run(Config(config))
    assert isinstance(found, Measured)
    return found


def test_every_encoder_and_baseline_is_measured(measured: Measured, config: Probe) -> None:
    names = ["a model", "random encoder", "raw features", "voxel statistics"]
    known = ["being of a thing", "the truth, standing still", "the truth, moving on"]
    assert [row.name for row in measured.rows] == [*names, *known]
    for row, seeds in zip(measured.rows, (2, 2, 1, 1), strict=False):
        assert {len(v) for table in row.tables.values() for v in table.values()} == {seeds}
        assert 0 <= min(row.tables["objects"]["R@1, 55% missing"]) <= 1
        assert max(row.tables["rollouts"]["position R²"]) <= 1
    for table in ("energy", "energy, worn"):
        assert "floater, within scenes" in measured.rows[0].tables[table] and table not in measured.rows[3].tables
    kept = json.loads((config.output / "figures.json").read_text())
    assert kept["rows"][0]["tables"] == measured.rows[0].tables
    assert "| noun, k-NN |" in (config.output / "tables.md").read_text()


def test_what_has_been_measured_is_not_measured_again(
    measured: Measured, config: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(jepa_probe, "flaw_figures", lambda *_: asked.append("energy") or {"made": 0.5})
    assert jepa_probe.run(config) == measured and not asked
    file = config.output / "encoders" / "a-model-1.json"
    whole = file.read_text()
    kept = json.loads(whole)
    del kept["figures"]["energy"]
    file.write_text(json.dumps(kept))
    assert jepa_probe.run(config).rows[0].tables["objects"] == measured.rows[0].tables["objects"]
    assert asked == ["energy"]  # of the table that was not there
    file.write_text(whole)


def test_other_weights_are_measured_anew(measured: Measured, config: Probe, tmp_path: Path) -> None:
    other = replace(config, output=tmp_path)
    first = jepa_probe.compared(other)[0]
    jepa_probe.figures_of(first, {"objects": lambda _: {"made": 1.0}}, other)
    assert jepa_probe.figures_of(first, {"objects": lambda _: {"made": 2.0}}, other)["objects"] == {"made": 1.0}
    changed = replace(first, about="other")
    assert jepa_probe.figures_of(changed, {"objects": lambda _: {"made": 2.0}}, other)["objects"] == {"made": 2.0}


def test_one_table_makes_the_data_of_that_one_alone(config: Probe, measured: Measured, tmp_path: Path) -> None:
    few = replace(config, data=tmp_path / "data", output=tmp_path / "out", tables=("energy",), seeds=1)
    found = run(Config(few))
    assert isinstance(found, Measured) and {path.name for path in (tmp_path / "data").iterdir()} == {"flawed"}
    assert found.rows[0].tables == {"energy": measured.rows[0].tables["energy"]}


def test_an_energy_that_knows_what_is_wrong_ranks_it_first(config: Probe, measured: Measured) -> None:
    assert config.data is not None
    shards = TokenShards(config.data / "flawed", views=(0,))

    def truth(tokens: Tokens, number: int) -> torch.Tensor:
        return shards.affected(torch.tensor([number]))[0, : len(tokens)].double()

    best = ranking(truth, config.data / "flawed")
    worst = ranking(lambda *each: -truth(*each), config.data / "flawed")
    assert set(best) == set(measured.rows[0].tables["energy"])
    assert set(best.values()) == {1.0} and set(worst.values()) == {0.0}


def test_sizes_too_small_are_refused() -> None:
    with pytest.raises(InputError, match="rollouts"):
        Sizes(rollouts=3)
    with pytest.raises(InputError, match="11 steps"):
        Sizes(steps=10)
    with pytest.raises(InputError, match="weights"):
        Probe(())


def test_a_table_says_what_was_not_run() -> None:
    rows = [Row("a", {"objects": {"x": [1.0, 2.0]}}), Row("b", {"objects": {"y": [0.5]}})]
    said = str(Measured(rows, "out"))
    assert "| x | 1.500 ± 0.707 | – |" in said and "energy: not run" in said
    assert with_deviation([]) == "–"


def test_yaw_is_the_turn_about_the_vertical() -> None:
    angle = torch.tensor([0.3, 2.5, -2.0])
    quats = torch.stack([(angle / 2).cos(), 0 * angle, 0 * angle, (angle / 2).sin()], -1)
    assert torch.allclose(yaw(quats), torch.stack([angle.cos(), angle.sin()], -1).double(), atol=1e-6)
    assert distance(torch.zeros(2, 3), torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]])) == pytest.approx(12.5**0.5)
