"""The embedded prior of text to 3D and its judge: makes their pictures, trains them, and shows what they know.

`train` makes pictures of procedural things (`scenekit.datasets.shapes`), learns from them, and leaves the weights in a
folder; the same command goes on where it was stopped. `sample` draws pictures from weights. `judge` trains, on other
pictures, what says how well a picture fits a sentence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from scenekit.datasets.shapes import VOCABULARY
from scenekit.datasets.shapes_shards import ShardConfig, read_shards, write_shards
from scenekit.generate.pictures import as_bytes
from scenekit.guidance.judge_training import JudgeTrainer, JudgeTrainingConfig, SeenThings
from scenekit.guidance.prior import Views
from scenekit.guidance.sampling import sampled
from scenekit.guidance.shapes_prior import WEIGHTS, ShapesPrior
from scenekit.guidance.training import Pictures, Trainer, TrainingConfig
from scenekit.io.images import write_image

SIDES = 4
"""Views of each prompt that `sample` draws, a quarter of a turn apart."""

ELEVATION = math.radians(15)
"""Of these views [rad]."""


@dataclass(frozen=True)
class Train:
    """Makes pictures, and trains a prior on them."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("prior")
    """Pictures, checkpoint and weights go here; the same command goes on where it was stopped."""
    workers: int = 2
    """Processes that make pictures."""
    shapes: Annotated[ShardConfig, tyro.conf.arg(name="shapes")] = field(
        default_factory=lambda: ShardConfig(objects=12_288)
    )
    """What is learned from."""
    training: Annotated[TrainingConfig, tyro.conf.arg(name="")] = field(default_factory=TrainingConfig)
    """How."""


@dataclass(frozen=True)
class Sample:
    """Draws pictures of prompts, each from four sides."""

    prompts: tyro.conf.Positional[tuple[str, ...]]
    """What they are to show, such as "a red mug" "a blue car"."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FILE")] = Path("samples.png")
    """The picture: a row for each prompt."""
    weights: Path = WEIGHTS
    """Of the prior."""
    steps: int = 50
    """Of the sampler."""
    eta: float = 0.0
    """0 for DDIM, 1 for DDPM."""
    scale: float = 3.0
    """Of classifier-free guidance."""
    seed: int = 0
    """Chance of the noise."""


@dataclass(frozen=True)
class Judge:
    """Makes other pictures, and trains a judge on them."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("judge")
    """Pictures and weights go here."""
    workers: int = 2
    """Processes that make pictures."""
    shapes: Annotated[ShardConfig, tyro.conf.arg(name="shapes")] = field(
        default_factory=lambda: ShardConfig(variant="judge", objects=4096, seed=2024)
    )
    """What is learned from."""
    training: Annotated[JudgeTrainingConfig, tyro.conf.arg(name="")] = field(default_factory=JudgeTrainingConfig)
    """How."""


@tyro.conf.configure(tyro.conf.OmitSubcommandPrefixes)
@dataclass(frozen=True)
class Config:
    """Options of `scenekit guidance`."""

    action: (
        Annotated[Train, tyro.conf.subcommand("train")]
        | Annotated[Sample, tyro.conf.subcommand("sample")]
        | Annotated[Judge, tyro.conf.subcommand("judge")]
    )
    """What to do."""


@dataclass(frozen=True)
class Result:
    """What was made."""

    file: Path
    """Weights or picture."""
    seconds: float
    """Time in all [s]."""
    loss: float | None = None
    """Over the last hundred steps of the training: of a prior, the mean squared error of the clean picture."""

    def __str__(self) -> str:
        error = "" if self.loss is None else f", loss {self.loss:.4f}"
        return f"{self.file}{error}, {self.seconds:.1f} s"


