"""FittedField: a radiance field with how it is sampled, which is what a node of a scene holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenekit.errors import InputError
from scenekit.fields.contraction import Region
from scenekit.fields.hash_field import HashField
from scenekit.fields.nerf import Nerf
from scenekit.fields.occupancy import OccupancyGrid
from scenekit.fields.rendering import Look


@dataclass(frozen=True, eq=False)
class FittedField:
    """A field that is not trained any more, in the frame of its node. A value: nothing of it is changed.

    Raises:
        InputError: If its occupancy grid is of another region: the field would be looked for where it is not.
    """

    field: HashField | Nerf
    """Density and colour."""
    look: Look
    """How it is sampled."""

    def __post_init__(self) -> None:
        self.field.requires_grad_(False)
        grid = self.look.grid
        if grid is not None and grid.region != self.region:
            raise InputError("occupancy grid", got=grid.region, wanted=f"that of the field, {self.region}")

    @property
    def region(self) -> Region:
        """Where it is."""
        return self.field.region

    @property
    def size(self) -> int:
        """Numbers in its tables and networks."""
        return sum(tensor.numel() for tensor in self.tensors().values())

    def tensors(self) -> dict[str, Tensor]:
        """Its tables and networks by name."""
        return dict(self.field.state_dict())

    def corners(self) -> Tensor:
        """Of the cube that it shows in full [m], shape (8, 3)."""
        signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3)
        return signs * self.region.half + torch.tensor(self.region.middle)

    def scaled(self, by: float) -> FittedField:
        """The field under x ↦ by · x, by > 0: densities divide, optical thickness stays, so it looks the same."""
        x, y, z = self.region.middle
        region = replace(self.region, middle=(by * x, by * y, by * z), half=by * self.region.half)
        with torch.device("meta"):  # its numbers are those of the old one, shared
            field = type(self.field)(region, self.field.config)  # type: ignore[arg-type]
        field.load_state_dict(self.field.state_dict(), assign=True)
        s = self.look.stepping
        stepping = replace(s, step=by * s.step, bend=s.bend / by, near=by * s.near, far=by * s.far)
        return FittedField(field, Look(stepping, _scaled_grid(self.look.grid, region, by)))


def _scaled_grid(grid: OccupancyGrid | None, region: Region, by: float) -> OccupancyGrid | None:
    if grid is None:
        return None
    scaled = OccupancyGrid(region, grid.cells, threshold=grid.threshold, decay=grid.decay)
    scaled.density, scaled.occupied = grid.density / by, grid.occupied
    return scaled
