"""Material: what a thing is made of, as numbers a simulator needs. `materials` is the table of common ones.

The values are typical of the substance at room temperature, rounded, from engineering handbooks (density, Young's
modulus, Poisson's ratio) and contact tables (friction and restitution against the same or a hard, dry surface). They
are defaults: a real thing may differ by a few percent in density and by half in friction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from scenekit.errors import InputError
from scenekit.laws import Law, Rigid
from scenekit.quantities import Quantity


@dataclass(frozen=True)
class Material:
    """A homogeneous, isotropic substance.

    Raises:
        InputError: If a value is outside of what physics allows.
    """

    name: str
    """What it is called; a name of `materials`, or one's own."""
    density: Quantity
    """Mass per volume [kg/m³]."""
    youngs_modulus: Quantity
    """Stiffness, stress per strain [Pa]."""
    poissons_ratio: Quantity
    """Thinning per stretch, above -1 and below 0.5 (which is incompressible)."""
    friction: Quantity
    """Coefficient of sliding friction μ, 0 or more."""
    restitution: Quantity
    """Speed after a bounce over speed before, 0 to 1."""
    law: Law = Rigid()
    """How it answers to being deformed."""

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("density", self.density.value > 0, "more than 0 kg/m³"),
            ("youngs_modulus", self.youngs_modulus.value > 0, "more than 0 Pa"),
            ("poissons_ratio", -1 < self.poissons_ratio.value < 0.5, "between -1 and 0.5"),
            ("friction", self.friction.value >= 0, "0 or more"),
            ("restitution", 0 <= self.restitution.value <= 1, "0 to 1"),
        ):
            if not good:
                raise InputError(f"material {self.name}: {name}", got=getattr(self, name).value, wanted=wanted)

    def quantities(self) -> dict[str, Quantity]:
        """The numbers by name, in the order of the fields."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "law")}
        return own | self.law.quantities()


class MaterialTable(dict[str, Material]):
    """Materials by name; an unknown name is answered with those that exist."""

    def __missing__(self, name: str) -> Material:
        raise InputError("material", got=repr(name), wanted="one of " + ", ".join(self))


def _typical(
    name: str, density: float, youngs_modulus: float, poissons_ratio: float, friction: float, restitution: float
) -> Material:
    def typical(value: float) -> Quantity:
        return Quantity(value, "default", note="typical of the substance")

    elastic = (typical(youngs_modulus), typical(poissons_ratio))
    return Material(name, typical(density), *elastic, typical(friction), typical(restitution))


materials = MaterialTable(
    (material.name, material)
    for material in (
        _typical("aluminium", 2700, 69e9, 0.33, 0.6, 0.6),
        _typical("cardboard", 690, 2e9, 0.3, 0.5, 0.3),
        _typical("ceramic", 2400, 70e9, 0.22, 0.5, 0.6),
        _typical("concrete", 2400, 30e9, 0.2, 0.7, 0.4),
        _typical("cork", 200, 20e6, 0.05, 0.6, 0.5),
        _typical("fabric", 300, 1e6, 0.3, 0.6, 0.1),
        _typical("fruit", 950, 3e6, 0.35, 0.5, 0.4),
        _typical("glass", 2500, 70e9, 0.22, 0.5, 0.7),
        _typical("jelly", 1050, 1e4, 0.45, 0.4, 0.2),
        _typical("paper", 800, 3e9, 0.3, 0.5, 0.2),
        _typical("plastic", 1050, 2.3e9, 0.37, 0.35, 0.6),
        _typical("rubber", 1100, 5e6, 0.48, 0.9, 0.8),
        _typical("sand", 1600, 50e6, 0.3, 0.6, 0.1),
        _typical("snow", 300, 1.4e5, 0.2, 0.2, 0.1),
        _typical("steel", 7850, 200e9, 0.29, 0.6, 0.7),
        _typical("stone", 2700, 50e9, 0.25, 0.7, 0.4),
        _typical("water", 1000, 2e6, 0.45, 0.0, 0.0),
        _typical("wood", 650, 11e9, 0.35, 0.45, 0.5),
    )
)
"""Common ones by name. Water's modulus is a numerical one: soft enough for explicit steps, not the true 2.2 GPa."""
