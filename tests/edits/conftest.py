"""Small scenes with every part, and how to compare them bit by bit."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.body import Body
from scenekit.cameras import look_at, pinhole
from scenekit.capture.capture import Capture, Photo, Points
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats, random_splats

CAMERA = pinhole(48, 36, 40, 40, 24, 18)


def box_mesh(size: float = 0.5) -> Mesh:
    """A cube with vertex colours, outside out."""
    corners = torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=torch.float32) * size
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = torch.tensor([(q[0], q[i], q[i + 1]) for q in quads for i in (1, 2)])
    colors = torch.arange(32, dtype=torch.uint8).reshape(8, 4) * 7
    return Mesh(corners, faces, colors)


def capture(n: int = 3) -> Capture:
    """n photos around the origin."""
    eyes = [np.array([3 * np.cos(a), 3 * np.sin(a), 1.0]) for a in np.arange(n) * 2 * np.pi / n]
    photos = [Photo(f"{i}.png", Path(f"{i}.png"), CAMERA, look_at(e, np.zeros(3))) for i, e in enumerate(eyes)]
    rng = np.random.default_rng(0)
    return Capture(photos, Points(rng.normal(size=(5, 3)), np.zeros((5, 3), np.uint8), np.zeros(5)), "photos")


def make_state(seed: int = 0, *, n: int = 12, degree: int = 1) -> SceneState:
    """/room (splats, cameras) with /room/mug (all but cameras), /box (mesh, body), /empty."""
    rng = np.random.default_rng(seed)

    def pose() -> Pose:
        quat = rng.normal(size=4)
        return Pose(tuple(rng.normal(size=3)), tuple(quat / np.linalg.norm(quat)))

    inertia = ((0.02, 0.001, 0.0), (0.001, 0.03, 0.0), (0.0, 0.0, 0.04))
    body = Body("dynamic", Quantity(0.3, "measured", 0.01), (0.0, 0.1, 0.2), inertia)
    mug = Node("mug", pose(), random_splats(n, degree=degree, seed=seed), box_mesh(), body, materials["ceramic"])
    room = Node("room", pose(), random_splats(2 * n, degree=degree, seed=seed + 1), cameras=capture(), children=(mug,))
    box = Node("box", pose(), mesh=box_mesh(0.3), body=Body("static"))
    return SceneState(Node("", children=(room, box, Node("empty", pose()))))


def same_bits(a: SceneState, b: SceneState) -> bool:
    """True if both have the same nodes, poses and parts, every tensor bit by bit."""
    return a.frame == b.frame and _same_node(a.root, b.root)


def _same_node(a: Node, b: Node) -> bool:
    plain = all(getattr(a, f) == getattr(b, f) for f in ("name", "pose", "body", "material"))
    parts = all(_same_part(getattr(a, f), getattr(b, f)) for f in ("splats", "mesh"))
    return (
        plain
        and parts
        and _same_cameras(a.cameras, b.cameras)
        and len(a.children) == len(b.children)
        and all(map(_same_node, a.children, b.children))
    )


def _same_part(a: Splats | Mesh | None, b: Splats | Mesh | None) -> bool:
    if a is None or b is None:
        return a is b
    left, right = a.tensors(), b.tensors()
    plain = [f.name for f in fields(a) if f.name not in left and f.name not in right]
    return (
        left.keys() == right.keys()
        and all(left[k].dtype == right[k].dtype and torch.equal(left[k], right[k]) for k in left)
        and all(getattr(a, k) == getattr(b, k) for k in plain)
    )


def _same_cameras(a: Capture | None, b: Capture | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a.points.xyz, b.points.xyz) and all(
        p.name == q.name and p.camera == q.camera and np.array_equal(p.T_world_cam, q.T_world_cam)
        for p, q in zip(a.photos, b.photos, strict=True)
    )


def cloned(state: SceneState) -> SceneState:
    """The state with a copy of every tensor and array, to see later whether the originals were touched."""

    def copy(node: Node) -> Node:
        cameras = node.cameras
        if cameras is not None:
            photos = [replace(p, T_world_cam=p.T_world_cam.copy()) for p in cameras.photos]
            cameras = replace(cameras, photos=photos, points=replace(cameras.points, xyz=cameras.points.xyz.copy()))
        mesh = node.mesh and replace(node.mesh, **{k: t.clone() for k, t in node.mesh.tensors().items()})
        splats = node.splats and node.splats.map(torch.clone)
        return replace(node, splats=splats, mesh=mesh, cameras=cameras, children=tuple(map(copy, node.children)))

    return replace(state, root=copy(state.root))


@pytest.fixture(name="make_state", scope="session")
def make_state_fixture() -> Callable[..., SceneState]:
    return make_state


@pytest.fixture(name="same_bits", scope="session")
def same_bits_fixture() -> Callable[[SceneState, SceneState], bool]:
    return same_bits


@pytest.fixture(name="cloned", scope="session")
def cloned_fixture() -> Callable[[SceneState], SceneState]:
    return cloned
