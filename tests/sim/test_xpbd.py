"""XPBD: flight, momentum, every constraint against finite differences, contact, friction and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from math import cos, radians, sin
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import scenekit.sim.xpbd as xpbd
from scenekit._kernels.launch import set_threads, threads
from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.laws import Cloth
from scenekit.material import Material
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity as Q
from scenekit.sim.bodies import RigidBody
from scenekit.sim.cloth import bend_angles, cloth
from scenekit.sim.colliders import Collider
from scenekit.sim.elements import Elements, elements_of, merge
from scenekit.sim.model import Model
from scenekit.sim.ropes import rope
from scenekit.sim.shapes import Box, Plane, Shape, Sphere
from scenekit.sim.soft_bodies import soft_body
from scenekit.sim.state import State
from scenekit.sim.xpbd import SolverXPBD, XPBDConfig

COTTON = Material("cotton", Q(500), Q(1e6), Q(0.3), Q(0.5), Q(0), Cloth(thickness=Q(5e-4), bending=Q(1e-6)))
JELLY = Material("jelly", Q(1000), Q(1e5), Q(0.3), Q(0.5), Q(0))


def sheet(n: int, side: float) -> Mesh:
    """A square of n × n cells in the plane z = 0."""
    u, v = torch.meshgrid(*(torch.linspace(0, side, n + 1),) * 2, indexing="ij")
    i = torch.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    a, b, c, d = (t.reshape(-1) for t in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    faces = torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])
    return Mesh(torch.stack([u, v, 0 * u], -1).reshape(-1, 3), faces)


def run(model: Model, seconds: float, config: XPBDConfig | None = None, *, dt: float = 1 / 60) -> State:
    solver, state, control = SolverXPBD(model, config), model.state(), model.control()
    for _ in range(round(seconds / dt)):
        solver.step(state, state, control, dt)
    return state


def moved(elements: Elements, by: tuple[float, float, float], v: tuple[float, float, float] = (0, 0, 0)) -> Elements:
    return replace(elements, x=elements.x + torch.tensor(by), v=elements.v + torch.tensor(v))


def momentum(elements: Elements, state: State) -> Tensor:
    return (elements.mass.double()[:, None] * state.vertex_v.double()).sum(0)


def test_free_fall_is_a_parabola(block: Any) -> None:
    elements = moved(soft_body(*block((2, 2, 2), 0.05), JELLY), (0, 0, 2), (1.0, 0.0, 3.0))
    state = run(Model(elements=elements), 1.0)
    middle = (state.vertex_x - elements.x).double().mean(0)
    assert torch.allclose(middle, torch.tensor([1.0, 0.0, 3 - 9.81 / 2]).double(), atol=1e-4)
    assert torch.allclose(state.vertex_v.double().mean(0), torch.tensor([1.0, 0.0, 3 - 9.81]).double(), atol=5e-4)


@pytest.mark.parametrize("name", ["cloth", "soft body"])
def test_a_free_body_that_vibrates_and_turns_keeps_its_momentum(name: str, block: Any) -> None:
    free = cloth(sheet(10, 0.3), COTTON) if name == "cloth" else soft_body(*block((2, 2, 3), 0.05), JELLY)
    arm = free.x - free.x.mean(0)
    shake = 0.2 * torch.randn(arm.shape, generator=torch.Generator().manual_seed(0))
    v = torch.linalg.cross(torch.tensor([0.0, 0.5, 3.0]).expand_as(arm), arm) + torch.tensor([1.0, 0.5, 0.2]) + shake
    model = Model(elements=replace(free, v=v), gravity=(0, 0, 0))
    before, after = model.state(), run(model, 1.0)

    def spin(state: State) -> Tensor:
        m, x = free.mass.double()[:, None], state.vertex_x.double()
        return (m * torch.linalg.cross(x - (m * x).sum(0) / m.sum(), state.vertex_v.double())).sum(0)

    start = momentum(free, before)
    assert (momentum(free, after) - start).norm() < 1e-5 * start.norm()
    assert (spin(after) - spin(before)).norm() < 1e-2 * spin(before).norm()  # of first order in the substep


def _edge(x: np.ndarray) -> np.ndarray:
    return np.array([np.linalg.norm(x[0] - x[1]) - 0.9])


def _bend(x: np.ndarray) -> np.ndarray:
    return bend_angles(x, np.array([[0, 1, 2, 3]])) - 0.3


def _rod(x: np.ndarray) -> np.ndarray:
    return x[0] - 2 * x[1] + x[2]


def _tet(x: np.ndarray) -> np.ndarray:
    F, ratio = (x[1:] - x[0]).T @ np.diag([1.0, 2.0, 3.0]), 2.0 / 5.0
    return np.array([np.sqrt((F**2).sum()), np.linalg.det(F) - 1 - ratio])


@pytest.mark.parametrize(
    ("constraint", "vertices", "compliance", "rows"),
    [
        (_edge, 2, [2.0], {"edge_rest": [0.9], "edge_compliance": [2.0]}),
        (_bend, 4, [3.0], {"bend_rest": [0.3], "bend_compliance": [3.0]}),
        (_rod, 3, [0.5] * 3, {"rod_compliance": [0.5]}),
        (_tet, 4, [1 / (2 * 0.1), 1 / (5 * 0.1)], {"tet_volume": [0.1], "tet_mu": [2.0], "tet_lambda": [3.0]}),
    ],
)
def test_a_constraint_moves_vertices_as_its_gradient_by_finite_differences_says(
    constraint: Callable[[np.ndarray], np.ndarray], vertices: int, compliance: list[float], rows: dict[str, list[float]]
) -> None:
    """One step of h = 1 s: d = u − w ∇Cᵀ ((1 + τ) ∇C w ∇Cᵀ + α)⁻¹ (C(x + u) + τ ∇C u), with the prediction u = v h."""
    begin = np.array([[0.1, 0.0, 0.2], [1.2, 0.1, -0.1], [0.4, 0.9, 0.3], [0.5, -0.3, 0.8]])[:vertices]
    names = {"edge_rest": "edges", "bend_rest": "bends", "rod_compliance": "rods", "tet_volume": "tets"}
    group = {names[next(iter(rows))]: torch.arange(vertices, dtype=torch.int32)[None]}
    group |= {name: torch.tensor(values) for name, values in rows.items()}
    if constraint is _tet:
        group["tet_inverse_rest"] = torch.diag(torch.tensor([1.0, 2.0, 3.0]))[None]
    mass = torch.tensor([1.0, 2.0, 0.5, 4.0])[:vertices]
    x = torch.tensor(begin, dtype=torch.float32)
    elements = elements_of(x=x, mass=mass, radius=0.0, friction=0.0, **group)
    u = np.array([[0.1, 0.0, -0.1], [0.0, 0.2, 0.0], [-0.1, 0.1, 0.1], [0.0, 0.0, 0.1]])[:vertices]
    elements, late = replace(elements, v=torch.tensor(u, dtype=torch.float32)), 0.3
    config = XPBDConfig(timestep=1.0, shortest=1.0, retardation=late)
    state = run(Model(elements=elements, gravity=(0, 0, 0)), 1.0, config, dt=1.0)
    step = 1e-6 * np.eye(begin.size).reshape(-1, *begin.shape)
    J = np.stack([(constraint(begin + u + s) - constraint(begin + u - s)) / 2e-6 for s in step], 1)
    w = np.repeat(1 / mass.double().numpy(), 3)
    system = (1 + late) * J * w @ J.T + np.diag(compliance)
    wanted = u.ravel() - w * (J.T @ np.linalg.solve(system, constraint(begin + u) + late * J @ u.ravel()))
    assert np.abs((state.vertex_x - x).numpy().ravel() - wanted).max() < 2e-6


@pytest.mark.parametrize(("degrees", "slides"), [(26.07, False), (27.07, True)])
def test_a_soft_block_slides_iff_the_incline_is_steeper_than_friction(degrees: float, slides: bool, block: Any) -> None:
    """tan θ = μ at 26.57°. It is tilted gently: a block that shakes may slide earlier."""
    stiff = replace(JELLY, youngs_modulus=Q(1e6))
    elements = soft_body(*block((3, 3, 1), 0.05), stiff)
    elements = moved(elements, (0, 0, float(elements.radius[0])))
    state, far = None, []
    for angle in (*np.linspace(0, degrees, 40), *[degrees] * 40):
        tilt = radians(angle)
        gravity = (9.81 * sin(tilt), 0.0, -9.81 * cos(tilt))
        model = Model(elements=elements, gravity=gravity, colliders=(Collider(Plane()),))
        state = state or model.state()
        solver = SolverXPBD(model, XPBDConfig(damping=5.0 if angle < degrees else 0.0))
        solver.step(state, state, model.control(), 1 / 60)
        far.append(float(state.vertex_x[:, 0].mean()))
    assert (far[-1] - far[40] > 5e-3) == slides
    assert slides or far[-1] - far[40] < 1e-4


def test_a_sliding_block_accelerates_by_g_sin_less_mu_g_cos(block: Any) -> None:
    tilt = radians(40)
    elements = soft_body(*block((3, 3, 1), 0.05), JELLY)
    gravity = (9.81 * sin(tilt), 0.0, -9.81 * cos(tilt))
    model = Model(elements=moved(elements, (0, 0, float(elements.radius[0]))), gravity=gravity)
    model = replace(model, colliders=(Collider(Plane()),))
    state = run(model, 1.0)
    assert float(state.vertex_v[:, 0].mean()) == pytest.approx(9.81 * (sin(tilt) - 0.5 * cos(tilt)), rel=0.03)


@pytest.mark.parametrize("shape", [Sphere(0.1), Box((0.1, 0.1, 0.1)), Box((0.1, 0.1, 0.005))], ids=str)
def test_cloth_that_falls_at_ten_metres_per_second_has_no_vertex_inside(shape: Shape) -> None:
    elements = moved(cloth(sheet(16, 0.4), COTTON), (-0.2, -0.2, 0.2), (0, 0, -10))
    middle = elements.x[:, :2].norm(dim=1) < 0.05
    model = Model(elements=elements, colliders=(Collider(shape),))
    solver, state, control = SolverXPBD(model, XPBDConfig(self_contact=False)), model.state(), model.control()
    for _ in range(12):
        solver.step(state, state, control, 1 / 60)
        distance, _ = solver.colliders.distances(state.vertex_x)
        assert float(distance.min()) > 0.9 * 2.5e-4
        assert (state.vertex_x[middle, 2] > 0).all()


def test_a_ball_smaller_than_a_cell_does_not_poke_through_the_cloth() -> None:
    elements = moved(cloth(sheet(6, 0.3), COTTON), (-0.15, -0.125, 0.05), (0, 0, -5))
    model = Model(elements=elements, colliders=(Collider(Sphere(0.02)),))
    solver, state, control = SolverXPBD(model), model.state(), model.control()
    for _ in range(30):
        solver.step(state, state, control, 0.002)
        distance, _ = solver.colliders.distances(state.vertex_x[elements.faces.long()].mean(1))
        assert float(distance.min()) > 0


def test_sticky_holds_slip_slides_without_leaving_and_separate_lets_go() -> None:
    """Thrown along the floor and pulled upwards."""
    pieces = [moved(rope(torch.tensor([[0.0, 0, 0], [0.1, 0, 0]]), JELLY, radius=0.01), (0, y, 0.01)) for y in range(3)]
    found = []
    for mode, piece in zip(("sticky", "slip", "separate"), pieces, strict=True):
        model = Model(elements=replace(piece, v=piece.v + torch.tensor([1.0, 0, 0])), gravity=(0, 0, 1.0))
        found.append(run(replace(model, colliders=(Collider(Plane(), contact=mode),)), 0.5).vertex_x - piece.x)  # type: ignore[arg-type]
    sticky, slip, separate = (x.double().mean(0) for x in found)
    assert sticky.abs().max() < 1e-5
    assert torch.allclose(slip, torch.tensor([0.5, 0, 0]).double(), atol=1e-4)
    assert torch.allclose(separate, torch.tensor([0.5, 0, 0.125]).double(), atol=1e-4)


def _plate(kind: str, **options: object) -> RigidBody:
    inertia = np.diag([0.01, 0.01, 0.02])
    return RigidBody("/plate", kind, Pose(), mass=0.5, centre=(0.0, 0.0, 0.0), inertia=inertia, **options)  # type: ignore[arg-type]


def test_a_belt_takes_a_block_along_by_friction(block: Any) -> None:
    elements = soft_body(*block((2, 2, 1), 0.05), JELLY)
    elements = moved(elements, (0, 0, float(elements.radius[0])))
    belt = _plate("kinematic", velocity=(2.0, 0.0, 0.0))
    model = Model(elements=elements, bodies=(belt,), colliders=(Collider(Plane(), body=0),))
    state = run(model, 0.25)
    assert float(state.vertex_v[:, 0].mean()) == pytest.approx(0.5 * 9.81 * 0.25, rel=0.03)
    assert float(state.body_x[0, 0]) == pytest.approx(0.5)


def test_a_thin_plate_that_moves_and_turns_fast_passes_no_vertex() -> None:
    elements = moved(cloth(sheet(10, 0.2), COTTON), (-0.1, -0.1, 0.05))
    plate = _plate("kinematic", velocity=(0.0, 0.0, 10.0), spin=(0.0, 5.0, 0.0))
    model = Model(elements=elements, bodies=(plate,), gravity=(0, 0, 0))
    model = replace(model, colliders=(Collider(Box((0.3, 0.3, 0.003)), body=0),))
    solver, state, control = SolverXPBD(model), model.state(), model.control()
    for _ in range(10):
        solver.step(state, state, control, 0.002)
        R = torch.from_numpy(rotation_from_quaternion(state.body_quat.numpy()))[0]
        assert float(((state.vertex_x.double() - state.body_x[0]) @ R)[:, 2].min()) > 0.003


def test_a_body_is_given_what_soft_matter_loses(block: Any) -> None:
    """A jelly hits a free plate off its middle; linear and angular momentum about the plate's centre."""
    elements = moved(soft_body(*block((2, 2, 2), 0.03), JELLY), (0.05, -0.02, 0.03), (0.5, 0, -3))
    model = Model(elements=elements, gravity=(0, 0, 0), bodies=(_plate("dynamic"),))
    model = replace(model, colliders=(Collider(Box((0.15, 0.15, 0.01)), body=0),))
    solver, state, control = SolverXPBD(model), model.state(), model.control()
    start, given = momentum(elements, state), torch.zeros(3).double()
    for _ in range(20):
        solver.step(state, state, control, 1e-3)
        given += solver.impulses[0, :3]
    assert given[2] < -0.1 * start.norm()
    assert (momentum(elements, state) + given - start).norm() < 1e-5 * start.norm()


