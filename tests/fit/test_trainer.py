"""Fits of a tiny known scene: quality, determinism, resuming, divergence."""

import math
import os
import re
import signal
from dataclasses import replace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scenekit._kernels.launch import set_threads, threads
from scenekit.capture import StoredViews
from scenekit.errors import BackendError, FileError, FitError, InputError
from scenekit.fit import ADC, MCMC, FitConfig, checkpoints, fit
from scenekit.fit.held_out import mean_psnr
from scenekit.fit.losses import Loss, PhotometricLoss, opacity_outside
from scenekit.fit.optimizer import Adam
from scenekit.fit.trainer import CHECKPOINT, Trainer
from scenekit.io.atomic import UNFINISHED
from scenekit.render.splats import rasterization
from scenekit.splats import random_splats

STRATEGIES = [
    ADC(cap=150, start_at=0.1, every=0.1, every_steps=1, grow=0.2, reset_every=0.25, reset_steps=1),
    MCMC(cap=150, start_at=0.1, every=0.1, every_steps=1),
]
SHORT = FitConfig(steps=40, log_every=5, checkpoint_every=1000)


def config(strategy, **options):
    return FitConfig(**{"steps": 40, "log_every": 5, "strategy": strategy, "background": "random"} | options)


def assert_same(a, b):
    for name, tensor in a.tensors().items():
        assert torch.equal(tensor, b.tensors()[name]), name


@pytest.mark.parametrize("strategy", [ADC(cap=400, reset_every=0), MCMC(cap=200)], ids=["adc", "mcmc"])
def test_a_known_scene_is_found_again(views, start, strategy):
    before = mean_psnr(start, views[:1])
    result = fit(views[1:], start, FitConfig(steps=150, strategy=strategy), held_out=views[:1], progress=False)
    assert before < 21
    assert result.history.held_out[-1].psnr > 26
    assert result.history.records[-1].psnr > 29
    assert result.history.held_out[-1].psnr == pytest.approx(mean_psnr(result.splats, views[:1]))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=["adc", "mcmc"])
def test_the_same_seed_gives_the_same_bits(views, start, strategy):
    first = fit(views, start, config(strategy), progress=False)
    second = fit(views, start, config(strategy), progress=False)
    other = fit(views, start, config(strategy, seed=1), progress=False)
    assert_same(first.splats, second.splats)
    assert len(other.splats) != len(first.splats) or not torch.equal(other.splats.means, first.splats.means)


def test_photos_on_disk_give_the_same_bits(views, start, tmp_path):
    stored = StoredViews(lambda number: views[number], views, budget=views[0].image.nbytes)
    config_ = config(STRATEGIES[0], coarse=((0.4, 4), (0.7, 2)), poses=True)
    straight = fit(views, start, config_, progress=False)
    half = Trainer(stored, start, config_, folder=tmp_path)
    for _ in range(18):
        half.advance()
    half.save()
    assert_same(straight.splats, fit(views, start, config_, folder=tmp_path, progress=False).splats)
    assert_same(straight.splats, fit(stored, start, config_, held_out=stored[:2], progress=False).splats)


def test_the_number_of_threads_changes_no_bit(views, start):
    results = []
    for count in (1, 2, 3):
        before = threads()
        set_threads(count)
        results.append(fit(views, start, config(STRATEGIES[0]), progress=False).splats)
        set_threads(before)
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@pytest.mark.parametrize("strategy", STRATEGIES, ids=["adc", "mcmc"])
def test_a_resumed_fit_goes_on_bit_for_bit(views, start, strategy, tmp_path):
    straight = fit(views, start, config(strategy), progress=False)
    half = Trainer(views, start, config(strategy), folder=tmp_path)
    for _ in range(18):  # off the rhythm of records
        half.advance()
    half.save()
    rest = fit(views, start, config(strategy), folder=tmp_path, progress=False)
    assert_same(straight.splats, rest.splats)
    for one, other in zip(straight.history.records, rest.history.records, strict=True):
        assert (one.step, one.loss, one.psnr, one.gaussians) == (other.step, other.loss, other.psnr, other.gaussians)


