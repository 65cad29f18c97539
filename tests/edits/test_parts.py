"""Crop, split, merge: nothing is lost, nothing moves, and mesh and body follow."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scenekit import edits
from scenekit.body import Body
from scenekit.edits.parts import merged_body
from scenekit.errors import InputError
from scenekit.material import materials
from scenekit.poses import Pose
from scenekit.quantities import Quantity

LEFT = "HalfSpace((-1, 0, 0), (0.3, 0, 0))"


def triangles(state, path="/") -> np.ndarray:
    found = [(state.pose(p).matrix, n.mesh) for p, n in state.walk(path) if n.mesh is not None]
    corners = [m.vertices[m.faces].double().numpy() @ T[:3, :3].T + T[:3, 3] for T, m in found]
    return np.concatenate(corners).reshape(-1, 9)


def rows(values: np.ndarray) -> np.ndarray:
    return values[np.lexsort(np.round(values, 5).T)]


def mug_at_origin(state):
    return state.with_node("/room/mug", lambda node: replace(node, pose=state.pose("/room").inverse()))


def test_a_crop_and_its_complement_are_the_whole(make_state):
    state = make_state(n=50)
    kept, rest = edits.Crop("/", LEFT).apply(state), edits.Delete("/", LEFT).apply(state)
    assert 0 < len(kept.splats()) < len(state.splats())
    assert len(kept.splats()) + len(rest.splats()) == len(state.splats())
    both = np.concatenate([triangles(kept), triangles(rest)])
    np.testing.assert_allclose(rows(both), rows(triangles(state)), atol=1e-6)


def test_a_split_node_and_what_is_left_are_the_old_one_bit_by_bit(make_state):
    state = mug_at_origin(make_state(n=50))
    new = edits.Split("/room/mug", "HalfSpace((1, 0, 0))", "/box/handle").apply(state)
    old, rest, part = state.node("/room/mug"), new.node("/room/mug"), new.node("/box/handle")
    chosen = old.splats.means[:, 0] >= 0
    assert torch.equal(part.splats.means, old.splats.means[chosen])
    assert torch.equal(rest.splats.sh, old.splats.sh[~chosen])
    np.testing.assert_allclose(new.pose("/box/handle").matrix, np.eye(4), atol=1e-12)
    assert len(part.mesh.faces) + len(rest.mesh.faces) == len(old.mesh.faces)
    assert 0 < len(part.mesh.faces) < len(old.mesh.faces)
    assert part.material == old.material
    assert part.body == rest.body == Body("dynamic")
    np.testing.assert_allclose(rows(triangles(new)), rows(triangles(state)), atol=1e-6)


def test_a_selection_that_says_nothing_of_surfaces_leaves_mesh_and_body(make_state):
    state = make_state()
    new = edits.Delete("/room/mug", "Opacity(0, 0.5)").apply(state)
    assert len(new.node("/room/mug").splats) < len(state.node("/room/mug").splats)
    assert new.node("/room/mug").mesh is state.node("/room/mug").mesh
    assert new.node("/room/mug").body is state.node("/room/mug").body
    split = edits.Split("/room/mug", "Opacity(0, 0.5)", "/faint").apply(state)
    assert split.node("/faint").mesh is None and split.node("/room/mug").mesh is state.node("/room/mug").mesh


def test_a_body_that_lost_shape_no_longer_knows_its_mass(make_state):
    state = mug_at_origin(make_state())
    assert edits.Crop("/room/mug", "HalfSpace((1, 0, 0))").apply(state).node("/room/mug").body == Body("dynamic")
    whole = edits.Crop("/room/mug", "Sphere((0, 0, 0), 99)").apply(state)
    assert whole.node("/room/mug").body == state.node("/room/mug").body


def test_a_merged_node_looks_as_both_did(make_state):
    state = make_state(n=20)
    new = edits.Merge("/room/mug", "/box").apply(state)
    assert "/box" not in new
    np.testing.assert_allclose(rows(triangles(new)), rows(triangles(state)), atol=1e-5)
    both = edits.Merge("/box", "/room").apply(state)
    torch.testing.assert_close(both.splats().means, state.splats().means, atol=1e-5, rtol=0)
    np.testing.assert_allclose(both.pose("/box/mug").matrix, state.pose("/room/mug").matrix, atol=1e-12)
    centres = state.pose("/room").matrix @ np.c_[state.node("/room").cameras.centres, np.ones(3)].T
    after = both.pose("/box").matrix @ np.c_[both.node("/box").cameras.centres, np.ones(3)].T
    np.testing.assert_allclose(after, centres, atol=1e-12)


def test_split_and_merged_again_a_node_is_a_permutation_of_itself(make_state):
    state = mug_at_origin(make_state(n=50))
    split = edits.Split("/room/mug", "HalfSpace((1, 0, 0))", "/part").apply(state)
    whole = edits.Merge("/room/mug", "/part").apply(split).node("/room/mug").splats
    before = state.node("/room/mug").splats
    np.testing.assert_allclose(rows(whole.means.numpy()), rows(before.means.numpy()), atol=1e-6)


def test_two_point_masses_on_a_stick_have_the_inertia_of_the_stick():
    """m₁ m₂ / (m₁ + m₂) d² about the axes across, nothing along."""
    point = Body("dynamic", Quantity(2.0, "measured", 0.3), (0.0, 0.0, 0.0), ((0.0,) * 3,) * 3)
    other = replace(point, mass=Quantity(3.0, "measured", 0.4))
    body = merged_body(point, other, Pose((0.5, 0, 0), (0.5, 0.5, 0.5, 0.5)).matrix)
    assert body.mass.value == 5.0 and body.mass.spread == pytest.approx(0.5) and body.mass.provenance == "measured"
    np.testing.assert_allclose(body.centre, (0.3, 0, 0), atol=1e-15)
    np.testing.assert_allclose(body.inertia, np.diag([0, 0.3, 0.3]), atol=1e-15)
    assert merged_body(point, Body("static"), np.eye(4)) == Body("static")
    assert merged_body(None, None, np.eye(4)) is None


def test_nodes_of_two_materials_are_not_merged(make_state):
    state = make_state().with_node("/box", lambda node: replace(node, material=materials["rubber"]))
    with pytest.raises(InputError, match=r"material.*rubber.*ceramic"):
        edits.Merge("/room/mug", "/box").apply(state)


@pytest.mark.parametrize(
    "edit",
    [
        edits.Crop("/", "Sphere((99, 99, 99), 1)"),
        edits.Split("/room", "Everything()", "/new"),
        edits.Split("/room", "Sphere((99, 99, 99), 1)", "/new"),
        edits.Split("/room", "Opacity(0, 0.5)", "/box"),
        edits.Split("/empty", "Everything()", "/new"),
        edits.Merge("/room", "/room/mug"),
        edits.Merge("/room/mug", "/room"),
        edits.Merge("/room", "/room"),
        edits.Merge("/room", "/"),
    ],
)
def test_what_cannot_be_is_refused(make_state, edit):
    with pytest.raises(InputError):
        edit.apply(make_state())
