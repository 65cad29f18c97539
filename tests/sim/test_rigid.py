"""Rigid bodies: closed forms of flight, friction, rolling, bouncing, joints and servos; bit-identical restoring."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.body import Joint
from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.control import Control
from scenekit.sim.hulls import convex_hull
from scenekit.sim.model import Model
from scenekit.sim.rigid import SolverRigid
from scenekit.sim.shapes import Box, Capsule, Hull, Plane, Shape, Sphere
from scenekit.sim.solver import SimulationError
from scenekit.sim.state import State

G = 9.81
NONE = (0.0, 0.0, 0.0)


def floor(friction: float = 0.5, degrees: float = 0.0) -> RigidBody:
    """A plane through the origin, tilted about y so that +x goes down."""
    none = np.zeros((3, 3))
    piece = (Piece(Plane()),)
    return RigidBody("/floor", "static", tilted(NONE, degrees), 0, NONE, none, piece, friction, 1.0)


def tilted(position: tuple[float, float, float], degrees: float) -> Pose:
    half = math.radians(degrees) / 2
    return Pose(position, (math.cos(half), 0.0, math.sin(half), 0.0))


def box(name: str = "/box", half: tuple[float, float, float] = (0.1, 0.1, 0.1), pose: Pose = Pose()) -> RigidBody:
    a, b, c = (side**2 for side in half)
    return RigidBody(name, "dynamic", pose, 1.0, NONE, np.diag([b + c, a + c, a + b]) / 3, (Piece(Box(half)),))


def ball(position: tuple[float, float, float] = NONE, radius: float = 0.1) -> RigidBody:
    return RigidBody(
        "/ball", "dynamic", Pose(position), 1.0, NONE, 0.4 * radius**2 * np.eye(3), (Piece(Sphere(radius)),)
    )


def hung(joint: Joint, *, centre: tuple[float, float, float] = NONE, mass: float = 1.0) -> RigidBody:
    return RigidBody("/hung", "dynamic", Pose((0, 0, 1)), mass, centre, 0.004 * np.eye(3), joint=joint)


def started(
    *bodies: RigidBody, gravity: float = -G, timestep: float | None = None
) -> tuple[SolverRigid, State, Control]:
    model = Model(gravity=(0, 0, gravity), bodies=bodies)
    return SolverRigid(model, timestep=timestep), model.state(), model.control()


def rolled(solver: SolverRigid, state: State, control: Control, seconds: float, frames: int = 1) -> State:
    for _ in range(frames):
        solver.step(state, state, control, seconds / frames)
    return state


def angular_momentum(body: RigidBody, state: State, i: int = 0) -> np.ndarray:
    R = rotation_from_quaternion(state.body_quat[i].numpy())
    return R @ body.inertia @ R.T @ state.body_w[i].numpy()


def test_a_projectile_that_spins_about_a_centre_off_its_origin_flies_a_parabola() -> None:
    body = replace(ball(), centre=(0.03, -0.02, 0.01), velocity=(3.0, 0.5, 4.0), spin=(5.0, 2.0, -3.0))
    solver, state, control = started(body)
    start = solver.model.body_centres(state)[0].numpy()
    rolled(solver, state, control, 1.0)
    wanted = [start[0] + 3.0, start[1] + 0.5, start[2] + 4.0 - G / 2]
    np.testing.assert_allclose(solver.model.body_centres(state)[0].numpy(), wanted, atol=1e-6)
    np.testing.assert_allclose(state.body_v[0].numpy(), [3.0, 0.5, 4.0 - G], atol=1e-9)
    assert state.time == pytest.approx(1.0)


def test_a_top_that_tumbles_keeps_its_angular_momentum_and_energy() -> None:
    inertia = np.diag([0.001, 0.002, 0.0025])  # spins about the middle axis, so it flips over and over
    body = replace(ball(), inertia=inertia, centre=(0.1, 0.02, -0.05), spin=(0.1, 10.0, 0.1))
    solver, state, control = started(body, gravity=0.0)
    momentum = angular_momentum(body, state)
    energy = momentum @ state.body_w[0].numpy()
    flips = set()
    for _ in range(20):
        rolled(solver, state, control, 0.1)
        flips.add(
            float(state.body_w[0] @ torch.from_numpy(rotation_from_quaternion(state.body_quat[0].numpy()))[:, 1]) > 0
        )
        np.testing.assert_allclose(angular_momentum(body, state), momentum, atol=1e-9 * np.linalg.norm(momentum))
        assert angular_momentum(body, state) @ state.body_w[0].numpy() == pytest.approx(energy, rel=1e-4)
    assert flips == {True, False}


def test_a_force_and_a_torque_act_at_the_centre_of_mass_as_newton_and_euler_say() -> None:
    solver, state, control = started(replace(ball(), centre=(0.1, 0, 0)), gravity=0.0)
    control.body_force[0] = torch.tensor([1.0, 2.0, 3.0])
    control.body_torque[0] = torch.tensor([0.0, 0.0, 0.004])
    rolled(solver, state, control, 1.0)
    np.testing.assert_allclose(state.body_v[0].numpy(), [1, 2, 3], rtol=1e-9)
    np.testing.assert_allclose(state.body_w[0].numpy(), [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(solver.model.body_centres(state)[0].numpy(), [0.6, 1.0, 1.5], rtol=1e-6)


HULL = convex_hull(np.array([[x, y, z] for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (-0.1, 0.1)]))


@pytest.mark.parametrize("shape", [Box((0.1, 0.1, 0.1)), Hull(HULL)], ids=["box", "hull"])
@pytest.mark.parametrize("beyond", [-5.0, -0.5, 0.5, 5.0])
def test_a_block_slides_down_an_incline_only_if_it_is_steeper_than_the_friction_angle(
    shape: Shape, beyond: float
) -> None:
    friction = 0.5
    angle = math.degrees(math.atan(friction)) + beyond
    slope = math.radians(angle)
    along, up = np.array([math.cos(slope), 0, -math.sin(slope)]), np.array([math.sin(slope), 0, math.cos(slope)])
    block = replace(box(pose=tilted(tuple(0.1 * up), angle)), pieces=(Piece(shape),), friction=friction)
    solver, state, control = started(floor(friction, angle), block)
    start = state.body_x[1].numpy().copy()
    rolled(solver, state, control, 1.0)
    wanted = max(G * (math.sin(slope) - friction * math.cos(slope)), 0.0)
    assert state.body_v[1].numpy() @ along == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    moved = state.body_x[1].numpy() - start
    assert moved @ along == pytest.approx(wanted / 2, rel=5e-3, abs=1e-4)
    assert abs(moved @ up) < 1e-5, "it neither hops nor sinks"


@pytest.mark.parametrize("degrees", [10.0, 20.0])
def test_a_sphere_that_rolls_down_accelerates_by_five_sevenths_of_g_sin(degrees: float) -> None:
    slope = math.radians(degrees)
    rolling = replace(ball((0.1 * math.sin(slope), 0, 0.1 * math.cos(slope))), friction=0.8)
    solver, state, control = started(floor(0.8, degrees), rolling)
    rolled(solver, state, control, 1.0)
    wanted = 5 / 7 * G * math.sin(slope)
    assert float(state.body_v[1].norm()) == pytest.approx(wanted, rel=1e-4)
    assert float(state.body_w[1, 1]) * 0.1 == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("restitution", [0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("height", [0.2, 1.0])
def test_a_sphere_bounces_to_the_height_that_its_restitution_says(restitution: float, height: float) -> None:
    solver, state, control = started(floor(), replace(ball((0, 0, 0.1 + height)), restitution=restitution))
    rolled(solver, state, control, math.sqrt(2 * height / G) + 2e-3)
    top = float(state.body_x[1, 2]) + max(float(state.body_v[1, 2]), 0.0) ** 2 / (2 * G)
    assert math.sqrt(max(top - 0.1, 0) / height) == pytest.approx(restitution, rel=0.03, abs=1e-3)


def test_of_two_bodies_the_less_bouncy_one_counts() -> None:
    dull = replace(floor(), restitution=0.0)
    solver, state, control = started(dull, replace(ball((0, 0, 0.3)), restitution=0.9))
    rolled(solver, state, control, 1.0)
    np.testing.assert_allclose(state.body_x[1].numpy(), [0, 0, 0.1], atol=1e-6)


def stack() -> tuple[SolverRigid, State, Control]:
    boxes = [replace(box(f"/{i}", pose=Pose((0.01 * (i % 2), 0, 0.1 + 0.2 * i))), restitution=0.5) for i in range(10)]
    return started(floor(), *boxes)


def test_a_stack_of_ten_boxes_stands_still_and_each_bears_those_above() -> None:
    solver, state, control = stack()
    start = state.body_x.clone()
    rolled(solver, state, control, 1.0)
    assert float((state.body_x - start).abs().max()) < 1e-4
    assert float(state.body_v.abs().max()) < 1e-6
    loads = np.zeros(10)
    for touch in solver.contacts(state, control):
        assert abs(touch.depth) < 1e-5
        loads[max(touch.bodies) - 1] += abs(touch.force[2])
    np.testing.assert_allclose(loads, G * np.arange(10, 0, -1), rtol=1e-3)


def test_a_stack_of_ten_boxes_stands_for_ten_seconds() -> None:
    solver, state, control = stack()
    start = state.body_x.clone()
    rolled(solver, state, control, 10.0)
    assert float((state.body_x - start).abs().max()) < 1e-4


def test_what_is_thrown_on_a_floor_comes_to_rest_without_entering() -> None:
    thrown = replace(box(half=(0.05, 0.03, 0.02), pose=Pose((0, 0, 0.3), (0.5, 0.5, 0.5, 0.5))), spin=(3.0, 1.0, 4.0))
    rod = replace(ball((0.3, 0, 0.3)), name="/rod", pieces=(Piece(Capsule(0.03, 0.1), tilted(NONE, 70)),))
    solver, state, control = started(floor(), replace(thrown, velocity=(1.0, 0, -2.0)), rod)
    for _ in range(15):
        rolled(solver, state, control, 0.1)
        assert all(touch.depth < 2e-3 for touch in solver.contacts(state, control))
    assert float(state.body_v[1].norm()) < 1e-4
    height = float(state.body_x[1, 2])
    assert min(abs(height - half) for half in (0.02, 0.03, 0.05)) < 1e-4, "it lies on a side"


def test_a_pendulum_swings_with_the_period_of_the_textbook() -> None:
    solver, state, control = started(hung(Joint("hinge", (0, 1, 0)), centre=(0, 0, -1.0)))
    state.joint_q[0], amplitude, crossings = 0.05, 0.05, []
    before = amplitude
    while len(crossings) < 2:
        rolled(solver, state, control, 1e-2)
        now = float(state.joint_q[0])
        if before < 0 <= now:
            crossings.append(state.time - 1e-2 * now / (now - before))
        before = now
    period = 2 * math.pi * math.sqrt(1.004 / G) * (1 + amplitude**2 / 16)
    assert np.diff(crossings).mean() == pytest.approx(period, rel=1e-4)


def test_a_jointed_body_has_the_pose_and_velocity_that_its_coordinates_say() -> None:
    solver, state, control = started(hung(Joint("hinge", (0, 1, 0), (0, 0, 0.5)), centre=(0, 0, -0.5)), gravity=0.0)
    state.joint_q[0], state.joint_v[0] = 0.3, 2.0
    rolled(solver, state, control, 1e-3)
    q, v = float(state.joint_q[0]), float(state.joint_v[0])
    assert (q, v) == pytest.approx((0.302, 2.0), abs=1e-6)
    centre = solver.model.body_centres(state)[0].numpy()
    np.testing.assert_allclose(centre, [-math.sin(q), 0, 1.5 - math.cos(q)], atol=1e-12)
    np.testing.assert_allclose(state.body_v[0].numpy(), np.array([-math.cos(q), 0, math.sin(q)]) * v, atol=1e-12)
    np.testing.assert_allclose(state.body_w[0].numpy(), [0, v, 0], atol=1e-12)


def test_a_double_pendulum_keeps_its_energy() -> None:
    upper = RigidBody(
        "/a", "dynamic", Pose((0, 0, 2)), 1.0, (0, 0, -0.5), 0.05 * np.eye(3), joint=Joint("hinge", (0, 1, 0))
    )
    lower = replace(upper, name="/a/b", pose=Pose((0, 0, 1)), parent=0)
    tip = replace(lower, name="/a/b/c", mass=0.1, inertia=0.005 * np.eye(3), parent=1, joint=Joint("fixed"))
    solver, state, control = started(upper, lower, tip)
    state.joint_q[0] = 1.5

    def energy() -> float:
        centres = solver.model.body_centres(state)
        spins = [
            angular_momentum(body, state, i) @ state.body_w[i].numpy() for i, body in enumerate(solver.model.bodies)
        ]
        masses = torch.tensor([body.mass for body in solver.model.bodies], dtype=torch.float64)
        return float((masses * (0.5 * (state.body_v**2).sum(1) + G * centres[:, 2])).sum()) + 0.5 * sum(spins)

    rolled(solver, state, control, 1e-3)
    start = energy()
    for _ in range(5):
        rolled(solver, state, control, 0.2)
        assert energy() == pytest.approx(start, rel=0.01)
    np.testing.assert_allclose(state.body_x[2].numpy(), state.body_x[1].numpy(), atol=1e-12)


def test_a_spring_servo_on_a_slide_settles_where_gravity_and_gain_balance() -> None:
    joint = Joint("slide", (0, 0, 1), damping=20.0, actuator="position", gain=400.0)
    solver, state, control = started(hung(joint, mass=2.0))
    control.actuator[0] = 0.3
    rolled(solver, state, control, 3.0)
    assert float(state.joint_q[0]) == pytest.approx(0.3 - 2.0 * G / 400, rel=1e-4)
    assert float(state.body_x[0, 2]) == pytest.approx(1 + float(state.joint_q[0]))


def test_motors_push_and_velocity_servos_reach_their_speed() -> None:
    motor = hung(Joint("hinge", actuator="motor", gain=0.02))
    servo = replace(hung(Joint("hinge", actuator="velocity", gain=0.1)), name="/servo")
    solver, state, control = started(motor, servo)
    control.actuator[:] = torch.tensor([3.0, 5.0])
    rolled(solver, state, control, 1.0)
    assert float(state.joint_v[0]) == pytest.approx(0.06 / 0.004, rel=1e-6)
    assert float(state.joint_v[1]) == pytest.approx(5.0, rel=1e-6)


@pytest.mark.parametrize(
    ("joint", "wanted"),
    [
        (Joint("slide", (0, 0, 1), limits=(-0.1, 0.2)), -0.1),
        (Joint("hinge", (0, 1, 0), limits=(-0.3, 0.4)), 0.4),
        (Joint("ball", limits=(0.0, 0.5)), 0.5),
    ],
    ids=["slide", "hinge", "ball"],
)
def test_limits_hold(joint: Joint, wanted: float) -> None:
    solver, state, control = started(hung(joint, centre=(0.1, 0, 0), mass=5.0))
    rolled(solver, state, control, 1.0)
    q = state.joint_q.numpy()
    reached = 2 * math.acos(q[0]) if joint.kind == "ball" else q[0]
    assert reached == pytest.approx(wanted, abs=1e-3)


def test_a_kinematic_pusher_moves_a_box_at_its_own_speed() -> None:
    pusher = replace(box("/pusher", pose=Pose((-0.3, 0, 0.1))), kind="kinematic", velocity=(0.5, 0, 0))
    solver, state, control = started(floor(), pusher, box(pose=Pose((0, 0, 0.1))))
    start = state.body_x[1].clone()
    rolled(solver, state, control, 0.6)
    np.testing.assert_allclose((state.body_x[1] - start).numpy(), [0.3, 0, 0], atol=1e-12)
    assert float(state.body_x[2, 0]) == pytest.approx(0.2, abs=2e-3)


def test_a_turntable_carries_what_stands_on_it() -> None:
    table = RigidBody("/table", "kinematic", Pose(), 0, NONE, np.zeros((3, 3)), (Piece(Box((1, 1, 0.1))),), 0.8)
    solver, state, control = started(replace(table, spin=(0, 0, 1.0)), box(pose=Pose((0.4, 0, 0.2))))
    rolled(solver, state, control, 1.0)
    assert float(state.body_x[1, :2].norm()) == pytest.approx(0.4, rel=0.02)
    np.testing.assert_allclose(state.body_w[1].numpy(), [0, 0, 1], atol=1e-3)
    turned = 2 * math.atan2(float(state.body_quat[0, 3]), float(state.body_quat[0, 0]))
    assert turned == pytest.approx(1.0, abs=1e-9)


def test_a_saved_state_that_is_restored_goes_on_bit_by_bit(tmp_path: Path) -> None:
    boxes = [replace(box(f"/{i}", pose=Pose((0.05 * i, 0.02 * i, 0.2 + 0.25 * i))), restitution=0.4) for i in range(4)]
    arm = hung(Joint("ball"), centre=(0.2, 0, 0))
    solver, state, control = started(floor(), *boxes, arm)
    rolled(solver, state, control, 0.3)
    state.save(tmp_path / "state.safetensors")
    rolled(solver, state, control, 0.3, frames=3)
    again, other, _ = started(floor(), *boxes, arm)
    other.load_(tmp_path / "state.safetensors")
    rolled(again, other, control, 0.3, frames=3)
    assert set(state.differences(other).values()) == {0.0}


def test_a_step_into_another_state_leaves_the_first_as_it_was() -> None:
    solver, state, control = started(floor(), ball((0, 0, 1)))
    kept, nxt = state.clone(), solver.model.state()
    solver.step(state, nxt, control, 0.1)
    assert set(state.differences(kept).values()) == {0.0}
    solver.step(kept, kept, control, 0.1)
    assert set(nxt.differences(kept).values()) == {0.0}


def test_two_that_collide_keep_their_momentum() -> None:
    left = replace(box(pose=Pose((-0.3, 0.02, 0))), velocity=(1.0, 0, 0), restitution=0.6, spin=(0, 0, 1.0))
    right = replace(ball((0.1, 0, 0)), mass=3.0, restitution=0.6)
    solver, state, control = started(left, right, gravity=0.0)
    rolled(solver, state, control, 1.0)
    assert float(state.body_v[1, 0]) > 0.1, "they met"
    np.testing.assert_allclose((state.body_v[0] + 3 * state.body_v[1]).numpy(), [1, 0, 0], atol=1e-9)
    centres = solver.model.body_centres(state).numpy()
    whole = [np.cross(centres[i], m * state.body_v[i].numpy()) for i, m in ((0, 1.0), (1, 3.0))]
    spins = [angular_momentum(body, state, i) for i, body in enumerate(solver.model.bodies)]
    start = np.array([0, 0, -0.02 * 1.0 + left.inertia[2, 2]])
    np.testing.assert_allclose(sum(whole) + sum(spins), start, atol=1e-3 * abs(start[2]))


@pytest.mark.parametrize("timestep", [0.0, -1.0, 0.01, math.nan])
def test_a_timestep_that_was_never_checked_is_refused(timestep: float) -> None:
    with pytest.raises(InputError, match="timestep"):
        SolverRigid(Model(bodies=(ball(),)), timestep=timestep)


def test_values_that_stop_being_finite_are_a_simulation_error() -> None:
    solver, state, control = started(ball())
    control.body_force[0] = math.inf
    with pytest.raises(SimulationError, match="finite"):
        solver.step(state, state, control, 0.01)
