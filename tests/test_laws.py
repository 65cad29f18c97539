"""Laws refuse numbers that physics does not allow, and know their names."""

import math
from dataclasses import fields

import pytest

from scenekit._kernels.mpm_laws import LAWS as KERNEL_LAWS
from scenekit.errors import InputError
from scenekit.laws import LAWS, Cloth, DruckerPrager, Fluid, HerschelBulkley, Law, Snow, VonMises
from scenekit.quantities import Quantity


def of(value: float) -> Quantity:
    return Quantity(value)


@pytest.mark.parametrize(
    ("law", "numbers", "wanted"),
    [
        (VonMises, {"yield_stress": 0.0}, "more than 0"),
        (VonMises, {"yield_stress": 1.0, "hardening": -1.0}, "0 or more"),
        (DruckerPrager, {"friction_angle": 90.0}, "0 or more, below 90"),
        (DruckerPrager, {"friction_angle": -1.0}, "0 or more, below 90"),
        (Snow, {"critical_compression": 1.0}, "more than 0, below 1"),
        (Snow, {"critical_stretch": 0.0}, "more than 0"),
        (Fluid, {"bulk_modulus": 0.0}, "more than 0"),
        (Fluid, {"bulk_modulus": 1.0, "viscosity": -1.0}, "0 or more"),
        (HerschelBulkley, {"yield_stress": 1.0, "consistency": 0.0}, "more than 0"),
        (HerschelBulkley, {"yield_stress": 1.0, "consistency": 1.0, "index": 0.0}, "more than 0"),
        (Cloth, {"thickness": 0.0, "bending": 1.0}, "more than 0"),
    ],
)
def test_what_physics_does_not_allow_is_refused_by_name(law: type[Law], numbers: dict[str, float], wanted: str) -> None:
    with pytest.raises(InputError) as error:
        law(**{name: of(value) for name, value in numbers.items()})
    assert error.value.name.startswith(law.name)
    assert error.value.wanted == wanted


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_number_is_infinite_or_none_at_all(value: float) -> None:
    with pytest.raises(InputError):
        VonMises(Quantity(value))


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_every_law_has_its_name_and_bounds_that_are_fields(law: type[Law]) -> None:
    names = {field.name for field in fields(law)}
    assert LAWS[law.name] is law
    assert {*law.positive, *law.below} <= names


def test_every_law_of_mpm_has_a_kernel() -> None:
    assert {law.name for law in LAWS.values() if law.solver == "mpm"} == set(KERNEL_LAWS)
