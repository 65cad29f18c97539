"""Laws: how a substance answers to being deformed. A material names one; the solvers know how to compute it.

Each law is a small value whose numbers say where they come from. Density, Young's modulus and Poisson's ratio are the
material's own; a law holds what it needs beyond them. The stresses and flow rules are in `scenekit.sim.stress`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from scenekit.errors import InputError
from scenekit.quantities import Quantity


@dataclass(frozen=True)
class Law:
    """Base of all laws.

    Raises:
        InputError: If a number is outside of what physics allows.
    """

    name: ClassVar[str] = ""
    """What it is called in files and on the command line."""
    solver: ClassVar[str] = ""
    """Who moves it: rigid, mpm or xpbd."""
    positive: ClassVar[tuple[str, ...]] = ()
    """Numbers that must be above zero; the others may be zero."""
    below: ClassVar[Mapping[str, float]] = {}
    """What some numbers must stay below."""

    def __post_init__(self) -> None:
        for name, quantity in self.quantities().items():
            most = self.below.get(name, math.inf)
            if quantity.value < 0 or (quantity.value == 0 and name in self.positive) or quantity.value >= most:
                least = "more than 0" if name in self.positive else "0 or more"
                wanted = least if most == math.inf else f"{least}, below {most:g}"
                raise InputError(f"{self.name}: {name}", got=quantity.value, wanted=wanted)

    def quantities(self) -> dict[str, Quantity]:
        """The numbers by name, in the order of the fields."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Rigid(Law):
    """Does not deform at all."""

    name: ClassVar[str] = "rigid"
    solver: ClassVar[str] = "rigid"


@dataclass(frozen=True)
class FixedCorotated(Law):
    """Elastic: ψ(F) = μ Σ (σᵢ − 1)² + λ/2 (J − 1)² (Stomakhin et al. 2012)."""

    name: ClassVar[str] = "fixed-corotated"
    solver: ClassVar[str] = "mpm"


@dataclass(frozen=True)
class NeoHookean(Law):
    """Elastic: ψ(F) = μ/2 (tr FᵀF − 3) − μ ln J + λ/2 (ln J)²."""

    name: ClassVar[str] = "neo-hookean"
    solver: ClassVar[str] = "mpm"


@dataclass(frozen=True)
class VonMises(Law):
    """Metal and plasticine: Hencky elasticity until √(3/2) ‖s‖ is the yield stress, then flow; flowing hardens it."""

    name: ClassVar[str] = "von-mises"
    solver: ClassVar[str] = "mpm"
    positive: ClassVar[tuple[str, ...]] = ("yield_stress",)
    yield_stress: Quantity
    """Uniaxial tension at which it begins to flow [Pa]."""
    hardening: Quantity = Quantity(0.0, "default")
    """Growth of the yield stress per plastic strain [Pa]."""


@dataclass(frozen=True)
class DruckerPrager(Law):
    """Sand (Klár et al. 2016): Hencky elasticity, shear limited by friction between the grains."""

    name: ClassVar[str] = "drucker-prager"
    solver: ClassVar[str] = "mpm"
    below: ClassVar[Mapping[str, float]] = {"friction_angle": 90.0}
    friction_angle: Quantity
    """Angle of internal friction φ [degrees], below 90: in shear it slides at c + σ tan φ."""
    cohesion: Quantity = Quantity(0.0, "default")
    """Shear stress that it bears without pressure [Pa]: zero when dry."""


@dataclass(frozen=True)
class Snow(Law):
    """Snow (Stomakhin et al. 2013): corotated, flows beyond a critical stretch, and hardens as it is pressed."""

    name: ClassVar[str] = "snow"
    solver: ClassVar[str] = "mpm"
    positive: ClassVar[tuple[str, ...]] = ("critical_compression", "critical_stretch")
    below: ClassVar[Mapping[str, float]] = {"critical_compression": 1.0}
    critical_compression: Quantity = Quantity(2.5e-2, "default", note="Stomakhin et al. 2013, table 2")
    """θ_c: compression at which it breaks."""
    critical_stretch: Quantity = Quantity(7.5e-3, "default", note="Stomakhin et al. 2013, table 2")
    """θ_s: stretch at which it breaks."""
    hardening: Quantity = Quantity(10.0, "default", note="Stomakhin et al. 2013, table 2")
    """ξ: stiffness grows like exp(ξ (1 − J_P)), at most twentyfold."""


@dataclass(frozen=True)
class Fluid(Law):
    """Weakly compressible: p = K/γ (J^−γ − 1), which is never tension, with Newtonian viscosity."""

    name: ClassVar[str] = "fluid"
    solver: ClassVar[str] = "mpm"
    positive: ClassVar[tuple[str, ...]] = ("bulk_modulus", "exponent")
    bulk_modulus: Quantity
    """K [Pa]; a numerical one, as the true one needs steps of microseconds."""
    viscosity: Quantity = Quantity(0.0, "default")
    """Dynamic viscosity [Pa s]."""
    exponent: Quantity = Quantity(7.0, "default", note="Cole's equation of state")
    """γ."""


@dataclass(frozen=True)
class HerschelBulkley(Law):
    """Foam and paste (Yue et al. 2015): elastic up to the yield stress, then τ = τ_y + η γ̇ⁿ."""

    name: ClassVar[str] = "herschel-bulkley"
    solver: ClassVar[str] = "mpm"
    positive: ClassVar[tuple[str, ...]] = ("consistency", "index")
    yield_stress: Quantity
    """τ_y: shear stress at which it begins to flow [Pa]."""
    consistency: Quantity
    """η [Pa sⁿ]."""
    index: Quantity = Quantity(1.0, "default")
    """n: below 1 it thins when sheared."""


@dataclass(frozen=True)
class Cloth(Law):
    """A thin sheet: stretch, shear and bending, in plane stress from Young's modulus and thickness."""

    name: ClassVar[str] = "cloth"
    solver: ClassVar[str] = "xpbd"
    positive: ClassVar[tuple[str, ...]] = ("thickness",)
    thickness: Quantity
    """[m]."""
    bending: Quantity
    """Flexural rigidity D [N m]."""


LAWS: dict[str, type[Law]] = {
    law.name: law
    for law in (
        *(Rigid, FixedCorotated, NeoHookean, VonMises, DruckerPrager),
        *(Snow, Fluid, HerschelBulkley, Cloth),
    )
}
"""Every law by its name."""
