"""Score distillation: the gradient by which a diffusion prior pulls a rendered picture towards what a prompt says.

    SDS   w(t) (ε̂(x_t, y) − ε)            Poole et al. 2023, DreamFusion, equation 3
    VSD   w(t) (ε̂(x_t, y) − ε_φ(x_t, y))  Wang et al. 2023, ProlificDreamer; φ learns the noise of renderings
    ISM   w(t) (ε̂(x_t, y) − ε(x_s, ∅))    Liang et al. 2024, LucidDreamer; x_s, and x_t from it, by DDIM inversion

The Jacobian of the prior's network is left out, as all of them do. Letters: b batch, t timestep, c h w.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.prior import Condition, Convention, DiffusionPrior, Negatives, guided_epsilon

Method = Literal["sds", "vsd", "ism"]

Weighting = Literal["sigma2", "uniform", "fantasia", "clean"]
"""w(t): σ_t² = 1 − ᾱ of DreamFusion, 1, √ᾱ (1 − ᾱ) of Fantasia3D, or σ_t / √ᾱ, by which SDS is x₀ − x̂₀: the pull
towards the clean picture that the prior sees (Shi et al. 2024, MVDream's reconstruction loss)."""

Annealing = Literal["none", "line", "shrink"]
"""Of the timesteps as the run goes on: drawn from the whole range; falling on a line from the upper to the lower end
(DreamGaussian); drawn from a range whose upper end falls to `late` over the first `shrinking` of the run
(ProlificDreamer)."""


@dataclass(frozen=True)
class DistillationConfig:
    """How a prior pulls."""

    method: Method = "sds"
    """See the module."""
    scale: float = 100.0
    """Of classifier-free guidance: 100 of DreamFusion with Stable Diffusion, 7.5 of VSD and ISM."""
    convention: Convention = "uncond"
    """How the scale counts."""
    timesteps: tuple[float, float] = (0.02, 0.98)
    """Least and greatest timestep, as parts of the schedule."""
    annealing: Annealing = "none"
    """How that changes over the run."""
    late: float = 0.5
    """Greatest timestep at the end, for `shrink`."""
    shrinking: float = 0.2
    """Part of the run over which the range shrinks, 5 000 of 25 000 steps in ProlificDreamer."""
    weighting: Weighting = "sigma2"
    """w(t)."""
    interval: int = 50
    """t − s of ISM, of a schedule of 1000."""
    inversion: int = 200
    """Longest step of ISM's DDIM inversion, of a schedule of 1000."""
    threshold: bool = False
    """Keep the clean picture that the guided noise means within −1..1 (Saharia et al. 2022, static thresholding), for
    priors of pixels: great scales drive it out."""
    clip: float | None = None
    """Largest length of the gradient of one picture's entry, None for no limit."""

    def __post_init__(self) -> None:
        low, high = self.timesteps
        for name, good, wanted in (
            ("method", self.method in ("sds", "vsd", "ism"), "sds, vsd or ism"),
            ("timesteps", 0 <= low < high <= 1, "the lower one first, in 0..1"),
            ("late", low < self.late <= 1, "above the least timestep, at most 1"),
            ("shrinking", 0 < self.shrinking <= 1, "a part of the run, above 0"),
            ("interval", self.interval >= 1, "at least 1"),
            ("inversion", self.inversion >= 1, "at least 1"),
            ("clip", self.clip is None or self.clip > 0, "above 0"),
        ):
            if not good:
                raise InputError(f"distillation {name}", got=getattr(self, name), wanted=wanted)


class ScoreModel(Protocol):
    """ε_φ of VSD: a copy of the prior that learns the noise of renderings, such as one with LoRA."""

    def predict_epsilon(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Its guess of the noise, shape (b, c, h, w)."""
        ...

    def learn(self, latents: Tensor, condition: Condition, generator: torch.Generator) -> float:
        """One step of training on renderings (b, c, h, w), which need no gradients; returns its loss."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """All that a checkpoint needs."""
        ...

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Goes on from `tensors`."""
        ...


class Distilled(NamedTuple):
    """What the prior says of rendered pictures."""

    gradient: Tensor
    """Of the distillation loss with respect to the pictures, summed over the batch's mean, shape (b, 3, h, w)."""
    t: Tensor
    """Timesteps that were looked at, shape (b,)."""
    clean: Tensor
    """What the prior would have seen instead, in its latents, shape (b, c, h, w)."""


def distilled(
    prior: DiffusionPrior,
    pictures: Tensor,
    condition: Condition,
    unconditional: Condition,
    *,
    config: DistillationConfig,
    progress: float,
    generator: torch.Generator,
    negatives: Negatives = (),
    score: ScoreModel | None = None,
) -> Distilled:
    """The gradient with respect to rendered pictures; use it as `pictures.backward(result.gradient)`.

    Args:
        prior: The diffusion model.
        pictures: Display colours 0..1, shape (b, 3, h, w).
        condition: What they are to show, of b.
        unconditional: No words, of b.
        config: The method and its numbers.
        progress: How much of the run is over, 0..1.
        generator: Of timesteps and noise.
        negatives: What they are not to show.
        score: ε_φ of VSD; the caller lets it learn.

    Raises:
        InputError: If VSD has no score model.
    """
    if (config.method == "vsd") != (score is not None):
        raise InputError("score model", got=score, wanted="one for VSD, none for the others")
    shown = pictures.detach().requires_grad_()
    latents = prior.encode(shown)
    x0, (n, schedule) = latents.detach(), (len(pictures), prior.schedule)
    t = timesteps(config, len(schedule), n, progress, generator).to(x0.device)
    with torch.no_grad():
        if config.method == "ism":
            x_t, reference = _inverted(prior, x0, t, unconditional, config)
        else:
            reference = torch.randn(x0.shape, generator=generator).to(x0)
            x_t = schedule.noised(x0, reference, t)
        guided, clean = guidance(prior, x_t, t, condition, unconditional, config=config, negatives=negatives)
        if score is not None:
            reference = score.predict_epsilon(x_t, t, condition)
        pull = weight(prior, t, config.weighting) * (guided - reference) / n
        if config.clip is not None:
            pull = pull.clamp(-config.clip, config.clip)
    (gradient,) = torch.autograd.grad(latents, shown, pull)
    return Distilled(gradient, t, clean)


def guidance(
    prior: DiffusionPrior,
    x_t: Tensor,
    t: Tensor,
    condition: Condition,
    unconditional: Condition,
    *,
    config: DistillationConfig,
    negatives: Negatives = (),
) -> tuple[Tensor, Tensor]:
    """The guided noise in x_t and the clean latents that it means, kept within −1..1 if so configured, (b, c, h, w).

    Args:
        prior: The diffusion model.
        x_t: Noised latents, shape (b, c, h, w).
        t: Their timesteps, shape (b,).
        condition: What they are to show, of b.
        unconditional: No words, of b.
        config: Scale, convention and threshold.
        negatives: What they are not to show.
    """
    guided = guided_epsilon(
        prior, x_t, t, condition, unconditional,
        scale=config.scale, convention=config.convention, negatives=negatives,
    )  # fmt: skip
    clean = prior.schedule.sample(x_t, guided, t, "epsilon")
    if not config.threshold:
        return guided, clean
    clean = clean.clamp(-1, 1)
    return prior.schedule.epsilon(x_t, clean, t, "sample"), clean


def timesteps(
    config: DistillationConfig, count: int, batch: int, progress: float, generator: torch.Generator
) -> Tensor:
    """Timesteps of a batch when this much of a run is over, int64, shape (b,)."""
    low, high = config.timesteps
    if config.annealing == "line":
        t = round((high - progress * (high - low)) * (count - 1))
        return torch.full((batch,), t)
    if config.annealing == "shrink":
        high += (min(config.late, high) - high) * min(progress / config.shrinking, 1.0)
    first, last = round(low * (count - 1)), round(high * (count - 1))
    return torch.randint(first, last + 1, (batch,), generator=generator)


def weight(prior: DiffusionPrior, t: Tensor, weighting: Weighting) -> Tensor:
    """w(t), shape (b, 1, 1, 1).

    Raises:
        InputError: If the weighting is unknown.
    """
    noise, signal = prior.schedule.noise(t) ** 2, prior.schedule.signal(t)
    kinds = {
        "sigma2": noise,
        "uniform": torch.ones_like(noise),
        "fantasia": signal * noise,
        "clean": noise.sqrt() / signal.clamp(min=1e-4),
    }
    if weighting not in kinds:
        raise InputError("weighting", got=repr(weighting), wanted="one of " + ", ".join(kinds))
    return kinds[weighting]


def _inverted(
    prior: DiffusionPrior, x0: Tensor, t: Tensor, unconditional: Condition, config: DistillationConfig
) -> tuple[Tensor, Tensor]:
    """x_t by DDIM inversion through s = t − interval, and the prior's noise at s, without words."""
    schedule, x = prior.schedule, x0
    scale = len(schedule) / 1000
    s = (t - max(1, round(config.interval * scale))).clamp(min=0)
    stride = max(1, round(config.inversion * scale))
    now, epsilon = torch.zeros_like(s), torch.zeros_like(x0)
    for _ in range(int(s.max()) // stride + 1):  # each of the batch stops at its own s
        epsilon = schedule.epsilon(x, prior.predict(x, now, unconditional), now, prior.prediction)
        then = torch.minimum(now + stride, s)
        x = schedule.noised(schedule.sample(x, epsilon, now, "epsilon"), epsilon, then)
        now = then
    epsilon = schedule.epsilon(x, prior.predict(x, s, unconditional), s, prior.prediction)
    return schedule.noised(schedule.sample(x, epsilon, s, "epsilon"), epsilon, t), epsilon
