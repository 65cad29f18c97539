"""The trainer: schedules, resuming, stopping, and two processes."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scenekit.errors import FileError, FitError, InputError
from scenekit.jepa.training import Trainer, TrainingConfig

CONFIG = TrainingConfig(steps=12, batch=8, warm_up=4, watch_every=5, save_every=4, learning_rate=0.01, final_decay=0.2)


class Rows:
    """Rows of numbers, whose last is twice their first and some noise."""

    def __init__(self, count: int = 40):
        x = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
        self.rows = torch.cat([x, 2 * x[:, :1]], 1)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, numbers: Tensor) -> Tensor:
        return self.rows[numbers]


class Regression(nn.Module):
    """Predicts the last of a row from the others, with noise as masks would be, and a count of steps."""

    def __init__(self, *, noise: float = 0.1, breaks: int = -1):
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
        self.shares = list[float]()
        self.noise, self.breaks = noise, breaks
        self.register_buffer("steps", torch.tensor(0))

    def losses(self, batch: Tensor, *, generator: torch.Generator) -> dict[str, Tensor]:
        x = batch[:, :4] + self.noise * torch.randn(len(batch), 4, generator=generator)
        error = (self.network(x)[:, 0] - batch[:, 4]).square().mean()
        broken = math.nan if int(self.steps) == self.breaks else 1.0
        return {"error": error, "size": broken * 0.01 * self.network[0].weight.square().sum()}

    def after_step(self, share: float) -> None:
        self.shares.append(share)
        self.steps += 1

    def latents(self, batch: Tensor) -> Tensor:
        return self.network[:2](batch[:, :4])


def trainer(folder: Path | None, config: TrainingConfig = CONFIG, **options: float) -> Trainer:
    return Trainer(Regression(**options), Rows(), config, folder=folder)  # type: ignore[arg-type]


def test_it_learns_and_writes_down_how() -> None:
    config = TrainingConfig(steps=150, batch=16, warm_up=10, learning_rate=0.02, precision="float32", watch_every=50)
    log = trainer(None, config, noise=0.0).train()
    assert log.mean(10)["error"] < 0.1 * log.losses["error"][0]
    assert log.watched == [50, 100, 150] and log.alarms == []


def test_schedules_rise_and_fall_as_they_say() -> None:
    learner = trainer(None)
    rates, decays = [], []
    for learner.step in range(12):
        rate, decay = learner._rates()
        rates.append(rate)
        decays.append(decay)
    falls = [0.5 + 0.5 * math.cos(math.pi * i / 12) for i in range(12)]
    wanted = [min(1, (i + 1) / 4) * (1e-5 + (0.01 - 1e-5) * fall) for i, fall in enumerate(falls)]
    assert rates == pytest.approx(wanted)
    assert decays == pytest.approx([0.2 + (0.05 - 0.2) * fall for fall in falls])


def test_the_objective_hears_of_every_step() -> None:
    learner = trainer(None)
    learner.train()
    assert learner.objective.shares == pytest.approx([(i + 1) / 12 for i in range(12)])  # type: ignore[attr-defined]


def test_no_example_is_twice_in_a_batch_and_batches_differ() -> None:
    learner, seen = trainer(None), []
    for learner.step in range(3):
        seen.append(learner._batch())
    assert all(len(batch.unique(dim=0)) == 8 for batch in seen)
    assert not torch.equal(seen[0], seen[1]) and not torch.equal(seen[1], seen[2])


def test_a_run_that_was_killed_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """Killed in its tenth step, two after the last checkpoint."""
    whole = trainer(tmp_path / "whole")
    whole.train()
    with pytest.raises(FitError):
        trainer(tmp_path / "killed", breaks=9).train()
    resumed = trainer(tmp_path / "killed")
    assert resumed.step == 8
    resumed.train()
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, resumed.module.state_dict()[name]), name
    assert resumed.log.losses == whole.log.losses and resumed.log.health == whole.log.health


def test_a_term_that_is_not_finite_stops_it_and_is_named(tmp_path: Path) -> None:
    learner = trainer(tmp_path, breaks=6)
    with pytest.raises(FitError, match="a size of nan at step 6"):
        learner.train()
    assert all(bool(p.isfinite().all()) for p in learner.module.parameters())
    assert trainer(tmp_path).step == 4  # the last good one


def test_a_gradient_that_is_not_finite_stops_it() -> None:
    class Root(Regression):
        def losses(self, batch: Tensor, *, generator: torch.Generator) -> dict[str, Tensor]:
            return {"root": (0 * self.network(batch[:, :4])).sum().sqrt()}

    with pytest.raises(FitError, match="a gradient of nan at step 0"):
        Trainer(Root(), Rows(), CONFIG, folder=None).train()


def test_a_collapse_raises_the_alarm_and_is_written_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Constant(Regression):
        def latents(self, batch: Tensor) -> Tensor:
            return torch.ones(len(batch), 30)

    Trainer(Constant(), Rows(), CONFIG, folder=tmp_path).train()
    assert [record.message for record in caplog.records] == [
        "latents collapse at step 5: deviation 0, below 0.1; effective rank 3.3 % of the width, below 5 %"
    ]
    log = json.loads((tmp_path / "log.json").read_text())
    assert [alarm.split(":")[0] for alarm in log["alarms"]] == ["step 5", "step 5", "step 10", "step 10"] + [
        "step 12"
    ] * 2
    assert log["training"]["batch"] == 8 and len(log["losses"]["error"]) == 12
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint.safetensors", "log.json", "losses.svg", "collapse.svg"
    }  # fmt: skip


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).train()
    with pytest.raises(FileError, match="other batch"):
        trainer(tmp_path, TrainingConfig(**{**vars(CONFIG), "batch": 4}))
    with pytest.raises(FileError, match="other masks"):
        Trainer(Regression(), Rows(), CONFIG, folder=tmp_path, about={"masks": "blocks"})
    file = tmp_path / "checkpoint.safetensors"
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    with pytest.raises(FileError, match="contents changed"):
        trainer(tmp_path)


def test_too_few_examples_and_impossible_options_are_refused() -> None:
    with pytest.raises(InputError, match="at least a batch"):
        Trainer(Regression(), Rows(3), CONFIG, folder=None)
    for options in ({"steps": 0}, {"learning_rate": math.nan}, {"clip": -1.0}):
        with pytest.raises(InputError):
            TrainingConfig(**options)  # type: ignore[arg-type]


def test_two_processes_learn_what_one_does(in_two_processes: Callable[[str], list[Path]]) -> None:
    """Each on its half of every batch, and with SIGReg over both halves."""
    shared = """
