"""What is left of a quiet signal behind a loud television: linear models of equal size and budget, side by side.

    scenekit bench noisy_tv --noise 0 8 --seeds 3

R² is that of the next signal by least squares from what a model predicts of it (or, of an autoencoder, encodes), on
steps that nobody saw. Coverage is the share of next latents inside the 68 % intervals that a model gives. Letters: n
pairs of steps, d latents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.datasets.noisy_tv import HIDDEN, SEEN, Television, noisy_tv
from scenekit.errors import InputError
from scenekit.jepa.clips import Clips, Recordings
from scenekit.jepa.objective import follow
from scenekit.jepa.regularisers import variance_covariance
from scenekit.jepa.training import Trainer, TrainingConfig
from scenekit.jepa.variational import Gaussian, VariationalConfig, VariationalObjective, kl


@dataclass(frozen=True)
class Config:
    """What is measured."""

    noise: tuple[float, ...] = (0.0, 2.0, 4.0, 6.0, 8.0)
    """σ of the television."""
    seeds: int = 3
    """Recordings, and beginnings of each model."""
    steps: int = 4000
    """Of Adam, for every model."""
    batch: int = 1000
    """Pairs of a step."""
    learning_rate: float = 0.01
    """Of every model, falling by a cosine."""
    train: int = 5000
    """Steps of the recording that are learned from."""
    test: int = 300
    """Steps after them."""
    turn: float = 0.1 * np.pi
    """Of the signal, each step [rad]."""

    def __post_init__(self) -> None:
        if min(self.seeds, self.steps, self.test - 1) < 1 or not self.noise or self.train <= self.batch:
            raise InputError(
                "noisy tv", got=self, wanted="seeds, steps, noise, 2 test steps, more to learn than a batch"
            )


@dataclass(frozen=True)
class Row:
    """One model in front of one television; all seeds."""

    model: str
    """Which."""
    noise: float
    """σ."""
    r2: list[float]
    """Of each seed."""
    coverage: list[float]
    """Of each seed; empty where a model gives no intervals."""


@dataclass(frozen=True)
class Result:
    """All of them."""

    rows: list[Row]
    """σ by σ."""

    def __str__(self) -> str:
        lines = ["| σ | model | R², mean | R² of each seed | 68 % intervals cover |", "|---|---|---|---|---|"]
        for row in self.rows:
            each = " ".join(f"{value:.3f}" for value in row.r2)
            covered = " ".join(f"{value:.1%}" for value in row.coverage) or "–"
            lines.append(f"| {row.noise:g} | {row.model} | {np.mean(row.r2):.3f} | {each} | {covered} |")
        return "\n".join(lines)


class LinearModel(nn.Module):
    """An objective with 4 latents; what it says of the next step is `said`."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(SEEN, HIDDEN)

    def after_step(self, share: float) -> None:
        """Nothing follows."""

    def latents(self, batch: Clips) -> Tensor:
        """Of all steps, shape (2 n, d)."""
        return batch.encoded(self.encoder).flatten(0, 1)

    def said(self, now: Tensor) -> Tensor:
        """Of steps (n, 20), shape (n, d)."""
        return self.encoder(now)


class Autoencoder(LinearModel):
    """A variational autoencoder of each step (Kingma and Welling 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.spread, self.decoder = nn.Linear(SEEN, HIDDEN), nn.Linear(HIDDEN, SEEN)

    def losses(self, batch: Clips, *, generator: torch.Generator) -> dict[str, Tensor]:
        """Reconstruction and divergence."""
        x = numbers(batch)
        q = Gaussian.of(torch.cat([self.encoder(x), self.spread(x)], -1))
        return {"reconstruction": functional.mse_loss(self.decoder(q.sample(generator)), x), "kl": kl(q).mean()}


class Autoregression(LinearModel):
    """The next step from this one through 4 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Linear(HIDDEN, SEEN)

    def losses(self, batch: Clips, *, generator: torch.Generator) -> dict[str, Tensor]:
        """Squared error of the next step."""
        now, after = numbers(batch).unflatten(0, (-1, 2)).unbind(1)
        return {"prediction": functional.mse_loss(self.decoder(self.encoder(now)), after)}


