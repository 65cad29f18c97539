"""Pictures of whole scenes: what is nearer hides what is farther, be it splats or a mesh."""

import numpy as np
import pytest
import torch
import trimesh

from scenekit.cameras import look_at, pinhole
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.render.meshes import render_mesh
from scenekit.render.scenes import ScenePicture
from scenekit.render.splats import render
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats

CAMERA = pinhole(48, 36, 48, 48, 24, 18)
POSE = look_at(np.array([0.0, -4.0, 0.0]), np.zeros(3))


def wall(y: float) -> Node:
    """A green board across the view, at a distance y behind the middle."""
    box = trimesh.creation.box((4, 0.02, 4))
    mesh = Mesh(torch.from_numpy(box.vertices.copy()).float(), torch.from_numpy(box.faces.copy()).long())
    colors = torch.tensor([0, 255, 0, 255], dtype=torch.uint8).repeat(len(mesh.vertices), 1)
    return Node("wall", Pose((0, y, 0)), mesh=Mesh(mesh.vertices, mesh.faces, colors))


def ball() -> Node:
    """One opaque red Gaussian in the middle."""
    red = torch.tensor([[[1.77, -1.77, -1.77]]])
    quat = torch.tensor([[1.0, 0, 0, 0]])
    return Node("ball", splats=Splats(torch.zeros(1, 3), quat, torch.full((1, 3), -1.0), torch.tensor([9.0]), red))


def picture(*nodes: Node) -> torch.Tensor:
    return ScenePicture(SceneState(Node("", children=nodes)))(CAMERA, POSE)


def test_splats_alone_and_a_mesh_alone_look_as_their_renderers_draw_them() -> None:
    splats, mesh = ball().splats, wall(0).mesh
    assert splats is not None and mesh is not None
    with torch.no_grad():
        frame = render(splats, CAMERA, POSE, background=torch.ones(3))
    torch.testing.assert_close(picture(ball()), frame.rgb.clamp(0, 1))
    seen = render_mesh(mesh, CAMERA, POSE, background=(1.0, 1.0, 1.0), samples=2)
    torch.testing.assert_close(picture(wall(0)), seen.rgb)


@pytest.mark.parametrize(("y", "color"), [(1.0, (1, 0, 0)), (-1.0, (0, 1, 0))])
def test_what_is_nearer_is_seen(y: float, color: tuple[float, ...]) -> None:
    torch.testing.assert_close(picture(ball(), wall(y))[18, 24], torch.tensor(color).float(), atol=0.03, rtol=0)


def test_a_node_with_splats_is_not_drawn_twice_and_nothing_is_white() -> None:
    both = Node("both", splats=ball().splats, mesh=wall(-1).mesh)
    torch.testing.assert_close(picture(both), picture(ball()))
    assert (picture() == 1).all()
