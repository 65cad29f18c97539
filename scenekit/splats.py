"""Splats: a cloud of 3D Gaussians (Kerbl et al. 2023). Letters: n Gaussians, k = (degree + 1)² SH coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from scenekit.cameras import quaternion_from_rotation
from scenekit.errors import InputError
from scenekit.harmonics import sh_rotation

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic 1 / (2 √π): rgb = 0.5 + SH_C0 · dc."""


@dataclass(frozen=True)
class Splats:
    """n Gaussians; density exp(−½ (x−μ)ᵀ Σ⁻¹ (x−μ)), Σ = R S Sᵀ Rᵀ, in the unconstrained form in which they are fitted.

    Raises:
        InputError: If the shapes disagree on n, or the number of SH coefficients is not 1, 4, 9, 16 or 25.
    """

    means: Tensor
    """Centres μ [m], shape (n, 3)."""
    quats: Tensor
    """Rotations R as quaternions wxyz, not necessarily unit, shape (n, 4)."""
    log_scales: Tensor
    """Logarithms of the standard deviations S [log m], shape (n, 3)."""
    logit_opacities: Tensor
    """Opacities before the sigmoid, shape (n,)."""
    sh: Tensor
    """Spherical-harmonic colour coefficients, shape (n, k, 3); the first is the mean colour."""
    antialiased: bool = False
    """True if fitted with Mip-Splatting's opacity compensation and to be rendered so."""

    def __post_init__(self) -> None:
        n = len(self.means)
        wanted = {"means": (n, 3), "quats": (n, 4), "log_scales": (n, 3), "logit_opacities": (n,)}
        for name, shape in wanted.items():
            if tuple(getattr(self, name).shape) != shape:
                raise InputError(f"splats.{name}", got=tuple(getattr(self, name).shape), wanted=f"shape {shape}")
        shape = tuple(self.sh.shape)
        if shape not in [(n, k, 3) for k in (1, 4, 9, 16, 25)]:
            raise InputError("splats.sh", got=shape, wanted=f"shape ({n}, k, 3) with k = 1, 4, 9, 16 or 25")

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        """Degree of the spherical harmonics, 0 to 4."""
        return round(self.sh.shape[1] ** 0.5) - 1

    @property
    def scales(self) -> Tensor:
        """Standard deviations along the axes of each Gaussian [m], shape (n, 3)."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Tensor:
        """Opacities in 0..1, shape (n,)."""
        return self.logit_opacities.sigmoid()

    def map(self, change: Callable[[Tensor], Tensor]) -> Splats:
        """The splats with `change` applied to each tensor: `splats.map(Tensor.cuda)`."""
        moved = (change(t) for t in (self.means, self.quats, self.log_scales, self.logit_opacities, self.sh))
        means, quats, log_scales, logit_opacities, sh = moved
        return Splats(means, quats, log_scales, logit_opacities, sh, self.antialiased)

    def take(self, which: Tensor) -> Splats:
        """The Gaussians of these numbers, shape (k,), or where a mask is true, shape (n,)."""
        rows = (which.nonzero()[:, 0] if which.dtype == torch.bool else which).to(self.means.device)
        return self.map(lambda t: t.index_select(0, rows))

    def tensors(self) -> dict[str, Tensor]:
        """The five tensors by name, in the order of the fields."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "antialiased"}

    def transform(self, T: Tensor) -> Splats:
        """The splats under a similarity x ↦ s Q x + t of the world: centres, sizes, rotations and colours follow.

        Q is a rotation or, with determinant −1, a mirror. A Gaussian is symmetric, so mirroring it takes the rotation
        Q R with one axis reversed; the SH coefficients take `sh_rotation(Q)`. The identity returns `self`.

        Args:
            T: Shape (4, 4).

        Raises:
            InputError: If T is not a finite similarity to six digits.
        """
        T = T.detach().to("cpu", torch.float64)
        if torch.equal(T, torch.eye(4, dtype=torch.float64)):
            return self
        scale, Q = similarity_parts(T)
        means = self.means.to(torch.float64) @ T[:3, :3].T.to(self.means.device) + T[:3, 3].to(self.means.device)
        log_scales = self.log_scales if scale == 1 else self.log_scales + math.log(scale)
        quats, sh = self.quats, self.sh
        if not torch.equal(Q, torch.eye(3, dtype=torch.float64)):
            proper = Q * torch.linalg.det(Q).sign()  # −Q turns axes as Q does, up to signs a Gaussian does not see
            turn = torch.from_numpy(quaternion_from_rotation(proper.numpy()))
            quats = quaternion_product(turn.to(quats), quats)
            D = torch.kron(sh_rotation(Q, self.sh_degree).cpu(), torch.eye(3, dtype=torch.float64))
            sh = (sh.flatten(1) @ D.T.to(sh)).reshape(sh.shape)  # all channels in one product, six times as fast
        return replace(self, means=means.to(self.means.dtype), quats=quats, log_scales=log_scales, sh=sh)


