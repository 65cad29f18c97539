"""What a radiance field is: density everywhere, and colour by direction. Letters: n points."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

from scenekit.fields.contraction import Region

Normals = Literal["analytic", "finite"]


class RadianceField(Protocol):
    """A scene as functions of position and direction."""

    region: Region
    """Where it is; a bounded one is empty outside."""

    def density(self, x: Tensor) -> Tensor:
        """σ at positions (n, 3) in the world [1/m], (n,)."""

    def __call__(self, x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Density (n,), and colour 0..1 as seen along unit directions (n, 3), (n, 3)."""


def normals(field: RadianceField, x: Tensor, *, how: Normals = "analytic", eps: float | None = None) -> Tensor:
    """Unit vectors towards where the density falls, −∇σ / ‖∇σ‖, at positions (n, 3); zero where it is constant.

    Args:
        field: The field.
        x: Positions [m], shape (n, 3).
        how: "analytic" by differentiation, without a gradient of its own; "finite" by differences, with one, for losses
            that act on normals.
        eps: Half the distance of the differences [m]; a 256th of the region's half side if None.
    """
    if how == "analytic":
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(field.density(at).sum(), at)
    else:
        eps = field.region.half / 256 if eps is None else eps
        steps = eps * torch.cat([torch.eye(3), -torch.eye(3)]).to(x)
        values = field.density((x[:, None] + steps).reshape(-1, 3)).reshape(-1, 2, 3)
        slope = values[:, 0] - values[:, 1]
    return -torch.nn.functional.normalize(slope, dim=-1, eps=1e-12)
