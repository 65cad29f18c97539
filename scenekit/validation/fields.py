"""Checks of radiance fields: numbers that make no picture, nothing to see, and what the region cuts off."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from scenekit.fields.fitted import FittedField
from scenekit.validation.finding import Finding, finding
from scenekit.validation.placed import Placed

PLACES = 100_000
"""So many places of a field are looked at, chosen at random."""

SEEN = 0.01
"""A field through whose whole region less of the light than this is taken shows nothing."""

VOXELS = 128
"""Along a side: solid is what takes half of the light in one of these, as for `field_mesh`."""

CUT = 0.1
"""More of a bounded region's sides than this being solid means that what was photographed goes on outside."""


def check_fields(things: list[Placed]) -> Iterator[Finding]:
    """What is wrong with each node's field."""
    for thing in things:
        if thing.node.field is not None:
            yield from _field(thing.path, thing.node.field)


def _field(path: str, fitted: FittedField) -> Iterator[Finding]:
    bad = [name for name, tensor in fitted.tensors().items() if not tensor.isfinite().all()]
    if bad:
        yield finding("error", "field-not-finite", path, "Some numbers are not finite.", ", ".join(bad))
        return
    greatest = float(_density(fitted, _inside(fitted)).max())
    alpha = -math.expm1(-greatest * 2 * fitted.region.half)
    if alpha < SEEN:
        what = (
            f"Nothing can be seen: where it is densest, {greatest:.3g} 1/m, a ray through all of it loses {alpha:.1%}."
        )
        yield finding("warning", "field-empty", path, what, density=greatest)
    elif not fitted.region.unbounded:
        voxel = 2 * fitted.region.half / VOXELS
        share = float((_density(fitted, _sides(fitted)) > math.log(2) / voxel).float().mean())
        if share > CUT:
            what = f"{share:.0%} of the region's sides are solid: what lies outside of it is not there."
            yield finding("warning", "field-cut-off", path, what, share=share)


def _inside(fitted: FittedField) -> Tensor:
    """Places in the cells that are looked into, or anywhere in the region without cells; (n, 3)."""
    rng, grid = torch.Generator().manual_seed(0), fitted.look.grid
    places = torch.rand(PLACES, 3, generator=rng)
    if grid is not None:
        full = grid.occupied.nonzero()[:, 0]
        if not len(full):
            return fitted.region.world(places[:0])
        cell = full[torch.randint(len(full), (PLACES,), generator=rng)]
        corner = torch.stack([cell // grid.cells**2, cell // grid.cells % grid.cells, cell % grid.cells], -1)
        places = (corner + places) / grid.cells
    return fitted.region.world(places)


def _sides(fitted: FittedField) -> Tensor:
    """Places just inside of the six sides of a bounded region, (n, 3)."""
    rng = torch.Generator().manual_seed(0)
    places = torch.rand(PLACES // 4, 3, generator=rng)
    axis = torch.randint(3, (len(places), 1), generator=rng)
    near = torch.rand(len(places), 1, generator=rng).round() * 0.98 + 0.01
    return fitted.region.world(places.scatter(1, axis, near))


@torch.no_grad()
def _density(fitted: FittedField, places: Tensor) -> Tensor:
    """Where it is looked at, in parts; 0 alone where nowhere."""
    parts = [fitted.field.density(part) for part in places.split(1 << 15)] if len(places) else [torch.zeros(1)]
    return torch.cat(parts)
