"""Trains the judge on pictures and captions of things. Letters: n things, c views of each, s side, b batch, k words."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional

from scenekit.errors import FitError, InputError
from scenekit.guidance.disturbance import disturbed
from scenekit.guidance.judge import Judge, JudgeConfig, JudgeNetwork, side_numbers


@dataclass(frozen=True)
class SeenThings:
    """What is learned from."""

    rgba: NDArray[np.uint8]
    """Display colours multiplied by the coverage, and that, shape (n, c, s, s, 4)."""
    captions: Sequence[Sequence[str]]
    """Ways to say what each thing is, the canonical one first."""
    azimuth: NDArray[np.float32]
    """Of the cameras, as `Views` has it [rad], shape (n, c)."""
    elevation: NDArray[np.float32]
    """Of the cameras [rad], shape (n, c)."""

    def __len__(self) -> int:
        return len(self.rgba)


@dataclass(frozen=True)
class JudgeTrainingConfig:
    """How the judge is trained."""

    steps: int = 4000
    """Steps of the optimiser."""
    batch: int = 128
    """Things in a step, one picture of each."""
    alike: int = 8
    """Half of a batch are groups of this many things that share a word: other colours of one noun, other nouns of one
    colour. They are the negatives that teach most."""
    learning_rate: float = 3e-3
    """Of AdamW after the warm-up; it falls to nothing by a cosine."""
    warm_up: int = 100
    """Steps over which it rises from 0."""
    side_weight: float = 0.5
    """Of the side's cross entropy."""
    word_weight: float = 0.1
    """Of the words' binary cross entropy, their sum."""
    ema: float = 0.99
    """Decay of the running mean of the weights, which is what is kept."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    save_every: int = 200
    """Steps after which the judge so far is written."""
    seed: int = 0
    """Of weights, batches, disturbances."""
    network: JudgeConfig = field(default_factory=JudgeConfig)
    """Its size."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "alike", "warm_up", "save_every"):
            if getattr(self, name) < 1:
                raise InputError(f"training {name}", got=getattr(self, name), wanted="at least 1")


