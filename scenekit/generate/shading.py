"""Light on a thing that is being made: colours as they are, under a lamp, or the lamp alone.

Letters: c cameras, h w picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scenekit.generate.representation import Shading
from scenekit.guidance.view_cameras import ViewCameras

AMBIENT = 0.1
"""Light from everywhere; the lamp has the rest (DreamFusion as threestudio has it)."""

SWAY = 1.0
"""How far the lamp is from the line to the camera: the deviation of a normal distribution beside a unit vector
(threestudio's `light_position_perturb`)."""


def shaded(
    image: Tensor,
    alpha: Tensor,
    normals: Tensor | None,
    cameras: ViewCameras,
    *,
    shading: Shading,
    background: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Pictures over the background: colour · (0.1 + 0.9 max(0, n·l)) under a lamp, white for textureless.

    Args:
        image: Display colours over black, shape (c, 3, h, w).
        alpha: Opacity, shape (c, h, w).
        normals: Blended, outward, of any length, in the world, shape (c, 3, h, w); not needed for albedo.
        cameras: c cameras; a distant lamp is near each.
        shading: How it is lit.
        background: Display colour, shape (3,).
        generator: Of the lamps.
    """
    behind = (1 - alpha)[:, None] * background.to(image)[:, None, None]
    if shading == "albedo" or normals is None:
        return image + behind
    towards = torch.as_tensor(cameras.T_world_cam[:, :3, 2]).to(image).neg()
    swayed = towards + SWAY * torch.randn(towards.shape, generator=generator).to(image)
    lamps = torch.nn.functional.normalize(swayed, dim=1)[:, :, None, None]
    facing = (torch.nn.functional.normalize(normals, dim=1) * lamps).sum(1, keepdim=True).clamp(min=0)
    bare = alpha[:, None] if shading == "textureless" else image
    return bare * (AMBIENT + (1 - AMBIENT) * facing) + behind
