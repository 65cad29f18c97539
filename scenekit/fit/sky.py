"""The sky: what is too far to have a place, so that it does not become fog. Letters: h w image, n Gaussians."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from scenekit.capture.views import View
from scenekit.fit.companion import Companion
from scenekit.harmonics import sh_basis
from scenekit.splats import SH_C0, Splats

DEGREE = 4
"""SH degree of the colours: so soft that they can stand for nothing that has a place."""

GAUSSIANS = 4096
"""Over the whole sphere, once the sky becomes splats."""

DISTANCE = 50.0
"""Radius of that sphere: so many times as far as the farthest splats at the start."""

WIDTH = 0.9
"""Standard deviation of those Gaussians, in units of the distance between them: the sphere is opaque within 1/255."""


CLEAR, LIKENESS = 0.05, 0.1
"""λ and s of the term that clears the sky: its weight, and the difference of colours that still counts as alike."""


class Sky(Companion):
    """Colour by direction, max(0, Σ Y c), that shows where the splats let light through: rgb + (1 − α) sky.

    What has a colour but no parallax would be put at some depth by Gaussians, and float before what lies elsewhere.
    One row for all photos: there is nothing that photos could decide differently.
    """

    rate, last = 0.01, 0.05

    def __init__(self, views: Sequence[View], points: Tensor):
        super().__init__(1, (DEGREE + 1) ** 2, 3, device=points.device)
        self.views = list(views)
        centres = torch.stack([torch.linalg.inv(view.viewmat)[:3, 3] for view in views]).to(points)
        self.centre = centres.mean(0)
        distances = (points.detach() - self.centre).norm(dim=-1)
        self.radius = DISTANCE * max(float(distances.kthvalue(max(1, int(0.99 * len(points)))).values), 1e-6)

    def shown(self, image: Tensor, alpha: Tensor, view: View, photo: int) -> Tensor:
        directions = view.rays @ view.viewmat[:3, :3]  # rows are Rᵀ d
        return image + (1 - alpha)[..., None] * sky_colors(self.row(photo), directions)

    def terms(self, alpha: Tensor, view: View, photo: int) -> dict[str, Tensor]:
        """λ · mean of α exp(−|photo − sky| / s): where the sky alone looks like the photo, nothing stands before it."""
        with torch.no_grad():
            sky = sky_colors(self.row(photo), view.rays @ view.viewmat[:3, :3])
            alike = torch.exp(-(view.image / 255 - sky).abs().mean(-1) / LIKENESS)
        return {"sky": CLEAR * (alpha * alike).mean()}

    @torch.no_grad()
    def splats(self, degree: int, *, antialiased: bool = False) -> Splats:
        """The sky as a sphere of opaque Gaussians far behind all others, where any photo looks; with an SH degree."""
        directions = spread(GAUSSIANS).to(self.table)
        directions = directions[self._looked_at(directions)]
        n, spacing = len(directions), math.sqrt(4 * math.pi / GAUSSIANS)
        sh = directions.new_zeros(n, (degree + 1) ** 2, 3)
        sh[:, 0] = (sky_colors(self.table[0], directions) - 0.5) / SH_C0
        sides = directions.new_tensor([WIDTH, WIDTH, 0.1 * WIDTH]) * spacing * self.radius
        return Splats(
            means=self.centre + self.radius * directions,
            quats=facing(directions),
            log_scales=sides.log().repeat(n, 1),
            logit_opacities=directions.new_full((n,), 7.0),
            sh=sh,
            antialiased=antialiased,
        )

    def _looked_at(self, directions: Tensor) -> Tensor:
        """True where some photo has the direction in it, or a tenth of its size beyond."""
        seen = torch.zeros(len(directions), dtype=torch.bool, device=directions.device)
        for view in self.views:
            K, d = view.K.to(directions), directions @ view.viewmat[:3, :3].to(directions).T
            u, v = K[0, 0] * d[:, 0] / d[:, 2] + K[0, 2], K[1, 1] * d[:, 1] / d[:, 2] + K[1, 2]
            across, down = (u / view.width - 0.5).abs() < 0.6, (v / view.height - 0.5).abs() < 0.6
            seen |= (d[:, 2] > 0) & across & down
        return seen


def sky_colors(coefficients: Tensor, directions: Tensor) -> Tensor:
    """max(0, Σ Y(direction) c) for coefficients (k, 3) and directions (..., 3) of any length, shape (..., 3)."""
    basis = sh_basis(torch.nn.functional.normalize(directions.reshape(-1, 3), dim=-1), DEGREE)
    return (basis @ coefficients).clamp(min=0).reshape(directions.shape)


def spread(count: int) -> Tensor:
    """`count` directions evenly over the sphere, a Fibonacci lattice, shape (count, 3)."""
    i = torch.arange(count, dtype=torch.float64) + 0.5
    z, turn = 1 - 2 * i / count, math.pi * (1 + math.sqrt(5)) * i
    r = (1 - z * z).sqrt()
    return torch.stack([r * turn.cos(), r * turn.sin(), z], -1).float()


def facing(directions: Tensor) -> Tensor:
    """Quaternions wxyz of rotations that take z to unit directions (n, 3) other than −z, shape (n, 4)."""
    x, y, z = directions.unbind(-1)
    return torch.nn.functional.normalize(torch.stack([1 + z, -y, x, torch.zeros_like(x)], -1), dim=-1)