def run(config: Config) -> Result:
    """Trains or samples.

    Raises:
        ScenekitError: If a folder, file, prompt or option cannot be used; see `scenekit.errors`.
    """
    start = time.perf_counter()
    if isinstance(config.action, Train):
        trainer = trained(config.action)
        file = config.action.output / "prior.safetensors"
        trainer.prior.save(file, note=f"{trainer.step} steps, {len(trainer.pictures)} pictures")
        return Result(file, time.perf_counter() - start, float(np.mean(trainer.losses[-100:])))
    if isinstance(config.action, Judge):
        judge_file, loss = judge_trained(config.action)
        return Result(judge_file, time.perf_counter() - start, loss)
    pictures = drawn(config.action)
    write_image(config.action.output, pictures)
    return Result(config.action.output, time.perf_counter() - start)


def trained(action: Train) -> Trainer:
    """The trainer, when it has taken all its steps."""
    write_shards(action.output / "shapes", action.shapes, workers=action.workers)
    pictures = pictures_of(action.output)
    trainer = Trainer(pictures, VOCABULARY, action.training, folder=action.output)
    trainer.train(progress=True)
    return trainer


def judge_trained(action: Judge) -> tuple[Path, float]:
    """The file of a judge that has taken all its steps, and its loss."""
    write_shards(action.output / "shapes", action.shapes, workers=action.workers)
    trainer = JudgeTrainer(seen_things(action.output / "shapes"), VOCABULARY, action.training)
    file = action.output / "judge.safetensors"
    trainer.train(file, progress=True)
    return file, float(np.mean(trainer.losses[-100:]))


def seen_things(folder: Path) -> SeenThings:
    """The things of all shards in a folder."""
    shards = list(read_shards(folder))
    rgba, azimuth, elevation = (
        np.concatenate([getattr(shard, name) for shard in shards]) for name in ("rgba", "azimuth", "elevation")
    )
    captions = [ways for shard in shards for ways in shard.captions]
    return SeenThings(rgba, captions, np.radians(azimuth), np.radians(elevation))


def pictures_of(folder: Path) -> Pictures:
    """The pictures of shards in folder/shapes, whose pixels stay on the disk, in pixels.npy."""
    shards = list(read_shards(folder / "shapes"))
    count = sum(shard.azimuth.size for shard in shards)
    side = shards[0].rgba.shape[2]
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", "w+", np.uint8, (count, side, side, 3))
    prompts: list[list[str]] = []
    for shard in shards:
        made = shard.pictures().reshape(-1, side, side, 3)
        pixels[len(prompts) : len(prompts) + len(made)] = made
        prompts += [ways for ways in shard.captions for _ in range(shard.azimuth.shape[1])]
    angles = [
        np.radians(np.concatenate([getattr(shard, name).ravel() for shard in shards])).astype(np.float32)
        for name in ("azimuth", "elevation")
    ]
    return Pictures(pixels, prompts, *angles)


def drawn(action: Sample) -> np.ndarray:
    """Samples of each prompt from all sides, side by side, uint8, shape (h, w, 3)."""
    prior = ShapesPrior.load(action.weights)
    return tiled(samples(prior, action.prompts, action.steps, action.eta, action.scale, action.seed))


def samples(
    prior: ShapesPrior, prompts: Sequence[str], steps: int, eta: float, scale: float, seed: int
) -> torch.Tensor:
    """What a prior draws of p prompts from all sides, display colours 0..1, shape (p, SIDES, 3, s, s)."""
    turns = torch.arange(SIDES) * 2 * math.pi / SIDES
    views = Views(turns.repeat(len(prompts)), torch.full((SIDES * len(prompts),), ELEVATION))
    words = [prompt for prompt in prompts for _ in range(SIDES)]
    latents = sampled(
        prior, prior.condition(words, views), prior.condition([""] * len(words), None),
        steps=steps, eta=eta, scale=scale, generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    return prior.decode(latents).unflatten(0, (len(prompts), SIDES))


def tiled(pictures: torch.Tensor) -> np.ndarray:
    """Pictures 0..1 (rows, columns, 3, s, s) as one, uint8, shape (rows · s, columns · s, 3)."""
    return as_bytes(pictures.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1))
