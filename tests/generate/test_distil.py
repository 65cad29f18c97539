"""The loop: it goes on as if never stopped, stops at what is wrong, and leaves the last good state."""

from dataclasses import replace

import pytest
import torch

from scenekit.errors import FileError, FitError, InputError
from scenekit.fit.strategies import MCMC
from scenekit.generate.distil import CHECKPOINT, DistilConfig, PhotoTarget, ShadingSchedule, distil
from scenekit.generate.guide import Guide
from scenekit.generate.splats import SplatSketch, SplatSketchConfig
from scenekit.guidance.distillation import DistillationConfig, Distilled
from scenekit.guidance.lora import LoraConfig, LoraScore
from scenekit.guidance.prior import Views
from scenekit.guidance.shapes_prior import ShapesPrior
from scenekit.guidance.transformer import PictureTransformer, TransformerConfig
from tests.generate.conftest import SIDE, ball, ball_guide, run_config, seen_from

SMALL = SplatSketchConfig(count=100, strategy=MCMC(cap=200, start_at=0.0, every_steps=2))


class Stopped(Guide):
    """A guide that is interrupted at a step."""

    at = 4
    by: type[BaseException] = KeyboardInterrupt

    def pull(self, pictures, views, progress, generator):
        if progress >= self.at / 6:
            raise self.by
        return super().pull(pictures, views, progress, generator)


class StoppedLater(Stopped):
    """One that is interrupted at the end of its part of a step."""

    def pull(self, pictures, views, progress, generator):
        found = Guide.pull(self, pictures, views, progress, generator)
        if progress >= self.at / 6:
            raise self.by
        return found


class Still(Guide):
    """A guide that says the same number for every entry."""

    says = 0.0

    def pull(self, pictures, views, progress, generator):
        return Distilled(torch.full_like(pictures, self.says), torch.zeros(len(pictures)), pictures)


def like(kind: type[Guide]) -> Guide:
    guide = ball_guide()
    return kind(guide.prior, guide.prompt, guide.config)


def same(a: SplatSketch, b: SplatSketch) -> bool:
    return all(torch.equal(tensor, b.tensors()[name]) for name, tensor in a.tensors().items())


def test_an_interrupted_run_goes_on_as_if_never_stopped(tmp_path, guide):
    whole, first, second = (SplatSketch(SMALL) for _ in range(3))
    records = distil(whole, guide, run_config(), progress=False)
    with pytest.raises(KeyboardInterrupt):
        distil(first, like(Stopped), run_config(), folder=tmp_path, progress=False)
    again = distil(second, guide, run_config(), folder=tmp_path, progress=False)
    assert same(whole, second)
    assert [r._replace(seconds=0.0) for r in again] == [r._replace(seconds=0.0) for r in records]
    assert [r.step for r in again] == [3, 6]


@pytest.mark.parametrize("interrupted", [Stopped, StoppedLater])
def test_vsd_goes_on_with_what_its_score_model_had_learned(tmp_path, interrupted):
    network = TransformerConfig(side=SIDE, patch=16, width=32, depth=1, heads=2, words=4, vocabulary=8, seam=4)
    torch.manual_seed(0)
    prior = ShapesPrior(PictureTransformer(network), ["ball"])

    def made(kind: type[Guide] = Guide) -> Guide:
        score = LoraScore(prior, LoraConfig(rate=1e-2))
        return kind(prior, "ball", DistillationConfig("vsd", scale=7.5), score=score)

    whole, first, second = (SplatSketch(SMALL) for _ in range(3))
    distil(whole, made(), run_config(), progress=False)
    with pytest.raises(KeyboardInterrupt):
        distil(first, made(interrupted), run_config(), folder=tmp_path, progress=False)
    distil(second, made(), run_config(), folder=tmp_path, progress=False)
    assert same(whole, second) and not same(whole, first)


