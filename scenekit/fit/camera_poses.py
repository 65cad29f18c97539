"""Camera poses that are refined along with the splats. Letters: c photos, n points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from scenekit.capture.views import View
from scenekit.fit.companion import Companion

DAMPING = 0.1
"""Share of its own variance that is added to each coordinate before whitening (Park et al. 2023)."""


class PoseRefinement(Companion):
    """A small rigid motion for each photo, in the camera's frame: x ↦ exp([ω]×) x + τ.

    Turning a camera and shifting it look nearly the same, and angles and metres are not of one size; so what is learned
    is z with (ω, τ) = P z, where P whitens how far the scene's points then move in the photo (CamP, Park et al. 2023,
    Eq. 7–9): z is in focal lengths, about radians. As in BARF (Lin et al. 2021), gradients come through the renderer.

    The gauge: all cameras could turn or shift together and the scene with them, so the mean of what is done to them, in
    the world's axes, is held at zero. Scale is held by the splats alone, which start at points.
    """

    rate, last = 5e-4, 0.05

    def __init__(self, views: Sequence[View], points: Tensor):
        super().__init__(len(views), 6, device=points.device)
        self.given = torch.stack([view.viewmat for view in views]).to(points)
        """World → camera before, shape (c, 4, 4)."""
        self.whitening = torch.stack([whitening(view, points) for view in views]).to(points)
        """P of each photo, shape (c, 6, 6)."""

    def seen(self, view: View, photo: int) -> View:
        return replace(view, viewmat=moved(self.given[photo], self.whitening[photo] @ self.row(photo)))

    def settle(self) -> None:
        to_world = self.given[:, :3, :3].mT
        motions = (self.whitening @ self.table[..., None]).unflatten(1, (2, 3))
        mean = (to_world[:, None] @ motions).mean(0)
        self.table -= torch.linalg.solve(self.whitening, (to_world.mT[:, None] @ mean).flatten(1, 2))[..., 0]

    @property
    def viewmats(self) -> Tensor:
        """World → camera now, shape (c, 4, 4)."""
        return torch.stack([moved(T, P @ z) for T, P, z in zip(self.given, self.whitening, self.table, strict=True)])

    def tensors(self) -> dict[str, Tensor]:
        return super().tensors() | {"given": self.given, "whitening": self.whitening}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        super().restore(tensors)
        self.given, self.whitening = (tensors[name].to(self.table, copy=True) for name in ("given", "whitening"))


def moved(viewmat: Tensor, motion: Tensor) -> Tensor:
    """World → camera (4, 4) after a motion (ω [rad], τ [m]) in the camera's frame, shape (6,)."""
    x, y, z, *_ = motion.unbind()
    zero = torch.zeros_like(x)
    turned = torch.linalg.matrix_exp(torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3))
    rigid = torch.cat([torch.cat([turned, motion[3:, None]], 1), viewmat.new_tensor([[0.0, 0.0, 0.0, 1.0]])])
    return rigid @ viewmat


def whitening(view: View, points: Tensor) -> Tensor:
    """P = (Σ + λ diag Σ)^(−1/2), Σ the mean of Jᵀ J over the points (n, 3) in the photo, shape (6, 6).

    J = ∂(x/z, y/z)/∂(ω, τ).
    """
    u, v, z = _in_photo(view, points.detach().double().cpu())
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    du = torch.stack([-u * v, one + u * u, -v, 1 / z, zero, -u / z], -1)
    dv = torch.stack([-one - v * v, u * v, u, zero, 1 / z, -v / z], -1)
    covariance = (du.T @ du + dv.T @ dv) / len(u)
    values, vectors = torch.linalg.eigh(covariance + DAMPING * covariance.diag().diag())
    return vectors @ (values.rsqrt()[:, None] * vectors.T)


def _in_photo(view: View, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x/z, y/z and z of the points in the photo but for those right before the lens, and of its corners, in float64."""
    T, K = view.viewmat.double().cpu(), view.K.double().cpu()
    x, y, z = (points @ T[:3, :3].T + T[:3, 3]).unbind(-1)
    typical = z[z > 0].median() if (z > 0).any() else torch.tensor(1.0).double()
    near = z > 0.1 * typical
    u, v, z = x[near] / z[near], y[near] / z[near], z[near]
    left, right = -K[0, 2] / K[0, 0], (view.width - K[0, 2]) / K[0, 0]
    top, bottom = -K[1, 2] / K[1, 1], (view.height - K[1, 2]) / K[1, 1]
    inside = (u > left) & (u < right) & (v > top) & (v < bottom)
    corners = torch.stack([left, right]).repeat(2), torch.stack([top, bottom]).repeat_interleave(2)
    return (
        torch.cat([u[inside], corners[0]]),
        torch.cat([v[inside], corners[1]]),
        torch.cat([z[inside], typical.expand(4)]),
    )
