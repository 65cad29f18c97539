"""Hierarchical sampling: intervals tile the ray, and new places follow the weights."""

import torch

from scenekit.fields.contraction import Region
from scenekit.fields.hierarchical import inverse_transform, resampled, stratified
from scenekit.fields.occupancy import Rays, Stepping


def test_intervals_tile_each_ray_from_near_to_far() -> None:
    rays = Rays(torch.tensor([[-3.0, 0.2, 0.1]]).repeat(5, 1), torch.tensor([[1.0, 0.0, 0.0]]).repeat(5, 1))
    for region in (Region(), Region(unbounded=True)):
        rng = torch.Generator().manual_seed(0)
        samples = stratified(rays, region, Stepping(0.1, near=0.5, far=50.0), 16, rng)
        near, far = (2.0, 4.0) if not region.unbounded else (0.5, 50.0)
        weights = torch.rand(80, generator=rng)
        for s in (samples, resampled(samples, weights, 24, rng)):
            begins, ends = s.begins.reshape(5, -1), (s.begins + s.lengths).reshape(5, -1)
            torch.testing.assert_close(begins[:, 0], torch.full((5,), near))
            torch.testing.assert_close(ends[:, -1], torch.full((5,), far))
            torch.testing.assert_close(begins[:, 1:], ends[:, :-1])
            assert bool((s.lengths >= 0).all())


def test_places_are_spread_as_the_weights_say() -> None:
    edges = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    weights = torch.tensor([[1.0, 3.0, 0.0]])
    places = inverse_transform(edges, weights, 40_000, torch.Generator().manual_seed(0))
    share = torch.histc(places, bins=4, min=0, max=4) / 40_000
    torch.testing.assert_close(share, torch.tensor([0.25, 0.75, 0.0, 0.0]), atol=1e-3, rtol=0)
    assert bool((places.diff(dim=1) >= 0).all())
