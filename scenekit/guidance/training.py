"""Trains the embedded prior on pictures with captions and views. Letters: n pictures, b batch, s side."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional

from scenekit.errors import FitError, InputError
from scenekit.fit.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from scenekit.guidance.shapes_prior import NOTHING, ShapesPrior
from scenekit.guidance.transformer import COARSER, PictureTransformer, TransformerConfig
from scenekit.guidance.view_features import view_features
from scenekit.precision import half_precision


@dataclass(frozen=True)
class Pictures:
    """What is learned from."""

    pixels: NDArray[np.uint8]
    """Display colours, shape (n, s, s, 3); a memory map will do."""
    prompts: Sequence[Sequence[str]]
    """Ways to say what each picture shows."""
    azimuth: NDArray[np.float32]
    """Of the camera, as `Views` has it [rad], shape (n,)."""
    elevation: NDArray[np.float32]
    """Of the camera [rad], shape (n,)."""

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class TrainingConfig:
    """How the prior is trained."""

    steps: int = 22_500
    """Steps of the optimiser."""
    batch: int = 64
    """Pictures in a step."""
    many: int = 256
    """Pictures in a step of the expected picture: a mean is learned from many, and they cost little."""
    learning_rate: float = 1e-3
    """Of AdamW after the warm-up; it falls to a tenth by a cosine."""
    warm_up: int = 500
    """Steps over which it rises from 0."""
    ema: float = 0.9995
    """Decay of the running mean of the weights, which is what is kept."""
    drop_words: float = 0.1
    """Share of pictures that are learned without their words, for classifier-free guidance (Ho and Salimans 2022)."""
    drop_view: float = 0.1
    """Share that are learned without their view."""
    snr_cap: float = 5.0
    """Timesteps weigh as their SNR, but no less than 1, or what words and views say alone is not learned (Salimans
    and Ho 2022, truncated SNR), and no more than this (Hang et al. 2023, Min-SNR)."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    save_every: int = 500
    """Steps between checkpoints."""
    seed: int = 0
    """Of weights, batches, noise."""
    network: TransformerConfig = field(default_factory=TransformerConfig)
    """Its size."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "many", "warm_up", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"training {name}", got=getattr(self, name), wanted="at least 1")


class Trainer:
    """Learns; a run that was stopped goes on where its last checkpoint is.

    Args:
        pictures: What from.
        vocabulary: All words of their prompts.
        config: How.
        folder: Where the checkpoint is kept; None keeps none.

    Raises:
        InputError: If there are no pictures, of another side, or their words do not fit.
        FileError: If the checkpoint there is of other options or damaged.
    """

    def __init__(self, pictures: Pictures, vocabulary: Sequence[str], config: TrainingConfig, *, folder: Path | None):
        side = config.network.side
        if not len(pictures) or pictures.pixels.shape[1:] != (side, side, 3):
            raise InputError("pictures", got=pictures.pixels.shape, wanted=f"(n, {side}, {side}, 3)")
        if len(vocabulary) + 2 > config.network.vocabulary:
            raise InputError("vocabulary", got=len(vocabulary), wanted=f"at most {config.network.vocabulary - 2} words")
        self.pictures, self.config, self.folder = pictures, config, folder
        self.generator = torch.Generator().manual_seed(config.seed)
        torch.manual_seed(config.seed)
        self.network = PictureTransformer(config.network)
        self.prior = ShapesPrior(copy.deepcopy(self.network), vocabulary)  # the running mean
        self.optimizer = torch.optim.AdamW(self.network.parameters(), betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.numbers = [torch.tensor([self.prior.numbers(p) for p in ways]) for ways in pictures.prompts]
        self.step, self.losses = 0, list[float]()
        if self._file is not None and self._file.is_file():
            self._resume(self._file)

    def train(self, *, progress: bool = False) -> ShapesPrior:
        """Takes the steps that are left, and returns the prior of the mean weights.

        Raises:
            FitError: If the loss is not finite; the last checkpoint stays.
        """
        columns = (
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
        )
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), disable=not progress) as bar:
            task = bar.add_task("", total=self.config.steps, completed=self.step, loss=math.nan)
            while self.step < self.config.steps:
                self.losses.append(self._learn())
                self.step += 1
                if self.step % self.config.save_every == 0 or self.step == self.config.steps:
                    self._save()
                bar.update(task, completed=self.step, loss=float(np.mean(self.losses[-100:])))
        return self.prior

    def _learn(self) -> float:
        """One step; returns its loss, the squared error of the clean picture where every timestep counts the same."""
        config, schedule = self.config, self.prior.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * self._rate()
        x0, words, view = self._batch(config.batch)
        t = torch.randint(len(schedule), (len(x0),), generator=self.generator)
        x_t = schedule.noised(x0, torch.randn(x0.shape, generator=self.generator), t)
        with half_precision("cpu"):
            clean = self.network(x_t, t.float() / len(schedule), words, view)
        error = (clean.float() - x0).pow(2).mean((1, 2, 3))
        snr = (schedule.signal(t) / schedule.noise(t)).flatten() ** 2
        loss = (snr.clamp(1, config.snr_cap) * error).mean() + self._surprise()
        if not bool(loss.isfinite()):
            raise FitError("training", got=f"a loss of {float(loss)} at step {self.step}", wanted="a finite one",
                           hint="The last checkpoint is kept; a lower --learning-rate may help.")  # fmt: skip
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
        self.optimizer.step()
        self._average()
        return float(error.detach().mean())

    def _surprise(self) -> Tensor:
        """Mean squared error of the expected pictures of a batch of their own."""
        x0, words, view = self._batch(self.config.many)
        with half_precision("cpu"):
            expected = self.network.expected(words, view)
        return (expected.float() - functional.avg_pool2d(x0, COARSER)).pow(2).mean()

    def _rate(self) -> float:
        """Share of the learning rate at this step."""
        over = self.step / self.config.steps
        return min((self.step + 1) / self.config.warm_up, 0.55 + 0.45 * math.cos(math.pi * over))

    def _batch(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures of −1..1 (b, 3, s, s), words (b, k) up to the last, views (b, 6), some of these left out."""
        config, n = self.config, len(self.pictures)
        chosen = torch.randint(n, (count,), generator=self.generator)
        rows = chosen.numpy()
        x0 = torch.from_numpy(self.pictures.pixels[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
        luck = torch.rand(count, 3, generator=self.generator)
        ways = [self.numbers[i] for i in rows]
        words = torch.stack([way[int(u * len(way))] for way, u in zip(ways, luck[:, 0].tolist(), strict=True)])
        words[luck[:, 1] < config.drop_words] = torch.tensor([NOTHING] + [0] * (words.shape[1] - 1))
        angles = (torch.from_numpy(getattr(self.pictures, name)[rows]).float() for name in ("azimuth", "elevation"))
        view = view_features(*angles) * (luck[:, 2:] >= config.drop_view)
        return x0, words[:, : int((words != 0).sum(1).max())], view

    def _average(self) -> None:
        """The mean weights follow; early on they follow faster, or they would remember the beginning."""
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.prior.network.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)

    @property
    def _file(self) -> Path | None:
        return None if self.folder is None else self.folder / "checkpoint.safetensors"

    def _fingerprint(self) -> dict[str, Any]:
        options = {name: value for name, value in asdict(self.config).items() if name not in ("steps", "save_every")}
        return options | {"pictures": len(self.pictures), "vocabulary": list(self.prior.vocabulary)}

    def _save(self) -> None:
        if self._file is None:
            return
        tensors = {f"now.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"mean.{name}": value for name, value in self.prior.network.state_dict().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"moments.{number}.{name}": value for name, value in moments.items()}
        tensors["generator"] = self.generator.get_state()
        header = {"step": self.step, "losses": [round(loss, 6) for loss in self.losses]}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_checkpoint(self._file, Checkpoint(self._fingerprint(), header, tensors))

    def _resume(self, file: Path) -> None:
        found = read_checkpoint(file, self._fingerprint())
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "mean": {}, "moments": {}}
        for name, value in found.tensors.items():
            part, _, rest = name.partition(".")
            if part in parts:
                parts[part][rest] = value
        self.network.load_state_dict(parts["now"])
        self.prior.network.load_state_dict(parts["mean"])
        state = self.optimizer.state_dict()
        for name, value in parts["moments"].items():
            number, _, moment = name.partition(".")
            state["state"].setdefault(int(number), {})[moment] = value
        self.optimizer.load_state_dict(state)
        self.generator.set_state(found.tensors["generator"])
        self.step, self.losses = int(found.header["step"]), list(found.header["losses"])
