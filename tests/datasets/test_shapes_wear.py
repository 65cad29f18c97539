"""Splats made to look as if they had been fitted."""

import numpy as np
import pytest
import torch

from scenekit.datasets.shapes_wear import dressed, waves, worn
from scenekit.render.splats_torch import rotations
from scenekit.splats import SH_C0, Splats
from scenekit.surface.flat_splats import flat_splats


@pytest.fixture(scope="module")
def floor() -> Splats:
    points = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 1.0, 0.0])
    up = torch.tensor([0.0, 0.0, 1.0]).expand(4000, 3)
    return flat_splats(points, up, torch.full((4000, 3), 0.5), area=1.0, opacity=0.98)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_without_wear_splats_are_as_they_were(floor: Splats) -> None:
    assert worn(floor, 0.0, rng()) is floor


def test_worn_splats_have_the_shapes_of_fitted_ones(floor: Splats) -> None:
    s = worn(floor, 1.0, rng())
    first, second, third = s.log_scales.sort(1, descending=True).values.unbind(1)
    assert 1.0 < float((first - second).median()) < 1.5 and float((first - second).quantile(0.95)) > 2.5
    assert 0.4 < float((second - third).median()) < 1.2
    assert 0.04 < float((s.opacities < 0.3).float().mean()) < 0.15 and float(s.opacities.median()) > 0.75


def test_worn_splats_still_lie_on_their_surface_along_it(floor: Splats) -> None:
    s = worn(floor, 0.5, rng())
    spacing = (1 / 4000) ** 0.5
    assert float(s.means[:, 2].abs().quantile(0.95)) < spacing
    assert float(rotations(s.quats)[:, 2, 2].abs().median()) > 0.98
    assert 0.2 * len(floor) < len(s) < len(floor)


def test_there_are_fewer_splats_where_they_are_larger(floor: Splats) -> None:
    s = worn(floor, 1.0, rng())
    cell = (s.means[:, :2].clamp(0, 0.999) * 5).long() @ torch.tensor([5, 1])
    count = cell.bincount(minlength=25).float()
    size = torch.zeros(25).index_add(0, cell, s.log_scales[:, :2].mean(1)) / count
    assert float(torch.corrcoef(torch.stack([count.log(), size]))[0, 1]) < -0.8


def test_light_darkens_what_looks_away_from_it_and_nothing_brightens() -> None:
    normals = torch.nn.functional.normalize(torch.randn(2000, 3, generator=torch.Generator().manual_seed(2)), dim=1)
    ball = flat_splats(normals, normals, torch.full((2000, 3), 0.5), area=12.6, opacity=0.98)
    found = [SH_C0 * dressed(ball, 1.0, np.random.default_rng(seed))[:, 0] for seed in range(12)]
    plain = [each for each in found if torch.equal(each[:, 0], each[:, 1])]  # those without a pattern
    assert plain
    for each in plain:
        way = torch.linalg.lstsq(normals, each[:, :1]).solution[:, 0]
        towards = normals @ (way / way.norm()) > 0.98
        assert float(each.max()) <= 1e-6 and float(each[towards].mean()) > float(each.mean())


def test_waves_lie_between_minus_one_and_one_however_large_the_thing_is() -> None:
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(3))
    small, large = (waves(scale * points, 2.0, rng()) for scale in (0.01, 100.0))
    assert float(small.abs().max()) <= 1
    torch.testing.assert_close(small, large, atol=1e-3, rtol=0)
