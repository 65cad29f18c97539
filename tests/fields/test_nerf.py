"""The network as published."""

import torch

from scenekit.fields.contraction import Region
from scenekit.fields.nerf import Nerf, NerfConfig


def test_a_network_has_as_many_parameters_as_published() -> None:
    nerf = Nerf(Region())
    for network in (nerf.coarse, nerf.fine):
        assert sum(p.numel() for p in network.parameters()) == 595_844


@torch.no_grad()
def test_density_does_not_depend_on_the_direction_but_colour_does() -> None:
    nerf = Nerf(Region(), NerfConfig(layers=3, width=32, skip=2))
    x = torch.rand(20, 3) * 2 - 1
    a, b = (torch.nn.functional.normalize(torch.randn(20, 3), dim=-1) for _ in range(2))
    (density_a, color_a), (density_b, color_b) = nerf(x, a), nerf(x, b)
    assert torch.equal(density_a, density_b) and torch.equal(density_a, nerf.density(x))
    assert not torch.allclose(color_a, color_b)
    assert float(density_a.min()) >= 0 and 0 <= float(color_a.min()) <= float(color_a.max()) <= 1


def test_the_same_seed_gives_the_same_field() -> None:
    config = NerfConfig(layers=2, width=16, skip=1)
    one, other = Nerf(Region(), config, seed=3), Nerf(Region(), config, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