class PlainJepa(LinearModel):
    """One latent predicted, targets of a running mean, regularised as by VICReg with its weights 25, 25, 1."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor = nn.Linear(HIDDEN, HIDDEN)
        self.mean = nn.Linear(SEEN, HIDDEN).requires_grad_(False)
        follow(self.mean, self.encoder, 0.0)

    def losses(self, batch: Clips, *, generator: torch.Generator) -> dict[str, Tensor]:
        """Squared error, variance and covariance of what is predicted."""
        now, after = numbers(batch).unflatten(0, (-1, 2)).unbind(1)
        predicted = self.said(now)
        variance, covariance = variance_covariance(predicted)
        error = functional.mse_loss(predicted, self.mean(after))
        return {"prediction": 25 * error, "variance": 25 * variance, "covariance": covariance}

    def after_step(self, share: float) -> None:
        """The running mean follows."""
        follow(self.mean, self.encoder, 0.99)

    def said(self, now: Tensor) -> Tensor:
        """Predicted latents."""
        return self.predictor(self.encoder(now))


class Variational(VariationalObjective):
    """A linear one."""

    def __init__(self, targets: Literal["ema", "end to end"], *, bayesian: bool):
        config = VariationalConfig(targets, bayesian=bayesian)
        super().__init__(nn.Linear(SEEN, HIDDEN), nn.Linear(HIDDEN, 2 * HIDDEN), HIDDEN, config)

    def said(self, now: Tensor) -> Tensor:
        """Means of the predictions."""
        return self.belief(now).mean

    def belief(self, now: Tensor) -> Gaussian:
        """Of the next latents."""
        return self.predict(self.encoder(now), now[:, :0])


Model = Autoencoder | Autoregression | PlainJepa | Variational


MODELS: dict[str, Callable[[], Model]] = {
    "autoencoder": Autoencoder,
    "autoregression": Autoregression,
    "plain JEPA": PlainJepa,
    "VJEPA as published": lambda: Variational("ema", bayesian=False),
    "VJEPA": lambda: Variational("end to end", bayesian=False),
    "BJEPA": lambda: Variational("end to end", bayesian=True),
}
"""Who is compared."""


def run(config: Config) -> Result:
    """Measure; see the module."""
    rows = []
    for noise in config.noise:
        recordings = [
            noisy_tv(config.train + config.test, noise=noise, turn=config.turn, seed=seed)
            for seed in range(config.seeds)
        ]
        truth = [r2(tv.signal[:-1], tv.signal[1:], config.train - 1) for tv in recordings]
        rows.append(Row("the signal itself", noise, truth, []))
        for name in MODELS:
            scores = [judged(learned(name, tv, seed, config), tv, config) for seed, tv in enumerate(recordings)]
            rows.append(Row(name, noise, [s[0] for s in scores], [s[1] for s in scores if s[1] is not None]))
    return Result(rows)


def learned(name: str, tv: Television, seed: int, config: Config) -> Model:
    """A model after its training."""
    torch.manual_seed(seed)
    model = MODELS[name]()
    training = TrainingConfig(
        steps=config.steps, batch=config.batch, learning_rate=config.learning_rate, warm_up=1, weight_decay=0.0,
        final_decay=0.0, precision="float32", watch_every=config.steps, seed=seed,
    )  # fmt: skip
    Trainer(model, Recordings(tv.seen[None, : config.train], window=2), training, folder=None).train()
    return model


@torch.no_grad()
def judged(model: Model, tv: Television, config: Config) -> tuple[float, float | None]:
    """R², and what intervals cover."""
    score = r2(model.said(tv.seen[:-1]), tv.signal[1:], config.train - 1)
    if not isinstance(model, Variational):
        return score, None
    now, after = tv.seen[config.train : -1], tv.seen[config.train + 1 :]
    sample = model.target(Clips.of(after[:, None].expand(-1, 2, -1))).sample(torch.Generator().manual_seed(0))[:, 0]
    return score, float(model.belief(now).covers(sample).float().mean())


def numbers(batch: Clips) -> Tensor:
    """The frames of clips, which are no tokens here, shape (2 n, 20)."""
    assert isinstance(batch.frames, Tensor)
    return batch.frames


def r2(features: Tensor, wanted: Tensor, known: int) -> float:
    """Of least squares with a constant, fitted to the first `known` rows, judged on the others but one."""
    x = functional.pad(features, (0, 1), value=1.0).double()
    weights = torch.linalg.lstsq(x[:known], wanted[:known].double()).solution
    y = wanted[known + 1 :].double()
    left = (x[known + 1 :] @ weights - y).square().sum()
    return float(1 - left / (y - y.mean(0)).square().sum())
