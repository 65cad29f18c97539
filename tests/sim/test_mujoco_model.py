"""The MuJoCo model of bodies: what it compiles to is what was given; MuJoCo's own integrator as a judge of bounces."""

import math
from collections.abc import Callable
from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
import trimesh

from scenekit.body import Joint
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody, principal_inertia
from scenekit.sim.hulls import convex_hull
from scenekit.sim.model import Model
from scenekit.sim.mujoco_model import contact_reference, spec
from scenekit.sim.rigid import SolverRigid
from scenekit.sim.shapes import Box, Capsule, DistanceField, Hull, Plane, Sphere

NONE = (0.0, 0.0, 0.0)
TILTED = Pose((0.1, -0.2, 0.5), (0.5, -0.5, 0.1, 0.7))
INERTIA = np.array([[0.02, 0.003, -0.001], [0.003, 0.03, 0.002], [-0.001, 0.002, 0.025]])


def body(**changes: object) -> RigidBody:
    given = {"pieces": (Piece(Sphere(0.1)),), **changes}
    return RigidBody("/a b/c.é", "dynamic", TILTED, 1.5, (0.1, 0.02, -0.03), INERTIA, **given)  # type: ignore[arg-type]


def compiled(*bodies: RigidBody, mocap: bool = False) -> mujoco.MjModel:
    return spec(Model(bodies=bodies), mocap=mocap).compile()


def test_mass_centre_and_inertia_are_those_given_whatever_the_shape_weighs() -> None:
    m = compiled(body())
    data = mujoco.MjData(m)
    mujoco.mj_forward(m, data)
    assert m.body_mass[1] == 1.5
    world = TILTED.matrix
    np.testing.assert_allclose(data.xipos[1], world[:3, :3] @ [0.1, 0.02, -0.03] + world[:3, 3], atol=1e-12)
    axes = data.ximat[1].reshape(3, 3)
    np.testing.assert_allclose(
        axes @ np.diag(m.body_inertia[1]) @ axes.T, world[:3, :3] @ INERTIA @ world[:3, :3].T, atol=1e-12
    )


def test_names_are_paths_and_survive_a_file() -> None:
    made = spec(Model(bodies=(body(), replace(body(), name="/a b"))))
    made.compile()
    again = mujoco.MjModel.from_xml_string(made.to_xml())
    assert [again.body(i).name for i in (1, 2)] == ["/a b/c.é", "/a b"]
    np.testing.assert_allclose(again.body_mass[1:], 1.5)


def test_pieces_are_where_they_were_in_their_body() -> None:
    corners = trimesh.creation.icosphere(subdivisions=1, radius=0.1).vertices + np.array([0.3, 0.1, 0.0])
    shapes = [Box((0.1, 0.2, 0.3)), Capsule(0.1, 0.2), Hull(convex_hull(np.asarray(corners)))]
    m = compiled(body(pieces=tuple(Piece(shape, TILTED) for shape in shapes)))
    data = mujoco.MjData(m)
    mujoco.mj_forward(m, data)
    where = TILTED.matrix @ TILTED.matrix
    for geom in (0, 1):
        np.testing.assert_allclose(data.geom_xpos[geom], where[:3, 3], atol=1e-9)
        np.testing.assert_allclose(data.geom_xmat[geom].reshape(3, 3), where[:3, :3], atol=1e-9)
    np.testing.assert_allclose(data.geom_xpos[2], where[:3, :3] @ [0.3, 0.1, 0.0] + where[:3, 3], atol=1e-6)
    vertices = m.mesh_vert @ data.geom_xmat[2].reshape(3, 3).T + data.geom_xpos[2]
    wanted = np.asarray(corners) @ where[:3, :3].T + where[:3, 3]
    assert np.linalg.norm(vertices[:, None] - wanted[None], axis=2).min(1).max() < 1e-6


def test_a_child_is_where_its_node_is_in_the_world() -> None:
    child = replace(body(joint=Joint("hinge", (0, 2, 0), (0.1, 0, 0), limits=(-1, 1))), name="/child", parent=0)
    child = replace(child, pose=Pose((1.0, 2.0, 3.0), (0.0, 0.6, 0.0, 0.8)))
    m = compiled(body(), child)
    data = mujoco.MjData(m)
    mujoco.mj_forward(m, data)
    np.testing.assert_allclose(data.xpos[m.body("/child").id], (1, 2, 3), atol=1e-12)
    np.testing.assert_allclose(abs(data.xquat[m.body("/child").id] @ [0.0, 0.6, 0.0, 0.8]), 1, atol=1e-12)
    np.testing.assert_allclose(m.jnt_axis[m.joint("/child").id], (0, 1, 0))
    np.testing.assert_allclose(m.jnt_range[m.joint("/child").id], (-1, 1))


def test_a_body_and_the_one_it_is_joined_to_do_not_collide() -> None:
    door = replace(body(joint=Joint("hinge")), name="/door", parent=0)
    solver = SolverRigid(Model(bodies=(replace(body(), kind="static"), door)))
    assert solver.contacts(solver.model.state()) == []


def test_kinematic_bodies_can_be_mocap_ones() -> None:
    kinematic = replace(body(), kind="kinematic")
    assert compiled(kinematic, mocap=True).nmocap == 1
    assert compiled(kinematic).nmocap == 0