def test_ctrl_c_keeps_a_checkpoint_and_the_fit_goes_on(views, start, tmp_path):
    def interrupt(history, splats):
        if history.records[-1].step == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(views, start, SHORT, folder=tmp_path, progress=False, on_step=interrupt)
    resumed = fit(views, start, SHORT, folder=tmp_path, progress=False)
    assert_same(resumed.splats, fit(views, start, SHORT, progress=False).splats)


def test_who_watches_a_fit_sees_all_of_it_and_changes_no_bit(views, start):
    seen = []

    def watch(history, splats):
        seen.append((history.records[-1].step, len(history.held_out), splats.map(torch.clone)))

    options = {"held_out": views[:1], "progress": False}
    watched = fit(views[1:], start, replace(SHORT, evaluate_every=10), **options, on_step=watch)
    alone = fit(views[1:], start, replace(SHORT, evaluate_every=10), **options)
    assert_same(watched.splats, alone.splats)
    assert [step for step, *_ in seen] == list(range(5, 41, 5))
    assert [evaluations for _, evaluations, _ in seen] == [0, 1, 1, 2, 2, 3, 3, 4]
    assert_same(seen[-1][2], watched.splats)


def test_who_watches_a_fit_can_end_it_and_it_goes_on_from_there(views, start, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(views, start, SHORT, folder=tmp_path, progress=False, on_step=lambda history, _: len(history.records) == 4)
    half = Trainer(views, start, SHORT, folder=tmp_path)
    half.restore()
    assert half.step == 20
    resumed = fit(views, start, SHORT, folder=tmp_path, progress=False)
    assert_same(resumed.splats, fit(views, start, SHORT, progress=False).splats)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_step_waits_for_its_end(views, start, tmp_path, monkeypatch, number):
    step = Adam.step

    def interrupted(self, rates):
        if self.steps == 7:
            os.kill(os.getpid(), number)
        step(self, rates)

    config = replace(SHORT, strategy=STRATEGIES[0])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Adam, "step", interrupted)
        fit(views, start, config, folder=tmp_path, progress=False)
    half = Trainer(views, start, config, folder=tmp_path)
    half.restore()
    assert half.step == 8
    rest = fit(views, start, config, folder=tmp_path, progress=False)
    assert_same(rest.splats, fit(views, start, config, progress=False).splats)


def test_a_step_that_a_second_ctrl_c_cuts_short_is_not_kept(views, start, tmp_path, monkeypatch):
    step = Adam.step

    def impatient(self, rates):
        step(self, rates)
        if self.steps == 7:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Adam, "step", impatient)
    with pytest.raises(KeyboardInterrupt):
        fit(views, start, replace(SHORT, checkpoint_every=5), folder=tmp_path, progress=False)
    half = Trainer(views, start, replace(SHORT, checkpoint_every=5), folder=tmp_path)
    half.restore()
    assert half.step == 5


def test_a_finished_fit_is_not_fitted_again(views, start, tmp_path):
    first = fit(views, start, SHORT, folder=tmp_path, progress=False)
    second = fit(views, start, SHORT, folder=tmp_path, progress=False, on_step=lambda *_: pytest.fail("it went on"))
    assert_same(first.splats, second.splats)


def test_without_resume_a_fit_starts_anew(views, start, tmp_path):
    fit(views, start, FitConfig(steps=2), folder=tmp_path, progress=False)
    result = fit(views, start, SHORT, folder=tmp_path, progress=False, resume=False)
    assert result.history.records[-1].step == 40


def test_a_checkpoint_of_another_fit_is_refused(views, start, tmp_path):
    fit(views, start, FitConfig(steps=2), folder=tmp_path, progress=False)
    with pytest.raises(FileError, match="other config"):
        fit(views, start, FitConfig(steps=3), folder=tmp_path, progress=False)
    with pytest.raises(FileError, match="other views"):
        fit(views[1:], start, FitConfig(steps=2), folder=tmp_path, progress=False)
    with pytest.raises(FileError, match="other start"):
        fit(views, random_splats(50), FitConfig(steps=2), folder=tmp_path, progress=False)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_a_damaged_checkpoint_is_refused(views, start, tmp_path, damage):
    fit(views, start, FitConfig(steps=2), folder=tmp_path, progress=False)
    path = tmp_path / CHECKPOINT
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    contents = {"truncated": bytes(data[:-100]), "flipped": bytes(data), "empty": b"", "text": b"hi" * 99}
    path.write_bytes(contents[damage])
    with pytest.raises(FileError, match=re.escape(CHECKPOINT)):
        fit(views, start, FitConfig(steps=2), folder=tmp_path, progress=False)


