"""Colliders: distances and normals against closed forms, velocities of bodies, and the laws of contact."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh
import warp as wp

import scenekit._kernels.colliders as kernels
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.colliders import CONTACTS, Collider, ColliderArrays, Contact
from scenekit.sim.hulls import convex_hull
from scenekit.sim.shapes import Box, Capsule, DistanceField, Hull, Plane, Shape, Sphere

POSE = Pose((0.3, -0.2, 0.5), (0.5, -0.5, 0.1, 0.7))
BALL = trimesh.creation.icosphere(subdivisions=4, radius=0.4)
FIELD = DistanceField.from_mesh(
    Mesh(torch.tensor(np.array(BALL.vertices)).float(), torch.tensor(np.array(BALL.faces)).long()),
    voxel=0.04,
    margin=1.0,
)
NONE = torch.zeros(0, 3)


@wp.kernel
def queried(
    c: kernels.Colliders,
    item: int,
    points: wp.array(dtype=wp.vec3),
    found: wp.array(dtype=wp.vec4),
    velocity: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    found[i] = kernels.collider_query(c, item, points[i])
    velocity[i] = kernels.collider_velocity(c, item, points[i])


@wp.kernel
def touched(
    v: wp.array(dtype=wp.vec3), moving: wp.vec3, n: wp.vec3, mode: int, friction: float, after: wp.array(dtype=wp.vec3)
):
    i = wp.tid()
    after[i] = kernels.contact(v[i], moving, n, mode, friction)


def query(arrays: ColliderArrays, item: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance, normal and velocity of a collider at points."""
    n = len(points)
    found, velocity = wp.zeros(n, dtype=wp.vec4, device="cpu"), wp.zeros(n, dtype=wp.vec3, device="cpu")
    at = wp.array(points.astype(np.float32), dtype=wp.vec3, device="cpu")
    wp.launch(queried, n, inputs=[arrays.struct, item, at, found, velocity], device="cpu")
    return found.numpy()[:, 3], found.numpy()[:, :3], velocity.numpy()


def still(*colliders: Collider) -> ColliderArrays:
    arrays = ColliderArrays(colliders)
    arrays.move(NONE, torch.zeros(0, 3, 3), NONE, NONE, NONE)
    return arrays


def box_distance(p: np.ndarray, half: np.ndarray) -> np.ndarray:
    q = np.abs(p) - half
    return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0)


def capsule_distance(p: np.ndarray) -> np.ndarray:
    nearest = np.clip(p[:, 2], -0.4, 0.4)
    return np.linalg.norm(p - np.outer(nearest, [0, 0, 1]), axis=1) - 0.2


EXACT: list[tuple[Shape, Callable[[np.ndarray], np.ndarray], float]] = [
    (Plane(), lambda p: p[:, 2], 1e-6),
    (Box((0.3, 0.4, 0.5)), lambda p: box_distance(p, np.array([0.3, 0.4, 0.5])), 1e-6),
    (Sphere(0.4), lambda p: np.linalg.norm(p, axis=1) - 0.4, 1e-6),
    (Capsule(0.2, 0.4), capsule_distance, 1e-6),
    (FIELD, lambda p: np.linalg.norm(p, axis=1) - 0.4, 0.012),
]


