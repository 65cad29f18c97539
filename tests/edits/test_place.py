"""Moves, turns, scales and mirrors: every point of every part goes where the map of the world takes it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.cameras import inverse_pose, rotation_from_quaternion
from scenekit.edits.place import axis_angle, middle, transformed
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.render.splats import rasterization
from scenekit.render.splats_torch import covariances
from scenekit.scene import Scene, SceneState

NORMAL = np.array([1.0, 2.0, -2.0]) / 3
MIRROR = np.eye(3) - 2 * np.outer(NORMAL, NORMAL)
TURN = rotation_from_quaternion(np.array([0.5, 0.1, -0.7, 0.5]))
MAPS = {
    "move": np.eye(3),
    "turn": TURN,
    "scale": 1.7 * np.eye(3),
    "mirror": MIRROR,
    "all": 0.6 * MIRROR @ TURN,
}


def similarity(name: str) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = MAPS[name], (0.4, -0.3, 0.2)
    return T


def without_cameras(state: SceneState) -> SceneState:
    return state.with_each("/", lambda _, node: replace(node, cameras=None))


def mapped(T: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ T[:3, :3].T + T[:3, 3]


def mesh_points(state: SceneState) -> np.ndarray:
    found = [(state.pose(p).matrix, n.mesh) for p, n in state.walk() if n.mesh is not None]
    return np.concatenate([mapped(T, mesh.vertices[mesh.faces].double().numpy()) for T, mesh in found])


@pytest.mark.parametrize("name", MAPS)
def test_splats_of_the_world_are_the_mapped_splats_of_the_world(make_state, name):
    state, T = without_cameras(make_state(n=40, degree=3)), similarity(name)
    after, expected = transformed(state, "/", T).splats(), state.splats().transform(torch.from_numpy(T))
    torch.testing.assert_close(after.means, expected.means, atol=2e-6, rtol=1e-6)
    torch.testing.assert_close(after.sh, expected.sh, atol=3e-6, rtol=0)
    torch.testing.assert_close(
        covariances(after.quats, after.scales), covariances(expected.quats, expected.scales), atol=1e-8, rtol=1e-4
    )
    assert torch.equal(after.logit_opacities, expected.logit_opacities)


@pytest.mark.parametrize("name", MAPS)
def test_faces_go_along_and_keep_their_outside(make_state, name):
    state, T = without_cameras(make_state()), similarity(name)
    before, after = mapped(T, mesh_points(state)), mesh_points(transformed(state, "/", T))
    if np.linalg.det(T[:3, :3]) < 0:
        before = before[:, ::-1]
    np.testing.assert_allclose(after, before, atol=1e-6)


@pytest.mark.parametrize("name", ["move", "turn", "scale"])
def test_photos_and_sparse_points_go_along(make_state, name):
    state, T = make_state(), similarity(name)
    new = transformed(state, "/room", T)
    before, after = state.node("/room").cameras, new.node("/room").cameras
    P, Q = state.pose("/room").matrix, new.pose("/room").matrix
    np.testing.assert_allclose(mapped(Q, after.centres), mapped(T @ P, before.centres), atol=1e-12)
    np.testing.assert_allclose(mapped(Q, after.points.xyz), mapped(T @ P, before.points.xyz), atol=1e-12)
    for a, b in zip(after.photos, before.photos, strict=True):
        axes = (T @ P @ b.T_world_cam)[:3, :3] / np.cbrt(np.linalg.det(T[:3, :3]))
        np.testing.assert_allclose((Q @ a.T_world_cam)[:3, :3], axes, atol=1e-12)


@pytest.mark.parametrize("name", ["move", "turn", "scale"])
def test_photos_see_the_same_picture_after_an_edit(make_state, name):
    """Splats and cameras of a node move as one, so nothing changes in the image, whatever the edit."""
    state, images = make_state(n=60, degree=2), []
    for at in (state, transformed(state, "/room", similarity(name))):
        node = at.node("/room")
        photo, splats = node.cameras.photos[0], node.splats.map(torch.Tensor.double)
        image, _, _ = rasterization(
            *(splats.means, splats.quats, splats.scales, splats.opacities, splats.sh),
            torch.from_numpy(inverse_pose(photo.T_world_cam))[None],
            torch.from_numpy(photo.camera.K)[None],
            *(photo.camera.width, photo.camera.height),
            sh_degree=2,
            backend="torch",
        )
        images.append(image)
    assert (images[1] - images[0]).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["scale", "mirror", "all"])
def test_a_body_keeps_its_density(make_state, name):
    """Energy ½ ω·I ω and the centre in the world must be those of the mapped body: mass s³, inertia s⁵."""
    state, T = without_cameras(make_state()), similarity(name)
    new = transformed(state, "/", T)
    a, b = state.node("/room/mug").body, new.node("/room/mug").body
    s = abs(np.linalg.det(T[:3, :3])) ** (1 / 3)
    assert b.mass.value == pytest.approx(a.mass.value * s**3)
    assert b.mass.spread == pytest.approx(a.mass.spread * s**3)
    assert b.mass.provenance == a.mass.provenance
    P, Q = state.pose("/room/mug").matrix, new.pose("/room/mug").matrix
    np.testing.assert_allclose(mapped(Q, np.array(b.centre)), mapped(T @ P, np.array(a.centre)), atol=1e-12)
    R, S = (T @ P)[:3, :3] / s, Q[:3, :3]
    np.testing.assert_allclose(S @ b.inertia @ S.T, s**5 * R @ a.inertia @ R.T, atol=1e-12)


def test_a_moved_node_keeps_its_parts_and_its_turn(make_state):
    state = make_state()
    new = edits.Move("/room/mug", (1, 2, 3)).apply(state)
    old, node = state.node("/room/mug"), new.node("/room/mug")
    assert node.splats is old.splats and node.mesh is old.mesh
    np.testing.assert_allclose(
        new.pose("/room/mug").position, np.add(state.pose("/room/mug").position, (1, 2, 3)), atol=1e-12
    )
    assert new.node("/box") is state.node("/box")


def test_a_turn_leaves_the_middle_where_it_is_or_what_one_names(make_state):
    state = make_state()
    turned = edits.Rotate("/box", 70, (1, 2, 3)).apply(state)
    np.testing.assert_allclose(middle(turned, "/box"), middle(state, "/box"), atol=1e-6)
    about = edits.Rotate("/box", 180, (0, 0, 1), about=(1, 1, 0)).apply(state).pose("/box").position
    x, y, z = state.pose("/box").position
    np.testing.assert_allclose(about, (2 - x, 2 - y, z), atol=1e-12)


def test_an_axis_and_angle_are_the_quaternion_of_that_turn(make_state):
    quat = tuple(axis_angle((0, 0, 2), np.pi / 3).tolist())
    a = edits.Rotate("/box", 60, (0, 0, 1), about=(0, 0, 0)).apply(make_state()).pose("/box")
    b = edits.Rotate("/box", quat=quat, about=(0, 0, 0)).apply(make_state()).pose("/box")
    np.testing.assert_allclose(a.matrix, b.matrix, atol=1e-12)
    np.testing.assert_allclose(rotation_from_quaternion(np.array(quat)) @ [1, 0, 0], [0.5, 0.75**0.5, 0], atol=1e-12)


def test_mirrored_twice_in_an_axis_everything_but_the_sign_of_quaternions_is_bit_by_bit_as_before(make_state):
    state = without_cameras(make_state(degree=3))
    twice = edits.Mirror("/box", about=(0, 0, 0)).apply(edits.Mirror("/box", about=(0, 0, 0)).apply(state))
    assert torch.equal(twice.node("/box").mesh.vertices, state.node("/box").mesh.vertices)
    mirror = edits.Mirror("/room", (0, 1, 1), (0, 0, 0))
    a, b = state.node("/room"), mirror.apply(mirror.apply(state)).node("/room")
    assert torch.equal(a.splats.sh, b.splats.sh) and torch.equal(a.splats.means, b.splats.means)
    assert torch.equal(covariances(a.splats.quats, a.splats.scales), covariances(b.splats.quats, b.splats.scales))


def test_a_mirror_refuses_photos_unless_they_may_go(make_state):
    state = make_state()
    with pytest.raises(InputError, match="drop_cameras"):
        edits.Mirror("/").apply(state)
    assert edits.Mirror("/", drop_cameras=True).apply(state).node("/room").cameras is None


@pytest.mark.parametrize(
    "edit",
    [
        edits.Move("/nowhere", (0, 0, 1)),
        edits.Move("/box", (0, 0, float("nan"))),
        edits.Rotate("/box", 30, (0, 0, 0)),
        edits.Rotate("/box", quat=(0, 0, 0, 0)),
        edits.Scale("/box", 0.0),
        edits.Scale("/box", -1.0),
        edits.Scale("/box", float("inf")),
        edits.Mirror("/box", (0, 0, 0)),
    ],
)
def test_what_cannot_be_is_refused(make_state, edit):
    with pytest.raises(InputError):
        edit.apply(make_state())


def test_the_middle_is_that_of_the_box_without_the_outermost(make_state):
    state = make_state()
    np.testing.assert_allclose(middle(state, "/box"), state.pose("/box").position, atol=1e-6)
    assert middle(state, "/empty") == state.pose("/empty").position


def test_nodes_are_arranged_in_one_step_and_nothing_else_changes(make_state):
    scene = Scene(make_state())
    paths = [path for path, _ in scene.state.walk() if path != "/"][:2]
    before, pose = scene.state, Pose((1.0, 2.0, 3.0))
    scene.apply(edits.Arrange(tuple((path, pose) for path in paths)))
    assert len(scene.past) == 1
    for path in paths:
        assert scene.state.node(path).pose == pose
        assert scene.state.node(path).splats is before.node(path).splats
    for poses in ((), (("/", pose),), (("/nobody", pose),)):
        with pytest.raises(InputError):
            scene.apply(edits.Arrange(poses))
    assert len(scene.past) == 1
