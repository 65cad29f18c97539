"""A radiance field on a hash grid with two small networks (Müller et al. 2022, §5.4). Letters: n points."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from scenekit.errors import InputError
from scenekit.fields.contraction import Region
from scenekit.fields.encodings import direction_encoding
from scenekit.fields.hash_grid import HashGrid, HashGridConfig

ACTIVATIONS = ("exp", "softplus")


@dataclass(frozen=True)
class HashFieldConfig:
    """Sizes; the paper's, but for a table that a CPU's cache holds."""

    grid: HashGridConfig = field(default_factory=lambda: HashGridConfig(log2_rows=17))
    """The encoding of positions."""
    hidden: int = 64
    """Width of the networks."""
    geometry: int = 15
    """Numbers that the density's network hands to that of the colour, beside the density."""
    color_layers: int = 2
    """Hidden layers of the colour's network."""
    view_dependent: bool = True
    """Whether colour depends on the direction; without it it is an albedo, for text to 3D."""
    direction_degree: int = 3
    """Degree of the spherical harmonics of the direction."""
    activation: Literal["exp", "softplus"] = "exp"
    """What makes densities positive."""
    bias: float = 0.0
    """Added before the activation: how dense a field is at first. −1 in nerfacc, ln 0.01 in nerfacto, whose units are
    half sides as well; at 0 a ray has lost 63 % of its light after half a side."""
    blob_scale: float = 0.0
    """Density before the activation that is added in the middle: scale · (1 − ‖x‖ / std), x in half sides of the
    region; 10 starts a text's object as a ball (Magic3D as in threestudio)."""
    blob_std: float = 0.5
    """Radius at which the addition is 0 [half sides]."""

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise InputError("activation", got=repr(self.activation), wanted=" or ".join(ACTIVATIONS))


class HashField(nn.Module):
    """Hash grid → density and features; features and direction → colour. A `RadianceField`."""

    def __init__(self, region: Region, config: HashFieldConfig = HashFieldConfig(), *, seed: int = 0):
        super().__init__()
        self.region, self.config = region, config
        self.grid = HashGrid(config.grid, seed=seed)
        directions = (config.direction_degree + 1) ** 2 if config.view_dependent else 0
        rng = torch.Generator().manual_seed(seed + 1)
        self.density_net = _network([self.grid.width, config.hidden, 1 + config.geometry], rng)
        hidden = [config.hidden] * config.color_layers
        self.color_net = _network([config.geometry + directions, *hidden, 3], rng)

    def density(self, x: Tensor) -> Tensor:
        """See `RadianceField`."""
        return self._geometry(x)[0]

    def forward(self, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """See `RadianceField`."""
        density, features = self._geometry(x)
        if self.config.view_dependent:
            features = torch.cat([features, direction_encoding(directions, self.config.direction_degree)], -1)
        return density, self.color_net(features).sigmoid()

    def _geometry(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = self.region.unit(x)
        raw = self.density_net(self.grid(u))
        thick = raw[:, 0] + self.config.bias
        if self.config.blob_scale:
            r = (x - x.new_tensor(self.region.middle)).norm(dim=-1) / self.region.half
            thick = thick + self.config.blob_scale * (1 - r / self.config.blob_std)
        # Clamped, as one overflow would end a fit; the density of a metre's size does not depend on the scene's unit.
        density = thick.clamp(max=15).exp() if self.config.activation == "exp" else nn.functional.softplus(thick)
        density = density / self.region.half
        if not self.region.unbounded:
            density = density * ((u >= 0) & (u <= 1)).all(-1)
        return density, raw[:, 1:]


def _network(widths: list[int], rng: torch.Generator) -> nn.Sequential:
    """ReLU layers without bias, uniform by Xavier's rule."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layer = nn.Linear(before, after, bias=False)
        with torch.no_grad():
            bound = (6 / (before + after)) ** 0.5
            layer.weight.copy_((torch.rand(after, before, generator=rng) * 2 - 1) * bound)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