@pytest.mark.parametrize(("shape", "distance", "tolerance"), EXACT, ids=lambda value: type(value).__name__)
def test_distances_and_normals_are_the_closed_forms_in_any_pose(
    shape: Shape, distance: Callable[[np.ndarray], np.ndarray], tolerance: float
) -> None:
    local = np.random.default_rng(0).uniform(-0.8, 0.8, (2000, 3))
    local = local[np.abs(local).min(1) > 0.05]
    R, t = POSE.matrix[:3, :3], POSE.matrix[:3, 3]
    found, normals, velocity = query(still(Collider(shape, POSE)), 0, local @ R.T + t)
    wanted = distance(local)
    np.testing.assert_allclose(found, wanted, atol=tolerance)
    step = 1e-4
    slopes = [(distance(local + step * axis) - distance(local - step * axis)) / (2 * step) for axis in np.eye(3)]
    gradient = np.stack(slopes, 1)
    smooth = np.abs(np.linalg.norm(gradient, axis=1) - 1) < 1e-3  # not where two faces are equally near
    cosine = (normals * (gradient @ R.T)).sum(1)[smooth]
    assert smooth.mean() > 0.95
    assert cosine.min() > (0.995 if isinstance(shape, DistanceField) else 1 - 1e-4)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert not velocity.any()


def test_in_the_very_middle_normals_are_still_unit_vectors() -> None:
    for shape in (Box((0.3, 0.4, 0.5)), Sphere(0.4), Capsule(0.2, 0.4)):
        _, normals, _ = query(still(Collider(shape, POSE)), 0, np.array([POSE.position]))
        assert np.linalg.norm(normals[0]) == pytest.approx(1, abs=1e-6)


def test_beyond_its_grid_a_field_touches_nothing() -> None:
    distance, _, _ = query(still(Collider(FIELD)), 0, np.array([[5.0, 0, 0], [0, 0, -3.0]]))
    assert (distance > 1).all()


def test_several_fields_keep_their_own_values() -> None:
    box = trimesh.creation.box((0.4, 0.6, 0.8))
    mesh = Mesh(torch.tensor(np.array(box.vertices)).float(), torch.tensor(np.array(box.faces)).long())
    arrays = still(Collider(FIELD), Collider(Sphere(1.0)), Collider(DistanceField.from_mesh(mesh, voxel=0.05)))
    points = np.random.default_rng(1).uniform(-0.15, 0.15, (300, 3))
    distance, _, _ = query(arrays, 2, points)
    np.testing.assert_allclose(distance, box_distance(points, np.array([0.2, 0.3, 0.4])), atol=0.03)


def test_the_nearest_collider_is_found_with_its_number() -> None:
    arrays = still(
        Collider(Plane()), Collider(Sphere(0.2), Pose((0, 0, 1.0))), Collider(Box((0.1,) * 3), Pose((2, 0, 1)))
    )
    points = torch.tensor([[0.0, 0, 0.3], [0, 0, 0.75], [2.0, 0, 0.85], [0, 0, -0.5]])
    distance, number = arrays.distances(points)
    np.testing.assert_allclose(distance.numpy(), [0.3, 0.05, 0.05, -0.5], atol=1e-6)
    assert number.tolist() == [0, 1, 2, 0]


def test_colliders_of_a_body_move_and_turn_with_it() -> None:
    arrays = ColliderArrays((Collider(Sphere(0.1), Pose((0.5, 0, 0)), body=1), Collider(Plane())))
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)  # x → y
    x, R = torch.tensor([[9.0, 9, 9], [1, 2, 3]]), torch.stack([torch.eye(3, dtype=torch.float64), turn])
    v, w = torch.tensor([[7.0, 7, 7], [0.1, 0.2, 0.3]]), torch.tensor([[0.0, 0, 0], [0, 0, 2.0]])
    centre = torch.tensor([[0.0, 0, 0], [1, 2.2, 3]])
    arrays.move(x, R, v, w, centre)
    points = np.array([[1.0, 2.5, 3.15], [1.3, 2.5, 3.0]])
    distance, normal, velocity = query(arrays, 0, points)
    np.testing.assert_allclose(distance, [0.05, 0.2], atol=1e-6)
    np.testing.assert_allclose(normal, [[0, 0, 1], [1, 0, 0]], atol=1e-6)
    wanted = v[1].numpy() + np.cross([0, 0, 2.0], points - centre[1].numpy())
    np.testing.assert_allclose(velocity, wanted, atol=1e-6)
    assert not query(arrays, 1, points)[2].any(), "the plane belongs to the world"


