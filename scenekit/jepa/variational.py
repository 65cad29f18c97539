"""Variational and Bayesian JEPA: not one latent is predicted but a Gaussian of them (Huang 2026, arXiv 2601.14354).

    q = N(f̄(x'), σ_q²)                       what the target is, as the target encoder sees it
    p = N(μ(f(x), a), σ²(f(x), a))           what is predicted of it; Bayesian: times the prior expert
    loss = −log p(z'), z' ~ q                                        VJEPA
         + β KL(q ‖ N(0, I))
         + γ KL(prior ‖ N(0, I))                                     BJEPA
         + λ KL(N(mean, covariance of all f) ‖ N(0, I))              end to end only

As published the mean of q has no gradient and f̄ is a running mean of f. That leaves which subspace is encoded to where
training began: on the noisy television (`scenekit.datasets.noisy_tv`) it follows the television. End to end, −log p and
the entropy in the last term add up to −I(z; z'), the mutual information, whose best subspace is the predictable one.
Public code of the paper's toy keeps σ_q at 1 and takes −log p of the dynamics alone: its prior then learns nothing, and
predictions, times that prior, are narrower than they should be. Here σ_q and the product are learned.
Letters: n latents, d width, a numbers of an action, b clips, s steps.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.jepa.clips import Clips
from scenekit.jepa.objective import follow
from scenekit.processes import total

MOST_LOG_VARIANCE = 14.0
"""Of either sign; beyond it a network has lost its way, and exp would follow it."""


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions of d numbers."""

    mean: Tensor
    """Shape (..., d)."""
    log_variance: Tensor
    """Shape (..., d)."""

    @staticmethod
    def of(numbers: Tensor) -> Gaussian:
        """From what a network says, means and then log variances, shape (..., 2 d)."""
        mean, log_variance = numbers.float().chunk(2, -1)
        return Gaussian(mean, log_variance.clamp(-MOST_LOG_VARIANCE, MOST_LOG_VARIANCE))

    @property
    def deviation(self) -> Tensor:
        """Standard deviations, shape (..., d)."""
        return (0.5 * self.log_variance).exp()

    def sample(self, generator: torch.Generator) -> Tensor:
        """One draw, with a gradient to mean and variance, shape (..., d)."""
        noise = torch.randn(self.mean.shape, generator=generator).to(self.mean)
        return self.mean + self.deviation * noise

    def nll(self, x: Tensor) -> Tensor:
        """−log density at x (..., d), shape (...)."""
        squares = (x - self.mean) ** 2 / self.log_variance.exp()
        return 0.5 * (squares + self.log_variance + math.log(2 * math.pi)).sum(-1)

    def covers(self, x: Tensor, *, share: float = 0.68) -> Tensor:
        """Whether each number of x lies in the middle interval that holds `share` of its distribution, (..., d)."""
        width = math.sqrt(2) * torch.erfinv(torch.tensor(share)).item()
        return (x - self.mean).abs() <= width * self.deviation


def kl(q: Gaussian, p: Gaussian | None = None) -> Tensor:
    """KL(q ‖ p) = ½ Σ [log σ_p²/σ_q² + (σ_q² + (μ_q − μ_p)²)/σ_p² − 1], shape (...); without p from N(0, I)."""
    if p is None:
        p = Gaussian(torch.zeros_like(q.mean), torch.zeros_like(q.mean))
    spread = (q.log_variance.exp() + (q.mean - p.mean) ** 2) / p.log_variance.exp()
    return 0.5 * (p.log_variance - q.log_variance + spread - 1).sum(-1)


def product(*experts: Gaussian) -> Gaussian:
    """The Gaussian ∝ the product of experts: precisions add, means weigh by them (Hinton 2002). Shapes broadcast.

    Bayes' rule where one expert is a prior and the others are likelihoods.

    Raises:
        InputError: If there are none.
    """
    if not experts:
        raise InputError("experts", got="none", wanted="at least one")
    precision, weighted = torch.zeros(()), torch.zeros(())
    for expert in experts:
        own = (-expert.log_variance).exp()
        precision, weighted = own + precision.to(own), own * expert.mean + weighted.to(own)
    return Gaussian(weighted / precision, -precision.log())


def moments_kl(latents: Tensor) -> Tensor:
    """KL(N(m, C) ‖ N(0, I)) = ½ (tr C + mᵀm − d − log det C) of the moments of latents (n, d), n > d, scalar.

    It is 0 for latents that are standardised and uncorrelated, and large for any that collapse, in one direction or
    all. Several processes take the moments of everybody's latents.
    """
    x = latents.float()
    with torch.autocast(x.device.type, enabled=False):
        n = total(x.new_tensor(float(len(x))))
        mean = total(x.sum(0)) / n
        centred = x - mean
        covariance = total(centred.T @ centred) / n + 1e-6 * torch.eye(x.shape[1], device=x.device)
        return 0.5 * (covariance.trace() + mean @ mean - x.shape[1] - torch.logdet(covariance))


