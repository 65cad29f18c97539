"""The fit: posed photos → splats (Kerbl et al. 2023). Letters: n Gaussians, h w image."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scenekit import processes
from scenekit.capture.stored_views import mapped, outlines
from scenekit.capture.views import View, check_views
from scenekit.errors import FitError, InputError
from scenekit.fit import schedules
from scenekit.fit.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from scenekit.fit.companions import Companions
from scenekit.fit.config import FitConfig
from scenekit.fit.held_out import decibel, psnrs
from scenekit.fit.losses import Loss, PhotometricLoss, opacity_outside
from scenekit.fit.metrics import HeldOut, History, Monitor, Record, Stopwatch
from scenekit.fit.optimizer import Adam
from scenekit.fit.strategies import Run
from scenekit.fit.strategies.strategy import State
from scenekit.fit.surface_terms import SurfaceTerms
from scenekit.interrupts import held_back
from scenekit.render.splats import rasterization
from scenekit.splats import Splats, merge

BLUR = 0.3
"""Variance that the rasteriser adds to each Gaussian [px² of the full photo]; less on shrunk photos, so that a Gaussian
that fills a gap there also fills it at full size."""

CHECKPOINT = "checkpoint.safetensors"
"""Name of the checkpoint in a fit's folder."""

OnStep = Callable[[History, Splats], bool | None]
"""Sees the history of a fit so far, and the splats, which go on changing. True ends the fit as Ctrl-C does."""


@dataclass(frozen=True)
class FitResult:
    """A fitted scene."""

    splats: Splats
    """On the device they were given on, without gradients."""
    history: History
    """How the fit went."""
    companions: Companions = field(default_factory=Companions)
    """What was learned beside: exposures, poses, the sky."""
    sky: Splats | None = None
    """What is far behind the splats, with background "sky"; draw both, as `merge`d."""


def fit(
    views: Sequence[View],
    splats: Splats,
    config: FitConfig = FitConfig(),
    *,
    folder: Path | None = None,
    held_out: Sequence[View] = (),
    resume: bool = True,
    progress: bool = True,
    on_step: OnStep | None = None,
) -> FitResult:
    """Fit splats to posed photos by gradient descent on what they look like.

    Each step renders one photo's view, compares (`PhotometricLoss`), goes back through the rasteriser, takes a step of
    Adam, and lets the strategy add and remove Gaussians. On a CPU the same arguments give the same bits.

    Under `torchrun`, inside `processes.processes()`, each process renders its share of the photos of a step, and all
    take the same step along the sum of their gradients; the first one writes and shows.

    Args:
        views: Photos to fit, at least one.
        splats: Where to start; see `initial_splats`.
        config: How to fit.
        folder: For checkpoints and TensorBoard event files; nothing is written without it.
        held_out: Photos to evaluate on, not fitted.
        resume: Go on from the checkpoint in `folder`, if there is one.
        progress: Show a progress bar.
        on_step: Called after each new record of the history; see `OnStep`.

    Raises:
        InputError: If there are no views, or one that `check_views` refuses; no splats, or more than the cap; or if
            processes have other ones, or cannot share a step.
        FileError: If the checkpoint in `folder` is damaged or belongs to another fit.
        FitError: If the loss stops being finite; the last good checkpoint stays.
        KeyboardInterrupt: After the step at which it came, or SIGTERM did, or `on_step` said so, and a checkpoint.
    """
    check_views(held_out)
    trainer = Trainer(views, splats, config, folder=folder)
    if resume:
        trainer.restore()
    trainer.check_others()
    first, start, enough = processes.rank() == 0, trainer.step, False
    monitor = Monitor(config.steps, folder if first else None, start=start, progress=progress and first)
    with one_torch_thread(), held_back() as asked_to_stop, monitor:
        try:
            while trainer.step < config.steps:
                if processes.anybody(asked_to_stop() or enough):
                    raise KeyboardInterrupt
                record = trainer.advance()
                if record is not None:
                    records = trainer.history.records
                    monitor.show(record, records[-2] if len(records) > 1 else None)
                if trainer.evaluation_is_due(held_out):
                    monitor.show_held_out(trainer.evaluate(held_out))
                if record is not None and on_step is not None:
                    enough = bool(on_step(trainer.history, trainer.adam.splats.map(Tensor.detach)))
                if trainer.step % config.checkpoint_every == 0 or trainer.step == config.steps:
                    trainer.save()
        except KeyboardInterrupt:
            trainer.save()
            raise
    return FitResult(trainer.adam.splats.map(Tensor.detach), trainer.history, trainer.companions, trainer.sky())