def test_the_floor_bears_the_weight() -> None:
    elements = moved(cloth(sheet(4, 0.2), COTTON), (0, 0, 2.5e-4))
    model = Model(elements=elements, bodies=(_plate("static"),), colliders=(Collider(Plane(), body=0),))
    solver, state = SolverXPBD(model), model.state()
    for _ in range(5):
        solver.step(state, state, model.control(), 0.01)
    assert float(solver.impulses[0, 2]) == pytest.approx(-(0.2**2) * 5e-4 * 500 * 9.81 * 0.01, rel=1e-3)


def test_a_hook_that_moves_takes_its_rope_along_and_bears_its_weight() -> None:
    line = rope(torch.stack([torch.zeros(9), torch.zeros(9), -torch.linspace(0, 0.4, 9)], 1), JELLY, radius=0.01)
    elements = line.attach(torch.tensor([0]), at=torch.zeros(1, 3), body=0)
    model = Model(elements=elements, bodies=(_plate("kinematic", velocity=(0.0, 0.0, 0.5)),))
    solver, state, control = SolverXPBD(model, XPBDConfig(damping=20.0)), model.state(), model.control()
    for _ in range(60):
        solver.step(state, state, control, 0.01)
    assert float(state.vertex_x[0, 2]) == pytest.approx(0.3, abs=1e-4)
    drag = float((elements.mass * state.vertex_v[:, 2]).sum()) * 20.0
    weight = float(elements.mass.sum()) * 9.81
    assert float(solver.impulses[0, 2]) / 0.01 == pytest.approx(-(weight + drag), rel=0.02)


