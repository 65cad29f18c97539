"""Bodies: what cannot exist is an error, what the mesh contradicts a warning, and a true body passes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import trimesh
from scipy.spatial import ConvexHull

from scenekit.body import Body
from scenekit.mass import mass_properties
from scenekit.material import materials
from scenekit.quantities import Quantity
from scenekit.scene import Node
from scenekit.validation import Finding
from scenekit.validation.bodies import distance_from_hull

Found = Callable[..., dict[str, Finding]]

DENSITY = materials["wood"].density.value


def as_inertia(rows: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in np.asarray(rows))


@pytest.fixture
def check(solids: Any, found: Found) -> Callable[..., dict[str, Finding]]:
    """What is found of the body of a box on a floor, without the notes."""

    def look(mesh: Any = None, **body: Any) -> dict[str, Finding]:
        mesh = solids.box(0.2, 0.3, 0.4) if mesh is None else mesh
        floor = solids.static("floor", solids.box(2, 2, 0.2), 0, 0, -0.1)
        codes = found(solids.dynamic("box", mesh, 0, 0, 0.2, **body), floor)
        return {code: finding for code, finding in codes.items() if finding.severity != "note"}

    return look


def test_the_body_that_the_mesh_has_passes(check: Found, solids: Any) -> None:
    solid = mass_properties(solids.box(0.2, 0.3, 0.4))
    mass = Quantity(DENSITY * solid.volume, "measured")
    assert check() == {}
    assert check(mass=mass, centre=(0.0, 0.0, 0.0), inertia=as_inertia(solid.inertia * DENSITY)) == {}


def test_a_body_without_mesh_or_without_mass_and_material_is_an_error(found: Found, solids: Any) -> None:
    bare = found(Node("bare", body=Body()))
    assert {code: f.severity for code, f in bare.items()} == {"body-no-mesh": "error", "body-mass-missing": "error"}
    floor = solids.static("floor", solids.box(), 0, 0, -1)
    assert "body-mass-missing" in found(Node("box", mesh=solids.box(), body=Body()), floor)
    assert found(Node("wall", body=Body("static"))) == {}


@pytest.mark.parametrize("mass", [0.0, -2.0])
def test_a_mass_of_zero_or_less_is_an_error(check: Found, mass: float) -> None:
    finding = check(mass=Quantity(mass))["body-mass-not-positive"]
    assert (finding.severity, finding.figures) == ("error", {"mass": mass})


def test_a_mass_that_density_and_volume_contradict_is_a_warning(check: Found) -> None:
    volume = 0.2 * 0.3 * 0.4
    finding = check(mass=Quantity(2 * DENSITY * volume))["body-mass-density"]
    assert finding.figures["ratio"] == pytest.approx(2, rel=1e-6)
    assert "body-mass-density" not in check(mass=Quantity(1.05 * DENSITY * volume))
    unsure = Quantity(1.5 * DENSITY * volume, "estimated", spread=0.3 * DENSITY * volume)
    assert "body-mass-density" not in check(mass=unsure)


def test_a_volume_that_is_needed_and_open_is_an_error(check: Found, solids: Any) -> None:
    cup = replace(solids.box(0.2, 0.3, 0.4), faces=solids.box().faces[:-1])
    assert check(cup)["body-volume-unknown"].severity == "error"
    assert check(cup, mass=Quantity(1.0))["body-volume-unknown"].severity == "warning"
    full = {"mass": Quantity(1.0), "centre": (0.0, 0.0, 0.0), "inertia": as_inertia(np.eye(3) * 0.02)}
    assert "body-volume-unknown" not in check(cup, **full)


def test_a_centre_outside_of_the_hull_is_an_error_with_its_distance(check: Found) -> None:
    finding = check(centre=(0.15, 0.0, 0.0))["body-centre-outside"]
    assert finding.severity == "error"
    assert finding.figures["distance"] == pytest.approx(0.05, rel=1e-3)
    assert check(centre=(0.09, 0.14, -0.19)) == {}
    assert check(centre=(np.nan, 0, 0))["body-not-finite"].where == "centre"


def test_a_centre_in_the_hole_of_a_ring_is_within_the_hull(found: Found, solids: Any) -> None:
    ring = solids.of(trimesh.creation.torus(0.3, 0.1))
    codes = found(solids.dynamic("ring", ring, 0, 0, 0.1, centre=(0.0, 0.0, 0.0)))
    assert "body-centre-outside" not in codes


@pytest.mark.parametrize("seed", range(20))
def test_the_distance_from_a_hull_is_what_qhull_says_of_its_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((30, 3))
    hull = ConvexHull(points)
    x = rng.standard_normal(3) * 2
    beyond = (hull.equations[:, :3] @ x + hull.equations[:, 3]).max()
    distance = distance_from_hull(x, points)
    assert (distance > 1e-5) == (beyond > 1e-5)
    assert distance >= max(beyond, 0) - 1e-3  # the nearest point can be on an edge, which is further than any side


INERTIAS = {
    "body-inertia-asymmetric": [[0.02, 0.001, 0], [0, 0.02, 0], [0, 0, 0.02]],
    "body-inertia-not-positive": [[0.02, 0, 0], [0, 0.02, 0], [0, 0, -0.001]],
    "body-inertia-triangle": [[0.01, 0, 0], [0, 0.01, 0], [0, 0, 0.03]],
    "body-not-finite": [[np.nan, 0, 0], [0, 1, 0], [0, 0, 1]],
}


@pytest.mark.parametrize("code", INERTIAS)
def test_an_inertia_that_no_body_has_is_an_error(check: Found, code: str) -> None:
    assert check(mass=Quantity(DENSITY * 0.024), inertia=as_inertia(np.array(INERTIAS[code])))[code].severity == "error"


def test_the_triangle_is_met_exactly_by_a_flat_plate_and_broken_by_the_ratio_that_is_told(check: Found) -> None:
    plate = as_inertia(np.diag([0.1, 0.2, 0.3]))
    assert "body-inertia-triangle" not in check(mass=Quantity(DENSITY * 0.024), inertia=plate)
    finding = check(mass=Quantity(DENSITY * 0.024), inertia=as_inertia(np.array(INERTIAS["body-inertia-triangle"])))
    assert finding["body-inertia-triangle"].figures["ratio"] == pytest.approx(1.5)


def test_an_inertia_in_wrong_units_is_a_warning_with_the_factor(check: Found, solids: Any) -> None:
    solid = mass_properties(solids.box(0.2, 0.3, 0.4))
    mass = Quantity(DENSITY * solid.volume)
    for factor in (1e4, 1e-4):
        finding = check(mass=mass, inertia=as_inertia(solid.inertia * DENSITY * factor))["body-inertia-implausible"]
        assert finding.figures["ratio"] == pytest.approx(factor, rel=1e-5)
    assert check(mass=mass, inertia=as_inertia(solid.inertia * DENSITY * 5 / 3)) == {}  # a thin shell's


def test_numbers_that_nobody_measured_are_one_note(solids: Any, found: Found) -> None:
    floor = solids.static("floor", solids.box(), 0, 0, -1)
    note = found(solids.dynamic("box", solids.box(), mass=Quantity(650.0, "estimated", 5.0)), floor)["body-provenance"]
    assert (note.severity, note.path) == ("note", "/")
    assert "mass estimated (1)" in note.what
    assert "friction default (1)" in note.what
    known = {name: replace(q, provenance="measured") for name, q in materials["wood"].quantities().items()}
    oak = replace(solids.dynamic("box", solids.box()), material=replace(materials["wood"], **known))
    assert "body-provenance" not in found(oak, floor)
