"""The bilateral grid: exposure that differs over a photo and with brightness.

Letters: c photos, h w image, l levels of brightness.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from scenekit.capture.views import View
from scenekit.fit.companion import Companion
from scenekit.fit.exposure import exposed, held

LEVELS, ROWS, COLUMNS = 8, 16, 16
"""Grid points along brightness and along the sides of the photo."""

LUMA = (0.299, 0.587, 0.114)
"""Rec. 601 weights of brightness, the guide."""

SMOOTH = 10.0
"""Weight of the total variation."""


class BilateralGrid(Companion):
    """An affine map of colours at each point of a grid over a photo and its brightness, interpolated between.

    It takes in what a phone's processing does, vignettes and local tone curves (Wang et al. 2024, "Bilateral guided
    radiance field processing"). 16 × 16 × 8 points and total variation × 10 are the paper's. It acts after `Exposure`,
    which is quick to find what a whole photo shares; so that grids do not take in the scene, they are ten times slower
    than in the paper.

    The gauge is that of `Exposure`: the mean grid is held at the identity, which the table is the difference from.
    """

    rate, last = 2e-4, 0.05

    def __init__(self, photos: int, device: torch.device):
        super().__init__(photos, 12, LEVELS, ROWS, COLUMNS, device=device)

    def shown(self, image: Tensor, alpha: Tensor, view: View, photo: int) -> Tensor:
        return held(image + exposed(image, sliced(self.row(photo), image)), view.image)

    def terms(self, alpha: Tensor, view: View, photo: int) -> dict[str, Tensor]:
        return {"grid variation": SMOOTH * variation(self.row(photo))}


def sliced(grid: Tensor, image: Tensor) -> Tensor:
    """The maps at the pixels of an image (h, w, 3) by its brightness, trilinear between grid points, (h, w, 3, 4).

    Args:
        grid: [A b], row by row, shape (12, l, rows, columns); the corner points lie on the corners of the photo, the
            first and last level at brightness 0 and 1.
        image: Colours 0..1; beyond, the last level holds.
    """
    height, width, _ = image.shape
    x, y = ((2 * torch.arange(side, device=image.device) + 1) / side - 1 for side in (width, height))
    brightness = 2 * (image @ image.new_tensor(LUMA)) - 1
    at = torch.stack([x.expand(height, width), y[:, None].expand(height, width), brightness], -1)
    maps = grid_sample(grid[None], at[None, None], align_corners=True, padding_mode="border")
    return maps.reshape(3, 4, height, width).movedim((0, 1), (2, 3))


def variation(grid: Tensor) -> Tensor:
    """Total variation: mean squared step to the next grid point, summed over the axes, of (12, l, rows, columns)."""
    return sum((grid.diff(dim=axis).square().mean() for axis in (1, 2, 3)), grid.new_zeros(()))
