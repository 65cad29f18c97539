"""The masked objective: latents of hidden parts of a scene, predicted from the rest (Assran et al. 2023, I-JEPA).

    context = encoder(tokens[seen])                 what the rest says
    targets = LN(running mean of encoder(tokens))   what is to be predicted: of the whole scene, without gradient
    loss    = Σ smooth L1(predictor(context, places of a block), targets of the block)

A running mean of the weights and no gradient keep the targets from following the predictor into a constant. Learned end
to end, both ways get gradients and a regulariser does that. Letters: b batch, t tokens, m of a block, d width.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from scenekit.errors import InputError
from scenekit.jepa.masks import Mask, MaskSampler
from scenekit.jepa.moments import ANSWERS, moments, surprise
from scenekit.jepa.network import Encoder, JepaConfig, Predictor
from scenekit.jepa.regularisers import sigreg, variance_covariance
from scenekit.jepa.tokens import Tokens


@dataclass(frozen=True)
class ObjectiveConfig:
    """What keeps the latents from collapsing."""

    targets: Literal["ema", "sigreg", "variance", "none"] = "ema"
    """Of a running mean of the weights; or end to end with a regulariser, or with nothing, which collapses."""
    alone: bool = False
    """Whether a token's latent to predict is that of the token alone, wherever it is, and not as a part of its scene
    (I-JEPA). It then says nothing that its place would tell."""
    moments: float = 0.0
    """Weight of how surprising it is what hidden tokens say, see `scenekit.jepa.moments`; energy is that then. 0 for
    predicting latents alone."""
    ema: tuple[float, float] = (0.996, 0.9999)
    """Decay of the running mean, at the start and at the end, linear between (Gaussian-JEPA)."""
    sigreg: float = 0.05
    """Weight of SIGReg."""
    directions: int = 256
    """Of SIGReg, drawn at every step."""
    variance: float = 1.0
    """Weight of VICReg's variance term."""
    covariance: float = 0.04
    """Weight of VICReg's covariance term."""

    def __post_init__(self) -> None:
        if not 0 <= self.ema[0] <= self.ema[1] <= 1:
            raise InputError("objective ema", got=self.ema, wanted="two decays 0..1, the first not the larger")
        for name in ("moments", "sigreg", "variance", "covariance"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"objective {name}", got=getattr(self, name), wanted="0 or more, finite")
        if self.directions < 1:
            raise InputError("objective directions", got=self.directions, wanted="at least 1")


class MaskedObjective(nn.Module):
    """The terms above for batches of scenes, an `Objective`.

    Args:
        network: Size of encoder and predictor.
        config: What keeps the latents from collapsing.
        masks: What is hidden, anew at every step.
    """

    def __init__(self, network: JepaConfig, config: ObjectiveConfig, masks: MaskSampler):
        super().__init__()
        self.config, self.masks = config, masks
        self.encoder = Encoder(network)
        self.predictor = Predictor(network, out=network.width + ANSWERS if config.moments else None)
        self.mean = copy.deepcopy(self.encoder).requires_grad_(False) if config.targets == "ema" else None

    @property
    def trained(self) -> Encoder:
        """The encoder to keep: the running mean where there is one."""
        return self.encoder if self.mean is None else self.mean

    def losses(self, batch: Tokens, *, generator: torch.Generator) -> dict[str, Tensor]:
        """The terms of a batch of scenes."""
        mask = self.masks(batch, generator=generator)
        latents = self._latents(batch)
        predicted, hidden = torch.cat(self._predicted(batch, mask), 1), torch.cat(mask.targets, 1)
        d = latents.shape[-1]
        terms = {"prediction": self._error(predicted[..., :d], rows(latents, hidden)).mean()}
        if self.config.moments:
            terms["moments"] = self.config.moments * surprise(predicted[..., d:], rows(moments(batch), hidden)).mean()
        return terms | self._regularisers(latents[batch.valid], generator)

    def after_step(self, share: float) -> None:
        """The running mean follows."""
        if self.mean is not None:
            first, last = self.config.ema
            follow(self.mean, self.encoder, first + (last - first) * share)

    def latents(self, batch: Tokens) -> Tensor:
        """The targets of all tokens."""
        return self._latents(batch)[batch.valid]

    def _predicted(self, batch: Tokens, mask: Mask) -> list[Tensor]:
        """Latents of each block and, if asked for, distributions of moments, from the context, shape (b, m, …)."""
        places = self._places(batch)
        seen = rows(places, mask.context)
        context = self.encoder(batch.take(mask.context), places=seen)
        return [self.predictor(context, seen, rows(places, block)) for block in mask.targets]

    def _places(self, batch: Tokens) -> Tensor:
        """Where tokens are, shape (b, t, p)."""
        return batch.centers

    def _error(self, predicted: Tensor, latents: Tensor) -> Tensor:
        """Of each latent, (b, m, d) → (b, m)."""
        return disagreement(predicted, latents)

    def _latents(self, batch: Tokens) -> Tensor:
        """What is to be predicted of every token, float32, shape (b, t, d)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.mean is None):
            made = self.trained.alone(batch) if self.config.alone else self.trained(batch, places=self._places(batch))
        return made.float() if self.mean is None else normalised(made)

    def _regularisers(self, latents: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        config = self.config
        if config.targets == "sigreg":
            statistic = sigreg(latents, directions=config.directions, generator=generator)
            return {"sigreg": config.sigreg * statistic}
        if config.targets == "variance":
            variance, covariance = variance_covariance(latents)
            return {"variance": config.variance * variance, "covariance": config.covariance * covariance}
        return {}


def disagreement(predicted: Tensor, latents: Tensor) -> Tensor:
    """Smooth L1, mean over the width: of latents (..., d) → (...)."""
    return functional.smooth_l1_loss(predicted.float(), latents.float(), reduction="none").mean(-1)


def normalised(latents: Tensor) -> Tensor:
    """Each of mean 0 and variance 1 over its d numbers, float32."""
    return functional.layer_norm(latents.float(), latents.shape[-1:])


def rows(of_tokens: Tensor, index: Tensor) -> Tensor:
    """What (b, t, …) says of the tokens `index` (b, m), shape (b, m, …)."""
    return of_tokens.take_along_dim(index[..., None], 1)


@torch.no_grad()
def follow(mean: nn.Module, now: nn.Module, decay: float) -> None:
    """mean ← decay · mean + (1 − decay) · now, for all parameters."""
    for kept, new in zip(mean.parameters(), now.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
