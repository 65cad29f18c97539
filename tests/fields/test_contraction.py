"""Contraction: its inverse, its bounds, and the cube that rays cross."""

import numpy as np
import torch

from scenekit.fields.contraction import Region, contract, uncontract


def test_contraction_keeps_the_unit_ball_and_ends_at_two() -> None:
    x = torch.randn(500, 3, dtype=torch.float64)
    inside = 0.99 * x / x.norm(dim=-1, keepdim=True) * torch.rand(500, 1, dtype=torch.float64)
    torch.testing.assert_close(contract(inside), inside)
    assert float(contract(1e9 * x).norm(dim=-1).max()) <= 2.0
    torch.testing.assert_close(contract(torch.tensor([[4.0, 0.0, 0.0]])), torch.tensor([[1.75, 0.0, 0.0]]))


def test_uncontract_is_the_inverse() -> None:
    x = torch.randn(500, 3, dtype=torch.float64) * 10 ** torch.linspace(-2, 3, 500, dtype=torch.float64)[:, None]
    torch.testing.assert_close(uncontract(contract(x)), x, rtol=1e-6, atol=1e-9)


def test_world_is_the_inverse_of_unit() -> None:
    x = torch.randn(200, 3, dtype=torch.float64) * 3
    for unbounded in (False, True):
        region = Region((1.0, -2.0, 0.5), 1.5, unbounded)
        torch.testing.assert_close(region.world(region.unit(x)), x)
        if unbounded:
            assert bool(((region.unit(x) >= 0) & (region.unit(x) <= 1)).all())


def test_rays_enter_and_leave_the_cube_on_its_sides() -> None:
    region, rng = Region((0.5, 0.0, -1.0), 2.0), torch.Generator().manual_seed(0)
    origins = torch.randn(300, 3, generator=rng).double() * 6
    directions = torch.nn.functional.normalize(torch.tensor(region.middle).double() - origins, dim=-1)
    enter, leave = region.crossing(origins, directions, near=0.0, far=np.inf)
    for t, least in ((enter, 1e-9), (leave, 0.0)):
        outside = (origins - torch.tensor(region.middle).double()).abs().amax(-1) > 2
        chosen = t > least
        on = (origins + t[:, None] * directions - torch.tensor(region.middle).double()).abs().amax(-1)
        torch.testing.assert_close(on[chosen], torch.full_like(on[chosen], 2.0))
        assert bool(outside.any())
    away = region.crossing(origins[:1], -directions[:1], near=0.0, far=100.0)
    assert float(away[0]) >= float(away[1]) or float(origins[:1].abs().max()) < 2
