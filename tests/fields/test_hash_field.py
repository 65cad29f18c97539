"""The field on a hash grid: its blob, its bounds, its albedo."""

import pytest
import torch

from scenekit.errors import InputError
from scenekit.fields.contraction import Region
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig

GRID = HashGridConfig(levels=4, log2_rows=10, coarsest=4, finest=16)


def directions(n: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 3), dim=-1)


def test_the_blob_is_densest_in_the_middle() -> None:
    config = HashFieldConfig(GRID, activation="softplus", bias=0.0, blob_scale=10.0, blob_std=0.5)
    field = HashField(Region((1.0, 0.0, 0.0), 2.0), config)
    r = torch.tensor([0.0, 0.25, 0.5, 0.75])
    density = field.density(torch.stack([1 + 2 * r, 0 * r, 0 * r], 1)) * 2
    wanted = torch.nn.functional.softplus(10 * (1 - r / 0.5))
    torch.testing.assert_close(density, wanted, atol=1e-2, rtol=1e-2)


def test_a_bounded_field_is_empty_outside_and_an_unbounded_one_is_not() -> None:
    x = torch.tensor([[1.5, 0.0, 0.0], [0.0, 0.0, 0.5]])
    fields = (HashField(Region(unbounded=u), HashFieldConfig(GRID)) for u in (False, True))
    bounded, unbounded = (field.density(x).detach() for field in fields)
    assert float(bounded[0]) == 0 and float(bounded[1]) > 0 and float(unbounded[0]) > 0


def test_an_albedo_does_not_depend_on_the_direction() -> None:
    x = torch.rand(30, 3) * 2 - 1
    for view_dependent in (True, False):
        field = HashField(Region(), HashFieldConfig(GRID, view_dependent=view_dependent))
        same = torch.equal(field(x, directions(30))[1], field(x, directions(30))[1])
        assert same is not view_dependent


def test_what_a_scene_looks_like_does_not_depend_on_its_unit() -> None:
    small, large = (HashField(Region(half=half), HashFieldConfig(GRID)) for half in (1.0, 100.0))
    x = torch.rand(30, 3) * 2 - 1
    torch.testing.assert_close(small.density(x), large.density(100 * x) * 100)


def test_every_parameter_has_a_gradient() -> None:
    field = HashField(Region(), HashFieldConfig(GRID))
    density, color = field(torch.rand(500, 3) * 2 - 1, directions(500))
    (density.sum() + color.square().sum()).backward()
    assert all(float(p.grad.abs().max()) > 0 for p in field.parameters())


def test_an_unknown_activation_is_named() -> None:
    with pytest.raises(InputError, match="activation"):
        HashFieldConfig(activation="relu")
