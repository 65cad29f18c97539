"""Cloth: its mass, stretch and bending against plates, and a strip against the catenary."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.spatial import Delaunay

from scenekit.errors import InputError
from scenekit.laws import Cloth
from scenekit.material import Material, materials
from scenekit.meshes import Mesh
from scenekit.quantities import Quantity as Q
from scenekit.sim.cloth import bend_angles, cloth
from scenekit.sim.elements import Elements
from scenekit.sim.model import Model
from scenekit.sim.state import State
from scenekit.sim.xpbd import SolverXPBD, XPBDConfig

THICKNESS, DENSITY, RIGIDITY = 1e-3, 1000.0, 1e-2
CARD = Material("card", Q(DENSITY), Q(1e7), Q(0.3), Q(0.5), Q(0), Cloth(thickness=Q(THICKNESS), bending=Q(RIGIDITY)))


def run(model: Model, seconds: float, config: XPBDConfig | None = None) -> State:
    solver, state, control = SolverXPBD(model, config), model.state(), model.control()
    for _ in range(round(seconds * 60)):
        solver.step(state, state, control, 1 / 60)
    return state


def squares(nx: int, ny: int, cell: float) -> Mesh:
    """Squares in the plane z = 0, each cut in two, the cuts all one way."""
    u, v = torch.meshgrid(torch.arange(nx + 1) * cell, torch.arange(ny + 1) * cell, indexing="ij")
    i = torch.arange((nx + 1) * (ny + 1)).reshape(nx + 1, ny + 1)
    a, b, c, d = (t.reshape(-1) for t in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    return Mesh(torch.stack([u, v, 0 * u], -1).reshape(-1, 3), faces)


def delaunay(points: np.ndarray) -> Mesh:
    """Triangles of points in the plane, looking up."""
    faces = Delaunay(points).simplices
    a, b, c = (points[faces[:, k]] for k in range(3))
    double = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    faces = np.where(double[:, None] < 0, faces[:, ::-1], faces)[np.abs(double) > 1e-3 * np.abs(double).max()]
    return Mesh(
        torch.tensor(np.c_[points, 0 * points[:, 0]], dtype=torch.float32), torch.tensor(faces, dtype=torch.int64)
    )


def equilateral(nx: int, rows: int, cell: float) -> Mesh:
    """Rows of equilateral triangles along x, every second shifted by half a cell."""
    rise = cell * 3**0.5 / 2
    return delaunay(np.array([[(i + 0.5 * (j % 2)) * cell, j * rise] for j in range(rows + 1) for i in range(nx + 1)]))


def irregular(n: int, cell: float) -> Mesh:
    """A square of n × n points moved at random by up to a third of their distance, but for the rim."""
    points = np.stack(np.meshgrid(*(np.arange(n + 1.0),) * 2), -1).reshape(-1, 2)
    inner = ((points > 0) & (points < n)).all(1)
    points[inner] += np.random.default_rng(0).uniform(-0.33, 0.33, (inner.sum(), 2))
    return delaunay(points * cell)


def energy(elements: Elements, x: np.ndarray) -> float:
    angle = bend_angles(x, elements.bends.numpy()) - elements.bend_rest.double().numpy()
    return float((angle**2 / elements.bend_compliance.double().numpy() / 2).sum())


def test_a_sheet_weighs_its_density_by_its_volume() -> None:
    elements = cloth(squares(7, 4, 0.02), CARD)
    assert float(elements.mass.sum()) == pytest.approx(DENSITY * THICKNESS * 0.14 * 0.08, rel=1e-5)


@pytest.mark.parametrize(
    ("mesh", "off"),
    [(squares(40, 40, 0.01), 0.06), (equilateral(40, 46, 0.01), 0.06), (irregular(40, 0.01), 0.12)],
    ids=["squares", "equilateral", "irregular"],
)
def test_a_sheet_rolled_up_has_the_energy_of_a_plate(mesh: Mesh, off: float) -> None:
    """½ D κ² per area, about either axis; away from the rim, whose edges do not bend. Ragged triangles are stiffer."""
    elements, curvature = cloth(mesh, CARD), 0.5
    x = elements.x.double().numpy()
    for axis in (0, 1):
        bent = x.copy()
        bent[:, axis] = np.sin(curvature * x[:, axis]) / curvature
        bent[:, 2] = (1 - np.cos(curvature * x[:, axis])) / curvature
        centre = x[elements.bends.numpy()[:, :2]].mean(1)
        middle = ((centre > 0.1) & (centre < 0.3))[:, :2].all(1)
        inner = replace(
            elements,
            bends=elements.bends[middle],
            bend_rest=elements.bend_rest[middle],
            bend_compliance=elements.bend_compliance[middle],
        )
        assert energy(inner, bent) == pytest.approx(RIGIDITY * curvature**2 / 2 * 0.2**2, rel=off)


def test_a_mesh_is_at_rest_in_its_own_shape() -> None:
    mesh = squares(10, 10, 0.02)
    bump = torch.sin(mesh.vertices[:, :1] * 20) * torch.cos(mesh.vertices[:, 1:2] * 15) * 0.01
    bumpy = replace(mesh, vertices=torch.cat([mesh.vertices[:, :2], bump], 1))
    model = Model(elements=cloth(bumpy, CARD), gravity=(0, 0, 0))
    assert float((run(model, 0.2).vertex_x - bumpy.vertices).abs().max()) < 1e-6


def test_a_strip_of_equilateral_triangles_stretches_by_youngs_modulus() -> None:
    """Hung by one end: the end sinks by ρ g L² / 2 E, as the thickness falls out; narrow rims are softer."""
    strip = cloth(equilateral(30, 14, 0.02), replace(CARD, youngs_modulus=Q(1e5)))
    top = strip.x[:, 0] < 0.015
    length = float(strip.x[:, 0].max()) - 0.01
    model = Model(elements=replace(strip, mass=strip.mass * ~top), gravity=(9.81, 0, 0))
    state = run(model, 4.0, XPBDConfig(damping=3.0))
    end = strip.x[:, 0] > length - 0.001
    sunk = float((state.vertex_x - strip.x)[end, 0].mean())
    assert sunk == pytest.approx(DENSITY * 9.81 * length**2 / 2 / 1e5, rel=0.1)


def test_a_clamped_strip_sags_like_a_plate() -> None:
    """w L⁴ / 8 D (1 − ν²) with the 1/3 of equilateral triangles; the clamp is half a cell past what is fixed."""
    n, cell, gravity = 20, 0.01, 0.3
    strip = cloth(equilateral(n, 5, cell), CARD)
    fixed = strip.x[:, 0] < 1.6 * cell
    model = Model(elements=replace(strip, mass=strip.mass * ~fixed), gravity=(0, 0, -gravity))
    state = run(model, 2.5, XPBDConfig(damping=6.0, softness=0.02))
    tip = (strip.x[:, 0] - n * cell).abs() < 1e-5
    length = (n - 0.75) * cell
    sag = -float(state.vertex_x[tip, 2].mean())
    assert sag == pytest.approx(DENSITY * THICKNESS * gravity * length**4 / (8 * RIGIDITY * (1 - 1 / 9)), rel=0.05)


def test_a_strip_hangs_in_the_catenary() -> None:
    span, n = 0.5, 30
    mesh = squares(n, 2, 0.02)
    length = n * 0.02
    soft = replace(CARD, law=Cloth(thickness=Q(THICKNESS), bending=Q(1e-8)))
    strip = cloth(mesh, soft)
    s = strip.x[:, 0] / length
    drop = (length**2 - span**2) ** 0.5 / 2
    hung = torch.stack([span * s, strip.x[:, 1], -drop * (1 - (2 * s - 1).abs())], 1)
    ends = (s < 1e-6) | (s > 1 - 1e-6)
    model = Model(elements=replace(strip, x=hung, mass=strip.mass * ~ends))
    state = run(model, 5.0, XPBDConfig(damping=2.0))
    a = brentq(lambda a: 2 * a * np.sinh(span / 2 / a) - length, 0.05, 5)
    x, z = state.vertex_x.double().numpy()[:, [0, 2]].T
    wanted = a * (np.cosh((x - span / 2) / a) - np.cosh(span / 2 / a))
    assert np.abs(z - wanted).max() < 0.02 * -wanted.min()


@pytest.mark.parametrize(
    ("mesh", "material", "message"),
    [
        (squares(2, 2, 0.1), materials["steel"], "wanted cloth"),
        (Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)), CARD, "no faces"),
        (Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, 2]])), CARD, "triangles with an area"),
        (Mesh(torch.eye(3), torch.tensor([[0, 1, 1]])), CARD, "each vertex once"),
        (Mesh(torch.eye(3) * torch.nan, torch.tensor([[0, 1, 2]])), CARD, "finite"),
    ],
)
def test_what_is_no_cloth_is_refused(mesh: Mesh, material: Material, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cloth(mesh, material)