@pytest.mark.parametrize("restitution", [0.3, 0.6, 0.9])
def test_in_small_steps_a_contact_is_the_spring_of_schwager_and_poeschel(restitution: float) -> None:
    stiffness, damping = (-value for value in contact_reference(restitution, 1e-5))
    ratio = damping / (2 * math.sqrt(stiffness))
    root = math.sqrt(1 - ratio**2)
    returned = math.exp(-ratio / root * (math.pi - math.atan2(2 * ratio * root, 1 - 2 * ratio**2)))
    assert returned == pytest.approx(restitution, rel=2e-3)


@pytest.mark.parametrize("restitution", [0.3, 0.6, 0.9])
def test_bounces_of_the_spring_hold_in_mujoco_alone(restitution: float) -> None:
    floor = RigidBody("/floor", "static", Pose(), 0, NONE, np.zeros((3, 3)), (Piece(Plane()),), restitution=1.0)
    ball = RigidBody("/ball", "dynamic", Pose((0, 0, 0.6)), 1, NONE, 0.004 * np.eye(3), (Piece(Sphere(0.1)),))
    m = spec(Model(bodies=(floor, replace(ball, restitution=restitution)))).compile()
    data, speeds = mujoco.MjData(m), []
    for _ in range(400):
        mujoco.mj_step(m, data)
        speeds.append(data.qvel[2])
    assert max(speeds) / -min(speeds) == pytest.approx(restitution, rel=0.03)


def test_what_mujoco_alone_makes_of_a_stack_stands_too() -> None:
    floor = RigidBody("/floor", "static", Pose(), 0, NONE, np.zeros((3, 3)), (Piece(Plane()),))
    boxes = [
        RigidBody(f"/{i}", "dynamic", Pose((0, 0, 0.1 + 0.2 * i)), 1, NONE, np.eye(3) / 150, (Piece(Box((0.1,) * 3)),))
        for i in range(5)
    ]
    m = spec(Model(bodies=(floor, *boxes))).compile()
    data = mujoco.MjData(m)
    mujoco.mj_step(m, data, 2000)
    np.testing.assert_allclose(data.qpos.reshape(5, 7)[:, 2], 0.1 + 0.2 * np.arange(5), atol=1e-3)


FLAT = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
OPEN = Mesh(torch.rand(3, 3), torch.tensor([[0, 1, 2]]))
FIELD = DistanceField(np.ones((2, 2, 2), np.float32), NONE, 1.0)
HINGE = Joint("hinge")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: body(velocity=(math.nan, 0, 0)), "velocity"),
        (lambda: replace(body(), mass=0.0), "mass"),
        (lambda: replace(body(), mass=math.inf), "mass"),
        (lambda: replace(body(), inertia=np.diag([1.0, 1.0, 3.0])), "inertia"),
        (lambda: replace(body(), inertia=np.diag([1.0, 1.0, 0.0])), "inertia"),
        (lambda: replace(body(), inertia=np.diag([1.0, 1.0, math.nan])), "inertia"),
        (lambda: replace(body(), inertia=INERTIA + np.triu(np.ones((3, 3)), 1)), "inertia"),
        (lambda: replace(body(), inertia=np.eye(2)), "inertia"),
        (lambda: replace(body(), friction=-0.1), "friction"),
        (lambda: replace(body(), restitution=1.1), "restitution"),
        (lambda: replace(body(joint=HINGE), kind="static"), "joint"),
        (lambda: replace(body(joint=HINGE), kind="kinematic"), "joint"),
        (lambda: compiled(replace(body(joint=HINGE), parent=0)), "parent"),
        (lambda: compiled(body(joint=replace(HINGE, axis=NONE))), "axis"),
        (lambda: compiled(body(joint=replace(HINGE, limits=(1.0, -1.0)))), "limits"),
        (lambda: compiled(body(joint=Joint("ball", limits=(-1.0, 1.0)))), "limits"),
        (lambda: compiled(body(joint=Joint("ball", actuator="motor"))), "actuator"),
        (lambda: compiled(body(joint=Joint("fixed", actuator="motor"))), "actuator"),
        (lambda: compiled(body(pieces=(Piece(Plane()),))), "shape"),
        (lambda: compiled(body(pieces=(Piece(FIELD),))), "shape"),
    ],
)
def test_bodies_that_cannot_be_are_refused_by_the_name_of_their_node(make: Callable[[], object], named: str) -> None:
    with pytest.raises(InputError, match=rf"/a b/c\.é: .*{named}"):
        make()


def test_two_bodies_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="body name"):
        compiled(body(), body())


def test_what_mujoco_cannot_compile_is_an_input_error() -> None:
    with pytest.raises(InputError, match="bodies"):
        SolverRigid(Model(bodies=(body(pieces=(Piece(Hull(OPEN)),)),)))


def test_principal_axes_rebuild_the_inertia_and_are_a_rotation() -> None:
    moments, axes = principal_inertia(body())
    np.testing.assert_allclose(axes @ np.diag(moments) @ axes.T, INERTIA, atol=1e-15)
    assert np.linalg.det(axes) == pytest.approx(1)
    assert (np.diff(moments) <= 0).all()


def test_a_flat_plate_whose_moments_add_up_is_allowed() -> None:
    plate = replace(body(), inertia=np.diag([1.0, 2.0, 3.0 + 1e-7]))
    assert compiled(plate).nbody == 2
