"""Checks of bodies: can a thing of this mass, centre and inertia exist, and is it the one that its mesh shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scenekit.body import Body
from scenekit.cameras import Array
from scenekit.quantities import Quantity
from scenekit.validation.finding import Finding, Severity, finding, indices
from scenekit.validation.placed import Placed

MASS_TOLERANCE = 0.1
"""How far a mass may be from density times volume, beyond three standard deviations of what is known."""

INERTIA_RATIO = 3.0
"""Principal moments within this factor of the solid's are plausible: a thin shell of the same mass has 5/3."""

UNMEASURED = ("estimated", "default")
"""Provenances of numbers that nobody measured or set."""

SYMMETRY = 1e-6
"""Relative to the largest entry of a tensor, what counts as rounding."""


def check_bodies(things: list[Placed]) -> Iterator[Finding]:
    """What is wrong with each node's body."""
    for thing in things:
        if thing.body is not None:
            if thing.is_dynamic:
                yield from _mass(thing, thing.body)
            yield from _centre(thing, thing.body)
            yield from _inertia(thing, thing.body)
    yield from _provenance(things)


def _mass(thing: Placed, body: Body) -> Iterator[Finding]:
    """Mass, and whether it can be had from the mesh."""
    path, surface, material = thing.path, thing.surface, thing.node.material
    if surface is None:
        yield finding("error", "body-no-mesh", path, "A dynamic body has no mesh with faces, so nothing can touch it.")
    if body.mass is None and material is None:
        yield finding("error", "body-mass-missing", path, "There is neither a mass nor a material with a density.")
    if body.mass is not None and body.mass.value <= 0:
        what = f"The mass is {body.mass.value:.4g} kg."
        yield finding("error", "body-mass-not-positive", path, what, mass=body.mass.value)
    if surface is None:
        return
    wanted = [name for name in ("mass", "centre", "inertia") if getattr(body, name) is None]
    if wanted and not surface.is_closed:
        what = f"{_listed(wanted).capitalize()} would follow from the mesh, which is not closed."
        severity: Severity = "error" if "mass" in wanted else "warning"
        yield finding(severity, "body-volume-unknown", path, what, border=len(surface.border))
    if body.mass is not None and body.mass.value > 0 and material is not None and surface.is_closed:
        yield from _against_density(path, body.mass, material.density, abs(surface.solid.volume))


def _against_density(path: str, mass: Quantity, density: Quantity, volume: float) -> Iterator[Finding]:
    solid = density.value * volume
    spread = np.hypot((mass.spread or 0) / mass.value, (density.spread or 0) / density.value)
    if solid and abs(mass.value / solid - 1) > MASS_TOLERANCE + 3 * spread:
        what = (
            f"The mass is {mass.value:.4g} kg; {density.value:.4g} kg/m³ times {volume:.4g} m³ would be {solid:.4g} kg"
            f", a factor of {mass.value / solid:.3g}."
        )
        ratio = mass.value / solid
        yield finding("warning", "body-mass-density", path, what, mass=mass.value, solid=solid, ratio=ratio)


def _centre(thing: Placed, body: Body) -> Iterator[Finding]:
    if body.centre is None:
        return
    centre = np.asarray(body.centre, np.float64)
    if not np.isfinite(centre).all():
        yield finding("error", "body-not-finite", thing.path, "The centre of mass is not finite.", "centre")
    elif thing.surface is not None:
        outside = distance_from_hull(centre, thing.surface.used)
        if outside > SYMMETRY * max(float(thing.surface.extent.max()), 1e-9):
            what = f"The centre of mass is {outside:.4g} m outside of the convex hull of the mesh."
            yield finding("error", "body-centre-outside", thing.path, what, f"centre {body.centre} m", distance=outside)


