"""Fields: each fault made on purpose is found, and nothing in a sound one."""

from collections.abc import Callable

import pytest
import torch

from scenekit.fields.contraction import Region
from scenekit.fields.fitted import FittedField
from scenekit.fields.hash_field import HashField, HashFieldConfig
from scenekit.fields.hash_grid import HashGridConfig
from scenekit.fields.occupancy import OccupancyGrid
from scenekit.fields.rendering import Look, stepping_of
from scenekit.scene import Node
from scenekit.validation import Finding

Found = Callable[..., dict[str, Finding]]


def ball(*, std: float = 0.5, bias: float = 0.0, occupied: int = 1) -> Node:
    """A ball of that radius in a region of half a side 1."""
    grid_config = HashGridConfig(levels=2, log2_rows=8, coarsest=4, finest=8)
    config = HashFieldConfig(grid_config, hidden=8, activation="softplus", blob_scale=1e5, blob_std=std, bias=bias)
    region = Region((0.0, 0.0, 0.0), 1.0)
    grid = OccupancyGrid(region, 8)
    grid.occupied.fill_(occupied)
    return Node("ball", field=FittedField(HashField(region, config), Look(stepping_of(region), grid)))


def test_nothing_is_found_in_a_sound_field(found: Found) -> None:
    assert found(ball()) == {}


@pytest.mark.parametrize("node", [ball(bias=-1e6), ball(occupied=0)], ids=["no density", "no cell"])
def test_a_field_that_shows_nothing_is_empty(found: Found, node: Node) -> None:
    finding = found(node)["field-empty"]
    assert finding.severity == "warning" and finding.figures["density"] == 0


def test_a_field_that_goes_on_outside_of_its_region_is_cut_off(found: Found) -> None:
    """A ball of radius √(1 + r²) cuts a disc of radius r, of area πr² of 4, out of each side; looked at 1 % inside."""
    finding = found(ball(std=1.25**0.5))["field-cut-off"]
    assert finding.figures["share"] == pytest.approx(torch.pi * (1.25 - 0.98**2) / 4, abs=0.01)


def test_what_is_not_finite_is_an_error_that_says_where(found: Found) -> None:
    node = ball()
    assert node.field is not None
    node.field.field.density_net[0].weight.data[0, 0] = torch.nan  # type: ignore[union-attr]
    finding = found(node)["field-not-finite"]
    assert (finding.severity, finding.where) == ("error", "density_net.0.weight")
