"""Score distillation: a representation is drawn from random cameras, and a guide says how the pictures should change.

    while step < steps:
        views    = cameras at random
        rendered = representation.render(views)
        (rendered.pictures · guide.pull(rendered.pictures)  +  penalty).backward()
        representation.advance()

or the cameras are fixed, and their pictures denoised together: see `scenekit.generate.joint`.
Letters: c cameras, s side of pictures [px].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from scenekit.errors import FitError, InputError
from scenekit.fit.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from scenekit.fit.metrics import Stopwatch
from scenekit.generate.guide import Guide
from scenekit.generate.joint import Joint, JointConfig
from scenekit.generate.representation import Moment, Rendered, Representation, Shading
from scenekit.guidance.prior import Views
from scenekit.guidance.view_cameras import ViewCameraConfig, ViewCameras, drawn, from_sides

CHECKPOINT = "distil.safetensors"
"""Name of the checkpoint in its folder."""


@dataclass(frozen=True)
class ShadingSchedule:
    """How pictures are lit as a run goes on. The defaults are threestudio's for DreamFusion."""

    plain: float = 0.2
    """First part of the run, in which colours are shown as they are; 1 for all of it."""
    lit: float = 0.75
    """Chance of a lamp after that."""
    textureless: float = 0.5
    """Of these, the chance of white."""

    def drawn(self, progress: float, generator: torch.Generator) -> Shading:
        """The shading of a step when this much of the run is over."""
        lit, white = torch.rand(2, generator=generator).tolist()
        if progress < self.plain or lit >= self.lit:
            return "albedo"
        return "textureless" if white < self.textureless else "lambertian"


@dataclass(frozen=True)
class DistilConfig:
    """How a run goes."""

    steps: int = 1000
    """Of the optimiser."""
    views: int = 8
    """Cameras of each step, c."""
    side: int = 64
    """Of pictures, s [px]."""
    cameras: ViewCameraConfig = field(default_factory=lambda: ViewCameraConfig(height=0.0))
    """From where; the middle of the thing is at the origin."""
    shading: ShadingSchedule = field(default_factory=ShadingSchedule)
    """How lit."""
    background: tuple[float, float, float] | None = None
    """Display colour behind the thing; None for another one in each step."""
    joint: JointConfig | None = None
    """Fixed sides are denoised together, in colours as they are; None for score distillation at random ones."""
    pull: float = 1.0
    """Factor of the guide's gradient, whose unit is a picture's squared error."""
    save_every: int = 100
    """Steps between checkpoints."""
    show_every: int = 100
    """Steps between pictures of the thing from all sides."""
    record_every: int = 10
    """Steps between lines of the history."""
    seed: int = 0
    """Of cameras, timesteps, noise."""

    def __post_init__(self) -> None:
        for name in ("steps", "views", "side", "save_every", "show_every", "record_every"):
            if getattr(self, name) < 1:
                raise InputError(f"distillation {name}", got=getattr(self, name), wanted="at least 1")


class PhotoTarget(NamedTuple):
    """A picture that the thing is to look like from one side."""

    picture: Tensor
    """Display colours 0..1 over the background of the run, shape (3, s, s)."""
    alpha: Tensor
    """Where the thing is, 0..1, shape (s, s)."""
    cameras: ViewCameras
    """One camera."""
    weight: float
    """Of its squared error, beside the guide's pull."""


class DistilRecord(NamedTuple):
    """One line of the history; means over the steps since the last."""

    step: int
    """Steps done."""
    seconds: float
    """Wall time spent [s]."""
    pull: float
    """Root mean square of the guide's gradient."""
    penalty: float
    """Of the regularisers."""
    alpha: float
    """Mean opacity of pictures."""


Shown = Callable[[int, Tensor], None]
"""Called with the steps done and pictures from four sides, display colours 0..1, shape (4, 3, s, s)."""