def test_two_sheets_that_fall_on_each_other_keep_their_distance() -> None:
    lower = cloth(sheet(10, 0.3), COTTON)
    rim = (lower.x[:, 0] < 1e-6) | (lower.x[:, 0] > 0.3 - 1e-6)
    lower = replace(lower, mass=lower.mass * ~rim)
    upper = moved(cloth(sheet(7, 0.15), COTTON), (0.07, 0.08, 0.03))
    elements = merge(lower, upper)
    elements = replace(elements, radius=torch.full_like(elements.radius, 0.002))
    state = run(Model(elements=elements), 0.6)
    down, up = state.vertex_x.double()[: len(lower)], state.vertex_x.double()[len(lower) :]
    near = torch.cdist(up, down).topk(1, largest=False).indices[:, 0]
    assert (up[:, 2] > down[near, 2]).all()
    assert float(torch.cdist(up, down).min()) > 0.99 * 0.004


def test_crossed_ropes_hold_each_other() -> None:
    along = torch.linspace(-0.2, 0.2, 21)
    low = rope(torch.stack([along, 0 * along, 0 * along], 1), JELLY, radius=0.01).attach(torch.tensor([0, 20]))
    high = moved(rope(torch.stack([0 * along, along, 0 * along], 1), JELLY, radius=0.01), (0, 0, 0.03))
    state = run(Model(elements=merge(low, high)), 0.2)
    assert float(state.vertex_x[21 + 10, 2] - state.vertex_x[10, 2]) > 0.019
    assert float(torch.cdist(state.vertex_x[:21], state.vertex_x[21:]).min()) > 0.0195