def test_a_checkpoint_of_another_version_is_refused(views, start, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "VERSION", 99)
        fit(views, start, FitConfig(steps=2), folder=tmp_path, progress=False)
    with pytest.raises(FileError, match=r"version 99; wanted version \d+.*another folder"):
        fit(views, start, FitConfig(steps=2), folder=tmp_path, progress=False)


def test_what_is_read_lies_in_memory_as_if_it_had_never_been_stored(tmp_path):
    """The last bits of matrix products depend on it."""
    path, odd = tmp_path / "checkpoint.safetensors", {str(n): torch.rand(n) for n in range(1, 9)}
    checkpoints.write_checkpoint(path, checkpoints.Checkpoint({}, {}, odd))
    again = checkpoints.read_checkpoint(path, {}).tensors
    assert all(torch.equal(again[name], tensor) for name, tensor in odd.items())
    assert not [name for name, tensor in again.items() if tensor.data_ptr() % 64]


def test_the_half_of_a_checkpoint_that_a_kill_left_is_removed(views, start, tmp_path):
    (tmp_path / f"{UNFINISHED}checkpoint-abc.safetensors").write_bytes(b"half")
    fit(views, start, FitConfig(steps=2), folder=tmp_path, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CHECKPOINT, "tensorboard"]


@pytest.mark.parametrize("name", ["means", "quats", "log_scales", "logit_opacities", "sh"])
def test_a_parameter_that_is_not_finite_stops_the_fit_and_the_last_checkpoint_stays(views, start, tmp_path, name):
    trainer = Trainer(views, start, replace(SHORT, strategy=ADC(start_at=1.0)), folder=tmp_path)
    trainer.advance()
    trainer.save()
    good = (tmp_path / CHECKPOINT).read_bytes()
    with torch.no_grad():
        getattr(trainer.adam.splats, name)[0] = math.nan
    with pytest.raises(FitError, match="splats") as error:
        for _ in range(SHORT.log_every):
            trainer.advance()
    assert "checkpoint" in error.value.hint
    with pytest.raises(FitError, match="splats"):
        trainer.save()
    assert (tmp_path / CHECKPOINT).read_bytes() == good


@pytest.mark.parametrize(("term", "l1", "dssim"), [("L1", math.nan, math.nan), ("D-SSIM", 0.1, math.inf)])
def test_a_loss_that_is_not_finite_stops_the_fit_and_its_term_is_named(views, start, monkeypatch, term, l1, dssim):
    bad = Loss(torch.tensor([l1, 0.1, dssim], dtype=torch.float64), 0.2, torch.empty(0))
    monkeypatch.setattr(PhotometricLoss, "__call__", lambda *_, **__: bad)
    with pytest.raises(FitError, match=f"term {term}"):
        fit(views, start, SHORT, progress=False)


def test_masked_pixels_do_not_matter(views, start):
    mask = torch.ones(views[0].height, views[0].width, dtype=torch.bool)
    mask[:, :20] = False
    quick = FitConfig(steps=40, coarse=((0.5, 2),), strategy=ADC(start_at=1.0, reset_every=0))
    clean = [type(v)(v.name, v.image, v.K, v.viewmat, mask) for v in views]
    dirty = [type(v)(v.name, v.image.clone(), v.K, v.viewmat, mask) for v in views]
    ours = fit(clean, start, quick, progress=False)
    assert mean_psnr(ours.splats, clean) > mean_psnr(start, clean) + 3
    for view in dirty:
        view.image[:, :9] = 255  # out of reach of the windows of the pixels that count
    assert_same(ours.splats, fit(dirty, start, quick, progress=False).splats)


