"""The radiance field as first published: two perceptrons, coarse and fine (Mildenhall et al. 2020). n points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.fields.contraction import Region
from scenekit.fields.encodings import positional_encoding


@dataclass(frozen=True)
class NerfConfig:
    """Sizes, by default those of the paper (Fig. 7, §5.3)."""

    layers: int = 8
    """Hidden layers before the density."""
    width: int = 256
    """Of the hidden layers; the view's branch has half of it."""
    skip: int = 5
    """Number of the layer whose activation is joined by the position once more."""
    position_frequencies: int = 10
    """L of the positions."""
    direction_frequencies: int = 4
    """L of the directions."""
    coarse: int = 64
    """Stratified samples of a ray."""
    fine: int = 128
    """Samples that are added where the coarse ones say so."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "coarse", "fine"):
            if getattr(self, name) < 1:
                raise InputError(f"nerf: {name}", got=getattr(self, name), wanted="at least 1")


class NerfNetwork(nn.Module):
    """One perceptron. A `RadianceField`."""

    def __init__(self, region: Region, config: NerfConfig, *, seed: int):
        super().__init__()
        self.region, self.config = region, config
        at, along = 3 * (2 * config.position_frequencies + 1), 3 * (2 * config.direction_frequencies + 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = [at] + [config.width] * config.layers
            extra = [at if i == config.skip else 0 for i in range(config.layers)]
            self.trunk = nn.ModuleList(nn.Linear(widths[i] + extra[i], config.width) for i in range(config.layers))
            self.to_density = nn.Linear(config.width, 1)
            self.to_features = nn.Linear(config.width, config.width)
            self.view = nn.Linear(config.width + along, config.width // 2)
            self.to_color = nn.Linear(config.width // 2, 3)

    def density(self, x: Tensor) -> Tensor:
        """See `RadianceField`."""
        return self._density(self._trunk(x))

    def forward(self, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `RadianceField`."""
        hidden = self._trunk(x)
        along = positional_encoding(directions, self.config.direction_frequencies)
        view = self.view(torch.cat([self.to_features(hidden), along], -1)).relu()
        return self._density(hidden), self.to_color(view).sigmoid()

    def _trunk(self, x: Tensor) -> Tensor:
        encoded = positional_encoding(2 * self.region.unit(x) - 1, self.config.position_frequencies)
        hidden = encoded
        for i, layer in enumerate(self.trunk):
            if i == self.config.skip:
                hidden = torch.cat([encoded, hidden], -1)
            hidden = layer(hidden).relu()
        return hidden

    def _density(self, hidden: Tensor) -> Tensor:
        # Softplus where the paper has ReLU, as since mip-NeRF: a ReLU that is 0 everywhere at first stays so.
        return nn.functional.softplus(self.to_density(hidden)[:, 0]) / self.region.half * 4


class Nerf(nn.Module):
    """A coarse network that says where to sample, and a fine one that is the field. A `RadianceField`."""

    def __init__(self, region: Region, config: NerfConfig = NerfConfig(), *, seed: int = 0):
        super().__init__()
        self.region, self.config = region, config
        self.coarse = NerfNetwork(region, config, seed=seed)
        self.fine = NerfNetwork(region, config, seed=seed + 1)

    def density(self, x: Tensor) -> Tensor:
        """See `RadianceField`."""
        return self.fine.density(x)

    def forward(self, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `RadianceField`."""
        density, color = self.fine(x, directions)
        return density, color