def test_a_finished_run_is_not_done_again(tmp_path, guide):
    first, second = SplatSketch(SMALL), SplatSketch(SMALL, seed=5)
    distil(first, guide, run_config(), folder=tmp_path, progress=False)
    distil(second, like(Stopped), run_config(), folder=tmp_path, progress=False)
    assert same(first, second)


@pytest.mark.parametrize("what", ["run", "guide", "prompt", "thing"])
def test_a_checkpoint_goes_on_with_its_own_run_only(tmp_path, guide, what):
    distil(SplatSketch(SMALL), guide, run_config(), folder=tmp_path, progress=False)
    config, sketch, other = run_config(), SplatSketch(SMALL), guide
    if what == "run":
        config = run_config(views=3)
    elif what == "guide":
        other = ball_guide(scale=2.0)
    elif what == "prompt":
        other = replace(guide, prompt="cube")
    else:
        sketch = SplatSketch(replace(SMALL, largest=0.05))
    with pytest.raises(FileError, match="a fit with other"):
        distil(sketch, other, config, folder=tmp_path, progress=False)


def test_numbers_that_are_not_finite_stop_it_and_the_last_checkpoint_stays(tmp_path):
    guide = like(Still)
    distil(SplatSketch(SMALL), guide, run_config(steps=3), folder=tmp_path, progress=False)
    kept = (tmp_path / CHECKPOINT).read_bytes()
    type(guide).says = float("nan")
    try:
        with pytest.raises(FitError, match="nan at step 0"):
            distil(SplatSketch(SMALL), guide, run_config(steps=4), progress=False)
    finally:
        Still.says = 0.0
    assert (tmp_path / CHECKPOINT).read_bytes() == kept


def test_pictures_are_shown_from_four_sides_at_their_times(guide):
    shown: list[tuple[int, torch.Size]] = []
    distil(
        SplatSketch(SMALL), guide, run_config(steps=5, show_every=2),
        progress=False, on_show=lambda step, pictures: shown.append((step, pictures.shape)),
    )  # fmt: skip
    assert shown == [(step, (4, 3, SIDE, SIDE)) for step in (2, 4, 5)]


def test_showing_and_saving_change_nothing(tmp_path, guide):
    plain, watched = SplatSketch(SMALL), SplatSketch(SMALL)
    distil(plain, guide, run_config(show_every=6, save_every=6, background=None), progress=False)
    often = run_config(show_every=1, save_every=1, background=None)
    distil(watched, guide, often, folder=tmp_path, progress=False, on_show=print)
    assert same(plain, watched)


def test_a_photo_alone_pulls_a_thing_towards_it():
    views = Views(torch.zeros(1), torch.full((1,), 0.2))
    picture = ball(views)[0, 0]
    alpha = (picture.std(0) > 0.05).float()
    photo, sketch = PhotoTarget(picture, alpha, seen_from(views), 1.0), SplatSketch(SMALL)
    shown: list[float] = []

    def error(step: int, pictures: torch.Tensor) -> None:
        shown.append(float((pictures[0] - ball(Views(torch.zeros(1), torch.full((1,), 0.2618)))[0, 0]).square().mean()))

    distil(sketch, like(Still), run_config(steps=80, show_every=10), photos=[photo], progress=False, on_show=error)
    assert shown[-1] < 0.5 * shown[0]


def test_light_follows_its_schedule():
    schedule, luck = ShadingSchedule(plain=0.25, lit=0.8, textureless=0.5), torch.Generator().manual_seed(0)
    assert {schedule.drawn(0.2, luck) for _ in range(50)} == {"albedo"}
    drawn = [schedule.drawn(0.5, luck) for _ in range(4000)]
    shares = [drawn.count(name) / 4000 for name in ("albedo", "lambertian", "textureless")]
    assert shares == pytest.approx([0.2, 0.4, 0.4], abs=0.03)


@pytest.mark.parametrize("name", ["steps", "views", "side", "save_every", "show_every", "record_every"])
def test_nothing_of_anything_is_refused(name):
    with pytest.raises(InputError, match=name):
        DistilConfig(**{name: 0})