def touch(v: np.ndarray, mode: Contact, friction: float = 0.5, moving: tuple[float, ...] = (0, 0, 0)) -> np.ndarray:
    after = wp.zeros(len(v), dtype=wp.vec3, device="cpu")
    normal = wp.vec3(0.6, 0.0, 0.8)
    given = wp.array(v.astype(np.float32), dtype=wp.vec3, device="cpu")
    inputs = [given, wp.vec3(*moving), normal, CONTACTS.index(mode), friction, after]
    wp.launch(touched, len(v), inputs=inputs, device="cpu")
    return after.numpy()


NORMAL = np.array([0.6, 0.0, 0.8])
VELOCITIES = np.random.default_rng(2).normal(size=(500, 3))
MOVING = (0.3, -0.2, 0.4)


def test_sticky_matter_moves_with_the_collider() -> None:
    np.testing.assert_allclose(touch(VELOCITIES, "sticky", moving=MOVING), np.tile(MOVING, (500, 1)), atol=1e-6)


def test_slipping_matter_keeps_all_but_the_normal_velocity() -> None:
    u = VELOCITIES - MOVING
    wanted = MOVING + u - np.outer(u @ NORMAL, NORMAL)
    np.testing.assert_allclose(touch(VELOCITIES, "slip", moving=MOVING), wanted, atol=1e-6)


def test_separating_matter_obeys_coulombs_cone_exactly() -> None:
    friction = 0.5
    u = VELOCITIES - MOVING
    normal = u @ NORMAL
    after = touch(VELOCITIES, "separate", friction, MOVING) - MOVING
    leaves, sliding = normal >= 0, np.linalg.norm(u - np.outer(normal, NORMAL), axis=1)
    np.testing.assert_allclose(after[leaves], u[leaves], atol=1e-6)
    np.testing.assert_allclose(after[~leaves] @ NORMAL, 0, atol=1e-6)
    impulse = after - u  # per mass: normal part −normal, tangential part at most μ times that
    tangential = np.linalg.norm(impulse - np.outer(impulse @ NORMAL, NORMAL), axis=1)[~leaves]
    sticks = sliding[~leaves] <= -friction * normal[~leaves]
    assert sticks.any() and not sticks.all()
    np.testing.assert_allclose(after[~leaves][sticks], 0, atol=1e-6)
    np.testing.assert_allclose(tangential[~sticks], -friction * normal[~leaves][~sticks], atol=1e-5)
    np.testing.assert_allclose(np.cross(after, u - np.outer(normal, NORMAL))[~leaves], 0, atol=1e-5)


def test_without_friction_separating_is_slipping_for_what_comes_near() -> None:
    near = VELOCITIES[VELOCITIES @ NORMAL < 0]
    np.testing.assert_allclose(touch(near, "separate", 0.0), touch(near, "slip"), atol=1e-6)


def test_no_contact_adds_energy_in_the_frame_of_the_collider() -> None:
    for mode in CONTACTS:
        after = touch(VELOCITIES, mode, 0.7, MOVING) - MOVING
        assert (np.linalg.norm(after, axis=1) <= np.linalg.norm(VELOCITIES - MOVING, axis=1) + 1e-5).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Collider(Plane(), friction=-0.1),
        lambda: Collider(Plane(), friction=math.inf),
        lambda: Collider(Plane(), contact="glue"),  # type: ignore[arg-type]
        lambda: Collider(Hull(convex_hull(np.eye(4, 3)))),
    ],
)
def test_colliders_that_cannot_be_are_refused_by_name(make: Callable[[], Collider]) -> None:
    with pytest.raises(InputError, match="collider"):
        make()


def test_no_colliders_are_far_from_everything() -> None:
    distance, number = still().distances(torch.zeros(3, 3))
    assert torch.isinf(distance).all() and (number == -1).all()
