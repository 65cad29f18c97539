"""Bodies between two steps of the rigid solver."""

import numpy as np
import pytest
import torch

from scenekit.body import Joint
from scenekit.poses import Pose
from scenekit.sim.bodies import RigidBody
from scenekit.sim.body_motion import BodyMotion
from scenekit.sim.colliders import Collider
from scenekit.sim.model import Model
from scenekit.sim.shapes import Sphere

INERTIA = np.diag([0.1, 0.2, 0.25])


def body(kind: str = "dynamic", joint: Joint | None = None, **motion: tuple[float, float, float]) -> RigidBody:
    pose = Pose((1, 0, 0), (np.sqrt(0.5), 0, 0, np.sqrt(0.5)))
    return RigidBody("/body", kind, pose, 2.0, (0.1, 0, 0), INERTIA, joint=joint, **motion)  # type: ignore[arg-type]


def test_a_push_changes_both_momenta_by_just_what_it_gives() -> None:
    model = Model(bodies=(body(),))
    motion = BodyMotion(model)
    motion.begin(model.state(), model.control())
    J, L = np.array([1.0, -2.0, 3.0]), np.array([0.01, 0.02, -0.03])
    motion.push(np.concatenate([J, L])[None])
    R = Pose(quat=(np.sqrt(0.5), 0, 0, np.sqrt(0.5))).matrix[:3, :3]
    assert np.allclose(2.0 * motion._v[0], J)
    assert np.allclose(R @ INERTIA @ R.T @ motion._w[0], L)
    motion.push(np.concatenate([J, L])[None])
    assert torch.allclose(motion.impulses[0], 2 * torch.from_numpy(np.concatenate([J, L])))


@pytest.mark.parametrize("kind", ["static", "kinematic", "fixed"])
def test_what_is_held_does_not_answer_but_counts_what_it_gets(kind: str) -> None:
    held = body("dynamic", Joint("fixed")) if kind == "fixed" else body(kind)
    model = Model(bodies=(held,))
    motion = BodyMotion(model)
    motion.begin(model.state(), model.control())
    motion.push(np.ones((1, 6)))
    assert not motion._v.any()
    assert not motion._w.any()
    assert torch.equal(motion.impulses, torch.ones(1, 6, dtype=torch.float64))


def test_colliders_turn_about_the_centre_of_mass_of_their_body() -> None:
    spin = (0.0, 0.0, np.pi)
    model = Model(bodies=(body(spin=spin),), colliders=(Collider(Sphere(0.05), Pose((0.3, 0, 0)), body=0),))
    motion = BodyMotion(model)
    motion.begin(model.state(), model.control())
    centre = np.array([1.0, 0.1, 0.0])  # 0.1 along the body's x, which looks along y
    assert np.allclose(motion.collider_arrays.struct.x.numpy()[0], [1, 0.3, 0], atol=1e-6)
    for _ in range(50):
        motion.advance(0.01)
    at = motion.collider_arrays.struct.x.numpy()[0]
    assert np.allclose(at - centre, [-0.2, 0, 0], atol=1e-6)  # a quarter of a turn
    distance, _ = motion.collider_arrays.distances(torch.tensor([[0.8, 0.1, 0.0], [0.8, 0.2, 0.0]]))
    assert torch.allclose(distance, torch.tensor([-0.05, 0.05]), atol=1e-6)


def test_a_kinematic_body_goes_where_it_is_told_and_a_dynamic_one_is_left_to_its_solver() -> None:
    model = Model(bodies=(body("kinematic"), body(velocity=(5.0, 0, 0))))
    state, nxt, control = model.state(), model.state(), model.control()
    control.body_v[0] = torch.tensor([0.0, 0.0, 2.0])
    motion = BodyMotion(model)
    motion.begin(state, control)
    motion.advance(0.25)
    motion.end(nxt, control)
    assert torch.allclose(nxt.body_x[0], state.body_x[0] + torch.tensor([0, 0, 0.5]))
    assert torch.allclose(nxt.body_v[0], control.body_v[0])
    assert torch.equal(nxt.body_x[1], state.body_x[1])