def distil(
    representation: Representation,
    guide: Guide,
    config: DistilConfig,
    *,
    folder: Path | None = None,
    photos: Sequence[PhotoTarget] = (),
    progress: bool = True,
    title: str = "distilling",
    on_show: Shown | None = None,
) -> list[DistilRecord]:
    """Optimise `representation` in place; goes on from the checkpoint in `folder`, if one is there.

    Args:
        representation: What is made.
        guide: What it is to become.
        config: How.
        folder: For checkpoints; nothing is written without it.
        photos: Pictures that it is to look like from some sides.
        progress: Show a progress bar.
        title: Of the bar.
        on_show: Called with pictures of the thing every `show_every` steps.

    Returns:
        How the run went.

    Raises:
        FileError: If the checkpoint in `folder` is damaged or belongs to another run.
        FitError: If the numbers stop being finite; the last good checkpoint stays.
        KeyboardInterrupt: As it comes, after a checkpoint was written.
    """
    run = _Run(representation, guide, config, folder, photos)
    run.restore()
    columns = [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}")]
    with Progress(TextColumn(title), *columns, disable=not progress) as bar:
        task = bar.add_task(title, total=config.steps, completed=run.step, note="")
        try:
            while run.step < config.steps:
                run.advance()
                if run.is_due(config.record_every):
                    record = run.recorded()
                    bar.update(task, note=f"pull {record.pull:.4f}  opacity {record.alpha:.2f}")
                if on_show is not None and run.is_due(config.show_every):
                    on_show(run.step, run.shown())
                if run.is_due(config.save_every):
                    run.save()
                bar.update(task, completed=run.step)
        except KeyboardInterrupt:
            run.save()
            raise
    return run.records