def _busy(block: Any, n: int = 8) -> Model:
    """A sheet of n × n cells and a jelly that fall on a ball."""
    body = moved(soft_body(*block((2, 2, 2), 0.04), JELLY), (0.05, 0.05, 0.05), (0, 0, -1))
    return Model(
        elements=merge(cloth(sheet(n, 0.2), COTTON), body), colliders=(Collider(Sphere(0.1), Pose((0.1, 0.1, -0.11))),)
    )


def test_a_rollout_repeats_bit_by_bit(block: Any) -> None:
    first, second = run(_busy(block), 0.2), run(_busy(block), 0.2)
    assert set(first.differences(second).values()) == {0.0}


def test_a_new_solver_goes_on_where_another_stopped(block: Any) -> None:
    model = _busy(block)
    whole, resumed, control = model.state(), model.state(), model.control()
    solver, others = SolverXPBD(model), [SolverXPBD(model), SolverXPBD(model)]
    for step in range(12):
        solver.step(whole, whole, control, 1 / 60)
        others[step // 6].step(resumed, resumed, control, 1 / 60)
    assert set(whole.differences(resumed).values()) == {0.0}


def test_two_threads_and_colours_give_the_bits_of_one(monkeypatch: pytest.MonkeyPatch, block: Any) -> None:
    before, model = threads(), _busy(block, 40)
    try:
        set_threads(1)
        one = run(model, 0.05)
        monkeypatch.setattr(xpbd, "WORTH_SPLITTING", 100)
        set_threads(2)
        two = run(model, 0.05)
    finally:
        set_threads(before)
    assert set(one.differences(two).values()) == {0.0}


def test_steps_may_write_into_another_state_and_leave_the_first(block: Any) -> None:
    model = _busy(block)
    solver, state, nxt = SolverXPBD(model), model.state(), model.state()
    solver.step(state, nxt, model.control(), 0.01)
    assert state.differences(model.state())["vertex_x"] == 0 and nxt.time == pytest.approx(0.01)
    solver.step(state, state, model.control(), 0.01)
    assert set(state.differences(nxt).values()) == {0.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: {"x": e.x * torch.nan}, "27 of 27 bad, first number 0"),
        (lambda e: {"tets": e.tets[:, [1, 0, 2, 3]]}, "positive volume"),
        (lambda e: {"x": e.x * torch.tensor([1, 1, 0])}, "positive volume"),
        (lambda e: {"tets": e.tets + 1}, "vertices 0 to 26"),
        (lambda e: {"tet_mu": -e.tet_mu}, "more than 0"),
        (lambda e: {"mass": -e.mass}, "0 or more"),
        (lambda e: {"mass": e.mass[1:]}, "elements.mass"),
        (lambda e: {"tets": e.tets[:0], "faces": e.faces[:0]}, "elements.tet_inverse_rest"),
    ],
)
def test_bad_elements_are_refused(change: Callable[[Elements], dict[str, Tensor]], message: str, block: Any) -> None:
    good = soft_body(*block((2, 2, 2), 0.05), JELLY)
    with pytest.raises(InputError, match=message):
        replace(good, **change(good))


def test_a_loose_vertex_is_refused(block: Any) -> None:
    x, tets = block((1, 1, 1), 0.1)
    faces, x = soft_body(x, tets, JELLY).faces, torch.cat([x, x[:1] + 1])
    with pytest.raises(InputError, match=r"elements\.x: got 1 of 9 bad, first number 8"):
        elements_of(x=x, mass=torch.ones(9), radius=0.0, friction=0.0, faces=faces)


def test_a_step_that_would_take_forever_is_refused() -> None:
    model = Model(elements=cloth(sheet(2, 0.1), COTTON), colliders=(Collider(Sphere(0.1)),))
    state = model.state()
    state.vertex_v += 1e9
    with pytest.raises(InputError, match="substeps"):
        SolverXPBD(model).step(state, state, model.control(), 0.1)