class Trainer:
    """A fit between two steps: constant views and config, changing splats, moments and strategy state."""

    def __init__(self, views: Sequence[View], splats: Splats, config: FitConfig, *, folder: Path | None = None):
        if not views:
            raise InputError("views", got="none", wanted="at least one photo to fit")
        if len(splats) == 0:
            raise InputError("splats", got="none", wanted="at least one Gaussian to start from")
        if len(splats) > config.strategy.cap:
            hint = "Raise the cap, or start from fewer points."
            raise InputError("splats", got=len(splats), wanted=f"at most the cap, {config.strategy.cap}", hint=hint)
        check_views(views)
        if config.batch % processes.count():
            wanted = f"a multiple of {processes.count()} processes, which share the photos of a step"
            raise InputError("batch", got=config.batch, wanted=wanted)
        self.config, self.folder = config, folder
        self.views = mapped(views, lambda view: view.on(splats.means.device))
        self.run = Run(config.steps, _extent(outlines(views), splats))
        self.adam = Adam(replace(splats, antialiased=config.antialiased))
        sky = config.background == "sky"
        self.companions = Companions.chosen(sky, config.exposure, config.poses, outlines(views), splats)
        self._start = [len(splats), float(splats.means.double().sum())]
        self.state: State = config.strategy.start(splats)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        """Steps done."""
        self.history = History()
        self.watch = Stopwatch()
        """Time spent on steps."""
        self.spent = {part: Stopwatch() for part in ("render", "loss", "backward", "optimise", "densify")}
        """The same, part by part, of this sitting."""
        self._compare = PhotometricLoss(ssim_weight=config.ssim_weight)
        self._levels: tuple[int, Sequence[View]] = (1, self.views)
        self._since: list[Loss] = []
        self._saved = -1
        self._within_step = False

    def advance(self) -> Record | None:
        """One step; gives a record every `log_every` steps and after the last."""
        with self.watch:
            self._since += self._step()
        if self.step % self.config.log_every and self.step < self.config.steps:
            return None
        self._check_splats()
        means, weight = torch.stack([loss.means for loss in self._since]).tolist(), self.config.ssim_weight
        mse = sum(mse for _, mse, _ in means) / len(means)
        total = sum((1 - weight) * l1 + weight * dssim for l1, _, dssim in means) / len(means)
        record = Record(self.step, self.watch.seconds, total, decibel(mse), len(self.adam.splats))
        self.history.records.append(record)
        self._since.clear()
        return record

    def _step(self) -> list[Loss]:
        """The losses of the photos it looked at."""
        config, adam, progress = self.config, self.adam, self.step / self.config.steps
        self._within_step = True
        losses = [self._look(photo, background, progress) for photo, background in self._share(progress)]
        rates = config.rates.scaled(
            config.rate_factor, means=self.run.extent * schedules.decay(progress, config.last_rate)
        )
        with self.spent["optimise"]:
            processes.add_up(t.grad for t in adam.splats.tensors().values() if t.grad is not None)
            adam.step(rates)
            self.companions.step(config.rate_factor, progress)
        self.step += 1
        with self.spent["densify"]:
            config.strategy.after_step(
                self.state, adam, self.step, self.run, rate=rates.means, generator=self.generator
            )
        self._within_step = False
        return losses

    def _share(self, progress: float) -> list[tuple[int, Tensor | None]]:
        """This process's photos of the step, and what is behind each; all draw for all, so that all draw the same."""
        config, count = self.config, len(self.views)
        looks = range(self.step * config.batch, (self.step + 1) * config.batch)
        behind = [(schedules.view_at(look, count, config.seed), self._background()) for look in looks]
        return behind[processes.rank() :: processes.count()]

    def _look(self, photo: int, background: Tensor | None, progress: float) -> Loss:
        """Add the gradients of one photo's part of the step's loss."""
        splats, surface, spent = self.adam.splats, self.config.surface.at(progress), self.spent
        degree = schedules.sh_degree_at(progress, splats.sh_degree, self.config.sh_until)
        share = 1 / self.config.batch
        view = self.companions.seen(self._views_at(progress)[photo], photo)
        with spent["render"]:
            image, alpha, meta = self._render(view, background, degree, surface)
        with spent["loss"]:
            rgb = image[..., :3] if surface.of_pixels else image
            rgb = self.companions.shown(rgb, alpha, view, photo)
            loss = self._compare(rgb, view.image, mask=view.mask)
            terms = surface.losses(splats, view, image, alpha, extent=self.run.extent)
            terms |= self.companions.terms(alpha, view, photo)
            if self.config.carve > 0:
                terms["carve"] = self.config.carve * opacity_outside(alpha, view.mask)
        loss = self._checked(loss, terms)
        with spent["backward"]:
            gradients = [loss.gradient if share == 1 else share * loss.gradient]
            gradients += [torch.full_like(term, share) for term in terms.values()]
            torch.autograd.backward([rgb, *terms.values()], gradients)
        with spent["optimise"]:
            self.config.strategy.after_backward(self.state, splats, meta, share=share)
        return loss

    def _render(
        self, view: View, background: Tensor | None, degree: int, surface: SurfaceTerms
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """The image, with the channels of the surface terms behind its colours; alpha; meta."""
        splats = self.adam.splats
        colors = splats.sh
        if surface.of_pixels:
            colors = surface.channels(splats, view, degree, extent=self.run.extent)
            if background is not None:
                background = torch.nn.functional.pad(background, (0, colors.shape[-1] - 3))
        image, alphas, meta = rasterization(
            splats.means,
            splats.quats,
            splats.scales,
            splats.opacities,
            colors,
            view.viewmat[None],
            view.K[None],
            view.width,
            view.height,
            sh_degree=None if surface.of_pixels else degree,
            backgrounds=background,
            rasterize_mode="antialiased" if self.config.antialiased else "classic",
            eps2d=BLUR / self._levels[0] ** 2,
            absgrad=self.config.strategy.absgrad,
            backend=None if self.config.backend == "auto" else self.config.backend,
        )
        if meta["means2d"].requires_grad:
            meta["means2d"].retain_grad()
        return image[0], alphas[0, ..., 0], meta

    def _background(self) -> Tensor | None:
        if self.config.background in ("black", "sky"):
            return None
        color = torch.ones(1, 3)
        if self.config.background == "random":
            color = torch.rand(1, 3, generator=self.generator)
        return color.to(self.adam.splats.means)

    def _views_at(self, progress: float) -> Sequence[View]:
        factor = schedules.factor_at(progress, self.config.coarse)
        if self._levels[0] != factor:
            self._levels = factor, mapped(self.views, lambda view: schedules.shrunk(view, factor))
        return self._levels[1]

    def _checked(self, loss: Loss, terms: dict[str, Tensor]) -> Loss:
        """The loss, as the mean over processes; a part of it that is not finite anywhere stops all."""
        means = processes.mean(torch.cat([loss.means, *(term.detach().double()[None] for term in terms.values())]))
        loss = replace(loss, means=means[:3])
        if means.device.type == "cuda" and (self.step + 1) % self.config.log_every:
            return loss  # a look at a number waits for all that was asked for before
        l1, _, dssim, *others = means.tolist()
        values = {"L1": l1, "D-SSIM": dssim} | dict(zip(terms, others, strict=True))
        for name, value in values.items():
            if not math.isfinite(value):
                raise self._diverged(f"loss at step {self.step}, term {name}", got=value)
        return loss

    def _check_splats(self) -> None:
        """A Gaussian that is not finite is not drawn, so the loss alone would not show it."""
        tensors = self.adam.splats.tensors()
        sums = torch.stack([tensor.detach().sum() for tensor in tensors.values()]).tolist()
        for name, total in zip(tensors, sums, strict=True):
            if not math.isfinite(total):
                raise self._diverged(f"splats.{name} after step {self.step}", got="NaN or infinity")

    def _diverged(self, name: str, *, got: object) -> FitError:
        kept = f"The last good checkpoint is in {self.folder}." if self._saved >= 0 else "No checkpoint was written."
        return FitError(name, got=got, wanted="finite numbers", hint=f"Try a smaller rate_scale. {kept}")

    def evaluation_is_due(self, held_out: Sequence[View]) -> bool:
        """True after every `evaluate_every` steps and after the last, if there is anything to evaluate on."""
        every = self.config.evaluate_every
        return len(held_out) > 0 and (self.step == self.config.steps or (every > 0 and self.step % every == 0))

    def sky(self) -> Splats | None:
        """The sky as it is now, as splats, if it is learned."""
        if self.companions.sky is None:
            return None
        return self.companions.sky.splats(self.adam.splats.sh_degree, antialiased=self.config.antialiased)

    @torch.no_grad()
    def evaluate(self, held_out: Sequence[View]) -> HeldOut:
        """Mean PSNR of held-out photos, black background, colours clamped to 0..1; the stopwatch stands still.

        Where photos have exposures of their own, it is that of `matched_halves`; poses are as given.
        """
        degree = schedules.sh_degree_at(self.step / self.config.steps, self.adam.splats.sh_degree, self.config.sh_until)
        matched = self.config.exposure != "none"
        splats = merge([self.adam.splats, *([sky] if (sky := self.sky()) is not None else [])])
        mine = held_out[processes.rank() :: processes.count()]
        of_mine = torch.tensor(sum(psnrs(splats, mine, degree=degree, matched=matched)), dtype=torch.float64)
        mean = float(processes.total(of_mine.to(self.adam.splats.means.device))) / len(held_out)
        row = HeldOut(self.step, self.watch.seconds, mean)
        self.history.held_out.append(row)
        return row

    def save(self) -> None:
        """Write the checkpoint, if there is a folder; a step that was cut short is no state to go on from.

        Raises:
            FitError: If a parameter is not finite; the old checkpoint stays.
        """
        if self.folder is None or self._saved == self.step or self._within_step:
            return
        splats = self.adam.splats.tensors()
        self._check_splats()
        if processes.rank() > 0:
            return
        groups = {"splats": splats, "first": self.adam.first, "second": self.adam.second, "strategy": self.state}
        groups["companions"] = self.companions.tensors()
        tensors = {f"{group}.{name}": t for group, named in groups.items() for name, t in named.items()}
        tensors["generator"] = self.generator.get_state()
        header = {
            "step": self.step,
            "adam_steps": self.adam.steps,
            "seconds": self.watch.seconds,
            "history": self.history.to_json(),
            "since": [loss.means.tolist() for loss in self._since],
        }
        write_checkpoint(self.folder / CHECKPOINT, Checkpoint(self._fingerprint(), header, tensors))
        self._saved = self.step

    def restore(self) -> None:
        """Go on from the checkpoint in the folder, if there is one."""
        if self.folder is None or not (self.folder / CHECKPOINT).exists():
            return
        checkpoint = read_checkpoint(self.folder / CHECKPOINT, self._fingerprint())
        header, device = checkpoint.header, self.adam.splats.means.device
        kinds = ("splats", "first", "second", "strategy", "companions")
        groups: dict[str, dict[str, Tensor]] = {kind: {} for kind in kinds}
        for name, tensor in checkpoint.tensors.items():
            group, _, key = name.partition(".")
            if key:
                groups[group][key] = tensor.to(device)
        self.adam = Adam(Splats(**groups["splats"], antialiased=self.config.antialiased))
        self.adam.first, self.adam.second, self.adam.steps = groups["first"], groups["second"], header["adam_steps"]
        self.state = groups["strategy"]
        self.companions.restore(groups["companions"])
        self.generator.set_state(checkpoint.tensors["generator"])
        self.step = self._saved = header["step"]
        self.watch = Stopwatch(header["seconds"])
        self.history = History.from_json(header["history"])
        weight = self.config.ssim_weight
        since = torch.tensor(header["since"], dtype=torch.float64, device=device).reshape(-1, 3)
        self._since = [Loss(means, weight, torch.empty(0)) for means in since]

    def check_others(self) -> None:
        """Raises:
        InputError: If the first process has other photos, options or splats, or is at another step.
        """
        said = json.dumps([self._fingerprint(), self.step], sort_keys=True).encode()
        ours = torch.tensor(zlib.crc32(said))
        if int(processes.agreed(ours.clone())) != int(ours):
            got = f"other photos, options or splats in process {processes.rank()} than in the first"
            raise InputError("fit", got=got, wanted="the same in all", hint="Do all hosts see the same files?")

    def _fingerprint(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config)
            | {"strategy": [type(self.config.strategy).__name__, asdict(self.config.strategy)]},
            "views": [[view.name, view.width, view.height] for view in outlines(self.views)],
            "start": self._start,
        }


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """The kernels bring their own threads; torch's would only add a barrier to each of its small operations."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _extent(views: Sequence[View], splats: Splats) -> float:
    """The cameras' extent, or where they all stand in one place, the median distance of the splats from there."""
    extent = schedules.extent_of(views)
    if extent > 1e-6:
        return extent
    return float((splats.means - splats.means.median(0).values).norm(dim=-1).median()) or 1.0