def distance_from_hull(x: Array, points: Array) -> float:
    """A lower bound of the distance of x (3,) from the convex hull of points (n, 3), 0 if x is within [m].

    The nearest point of the hull is approached by Frank–Wolfe steps towards the corner furthest against the gradient;
    any plane that parts x from all points proves a distance (Gilbert 1966), flat and thin hulls included.
    """
    nearest, proven = points[np.argmin(np.linalg.norm(points - x, axis=1))], 0.0
    scale = float(np.abs(points - x).max()) + 1e-300
    for _ in range(2000):
        away = nearest - x
        length = float(np.linalg.norm(away))
        if length <= 1e-9 * scale:
            return 0.0
        reach = (points - x) @ away / length
        k = int(np.argmin(reach))
        proven = max(proven, float(reach[k]))
        if length - reach[k] <= 1e-6 * scale:
            break
        step = points[k] - nearest
        nearest = nearest + np.clip(-(away @ step) / (step @ step), 0, 1) * step
    return proven


def _inertia(thing: Placed, body: Body) -> Iterator[Finding]:
    if body.inertia is None:
        return
    path, inertia = thing.path, np.asarray(body.inertia, np.float64)
    if inertia.shape != (3, 3) or not np.isfinite(inertia).all():
        yield finding("error", "body-not-finite", path, "The inertia tensor is not 3 × 3 finite numbers.", "inertia")
        return
    size = float(np.abs(inertia).max())
    skew = float(np.abs(inertia - inertia.T).max())
    if skew > SYMMETRY * size:
        what = f"The inertia tensor is not symmetric: entries differ by {skew:.3g} kg m²."
        yield finding("error", "body-inertia-asymmetric", path, what, "inertia", difference=skew)
    moments = np.linalg.eigvalsh((inertia + inertia.T) / 2).astype(np.float64)
    shown = _numbers(moments)
    if moments[0] <= SYMMETRY * size:
        what = f"Principal moments are {shown} kg m²; all must be above 0."
        yield finding("error", "body-inertia-not-positive", path, what, "inertia", least=moments[0])
    elif moments[2] > (1 + SYMMETRY) * (moments[0] + moments[1]):
        what = f"Principal moments are {shown} kg m²; no body has one above the sum of the others."
        excess = moments[2] / (moments[0] + moments[1])
        yield finding("error", "body-inertia-triangle", path, what, "inertia", ratio=excess)
    else:
        yield from _against_solid(thing, body, moments)


def _against_solid(thing: Placed, body: Body, moments: Array) -> Iterator[Finding]:
    """Compares with a homogeneous solid of the same mass in the shape of the mesh."""
    surface, material = thing.surface, thing.node.material
    if surface is None or not surface.is_closed or surface.solid.volume == 0:
        return
    if body.mass is not None:
        mass = body.mass.value
    elif material is not None:
        mass = material.density.value * abs(surface.solid.volume)
    else:
        return
    solid = np.sort(np.abs(surface.solid.principal / surface.solid.volume)) * mass
    if not (solid > 0).all():
        return
    ratios = moments / solid
    worst = float(ratios[np.argmax(np.abs(np.log(ratios)))])
    if not 1 / INERTIA_RATIO <= worst <= INERTIA_RATIO:
        what = (
            f"A principal moment is {worst:.3g} times that of a solid of {mass:.4g} kg in the shape of the mesh "
            f"({_numbers(moments)} against {_numbers(solid)} kg m²)."
        )
        yield finding("warning", "body-inertia-implausible", thing.path, what, "inertia", ratio=worst)


def _provenance(things: list[Placed]) -> Iterator[Finding]:
    """One note on all numbers of dynamic bodies that are estimated or default."""
    counts: dict[str, int] = {}
    paths = []
    for thing in things:
        if thing.body is None or not thing.is_dynamic:
            continue
        quantities = {} if thing.body.mass is None else {"mass": thing.body.mass}
        quantities |= {} if thing.node.material is None else thing.node.material.quantities()
        guessed = [f"{name} {q.provenance}" for name, q in quantities.items() if q.provenance in UNMEASURED]
        paths += [thing.path] if guessed else []
        for name in guessed:
            counts[name.replace("_", " ")] = counts.get(name.replace("_", " "), 0) + 1
    if paths:
        what = f"Of {len(paths)} dynamic bodies nobody measured: "
        what += ", ".join(f"{name} ({count})" for name, count in counts.items()) + "."
        yield finding("note", "body-provenance", "/", what, indices("nodes", paths), count=len(paths))


def _numbers(values: Array) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