from torch import nn
from scenekit.jepa.regularisers import sigreg
from scenekit.jepa.training import Trainer, TrainingConfig

class Rows:
    rows = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    def __len__(self): return 40
    def batch(self, numbers): return self.rows[numbers]

class Objective(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Linear(4, 3)
    def losses(self, batch, *, generator):
        z = self.network(batch[:, :4])
        directions = torch.Generator().manual_seed(7)
        error = (z[:, 0] - batch[:, 4]).square().mean()
        return {"error": error, "sigreg": sigreg(z, directions=8, generator=directions)}
    def after_step(self, share): pass
    def latents(self, batch): return self.network(batch[:, :4])

def learned(seed):
    torch.manual_seed(seed)
    config = TrainingConfig(steps=6, batch=8, warm_up=1, learning_rate=0.05, precision="float32")
    trainer = Trainer(Objective(), Rows(), config, folder=None)
    log = trainer.train()
    return dict(trainer.module.state_dict()) | {n: torch.tensor(v) for n, v in log.losses.items()}
"""
    files = in_two_processes(
        shared
        + "\nrank = processes.rank()\nfound = learned(rank)  # weights are those of the first\n"
        + "torch.save(found, folder / f'{rank}.pt')"
    )
    space: dict[str, object] = {"torch": torch}
    exec(shared, space)
    alone = space["learned"](0)  # type: ignore[operator]
    first, second = (torch.load(file, weights_only=True) for file in files)
    for name, tensor in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], tensor, rtol=1e-4, atol=1e-5)