def test_the_back_end_is_chosen(views, start):
    few = replace(SHORT, steps=3)
    ours, twin = (fit(views, start, replace(few, backend=name), progress=False) for name in ("warp", "torch"))
    assert twin.history.records[-1].psnr == pytest.approx(ours.history.records[-1].psnr, abs=1e-3)
    with pytest.raises(BackendError, match="gsplat"):
        fit(views, start, replace(few, backend="gsplat"), progress=False)


def test_events_are_written(views, start, tmp_path):
    fit(views, start, SHORT, folder=tmp_path, held_out=views[:1], progress=False)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    names = {"fit/loss", "fit/psnr", "fit/gaussians", "fit/steps_per_s", "held_out/psnr"}
    assert names <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("fit/loss")] == list(range(5, 41, 5))


def test_held_out_evaluations_come_when_asked_and_at_the_end(views, start):
    result = fit(views[1:], start, FitConfig(steps=10, evaluate_every=4), held_out=views[:1], progress=False)
    assert [row.step for row in result.history.held_out] == [4, 8, 10]


def test_nothing_to_fit_is_refused(views, start):
    with pytest.raises(InputError, match="views"):
        fit([], start)
    with pytest.raises(InputError, match="splats"):
        fit(views, random_splats(0))


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"background": "blue"}, {"coarse": ((0.5, 4), (0.2, 2))}, {"coarse": ((0.5, 0),)}]
)
def test_wrong_configs_are_refused(wrong):
    with pytest.raises(InputError):
        FitConfig(**wrong)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("viewmat", lambda view: replace(view, viewmat=view.viewmat * math.nan)),
        ("K", lambda view: replace(view, K=view.K / 0)),
        ("mask", lambda view: replace(view, mask=torch.zeros(view.height, view.width, dtype=torch.bool))),
        ("image", lambda view: replace(view, image=view.image / 255 * math.nan)),
    ],
)
def test_a_view_that_would_spoil_the_fit_is_refused_before_it_starts(views, start, name, spoil):
    spoilt = [*views[:3], spoil(views[3])]
    with pytest.raises(InputError, match=rf"3\.png: {name}"):
        fit(spoilt, start, SHORT, progress=False, on_step=lambda *_: pytest.fail("it started"))
    with pytest.raises(InputError, match=rf"3\.png: {name}"):
        fit(views, start, SHORT, held_out=spoilt, progress=False, on_step=lambda *_: pytest.fail("it started"))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=["adc", "mcmc"])
def test_the_cap_is_never_exceeded(views, start, strategy):
    counts = []
    trainer = Trainer(views, start, config(replace(strategy, cap=120)))
    append = Adam.append
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Adam, "append", lambda self, new: (append(self, new), counts.append(len(self.splats))))
        for _ in range(40):
            trainer.advance()
    assert max(counts) == 120


def test_more_splats_than_the_cap_are_refused(views, start):
    with pytest.raises(InputError, match="at most the cap, 99"):
        fit(views, start, replace(SHORT, strategy=ADC(cap=99)), progress=False)


def test_carving_empties_what_masks_hide(views, start):
    hidden = torch.ones(views[0].height, views[0].width, dtype=torch.bool)
    hidden[:, :20] = False
    masked = [replace(view, mask=hidden) for view in views]
    opacity = []
    for carve in (0.0, 10.0):
        config = FitConfig(steps=80, strategy=ADC(start_at=1.0, reset_every=0), carve=carve)
        splats = fit(masked, start, config, progress=False).splats
        _, alpha, _ = rasterization(
            *(splats.means, splats.quats, splats.scales, splats.opacities, None, masked[0].viewmat[None]),
            *(masked[0].K[None], masked[0].width, masked[0].height),
            render_mode="D",
        )
        opacity.append(float(alpha[0, :, :19].mean()))
    assert opacity[1] < 0.3 * opacity[0]


def test_opacity_outside_a_mask_leaves_its_rim_alone():
    mask = torch.zeros(5, 6, dtype=torch.bool)
    mask[2, 2] = True
    alpha = torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
    far = torch.ones(5, 6)
    far[1:4, 1:4] = 0
    torch.testing.assert_close(opacity_outside(alpha, mask), (alpha * far).mean())
