"""The noise schedule of a diffusion model, and what its three kinds of prediction say of one another.

Letters: b batch, t timestep, c h w picture or latent. ᾱ is alphas_cumprod.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from scenekit.errors import InputError

Prediction = Literal["epsilon", "v", "sample"]
"""What a model predicts: the noise ε, the velocity v = √ᾱ ε − √(1−ᾱ) x₀ (Salimans and Ho 2022), or the clean x₀."""


@dataclass(frozen=True)
class NoiseSchedule:
    """x_t = √ᾱ_t x₀ + √(1−ᾱ_t) ε with ε of N(0, I) (Ho et al. 2020, DDPM, equation 4).

    Raises:
        InputError: If ᾱ does not fall from at most 1 to at least 0.
    """

    alphas_cumprod: Tensor
    """ᾱ of each timestep, float32, shape (steps,)."""

    def __post_init__(self) -> None:
        a = self.alphas_cumprod
        if a.ndim != 1 or len(a) < 2 or not (bool((a.diff() <= 0).all()) and 0 <= float(a[-1]) <= float(a[0]) <= 1):
            raise InputError("alphas_cumprod", got=tuple(a.shape), wanted="numbers that fall from 1 towards 0")

    def __len__(self) -> int:
        return len(self.alphas_cumprod)

    @staticmethod
    def linear(steps: int = 1000, *, first: float = 1e-4, last: float = 0.02) -> NoiseSchedule:
        """β rises linearly, the numbers of DDPM."""
        return _of_betas(torch.linspace(first, last, steps, dtype=torch.float64))

    @staticmethod
    def scaled_linear(steps: int = 1000, *, first: float = 0.00085, last: float = 0.012) -> NoiseSchedule:
        """√β rises linearly, the numbers of Stable Diffusion (Rombach et al. 2022)."""
        return _of_betas(torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2)

    @staticmethod
    def cosine(steps: int = 1000, *, offset: float = 0.008, most: float = 0.999) -> NoiseSchedule:
        """ᾱ is a squared cosine, β at most `most` (Nichol and Dhariwal 2021, equation 17)."""
        time = torch.arange(steps + 1, dtype=torch.float64) / steps
        level = torch.cos((time + offset) / (1 + offset) * torch.pi / 2) ** 2
        return _of_betas((1 - level[1:] / level[:-1]).clamp(max=most))

    def signal(self, t: Tensor) -> Tensor:
        """√ᾱ_t, to multiply pictures with, shape (b, 1, 1, 1)."""
        return self.alphas_cumprod.to(t.device)[t].sqrt()[:, None, None, None]

    def noise(self, t: Tensor) -> Tensor:
        """√(1 − ᾱ_t) = σ_t, shape (b, 1, 1, 1)."""
        return (1 - self.alphas_cumprod.to(t.device)[t]).sqrt()[:, None, None, None]

    def noised(self, x0: Tensor, epsilon: Tensor, t: Tensor) -> Tensor:
        """x_t of clean x₀ and noise ε (b, c, h, w) at timesteps t (b,)."""
        return self.signal(t) * x0 + self.noise(t) * epsilon

    def target(self, x0: Tensor, epsilon: Tensor, t: Tensor, kind: Prediction) -> Tensor:
        """What a model of this kind is to predict."""
        return {"epsilon": epsilon, "sample": x0, "v": self.signal(t) * epsilon - self.noise(t) * x0}[kind]

    def epsilon(self, x_t: Tensor, predicted: Tensor, t: Tensor, kind: Prediction) -> Tensor:
        """The noise that a prediction means."""
        if kind == "epsilon":
            return predicted
        if kind == "v":
            return self.signal(t) * predicted + self.noise(t) * x_t
        return (x_t - self.signal(t) * predicted) / self.noise(t)

    def sample(self, x_t: Tensor, predicted: Tensor, t: Tensor, kind: Prediction) -> Tensor:
        """The clean picture that a prediction means."""
        if kind == "sample":
            return predicted
        if kind == "v":
            return self.signal(t) * x_t - self.noise(t) * predicted
        return (x_t - self.noise(t) * predicted) / self.signal(t)


def _of_betas(betas: Tensor) -> NoiseSchedule:
    return NoiseSchedule((1 - betas).cumprod(0).float())
