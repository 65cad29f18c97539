"""The exact denoiser of a Gaussian mixture over given pictures: the oracle of the tests, and a prior without training.

Letters: b batch, m modes, t timestep, c h w picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.guidance.prior import Condition, Views
from scenekit.guidance.schedule import NoiseSchedule, Prediction

Targets = Callable[[Views], Tensor]
"""Pictures of all modes from n views, display colours 0..1, shape (n, m, 3, h, w)."""


class AnalyticPrior:
    """Pictures are Σ_m w_m N(μ_m, s² I), whose μ_m are those of m things seen from a view, in −1..1.

    Of x_t the mean of x₀ is Σ γ_m (μ_m + √ᾱ s² / v · (x_t − √ᾱ μ_m)), with v = ᾱ s² + 1 − ᾱ and γ_m the posterior of
    mode m, w_m N(x_t; √ᾱ μ_m, v I) up to a factor.

    Args:
        names: What each mode is called; a prompt that is a name has this mode alone, "" has all of them.
        targets: Its pictures from any views.
        views: Those that a picture without a view may be from, all equally likely.
        spread: s.
        schedule: Of the noise.
        prediction: What `predict` returns.
    """

    def __init__(
        self,
        names: Sequence[str],
        targets: Targets,
        views: Views,
        *,
        spread: float = 0.05,
        schedule: NoiseSchedule | None = None,
        prediction: Prediction = "epsilon",
    ):
        if spread <= 0 or not names:
            raise InputError("analytic prior", got=f"{len(names)} modes, spread {spread}", wanted="some, above 0")
        self.names, self.targets, self.views, self.spread = tuple(names), targets, views, spread
        self.schedule, self.prediction = schedule or NoiseSchedule.scaled_linear(), prediction
        c, h, w = targets(Views(views.azimuth[:1], views.elevation[:1])).shape[2:]
        self.shape: tuple[int, int, int] = (c, h, w)

    def encode(self, pictures: Tensor) -> Tensor:
        """0..1 → −1..1, at the size of the targets."""
        if pictures.shape[-2:] != self.shape[1:]:
            pictures = torch.nn.functional.interpolate(pictures, self.shape[1:], mode="bilinear", antialias=True)
        return 2 * pictures - 1

    def decode(self, latents: Tensor) -> Tensor:
        """−1..1 → 0..1."""
        return (latents + 1) / 2

    def condition(self, prompts: Sequence[str], views: Views | None) -> Condition:
        """The pictures that may be meant, (b, m, c, h, w), and log-weights (b, m), −∞ for modes that are not."""
        for prompt in prompts:
            if prompt and prompt not in self.names:
                raise InputError("prompt", got=repr(prompt), wanted="one of " + ", ".join(self.names))
        n = len(prompts) if views is None else len(views)
        words = list(prompts) * (n // len(prompts))
        meant = torch.tensor([[not word or word == name for name in self.names] for word in words])
        means = self.targets(self.views if views is None else views)
        if views is None:
            means = means.flatten(0, 1).expand(n, -1, -1, -1, -1)
            meant = meant.repeat(1, len(self.views))
        elif means.shape[1] < len(self.views) * len(self.names):  # as wide as what has no view, so both fit in a batch
            fill = len(self.views) * len(self.names) - means.shape[1]
            means = torch.cat([means, means[:, :1].expand(-1, fill, -1, -1, -1)], 1)
            meant = torch.cat([meant, torch.zeros(n, fill, dtype=torch.bool)], 1)
        log_weights = torch.where(meant, 0.0, -torch.inf) - meant.sum(1, keepdim=True).log()
        return Condition({"means": 2 * means - 1, "log_weights": log_weights})

    def predict(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The posterior mean, as `prediction` says it."""
        a = self.schedule.alphas_cumprod.to(x_t)[t][:, None]
        variance, means = a * self.spread**2 + 1 - a, condition.tensors["means"].to(x_t).flatten(2)
        away = x_t.flatten(1)[:, None] - a.sqrt()[..., None] * means  # (b, m, pixels)
        log_posterior = condition.tensors["log_weights"].to(x_t) - (away**2).sum(2) / (2 * variance)
        posterior = log_posterior.softmax(1)
        best = means + (a.sqrt() * self.spread**2 / variance)[..., None] * away
        clean = torch.einsum("bm,bmp->bp", posterior, best).reshape(x_t.shape)
        epsilon = self.schedule.epsilon(x_t, clean, t, "sample")
        return self.schedule.target(clean, epsilon, t, self.prediction)
