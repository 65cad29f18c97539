"""Particles: matter for the material point method. Letters: p particles, m materials."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from scenekit.errors import InputError
from scenekit.material import Material


@dataclass(frozen=True)
class Particles:
    """Small pieces of matter, each with its own material. Constant: what changes is in `State`.

    Raises:
        InputError: If shapes disagree, a mass or volume is not above zero, or a law is not one of MPM's.
    """

    x: Tensor
    """Where they are at rest [m], float32, shape (p, 3)."""
    v: Tensor
    """How fast they begin [m/s], float32, shape (p, 3)."""
    mass: Tensor
    """[kg], float32, shape (p,)."""
    volume: Tensor
    """At rest [m³], float32, shape (p,)."""
    material: Tensor
    """Which of `materials`, int32, shape (p,)."""
    materials: tuple[Material, ...]
    """What they are made of; each has a law of MPM."""

    def __post_init__(self) -> None:
        p = len(self.x)
        wanted = {"x": (p, 3), "v": (p, 3), "mass": (p,), "volume": (p,), "material": (p,)}
        for name, shape in wanted.items():
            if tuple(getattr(self, name).shape) != shape:
                raise InputError(f"particles.{name}", got=tuple(getattr(self, name).shape), wanted=f"shape {shape}")
        for material in self.materials:
            if material.law.solver != "mpm":
                got = f"{material.name}, which is {material.law.name}"
                raise InputError("particles.materials", got=got, wanted="a law that MPM moves")
        for name in ("mass", "volume"):
            if p and not (float(getattr(self, name).min()) > 0 and bool(getattr(self, name).isfinite().all())):
                raise InputError(f"particles.{name}", got=float(getattr(self, name).min()), wanted="more than 0")
        if p and not 0 <= int(self.material.min()) <= int(self.material.max()) < len(self.materials):
            got = f"{int(self.material.min())} to {int(self.material.max())}"
            raise InputError("particles.material", got=got, wanted=f"0 to {len(self.materials) - 1}")

    def __len__(self) -> int:
        return len(self.x)
