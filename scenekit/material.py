"""Material: what a thing is made of, as numbers a simulator needs. `materials` is the table of common ones.

Their numbers are in `scenekit.material_table`, each with its source. They are defaults: a real thing differs.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from scenekit.errors import InputError
from scenekit.laws import LAWS, Fluid, Law, Rigid
from scenekit.material_table import BOUNCE, CONTACT, TABLE, WETTING, Typical, sourced
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

    def numbers(self) -> dict[str, Quantity]:
        """Its own numbers by name, without the law's."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("name", "law")}

    def quantities(self) -> dict[str, Quantity]:
        """All numbers by name, in the order of the fields, the law's last."""
        return self.numbers() | self.law.quantities()


class MaterialTable(dict[str, Material]):
    """Materials by name; an unknown name is answered with those that exist."""

    def __missing__(self, name: str) -> Material:
        raise InputError("material", got=repr(name), wanted="one of " + ", ".join(self))


def with_law(material: Material, law: str | Law, **numbers: float | Quantity) -> Material:
    """The material with another law, for steel that bends or wood that splashes.

    Args:
        material: What it is made of, such as `materials["steel"]`.
        law: A name of `LAWS`, whose numbers come from `numbers` or are its defaults; or a law.
        numbers: Other values of the law and of the material, in SI units: with_law(materials["lead"], "von-mises",
            yield_stress=1e5, youngs_modulus=1e7).

    Raises:
        InputError: If there is no such law or number, or the law needs one that is not given.
    """
    given = {name: value if isinstance(value, Quantity) else Quantity(value) for name, value in numbers.items()}
    own: dict[str, Any] = {name: given.pop(name) for name in material.numbers() if name in given}
    return replace(material, **own, law=_filled(law if isinstance(law, Law) else _law(law), given))


def read_material(text: str) -> Material:
    """A material in a word: NAME[:LAW][,NUMBER=VALUE…], such as "jelly" or "lead:von-mises,yield_stress=1e5".

    Raises:
        InputError: If there is no such material, law or number.
    """
    head, *pairs = text.split(",")
    name, _, law = head.partition(":")
    numbers = dict(map(_number, pairs))
    material = materials[name]
    return with_law(material, law or material.law, **numbers) if law or numbers else material


def _number(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip().replace("-", "_"), float(value)
    except ValueError:
        raise InputError("material", got=repr(text), wanted="NUMBER=VALUE, such as youngs_modulus=1e5") from None


def _law(name: str) -> type[Law]:
    if name not in LAWS:
        raise InputError("law", got=repr(name), wanted="one of " + ", ".join(LAWS))
    return LAWS[name]


def _filled(law: Law | type[Law], numbers: dict[str, Quantity]) -> Law:
    """The law with these numbers."""
    known = {field.name: field for field in fields(law)}
    strange = [name for name in numbers if name not in known]
    if strange:
        wanted = "numbers of the material" + (" or " + ", ".join(known) if known else "")
        raise InputError(f"law {law.name}", got=", ".join(strange), wanted=wanted)
    if isinstance(law, Law):
        return replace(law, **numbers)
    missing = [name for name, field in known.items() if field.default is MISSING and name not in numbers]
    if missing:
        raise InputError(f"law {law.name}", got="no " + ", ".join(missing), wanted="a value of each")
    return law(**numbers)


def _material(typical: Typical) -> Material:
    return Material(
        typical.name,
        density=sourced(typical.density, typical.source),
        youngs_modulus=sourced(typical.youngs_modulus, typical.source),
        poissons_ratio=sourced(typical.poissons_ratio, typical.source),
        friction=sourced(typical.friction, WETTING if isinstance(typical.law, Fluid) else CONTACT),
        restitution=sourced(typical.restitution, BOUNCE),
        law=typical.law,
    )


materials = MaterialTable((typical.name, _material(typical)) for typical in TABLE)
"""Common ones by name."""