class _Run:
    """A run between two steps."""

    def __init__(
        self,
        representation: Representation,
        guide: Guide,
        config: DistilConfig,
        folder: Path | None,
        photos: Sequence[PhotoTarget],
    ):
        self.representation, self.guide, self.config = representation, guide, config
        self.folder, self.photos = folder, photos
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step, self.watch = 0, Stopwatch()
        self.records: list[DistilRecord] = []
        self._since: list[tuple[float, float, float]] = []
        self.joint = None if config.joint is None else Joint(guide, config.joint, config.cameras, config.side)
        self._chance, self._whole = self.generator.get_state(), True

    def is_due(self, every: int) -> bool:
        """True every so many steps, and after the last."""
        return self.step % every == 0 or self.step == self.config.steps

    def advance(self) -> None:
        """One step."""
        config, moment = self.config, Moment(self.step, self.config.steps)
        self._chance = self.generator.get_state()
        with self.watch:
            rendered, pull = self._pulled(moment) if self.joint is None else self._denoised(self.joint, moment)
            loss = config.pull * (rendered.pictures * pull).sum() + rendered.penalty + self._photo_loss()
            if not math.isfinite(loss.item()):
                got = f"{loss.item()} at step {self.step}"
                raise FitError(
                    "distillation loss", got=got, wanted="a finite number", hint="The last checkpoint stays."
                )
            loss.backward()
            self._whole = False
            self.representation.advance(moment, self.generator)
        facts = (pull.square().mean().sqrt(), rendered.penalty, rendered.alpha.mean())
        self._since.append(tuple(float(fact.detach()) for fact in facts))  # type: ignore[arg-type]
        self.step += 1
        self._chance, self._whole = self.generator.get_state(), True

    def _pulled(self, moment: Moment) -> tuple[Rendered, Tensor]:
        """What random cameras see, and its gradient by score distillation."""
        config, generator = self.config, self.generator
        seen = drawn(config.cameras, config.views, config.side, generator)
        rendered = self._render(seen, config.shading.drawn(moment.progress, generator), generator)
        self._whole = self.guide.score is None  # which learns as it pulls
        return rendered, self.guide.pull(rendered.pictures, seen.views, moment.progress, generator).gradient

    def _denoised(self, joint: Joint, moment: Moment) -> tuple[Rendered, Tensor]:
        """What some of the fixed cameras see, and its gradient towards their denoised pictures."""
        config = self.config
        if joint.is_due(moment):
            self._whole = False
            behind = torch.tensor(config.background or (0.5, 0.5, 0.5))
            with torch.no_grad():
                joint.denoise(self._look, behind, moment, self.generator)
        seen, rows = joint.drawn(config.views, self.generator)
        rendered = self._render(seen, "albedo", self.generator)
        if config.background is not None:
            rendered = rendered._replace(penalty=rendered.penalty + joint.haze(rendered.alpha, rows))
        return rendered, joint.pull(rendered.pictures, rows)

    def _look(self, seen: ViewCameras) -> Tensor:
        return self._render(seen, "albedo", self.generator).pictures

    def recorded(self) -> DistilRecord:
        """A new line of the history."""
        means = torch.tensor(self._since, dtype=torch.float64).mean(0).tolist()
        self._since.clear()
        self.records.append(DistilRecord(self.step, self.watch.seconds, *means))
        return self.records[-1]

    @torch.no_grad()
    def shown(self) -> Tensor:
        """The thing from four sides."""
        views = Views(torch.arange(4) * math.pi / 2, torch.full((4,), math.radians(15)))
        around = from_sides(self.config.cameras, views, self.config.side)
        return self._render(around, "albedo", torch.Generator().manual_seed(self.config.seed)).pictures

    def _render(self, cameras: ViewCameras, shading: Shading, generator: torch.Generator) -> Rendered:
        config = self.config
        background = torch.rand(3, generator=generator) if config.background is None else config.background
        return self.representation.render(
            cameras, Moment(self.step, config.steps),
            background=torch.as_tensor(background), shading=shading, generator=generator,
        )  # fmt: skip

    def _photo_loss(self) -> Tensor:
        """Σ weight · (‖x − photo‖² + ‖α − α_photo‖²) per picture, in the unit of the pull."""
        loss = torch.zeros(())
        for photo in self.photos:
            seen = self._render(photo.cameras, "albedo", self.generator)
            pairs = ((seen.pictures[0], photo.picture), (seen.alpha[0], photo.alpha))
            loss = loss + photo.weight * sum((x - wanted.to(x)).square().sum() for x, wanted in pairs)
        return loss

    def save(self) -> None:
        """Writes the state after the last whole step, if there is a folder and the thing is not half changed."""
        if self.folder is None or not self._whole:
            return
        tensors = {f"it.{name}": tensor for name, tensor in self.representation.tensors().items()}
        if self.guide.score is not None:
            tensors |= {f"score.{name}": tensor for name, tensor in self.guide.score.tensors().items()}
        if self.joint is not None:
            tensors |= {f"joint.{name}": tensor for name, tensor in self.joint.tensors().items()}
        tensors["generator"] = self._chance
        header = {"step": self.step, "seconds": self.watch.seconds, "records": [list(r) for r in self.records]}
        header["since"] = [list(facts) for facts in self._since]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(self.folder / CHECKPOINT, Checkpoint(self._fingerprint(), header, tensors))

    def restore(self) -> None:
        """Goes on from the checkpoint in the folder, if there is one."""
        if self.folder is None or not (self.folder / CHECKPOINT).exists():
            return
        found = read_checkpoint(self.folder / CHECKPOINT, self._fingerprint())
        for part, whose in (("it.", self.representation), ("score.", self.guide.score), ("joint.", self.joint)):
            if whose is not None:
                own = {name: tensor for name, tensor in found.tensors.items() if name.startswith(part)}
                whose.restore({name.removeprefix(part): tensor for name, tensor in own.items()})
        self.generator.set_state(found.tensors["generator"])
        self.step, self.watch = int(found.header["step"]), Stopwatch(found.header["seconds"])
        self.records = [DistilRecord(*row) for row in found.header["records"]]
        self._since = [tuple(facts) for facts in found.header["since"]]

    def _fingerprint(self) -> dict[str, Any]:
        made, guide = self.representation, self.guide
        return {
            "config": asdict(self.config),
            "guide": asdict(guide.config),
            "words": [
                guide.prompt,
                guide.negative,
                guide.view_words,
                guide.knows_views,
                guide.views_always,
                guide.perp_neg,
            ],
            "representation": [type(made).__name__, asdict(made.config)],
        }
