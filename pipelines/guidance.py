"""The embedded prior of text to 3D: makes its pictures, trains it, and shows what it knows.

`train` makes pictures of procedural things (`scenekit.datasets.shapes`), learns from them, and leaves the weights in a
folder; the same command goes on where it was stopped. `sample` draws pictures from weights.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from scenekit.datasets.shapes import VOCABULARY
from scenekit.datasets.shapes_shards import ShardConfig, read_shards, write_shards
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


@tyro.conf.configure(tyro.conf.OmitSubcommandPrefixes)
@dataclass(frozen=True)
class Config:
    """Options of `scenekit guidance`."""

    action: Annotated[Train, tyro.conf.subcommand("train")] | Annotated[Sample, tyro.conf.subcommand("sample")]
    """What to do."""


@dataclass(frozen=True)
class Result:
    """What was made."""

    file: Path
    """Weights or picture."""
    seconds: float
    """Time in all [s]."""
    loss: float | None = None
    """Mean squared error of the clean picture, over the last hundred steps of the training."""

    def __str__(self) -> str:
        error = "" if self.loss is None else f", error {self.loss:.4f}"
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
    prior, generator = ShapesPrior.load(action.weights), torch.Generator().manual_seed(action.seed)
    turns = torch.arange(SIDES) * 2 * math.pi / SIDES
    views = Views(turns.repeat(len(action.prompts)), torch.full((SIDES * len(action.prompts),), ELEVATION))
    words = [prompt for prompt in action.prompts for _ in range(SIDES)]
    latents = sampled(
        prior, prior.condition(words, views), prior.condition([""] * len(words), None),
        steps=action.steps, eta=action.eta, scale=action.scale, generator=generator,
    )  # fmt: skip
    rows = prior.decode(latents).unflatten(0, (len(action.prompts), SIDES)).permute(0, 3, 1, 4, 2).flatten(2, 3)
    return (255 * rows.flatten(0, 1)).round().to(torch.uint8).numpy()
