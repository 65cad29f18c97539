"""DiffusionPrior: what text-to-3D asks of a diffusion model of pictures, whoever trained it.

    condition = prior.condition(["a red mug"], views)
    ε̂ = guided_epsilon(prior, x_t, t, condition, prior.condition([""], None), scale=7.5)

Letters: b batch, n views, t timestep, c h w what is denoised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.schedule import NoiseSchedule, Prediction

Convention = Literal["uncond", "cond"]
"""From where guidance goes on: `uncond` is ε∅ + s (ε_y − ε∅), of diffusers; `cond` is ε_y + s (ε_y − ε∅), of
DreamFusion and threestudio. A scale of 100 in the second is 101 in the first."""

Negatives = Sequence[tuple["Condition", Tensor]]
"""What pictures are not to show, of b each, and how much (b,), below zero, as Perp-Neg weighs it."""


@dataclass(frozen=True)
class Views:
    """From where pictures are seen."""

    azimuth: Tensor
    """About the vertical [rad]: 0 sees the front, and it grows counter-clockwise seen from above, shape (n,)."""
    elevation: Tensor
    """Above the horizon [rad], shape (n,)."""

    def __len__(self) -> int:
        return len(self.azimuth)


@dataclass(frozen=True)
class Condition:
    """What pictures are to show, in a prior's own terms; tensors by name, the first side of each is the batch's."""

    tensors: dict[str, Tensor]
    """Embeddings, masks, views."""

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def beside(self, other: Condition) -> Condition:
        """Both as one batch, this one first."""
        return Condition({name: torch.cat([tensor, other.tensors[name]]) for name, tensor in self.tensors.items()})


class DiffusionPrior(Protocol):
    """A diffusion model of pictures given words and views."""

    schedule: NoiseSchedule
    """Its noise."""
    prediction: Prediction
    """What it predicts."""
    shape: tuple[int, int, int]
    """(c, h, w) of what it denoises: pictures, or the latents of an autoencoder."""

    def encode(self, pictures: Tensor) -> Tensor:
        """Pictures of display colours 0..1 (b, 3, any, any) → what is denoised (b, c, h, w); has gradients."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """The inverse, up to its size: pictures 0..1, shape (b, 3, any, any)."""
        ...

    def condition(self, prompts: Sequence[str], views: Views | None) -> Condition:
        """What words, one prompt for each view or one for all, and views mean to it; "" is no words, None no view.

        Raises:
            InputError: If it does not know the words.
        """
        ...

    def predict(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Its prediction for noised x_t (b, c, h, w) at timesteps t (b,), where x_t is, wherever its network is."""
        ...


def guided_epsilon(
    prior: DiffusionPrior,
    x_t: Tensor,
    t: Tensor,
    condition: Condition,
    unconditional: Condition,
    *,
    scale: float,
    convention: Convention = "uncond",
    negatives: Negatives = (),
) -> Tensor:
    """The noise that classifier-free guidance sees in x_t (Ho and Salimans 2022), shape (b, c, h, w).

    With negatives, ε∅ + s (Δ + Σ wᵢ Δᵢ⊥), where Δ and Δᵢ are what the prompt and a negative one add to ε∅, and Δᵢ⊥ is
    the part of Δᵢ that is perpendicular to Δ, picture by picture (Armandpour et al. 2023, Perp-Neg).

    Args:
        prior: Asked for both in one batch.
        x_t: Noised pictures or latents, shape (b, c, h, w).
        t: Timesteps, shape (b,).
        condition: What is wanted, of b.
        unconditional: What is left without it, of b.
        scale: s.
        convention: See `Convention`.
        negatives: What it is not to show.

    Raises:
        InputError: If the convention is unknown.
    """
    weight = guidance_weight(scale, convention)
    asked = unconditional
    for other in (condition, *(negative for negative, _ in negatives)):
        asked = asked.beside(other)
    copies = 2 + len(negatives)
    x, times = x_t.repeat(copies, 1, 1, 1), t.repeat(copies)
    without, *others = prior.schedule.epsilon(x, prior.predict(x, times, asked), times, prior.prediction).chunk(copies)
    towards = others[0] - without
    for (_, weights), epsilon in zip(negatives, others[1:], strict=True):
        away = perpendicular(epsilon - without, others[0] - without)
        towards = towards + weights.to(away)[:, None, None, None] * away
    return without + weight * towards


def perpendicular(a: Tensor, b: Tensor) -> Tensor:
    """The part of a that is perpendicular to b, each of the batch by itself, shape (b, c, h, w)."""
    along = (a * b).sum((1, 2, 3), keepdim=True) / (b * b).sum((1, 2, 3), keepdim=True).clamp(min=1e-20)
    return a - along * b


def guidance_weight(scale: float, convention: Convention) -> float:
    """The scale as `uncond` counts it.

    Raises:
        InputError: If the convention is unknown.
    """
    if convention not in ("uncond", "cond"):
        raise InputError("guidance convention", got=repr(convention), wanted="uncond or cond")
    return scale if convention == "uncond" else scale + 1
