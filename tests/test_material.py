"""Materials: the table and its page, values of one's own, other laws."""

import contextlib
import io
import re
import textwrap
from dataclasses import fields
from pathlib import Path

import pytest

from scenekit.errors import InputError
from scenekit.laws import LAWS, Cloth, DruckerPrager, Fluid, HerschelBulkley, NeoHookean, Rigid, Snow, VonMises
from scenekit.material import Material, materials, read_material, with_law
from scenekit.quantities import Quantity
from scenekit.sim.stress import sound_speed

PAGE = (Path(__file__).parents[1] / "docs" / "materials.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("material", materials.values(), ids=materials)
def test_every_number_of_the_table_says_where_it_comes_from(material: Material) -> None:
    assert all(quantity.provenance == "default" and quantity.note for quantity in material.quantities().values())
    assert re.fullmatch("[a-z]+(-[a-z]+)*", material.name)
    assert materials[material.name] is material


def test_names_mean_what_people_mean_by_them() -> None:
    meant = {
        "steel": Rigid,
        "jelly": NeoHookean,
        "clay": VonMises,
        "wet-sand": DruckerPrager,
        "snow": Snow,
        "water": Fluid,
        "shaving-foam": HerschelBulkley,
        "silk": Cloth,
    }
    assert {name: type(materials[name].law) for name in meant} == meant


def test_waves_in_what_mpm_moves_are_slow_enough_for_explicit_steps() -> None:
    speeds = {name: sound_speed(m) for name, m in materials.items() if m.law.solver == "mpm"}
    assert max(speeds.values()) < 250, speeds


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"'chese'.*cardboard.*wood"):
        materials["chese"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("density", 0.0),
        ("youngs_modulus", 0.0),
        ("poissons_ratio", 0.5),
        ("poissons_ratio", -1.0),
        ("friction", -0.1),
        ("restitution", 1.1),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"wood: {name}"):
        with_law(materials["wood"], "rigid", **{name: value})


def test_another_law_takes_its_numbers_and_keeps_the_rest() -> None:
    lead = with_law(materials["lead"], "von-mises", yield_stress=1e5, youngs_modulus=1e7)
    assert lead.law == VonMises(Quantity(1e5))
    assert lead.youngs_modulus == Quantity(1e7)
    assert lead.density == materials["lead"].density
    assert with_law(lead, lead.law, hardening=3.0).law == VonMises(Quantity(1e5), Quantity(3.0))
    assert with_law(lead, Snow()).law == Snow()


def test_a_material_is_read_from_a_word() -> None:
    assert read_material("jelly") is materials["jelly"]
    assert read_material("jelly,youngs_modulus=5e3").youngs_modulus == Quantity(5e3)
    assert read_material("jelly,youngs-modulus=5e3").law == NeoHookean()
    assert read_material("lead:von-mises,yield_stress=1e5").law == VonMises(Quantity(1e5))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "one of aluminium"),
        ("jelo", "one of aluminium"),
        ("lead:gold", "one of rigid"),
        ("lead:von-mises", "no yield_stress"),
        ("jelly,colour=3", "colour"),
        ("jelly,youngs_modulus", "NUMBER=VALUE"),
        ("jelly,youngs_modulus=soft", "NUMBER=VALUE"),
        ("jelly,youngs_modulus=nan", "finite"),
        ("jelly,youngs_modulus=-1", "more than 0"),
    ],
)
def test_a_word_that_is_no_material_says_why(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_material(text)


def _printed(sign: str) -> str:
    """What the snippet of the page that holds the sign prints."""
    snippets = [textwrap.dedent(text) for text in re.findall(r"(?m)(?:^    .*\n)+", PAGE)]
    (snippet,) = (text for text in snippets if sign in text)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(snippet, {"materials": materials})
    return printed.getvalue()


def test_the_page_has_the_table_that_its_snippet_makes() -> None:
    rows = [line for line in PAGE.splitlines(keepends=True) if re.match(r"\| `[a-z-]+` \| \d", line)]
    assert "".join(rows) == _printed("own =")
    assert len(rows) == len(materials)


def test_the_page_has_the_sources_that_its_snippet_makes() -> None:
    assert f"\n\n{_printed('notes =')}\n" in PAGE


def test_the_page_tells_of_every_law_and_its_numbers() -> None:
    rows = PAGE[: PAGE.index("## Table")].splitlines()
    for name, law in LAWS.items():
        (row,) = (row for row in rows if row.startswith(f"| `{name}`"))
        assert all(f"`{field.name}`" in row for field in fields(law))
