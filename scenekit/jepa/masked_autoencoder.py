"""The baseline: a masked autoencoder that reconstructs what the elements of hidden tokens say (Pang et al. 2022).

Its encoder, its decoder but for the last layer, and its masks are those of the masked objective. Letters: b batch,
t tokens, m hidden ones, k elements of each, d width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scenekit.jepa.elements import FEATURES
from scenekit.jepa.masks import MaskSampler
from scenekit.jepa.network import Encoder, JepaConfig, Predictor
from scenekit.jepa.tokens import Tokens


class MaskedAutoencoder(nn.Module):
    """Elements of hidden tokens, predicted from the rest, an `Objective`.

    Args:
        network: Size of encoder and decoder.
        masks: What is hidden, anew at every step; usually 60 % at random.
    """

    def __init__(self, network: JepaConfig, masks: MaskSampler):
        super().__init__()
        self.masks, self.count = masks, network.tokens.neighbours
        self.encoder = Encoder(network)
        self.decoder = Predictor(network, out=self.count * FEATURES)

    @property
    def trained(self) -> Encoder:
        """The encoder to keep."""
        return self.encoder

    def losses(self, batch: Tokens, *, generator: torch.Generator) -> dict[str, Tensor]:
        """The error of the elements of all hidden tokens of a batch of scenes."""
        mask = self.masks(batch, generator=generator)
        seen, hidden = batch.take(mask.context), batch.take(torch.cat(mask.targets, 1))
        answer = self.decoder(self.encoder(seen), seen.centers, hidden.centers)
        made = answer.float().unflatten(-1, (self.count, FEATURES))
        return {"reconstruction": chamfer(made, hidden.elements).mean()}

    def after_step(self, share: float) -> None:
        """Nothing follows."""

    def latents(self, batch: Tokens) -> Tensor:
        """Of all tokens."""
        return self.encoder(batch)[batch.valid]


def chamfer(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared distance of each element to the nearest of the other set, both ways, over all that they say.

    Args:
        a: Shape (..., k, f).
        b: Shape (..., l, f).

    Returns:
        Shape (...).
    """
    # The nearest are found without gradient, so that no gradient passes the square root at distance 0.
    with torch.no_grad():
        distance = torch.cdist(a, b)
    to_b = (a - b.take_along_dim(distance.argmin(-1)[..., None], -2)).square().sum(-1)
    to_a = (b - a.take_along_dim(distance.argmin(-2)[..., None], -2)).square().sum(-1)
    return to_b.mean(-1) + to_a.mean(-1)
