"""Exposure: each photo sees the scene's colours through an affine map of its own. Letters: c photos, h w image."""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.capture.views import View
from scenekit.fit.companion import Companion


class Exposure(Companion):
    """rgb ↦ A rgb + b for each photo, [A b] of shape (3, 4), where photos are not of one exposure or white balance.

    Without it, the differences become floaters. Source: Kerbl et al. 2024, hierarchical 3DGS, and the code of 3DGS.

    A gain of light is a gain of the encoded colours, nearly: see `scenekit.colors`. Where a photo is saturated, more
    light would look the same, so a render beyond it is right.

    The gauge: brighter splats under darker maps look the same, so the maps' mean is held at the identity, and the
    splats are what a photo of mean exposure sees. The table is what maps differ from the identity by.
    """

    rate, last = 0.01, 0.1

    def __init__(self, photos: int, device: torch.device):
        super().__init__(photos, 3, 4, device=device)

    def shown(self, image: Tensor, alpha: Tensor, view: View, photo: int) -> Tensor:
        return held(image + exposed(image, self.row(photo)), view.image)

    @property
    def maps(self) -> Tensor:
        """[A b] of each photo, shape (c, 3, 4)."""
        return self.table + torch.eye(3, 4, device=self.table.device)


def exposed(image: Tensor, maps: Tensor) -> Tensor:
    """A rgb + b of an image (h, w, 3), for [A b] of shape (3, 4), or (h, w, 3, 4), one for each pixel."""
    if maps.ndim == 2:
        return image @ maps[:, :3].T + maps[:, 3]
    return (maps[..., :3] @ image[..., None])[..., 0] + maps[..., 3]


def held(image: Tensor, photo: Tensor) -> Tensor:
    """The image, at most 1 where the photo (h, w, 3), uint8, is saturated."""
    return torch.where(photo == 255, image.clamp(max=1), image)