def merge(clouds: Sequence[Splats]) -> Splats:
    """All Gaussians as one cloud, in order; lower SH degrees are filled with zeros, none give an empty cloud.

    Raises:
        InputError: If some are antialiased and some are not: their opacities do not mean the same.
    """
    if not clouds:
        return random_splats(0, degree=0)
    if len({cloud.antialiased for cloud in clouds if len(cloud)}) > 1:
        raise InputError("antialiased", got="clouds with and without it", wanted="one of the two")
    if len(clouds) == 1:
        return clouds[0]
    k = max(cloud.sh.shape[1] for cloud in clouds)
    padded = [replace(c, sh=torch.nn.functional.pad(c.sh, (0, 0, 0, k - c.sh.shape[1]))) for c in clouds]
    columns = zip(*(cloud.tensors().values() for cloud in padded), strict=True)
    means, quats, log_scales, logit_opacities, sh = (torch.cat(column) for column in columns)
    antialiased = any(cloud.antialiased for cloud in clouds if len(cloud))
    return Splats(means, quats, log_scales, logit_opacities, sh, antialiased)


def similarity_parts(T: Tensor) -> tuple[float, Tensor]:
    """Scale s > 0 and orthogonal Q (3, 3) of a similarity T (4, 4) = [[s Q, t], [0, 1]], float64.

    Raises:
        InputError: If T is not a finite similarity to six digits.
    """
    T = T.detach().to("cpu", torch.float64)
    scale = float(torch.linalg.det(T[:3, :3]).abs() ** (1 / 3)) if tuple(T.shape) == (4, 4) else 0.0
    Q = T[:3, :3] / scale if scale > 0 else torch.zeros(3, 3, dtype=torch.float64)
    if not torch.allclose(Q @ Q.T, torch.eye(3, dtype=torch.float64), atol=1e-6) or not T.isfinite().all():
        raise InputError("T", got=T.tolist(), wanted="a 4×4 similarity: rotation or mirror, uniform scale, translation")
    return (1.0 if abs(scale - 1) < 1e-12 else scale), Q


def quaternion_product(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product a b of quaternions wxyz, shapes (..., 4), broadcast."""
    aw, av, bw, bv = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    av, bv = torch.broadcast_tensors(av, bv)
    return torch.cat([aw * bw - (av * bv).sum(-1, keepdim=True), aw * bv + bw * av + torch.linalg.cross(av, bv)], -1)


def random_splats(n: int, *, degree: int = 3, extent: float = 1.0, scale: float = 0.03, seed: int = 0) -> Splats:
    """n random Gaussians in a cube of half-side `extent` [m], for tests and benchmarks."""
    rng = torch.Generator().manual_seed(seed)
    return Splats(
        means=(torch.rand(n, 3, generator=rng) * 2 - 1) * extent,
        quats=torch.randn(n, 4, generator=rng),
        log_scales=torch.randn(n, 3, generator=rng) * 0.5 + torch.tensor(scale).log(),
        logit_opacities=torch.randn(n, generator=rng),
        sh=torch.randn(n, (degree + 1) ** 2, 3, generator=rng) * 0.3,
    )