@dataclass(frozen=True)
class VariationalConfig:
    """Which of the family, and its weights."""

    targets: Literal["ema", "end to end"] = "end to end"
    """Who makes the mean of q: the running mean of the encoder, without gradient, or the encoder."""
    ema: float = 0.99
    """Decay of the running mean."""
    target: float = 0.01
    """β, of KL(q ‖ N(0, I)): what keeps σ_q from 0."""
    moments: float = 10.0
    """λ, of the latents' moments; above 1, or they would shrink."""
    bayesian: bool = False
    """True for a learned prior expert in every prediction."""
    prior: float = 0.1
    """γ, of KL(prior ‖ N(0, I))."""

    def __post_init__(self) -> None:
        for name in ("ema", "target", "moments", "prior"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"variational {name}", got=getattr(self, name), wanted="0 or more, finite")
        if self.targets == "end to end" and self.moments <= 1:
            raise InputError("variational moments", got=self.moments, wanted="above 1 if learned end to end")


class VariationalObjective(nn.Module):
    """The loss above, an `Objective` of clips.

    Args:
        encoder: Frames → latents (n, d).
        predictor: A latent and an action, (n, d + a) → mean and log variance of the next latent, (n, 2 d).
        width: d.
        config: Which of the family.
    """

    def __init__(self, encoder: nn.Module, predictor: nn.Module, width: int, config: VariationalConfig):
        super().__init__()
        self.encoder, self.predictor, self.config = encoder, predictor, config
        self.mean = copy.deepcopy(encoder).requires_grad_(False) if config.targets == "ema" else None
        self.target_log_variance = nn.Parameter(torch.zeros(width))
        self.prior_numbers = nn.Parameter(torch.zeros(2 * width)) if config.bayesian else None

    @property
    def prior(self) -> Gaussian | None:
        """The prior expert of BJEPA."""
        return None if self.prior_numbers is None else Gaussian.of(self.prior_numbers)

    def predict(self, latents: Tensor, actions: Tensor, *, prior: Gaussian | None = None) -> Gaussian:
        """What follows latents (..., d) under actions (..., a): the dynamics, times the prior expert if there is one.

        Args:
            latents: Of now.
            actions: Of now; (..., 0) for none.
            prior: Another expert in the place of the learned one: a goal, a constraint (BJEPA's modular prior).
        """
        dynamics = Gaussian.of(self.predictor(torch.cat([latents, actions], -1)))
        expert = prior or self.prior
        return dynamics if expert is None else product(dynamics, expert)

    def target(self, clips: Clips) -> Gaussian:
        """q of every frame, shape (b, s, d)."""
        if self.mean is None:
            mean = clips.encoded(self.encoder)
        else:
            with torch.no_grad():
                mean = clips.encoded(self.mean)
        return Gaussian(mean, self.target_log_variance.expand_as(mean))

    def losses(self, batch: Clips, *, generator: torch.Generator) -> dict[str, Tensor]:
        """The terms of a batch of clips, over all pairs of a frame and the next."""
        config, q = self.config, self.target(batch)
        latents = q.mean if self.mean is None else batch.encoded(self.encoder)
        after = Gaussian(q.mean[:, 1:], q.log_variance[:, 1:])
        terms = {"prediction": self.predict(latents[:, :-1], batch.actions).nll(after.sample(generator)).mean()}
        terms["target"] = config.target * kl(after).mean()
        if self.mean is None:
            terms["moments"] = config.moments * moments_kl(latents.flatten(0, 1))
        if self.prior is not None:
            terms["prior"] = config.prior * kl(self.prior)
        return terms

    def after_step(self, share: float) -> None:
        """The running mean follows."""
        if self.mean is not None:
            follow(self.mean, self.encoder, self.config.ema)

    def latents(self, batch: Clips) -> Tensor:
        """Means of the targets, shape (b·s, d)."""
        return self.target(batch).mean.flatten(0, 1)

    @torch.no_grad()
    def believe(self, belief: Gaussian, actions: Tensor, evidence: Gaussian | None = None) -> Gaussian:
        """The belief one step later: what is predicted from all of it, times what was seen since.

        The prediction has the moments of p over the 2 d cubature points μ ± √d σ_i e_i of the belief, exact where μ is
        linear and σ² constant, when this is the Kalman filter but for covariances between numbers (Arasaratnam and
        Haykin 2009).

        Args:
            belief: Of now, shape (n, d).
            actions: Of now, shape (n, a).
            evidence: A likelihood of the next latent, shape (n, d), such as `target` of a noisy frame.
        """
        d = belief.mean.shape[-1]
        offsets = math.sqrt(d) * torch.diag_embed(belief.deviation)  # (n, d, d)
        points = belief.mean[:, None] + torch.cat([offsets, -offsets], 1)
        each = self.predict(points, actions[:, None].expand(-1, 2 * d, -1))
        mean = each.mean.mean(1)
        variance = each.log_variance.exp().mean(1) + each.mean.var(1, correction=0)
        predicted = Gaussian(mean, variance.log())
        return predicted if evidence is None else product(predicted, evidence)