class JudgeTrainer:
    """Learns.

    Args:
        things: What from, at least a batch.
        vocabulary: All words of their captions.
        config: How.

    Raises:
        InputError: If there are too few things, of another side, or their words do not fit.
    """

    def __init__(self, things: SeenThings, vocabulary: Sequence[str], config: JudgeTrainingConfig):
        side, most = config.network.side, config.network.vocabulary - 2
        if len(things) < config.batch or things.rgba.shape[2:] != (side, side, 4):
            wanted = f"at least {config.batch} things, (n, c, {side}, {side}, 4)"
            raise InputError("things", got=things.rgba.shape, wanted=wanted)
        if len(vocabulary) > most:
            raise InputError("vocabulary", got=len(vocabulary), wanted=f"at most {most} words")
        self.things, self.config = things, config
        self.generator = torch.Generator().manual_seed(config.seed)
        torch.manual_seed(config.seed)
        self.network = JudgeNetwork(config.network)
        self.judge = Judge(copy.deepcopy(self.network), vocabulary)  # the running mean
        self.numbers = [torch.tensor([self.judge.vocabulary.numbers(c) for c in ways]) for ways in things.captions]
        self.optimizer = torch.optim.AdamW(self.network.parameters(), betas=(0.9, 0.98), weight_decay=0.05, fused=True)
        self.groups = self._groups()
        self.step, self.losses = 0, list[float]()

    def train(self, file: Path | None = None, *, progress: bool = False) -> Judge:
        """Takes all steps, and returns the judge; it is written to `file` every so often, and at the end.

        Raises:
            FitError: If the loss is not finite.
        """
        bars = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.3f}"))
        with Progress(*bars, TimeElapsedColumn(), TimeRemainingColumn(), disable=not progress) as bar:
            task = bar.add_task("", total=self.config.steps, completed=self.step, loss=math.nan)
            while self.step < self.config.steps:
                self.losses.append(self._learn())
                self.step += 1
                if file and (self.step % self.config.save_every == 0 or self.step == self.config.steps):
                    self.judge.save(file, note=f"{self.step} steps, {len(self.things)} things")
                bar.update(task, completed=self.step, loss=float(np.mean(self.losses[-100:])))
        return self.judge

    def _learn(self) -> float:
        """One step; returns its loss."""
        config, over = self.config, self.step / self.config.steps
        for group in self.optimizer.param_groups:
            rate = min((self.step + 1) / config.warm_up, 0.5 + 0.5 * math.cos(math.pi * over))
            group["lr"] = config.learning_rate * rate
        pictures, words, sides, same = self._batch()
        verdict = self.network.train()(pictures, words)
        logits = self.network.log_scale.exp().clamp(max=100) * verdict.pictures @ verdict.sentences.T
        logits = logits.masked_fill(same, -math.inf)  # others that deserve the same caption are no mistakes
        own = torch.arange(len(logits))
        fit = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
        said = torch.zeros_like(verdict.said).scatter_(1, words, 1.0)
        missed = functional.binary_cross_entropy_with_logits(verdict.said, said, reduction="none")[:, 1:].sum(1).mean()
        loss = fit + config.side_weight * functional.cross_entropy(verdict.sides, sides) + config.word_weight * missed
        if not bool(loss.isfinite()):
            raise FitError("training", got=f"a loss of {float(loss)} at step {self.step}", wanted="a finite one")
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
        self.optimizer.step()
        self._average()
        return float(loss.detach())

    def _average(self) -> None:
        """The mean weights follow, and the statistics of batches; early on they follow faster."""
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        mean, now = (network.state_dict().values() for network in (self.judge.network, self.network))
        for kept, new in zip(mean, now, strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:  # counts of batches
                kept.copy_(new)

    def _batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures (b, 3, s, s), words (b, k), sides (b,), and which pairs are said in the same words (b, b)."""
        things, rows = self.things, self._chosen()
        luck = torch.rand(len(rows), 2, generator=self.generator).tolist()
        views = [int(u * things.rgba.shape[1]) for u, _ in luck]
        pictures = disturbed(torch.from_numpy(things.rgba[rows, views]), self.generator)
        words = torch.stack(
            [self.numbers[i][int(u * len(self.numbers[i]))] for i, (_, u) in zip(rows, luck, strict=True)]
        )
        angles = (torch.from_numpy(angle[rows, views]) for angle in (things.azimuth, things.elevation))
        canonical = torch.stack([self.numbers[i][0] for i in rows])
        same = (canonical[:, None] == canonical).all(-1).fill_diagonal_(False)
        return pictures, words[:, : int((words != 0).sum(1).max())], side_numbers(*angles), same

    def _chosen(self) -> list[int]:
        """Things of a batch, none twice."""
        config, g = self.config, self.generator
        rows = torch.randperm(len(self.things), generator=g)[: max(1, config.batch // 2)].tolist()
        while self.groups and len(rows) < config.batch:
            group = self.groups[int(torch.randint(len(self.groups), (1,), generator=g))]
            rows += group[torch.randperm(len(group), generator=g)[: config.alike]].tolist()
            rows = list(dict.fromkeys(rows))
        return rows[: config.batch]

    def _groups(self) -> list[Tensor]:
        """Things that share a word, for every word that says something: not "a", which most have."""
        said = torch.zeros(len(self.things), self.config.network.vocabulary, dtype=torch.bool)
        for i, ways in enumerate(self.numbers):
            said[i, ways[0]] = True
        said[:, 0] = False
        count = said.sum(0)
        chosen = (count >= 2) & (count <= 0.3 * len(self.things))
        return [said[:, word].nonzero().flatten() for word in chosen.nonzero().flatten().tolist()]
