"""Tests of scenekit.viewer.picking, against where a ray must meet balls and boxes."""

import math

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import look_at, pinhole
from scenekit.errors import InputError
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.render.splats import render
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats, random_splats
from scenekit.viewer.picking import surface_point

TURNED = Pose((1.0, 2.0, 3.0), (math.cos(0.4), 0.0, math.sin(0.4), 0.0))


def dense(centre: tuple[float, float, float], scale: float = 0.05, opacity: float = 0.99) -> Splats:
    """One ball."""
    logit = math.log(opacity / (1 - opacity))
    return Splats(
        torch.tensor([centre]), torch.tensor([[1.0, 0, 0, 0]]), torch.full((1, 3), math.log(scale)),
        torch.tensor([logit]), torch.zeros(1, 1, 3),
    )  # fmt: skip


def box_mesh() -> Mesh:
    solid = trimesh.creation.box((2.0, 2.0, 2.0))
    return Mesh(torch.from_numpy(np.array(solid.vertices)).float(), torch.from_numpy(np.array(solid.faces)).long())


def scene(*nodes: Node) -> SceneState:
    return SceneState(Node("", children=nodes))


def test_a_ray_through_the_middle_of_a_ball_meets_its_centre_wherever_its_node_is() -> None:
    state = scene(Node("ball", TURNED, splats=dense((0.3, 0.2, -0.1))))
    centre = TURNED.matrix[:3, :3] @ [0.3, 0.2, -0.1] + TURNED.position
    eye = np.array([5.0, -3.0, 2.0])
    found = surface_point(state, eye, 7 * (centre - eye))
    assert found is not None and found[1] == "/ball"
    np.testing.assert_allclose(found[0], centre, atol=1e-6)


def test_a_ray_meets_a_mesh_at_its_face() -> None:
    found = surface_point(scene(Node("box", mesh=box_mesh())), np.array([5.0, 0.2, 0.3]), np.array([-1.0, 0, 0]))
    assert found is not None and found[1] == "/box"
    np.testing.assert_allclose(found[0], [1.0, 0.2, 0.3], atol=1e-6)


def test_the_nearest_thing_is_met_and_hidden_ones_are_passed_through() -> None:
    inner = Node("ball", splats=dense((0.0, 0.0, 0.0)))
    state = scene(Node("outer", children=(Node("box", mesh=box_mesh()),)), inner)
    ray = np.array([5.0, 0.0, 0.0]), np.array([-1.0, 0.0, 0.0])
    met = [surface_point(state, *ray, hidden=frozenset(hidden)) for hidden in ((), ("/outer",), ("/",))]
    assert [found and found[1] for found in met] == ["/outer/box", "/ball", None]


def test_what_is_faint_beside_or_behind_is_not_met() -> None:
    faint = scene(Node("ball", splats=dense((0.0, 0.0, 0.0), opacity=0.3)))
    solid = scene(Node("ball", splats=dense((0.0, 0.0, 0.0))), Node("empty", splats=random_splats(0)))
    x = np.array([1.0, 0.0, 0.0])
    assert surface_point(faint, -x, x) is None
    assert surface_point(solid, -x, -x) is None
    assert surface_point(solid, np.array([-1.0, 0.2, 0.0]), x) is None
    with pytest.raises(InputError, match="ray"):
        surface_point(solid, x, 0 * x)


def test_the_rasteriser_has_lost_half_its_light_within_5_cm_of_the_point_that_is_met() -> None:
    """It blends in the order of centres, so not at the very point."""
    splats = random_splats(3000, degree=0, extent=0.5, scale=0.05)
    state, eye = scene(Node("a", splats=splats)), np.array([2.0, 0.5, 0.3])
    T, camera = look_at(eye, np.zeros(3)), pinhole(3, 3, 3000.0, 3000.0, 1.5, 1.5)
    depth = splats.means.double().numpy() @ T[:3, 2] - eye @ T[:3, 2]
    found = surface_point(state, eye, T[:3, 2])
    assert found is not None
    met = float((found[0] - eye) @ T[:3, 2])
    alpha = []
    for more in (-0.05, 0.05):
        kept = torch.from_numpy(depth < met + more)
        alpha.append(float(render(splats.map(lambda t, kept=kept: t[kept]), camera, T).alpha[1, 1]))
    assert alpha[0] < 0.5 < alpha[1]
