"""Fits that several processes share."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit import processes
from scenekit.capture.views import View
from scenekit.errors import InputError
from scenekit.fit import ADC, MCMC, FitConfig, fit, schedules  # noqa: F401 the configs name MCMC
from scenekit.fit.trainer import Trainer
from scenekit.splats import Splats

CONFIGS = {
    name: f'FitConfig(steps=20, log_every=5, batch=2, background="random", evaluate_every=10, strategy={strategy})'
    for name, strategy in {
        "adc": "ADC(cap=150, start_at=0.1, every=0.2, every_steps=1, grow=0.2, reset_every=0.5, reset_steps=1)",
        "mcmc": "MCMC(cap=150, start_at=0.1, every=0.2, every_steps=1), exposure='affine', poses=True",
    }.items()
}

READ = """
import json
from scenekit.capture.views import View
from scenekit.fit import *
from scenekit.fit.trainer import Trainer
from scenekit.splats import Splats
given = torch.load(folder / "given.pt", weights_only=True)
views = [View(str(i), *of_one) for i, of_one in enumerate(given["views"])]
start = Splats(**given["start"])
"""


@pytest.fixture
def in_two(
    views: list[View], start: Splats, tmp_path: Path, in_two_processes: Callable[..., list[Path]]
) -> Callable[..., list[Path]]:
    """Runs lines in two processes that have the views and the start."""
    given = {"views": [(v.image, v.K, v.viewmat) for v in views], "start": start.tensors()}
    torch.save(given, tmp_path / "given.pt")
    return lambda program, **options: in_two_processes(READ + program, **options)


def test_two_processes_fit_as_one_does(
    views: list[View], start: Splats, tmp_path: Path, in_two: Callable[..., list[Path]]
) -> None:
    """Photos, backgrounds, densification and evaluation are shared out; sums differ in their last bits alone."""
    in_two(
        "\n".join(f"""
result = fit(views[1:], start, {config}, held_out=views[:1], folder=folder / "fit {name}", progress=False)
said = [result.splats.tensors(), json.dumps(result.history.to_json())]
torch.save(said, folder / f"{name} {{processes.rank()}}.pt")
""" for name, config in CONFIGS.items())
    )  # fmt: skip
    for name, config in CONFIGS.items():
        alone = fit(views[1:], start, eval(config), held_out=views[:1], progress=False)
        (first, said), (second, _) = (torch.load(tmp_path / f"{name} {i}.pt", weights_only=True) for i in (0, 1))
        assert sorted(p.name for p in (tmp_path / f"fit {name}").iterdir()) == ["checkpoint.safetensors", "tensorboard"]
        assert len(alone.splats) > len(start)
        for field, tensor in alone.splats.tensors().items():
            assert torch.equal(first[field], second[field]), field
            torch.testing.assert_close(first[field], tensor, rtol=1e-3, atol=1e-3)
        history = json.loads(said)
        for ours, theirs in zip(alone.history.records, history["records"], strict=True):
            assert (ours.step, ours.gaussians) == (theirs[0], theirs[4])
            assert (ours.loss, ours.psnr) == pytest.approx(theirs[2:4], rel=1e-4)
        for row, theirs in zip(alone.history.held_out, history["held_out"], strict=True):
            assert row.psnr == pytest.approx(theirs[2], rel=1e-4)


def test_two_photos_a_step_are_two_looks_and_one_step_along_their_mean(views: list[View], start: Splats) -> None:
    config = FitConfig(steps=4, batch=2, coarse=(), strategy=ADC(start_at=1.0, reset_every=0))
    pair = Trainer(views, start, config)
    looked = [schedules.view_at(look, len(views), config.seed) for look in (0, 1)]
    each = [Trainer([views[number]], start, replace(config, batch=1)) for number in looked]
    for trainer in each:
        trainer.run = pair.run
        trainer.advance()
    pair.advance()
    for field, moment in pair.adam.first.items():
        torch.testing.assert_close(moment, (each[0].adam.first[field] + each[1].adam.first[field]) / 2)
    for name in ("gradient", "seen"):
        torch.testing.assert_close(pair.state[name], each[0].state[name] + each[1].state[name])


@pytest.mark.parametrize("failure", ["raises", "hangs"])
def test_a_process_that_fails_ends_all(failure: str, tmp_path: Path, in_two: Callable[..., list[Path]]) -> None:
    program = f"""
import time
def fail(history, splats):
    if processes.rank() == 1 and history.records[-1].step == 2:
        if {failure == "raises"}:
            raise ValueError("no more")
        time.sleep(8)
try:
    fit(views, start, FitConfig(steps=400, batch=2, log_every=1), progress=False, on_step=fail)
except Exception as error:
    (folder / f"said{{processes.rank()}}").write_text(repr(error))
"""
    in_two(program, patience=5 if failure == "hangs" else 300)
    first, second = ((tmp_path / f"said{rank}").read_text() for rank in (0, 1))
    assert first.startswith("BackendError('process 0: got no answer from another process"), first
    assert second == "ValueError('no more')" if failure == "raises" else second.startswith("BackendError")


def test_other_photos_than_the_first_process_has_are_refused(
    views: list[View], start: Splats, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = []
    monkeypatch.setattr(processes, "agreed", lambda x: theirs.append(x) or theirs[0])
    Trainer(views, start, FitConfig()).check_others()
    Trainer(views, start, FitConfig()).check_others()
    with pytest.raises(InputError, match="other photos, options or splats in process 0"):
        Trainer(views[1:], start, FitConfig()).check_others()


def test_photos_of_a_step_that_cannot_be_shared_are_refused(
    views: list[View], start: Splats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "count", lambda: 2)
    with pytest.raises(InputError, match="a multiple of 2 processes"):
        Trainer(views, start, FitConfig(batch=3))
