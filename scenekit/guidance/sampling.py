"""Pictures from a prior: DDPM and DDIM, so that what it knows can be seen. Letters: b batch, t timestep, c h w."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.prior import Condition, Convention, DiffusionPrior, guided_epsilon


def sampled(
    prior: DiffusionPrior,
    condition: Condition,
    unconditional: Condition,
    *,
    steps: int = 50,
    eta: float = 0.0,
    scale: float = 7.5,
    convention: Convention = "uncond",
    generator: torch.Generator | None = None,
) -> Tensor:
    """What the prior makes of a condition (b) out of noise, shape (b, c, h, w); `prior.decode` shows it.

    A step goes from t to the s before it (Song et al. 2021, DDIM, equations 12 and 16):
    x_s = √ᾱ_s x̂₀ + √(1 − ᾱ_s − σ²) ε̂ + σ z with σ = η √((1−ᾱ_s)/(1−ᾱ_t)) √(1 − ᾱ_t/ᾱ_s).

    Args:
        prior: The model.
        condition: What is wanted.
        unconditional: What guidance leads away from.
        steps: Steps, spread evenly over the timesteps.
        eta: η, 0 for DDIM, which adds no noise, 1 for DDPM.
        scale: Of classifier-free guidance.
        convention: How it counts.
        generator: Of the noise.

    Raises:
        InputError: If the number of steps or η is out of range.
    """
    if not 1 <= steps <= len(prior.schedule) or not 0 <= eta <= 1:
        wanted = f"1 to {len(prior.schedule)} steps, η in 0..1"
        raise InputError("sampling", got=f"{steps} steps, η = {eta}", wanted=wanted)
    batch = len(condition)
    x = torch.randn((batch, *prior.shape), generator=generator)
    with torch.no_grad():
        for t, s in _timesteps(len(prior.schedule), steps):
            now = torch.full((batch,), t)
            epsilon = guided_epsilon(prior, x, now, condition, unconditional, scale=scale, convention=convention)
            x = _earlier(prior, x, epsilon, t, s, eta, generator)
    return x


def _timesteps(count: int, steps: int) -> Iterator[tuple[int, int]]:
    """Each timestep and the one after it, down to −1, which is clean."""
    chosen = torch.linspace(0, count - 1, steps).round().long().flip(0).tolist() if steps > 1 else [count - 1]
    yield from zip(chosen, [*chosen[1:], -1], strict=True)


def _earlier(
    prior: DiffusionPrior, x: Tensor, epsilon: Tensor, t: int, s: int, eta: float, generator: torch.Generator | None
) -> Tensor:
    """x_s of x_t and its noise."""
    levels = prior.schedule.alphas_cumprod.double()
    a_t, a_s = levels[t], levels[s] if s >= 0 else torch.tensor(1.0, dtype=torch.float64)
    clean = prior.schedule.sample(x, epsilon, torch.full((len(x),), t), "epsilon")
    sigma = eta * ((1 - a_s) / (1 - a_t)).sqrt() * (1 - a_t / a_s).clamp(min=0).sqrt()
    fresh = torch.randn(x.shape, generator=generator) if eta > 0 and s >= 0 else torch.zeros_like(x)
    kept = (1 - a_s - sigma**2).clamp(min=0).sqrt()
    return a_s.sqrt().float() * clean + kept.float() * epsilon + sigma.float() * fresh
