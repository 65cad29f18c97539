"""The fit of a field to posed photos. Letters: n rays of a step, k samples, c photos, h w image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from scenekit.cameras import inverse_pose
from scenekit.capture.views import View
from scenekit.errors import FitError, InputError
from scenekit.evaluate import lens
from scenekit.fields.contraction import Region
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.losses import distortion, entropy, sparsity
from scenekit.fields.nerf import Nerf, NerfConfig
from scenekit.fields.occupancy import OccupancyGrid, Rays, Samples
from scenekit.fields.rendering import Look, render_field, shade, stepping_of
from scenekit.fields.volume import Blended
from scenekit.fit.checkpoints import Checkpoint, adam_tensors, read_checkpoint, restore_adam, write_checkpoint
from scenekit.fit.metrics import HeldOut, Stopwatch
from scenekit.fit.schedules import decay

CHECKPOINT = "field.safetensors"
"""Name of the checkpoint in a fit's folder."""
MAX_RAYS = 1 << 14
"""Most rays of a step."""


@dataclass(frozen=True)
class FieldConfig:
    """How to fit a field; numbers of instant-ngp, for a CPU's patience."""

    kind: Literal["hash", "nerf"] = "hash"
    """A hash grid, or the NeRF as published."""
    steps: int = 5000
    """Optimisation steps."""
    seed: int = 0
    """Of the networks, the rays and the samples."""
    samples: int = 1 << 15
    """Samples that a step aims at: the number of rays follows. Twice as many make fewer, not better steps in a time."""
    rays: int = 1024
    """Rays of the first step, and of each of the published NeRF's."""
    hash_field: HashFieldConfig = field(default_factory=HashFieldConfig)
    """Sizes of a hash field."""
    nerf: NerfConfig = field(default_factory=NerfConfig)
    """Sizes of the published NeRF."""
    rate: float | None = None
    """Learning rate of Adam at first; 1e-2 for a hash field, 5e-4 for the published NeRF if None."""
    last_rate: float = 0.03
    """Learning rate at the end, as a fraction of that at the start; exponential between."""
    weight_decay: float = 1e-6
    """Of the hash field's networks."""
    distortion: float = 1e-3
    """Weight of mip-NeRF 360's distortion loss, which draws the samples of a ray together; hash field only."""
    sparsity: float = 0.0
    """Weight of SNeRG's loss on the density of samples, which thins out haze; hash field only."""
    entropy: float = 0.0
    """Weight of InfoNeRF's loss on rays, which asks for few opaque samples, not many thin ones; hash field only."""
    near: float = 0.05
    """Where rays start in an unbounded region [half sides]: nothing can hang in front of a camera within."""
    background: Literal["black", "white", "random"] = "black"
    """What shows through; "random" makes what the photos see opaque or not at all."""
    cells: int = 96
    """Of the occupancy grid along a side."""
    threshold: float = 0.01
    """Optical thickness of a step from which on a cell is occupied: the number of instant-ngp and nerfacc, whose steps
    are a quarter and a 14th of ours in unbounded regions. 0.04 and 0.135 prune at the densities at which they do."""
    update_every: int = 16
    """Steps between updates of the occupancy grid."""
    warm_up: int = 256
    """Steps in which updates look into every cell."""
    log_every: int = 10
    """Steps between records of the history."""
    evaluate_every: int = 0
    """Steps between evaluations on held-out photos; 0 for only after the last."""
    checkpoint_every: int = 500
    """Steps between checkpoints, where there is a folder."""

    @property
    def behind(self) -> Tensor | None:
        """What shows through in pictures of the field: white after a fit over white, shape (3,); None for black."""
        return torch.ones(3) if self.background == "white" else None

    def __post_init__(self) -> None:
        if self.kind not in ("hash", "nerf"):
            raise InputError("kind", got=repr(self.kind), wanted="hash or nerf")
        if self.background not in ("black", "white", "random"):
            raise InputError("background", got=repr(self.background), wanted="black, white or random")
        for name in ("steps", "samples", "rays", "update_every", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(name, got=getattr(self, name), wanted="at least 1")
        for name in ("distortion", "sparsity", "entropy", "near", "threshold", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(name, got=getattr(self, name), wanted="0 or more")


class FieldRecord(NamedTuple):
    """One line of the history; means over the steps since the last."""

    step: int
    """Steps done."""
    seconds: float
    """Wall time spent fitting [s]."""
    loss: float
    """Huber loss of the colours and the other terms."""
    psnr: float
    """Of the rays fitted [dB]."""
    samples: int
    """Shaded samples of a step."""
    rays: int
    """Rays of a step."""


@dataclass(frozen=True)
class FieldResult:
    """A fitted field."""

    field: HashField | Nerf
    """On the CPU, in the world of the views."""
    look: Look
    """How it is sampled."""
    records: list[FieldRecord]
    """How the fit went."""
    held_out: list[HeldOut]
    """Every evaluation."""


def fit_field(
    views: Sequence[View],
    region: Region,
    config: FieldConfig = FieldConfig(),
    *,
    folder: Path | None = None,
    held_out: Sequence[View] = (),
    resume: bool = True,
    progress: bool = True,
    on_step: Callable[[FieldRecord], None] | None = None,
) -> FieldResult:
    """Fit a radiance field to posed photos: random pixels of all of them, rendered and compared, by Adam.

    On a CPU the same arguments and number of threads give the same bits, also where a fit was resumed.

    Args:
        views: Photos to fit, at least one; see `load_views`.
        region: Where the field is; see `region_of`.
        config: How to fit.
        folder: For checkpoints; nothing is written without it.
        held_out: Photos to evaluate on, not fitted.
        resume: Go on from the checkpoint in `folder`, if there is one.
        progress: Show a progress bar.
        on_step: Called with each new record.

    Raises:
        InputError: If there are no views, or they have no pixel that counts.
        FileError: If the checkpoint in `folder` is damaged or belongs to another fit.
        FitError: If the loss stops being finite; the last good checkpoint stays.
        KeyboardInterrupt: As it comes, after a checkpoint was written.
    """
    trainer = FieldTrainer(views, region, config, folder=folder)
    if resume:
        trainer.restore()
    columns = [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}")]
    with Progress(TextColumn("field"), *columns, disable=not progress) as bar:
        task = bar.add_task("field", total=config.steps, completed=trainer.step, note="")
        try:
            while trainer.step < config.steps:
                record = trainer.advance()
                if record is not None:
                    bar.update(task, completed=record.step, note=f"loss {record.loss:.4f}  {record.psnr:.2f} dB")
                    if on_step is not None:
                        on_step(record)
                if trainer.evaluation_is_due(held_out):
                    trainer.evaluate(held_out)
                if trainer.step % config.checkpoint_every == 0 or trainer.step == config.steps:
                    trainer.save()
        except KeyboardInterrupt:
            trainer.save()
            raise
    return FieldResult(trainer.field.requires_grad_(False), trainer.look, trainer.records, trainer.held_out)


class Pixels:
    """All pixels of all views that count, and the rays through them."""

    def __init__(self, views: Sequence[View]):
        if not views:
            raise InputError("views", got="none", wanted="at least one photo to fit")
        masks = [torch.ones(v.height, v.width, dtype=torch.bool) if v.mask is None else v.mask for v in views]
        found = [mask.nonzero().to(torch.int16) for mask in masks]
        self.colors = torch.cat([view.image[mask] for view, mask in zip(views, masks, strict=True)])
        """Colours 0..255, uint8, shape (pixels, 3)."""
        self.places = torch.cat(found)
        """Row and column, int16, shape (pixels, 2)."""
        self.ends = torch.tensor([len(rows) for rows in found]).cumsum(0)
        """One after the last pixel of each view, shape (c,)."""
        if len(self.colors) == 0:
            raise InputError("views", got="masks without a pixel", wanted="pixels that count")
        poses = torch.stack([view.viewmat for view in views]).double()
        self.rotations = poses[:, :3, :3].mT.float()
        self.centres = -(poses[:, :3, :3].mT @ poses[:, :3, 3:])[..., 0].float()
        self.inverses = torch.stack([view.K for view in views]).double().inverse().float()

    def draw(self, n: int, rng: torch.Generator) -> tuple[Rays, Tensor]:
        """n random rays, and the colours 0..1 that the photos have there, (n, 3)."""
        pick = torch.randint(len(self.colors), (n,), generator=rng)
        view = torch.searchsorted(self.ends, pick, right=True)
        at = self.places[pick].flip(1).float() + 0.5
        local = (self.inverses[view] @ torch.nn.functional.pad(at, (0, 1), value=1.0)[..., None])[..., 0]
        directions = (self.rotations[view] @ local[..., None])[..., 0]
        rays = Rays(self.centres[view], nn.functional.normalize(directions, dim=-1))
        return rays, self.colors[pick].float() / 255


class FieldTrainer:
    """A fit between two steps."""

    def __init__(self, views: Sequence[View], region: Region, config: FieldConfig, *, folder: Path | None = None):
        self.config, self.folder, self.pixels = config, folder, Pixels(views)
        hashed = config.kind == "hash"
        self.field: HashField | Nerf
        if hashed:
            self.field = HashField(region, config.hash_field, seed=config.seed)
        else:
            self.field = Nerf(region, config.nerf, seed=config.seed)
        grid = OccupancyGrid(region, config.cells, threshold=config.threshold) if hashed else None
        self.look = Look(stepping_of(region, near=config.near), grid)
        self.adam = torch.optim.Adam(_groups(self.field, config), betas=(0.9, 0.99), eps=1e-15, fused=True)
        self.rate = config.rate or (1e-2 if hashed else 5e-4)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step, self.rays = 0, config.rays
        self.records: list[FieldRecord] = []
        self.held_out: list[HeldOut] = []
        self.watch = Stopwatch()
        self._names = [[view.name, view.width, view.height] for view in views]
        self._since: list[list[float]] = []
        self._saved = -1

    def advance(self) -> FieldRecord | None:
        """One step; gives a record every `log_every` steps and after the last."""
        with self.watch:
            self._since.append(self._step())
        if self.step % self.config.log_every and self.step < self.config.steps:
            return None
        loss, mse, samples, rays = torch.tensor(self._since, dtype=torch.float64).mean(0).tolist()
        record = FieldRecord(self.step, self.watch.seconds, loss, _decibel(mse), round(samples), round(rays))
        self.records.append(record)
        self._since.clear()
        return record

    def _step(self) -> list[float]:
        """Loss, squared error, samples, rays."""
        config, progress = self.config, self.step / self.config.steps
        self._update_grid()
        rays, colors = self.pixels.draw(self.rays, self.generator)
        background = self._background()
        samples, passes = shade(self.field, rays, self.look, rng=self.generator, background=background)
        loss = sum((nn.functional.huber_loss(seen.rgb, colors, delta=0.1) for seen in passes), torch.zeros(()))
        if config.kind == "hash":
            loss = loss + self._regularisation(passes[-1], samples)
        if not math.isfinite(loss.item()):
            kept = (
                f"The last good checkpoint is in {self.folder}." if self._saved >= 0 else "No checkpoint was written."
            )
            raise FitError(f"loss at step {self.step}", got=loss.item(), wanted="a finite number", hint=kept)
        for group in self.adam.param_groups:
            group["lr"] = self.rate * decay(progress, config.last_rate) * min(1.0, (self.step + 1) / 20)
        self.adam.zero_grad()
        if loss.requires_grad and len(samples.begins):
            loss.backward()
            self.adam.step()
        mse = float((passes[-1].rgb.detach() - colors).square().mean())
        facts = [loss.item(), mse, float(len(samples.begins)), float(self.rays)]
        self._follow(len(samples.begins))
        self.step += 1
        return facts

    def _regularisation(self, seen: Blended, samples: Samples) -> Tensor:
        """Of a hash field, what is asked of its densities beside the colours."""
        config, half, loss = self.config, self.field.region.half, torch.zeros(())
        if config.distortion:
            loss = loss + config.distortion * distortion(seen, samples, half)
        if config.sparsity:
            loss = loss + config.sparsity * sparsity(seen, samples, half)
        if config.entropy:
            loss = loss + config.entropy * entropy(seen, samples)
        return loss

    def _update_grid(self) -> None:
        grid, config = self.look.grid, self.config
        if grid is not None and self.step % config.update_every == 0:
            everywhere = self.step < config.warm_up
            grid.update(self.field.density, self.look.stepping, self.generator, everywhere=everywhere)

    def _follow(self, samples: int) -> None:
        """As many rays in the next step as make up the samples aimed at, if they are like those of this one."""
        if self.look.grid is not None:
            wanted = self.rays * self.config.samples / max(samples, 1)
            self.rays = int(min(max(wanted, self.rays / 2, 64), self.rays * 2, MAX_RAYS))

    def _background(self) -> Tensor | None:
        if self.config.background == "random":
            return torch.rand(self.rays, 3, generator=self.generator)
        return self.config.behind

    def evaluation_is_due(self, held_out: Sequence[View]) -> bool:
        """True after every `evaluate_every` steps and after the last, if there is anything to evaluate on."""
        every = self.config.evaluate_every
        return len(held_out) > 0 and (self.step == self.config.steps or (every > 0 and self.step % every == 0))

    def evaluate(self, held_out: Sequence[View]) -> HeldOut:
        """Mean PSNR of held-out photos, colours clamped to 0..1, where masks are true; the stopwatch stands still."""
        values = [view_psnr(self.field, view, self.look, background=self.config.behind) for view in held_out]
        self.held_out.append(HeldOut(self.step, self.watch.seconds, sum(values) / len(values)))
        return self.held_out[-1]

    def save(self) -> None:
        """Write the checkpoint, if there is a folder."""
        if self.folder is None or self._saved == self.step:
            return
        tensors = {f"field.{name}": t for name, t in self.field.state_dict().items()}
        tensors |= adam_tensors(self.field, self.adam)
        if self.look.grid is not None:
            tensors |= {"grid.density": self.look.grid.density, "grid.occupied": self.look.grid.occupied}
        tensors["generator"] = self.generator.get_state()
        header = {"step": self.step, "rays": self.rays, "seconds": self.watch.seconds, "since": self._since}
        header |= {"records": [list(r) for r in self.records], "held_out": [list(r) for r in self.held_out]}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(self.folder / CHECKPOINT, Checkpoint(self._fingerprint(), header, tensors))
        self._saved = self.step

    def restore(self) -> None:
        """Go on from the checkpoint in the folder, if there is one."""
        if self.folder is None or not (self.folder / CHECKPOINT).exists():
            return
        checkpoint = read_checkpoint(self.folder / CHECKPOINT, self._fingerprint())
        header, tensors = checkpoint.header, checkpoint.tensors
        self.field.load_state_dict({name: tensors[f"field.{name}"] for name in self.field.state_dict()})
        restore_adam(self.field, self.adam, tensors)
        if self.look.grid is not None:
            self.look.grid.density, self.look.grid.occupied = tensors["grid.density"], tensors["grid.occupied"]
        self.generator.set_state(tensors["generator"])
        self.step = self._saved = header["step"]
        self.rays, self._since, self.watch = header["rays"], header["since"], Stopwatch(header["seconds"])
        self.records = [FieldRecord(*row) for row in header["records"]]
        self.held_out = [HeldOut(*row) for row in header["held_out"]]

    def _fingerprint(self) -> dict[str, Any]:
        region, stepping = asdict(self.field.region), asdict(self.look.stepping)
        return {"config": asdict(self.config), "views": self._names, "region": region, "stepping": stepping}


def view_psnr(field: HashField | Nerf, view: View, look: Look, *, background: Tensor | None = None) -> float:
    """PSNR [dB] of one photo's view, clamped to 0..1, where its mask is true."""
    pose = inverse_pose(view.viewmat.double().numpy())
    frame = render_field(field, lens(view), pose, look, background=background)
    error = (frame.rgb.clamp(0, 1) - view.image / 255).square()
    return _decibel(float((error if view.mask is None else error[view.mask]).mean()))


def _groups(field: HashField | Nerf, config: FieldConfig) -> list[dict[str, Any]]:
    """Tables without, networks with weight decay."""
    if isinstance(field, Nerf):
        return [{"params": list(field.parameters()), "lr": 1e-4}]
    nets = [*field.density_net.parameters(), *field.color_net.parameters()]
    return [
        {"params": [field.grid.table], "lr": 1e-2},
        {"params": nets, "lr": 1e-2, "weight_decay": config.weight_decay},
    ]


def _decibel(mse: float) -> float:
    return -10 * math.log10(max(mse, 1e-12))
