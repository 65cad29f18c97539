"""Splats: a cloud of 3D Gaussians (Kerbl et al. 2023). Letters: n Gaussians, k = (degree + 1)² SH coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from scenekit.errors import InputError

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
        """The splats with `change` applied to each tensor: `splats.map(lambda t: t[keep])`, `.map(Tensor.cuda)`."""
        moved = (change(t) for t in (self.means, self.quats, self.log_scales, self.logit_opacities, self.sh))
        means, quats, log_scales, logit_opacities, sh = moved
        return Splats(means, quats, log_scales, logit_opacities, sh, self.antialiased)

    def tensors(self) -> dict[str, Tensor]:
        """The five tensors by name, in the order of the fields."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "antialiased"}


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
