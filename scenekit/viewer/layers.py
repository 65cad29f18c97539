"""What is drawn of a node beside its splats: one layer each, all in the node's own frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import viser

from scenekit.cameras import Array, quaternion_from_rotation
from scenekit.capture.capture import Capture, Photo
from scenekit.errors import FileError, InputError
from scenekit.io.gltf_writer import GltfWriter
from scenekit.io.images import read_rgba
from scenekit.io.mesh_gltf import add_mesh
from scenekit.meshes import Mesh, merge_meshes
from scenekit.scene import Node
from scenekit.selection.base import positions

FRUSTUMS, THUMBNAIL = 200, 96
"""Most photos that are drawn, spread evenly; longest side of their pictures [px]."""

POINTS = 200_000
"""Most sparse points that are drawn, spread evenly."""

BOX, CHOSEN = (90, 90, 90), (255, 115, 0)
"""Colours of boxes, and of the box of what is selected."""

Handle = viser.SceneNodeHandle


@dataclass(frozen=True)
class Layer:
    """One thing to be drawn of nodes."""

    title: str
    """What people call it."""
    source: Callable[[Node], tuple[object, ...]]
    """What of a node it shows; drawn again when one of these is another object. Empty where there is nothing."""
    draw: Callable[..., list[Handle]]
    """Draws it: (api, name, node) → handles."""


def glb_of(mesh: Mesh) -> bytes:
    """A mesh as GLB in its own axes, as viser wants it."""
    gltf = GltfWriter()
    gltf.json |= {"scene": 0, "scenes": [{"nodes": [0]}]}
    gltf.add("nodes", {"mesh": add_mesh(gltf, mesh)})
    return b"".join(gltf.glb())


def draw_mesh(api: viser.SceneApi, name: str, node: Node) -> list[Handle]:
    """The mesh of a node with its texture or the colours of its vertices."""
    assert node.mesh is not None
    return [api.add_glb(name, glb_of(node.mesh), cast_shadow=False, receive_shadow=False)]


def box_of(node: Node) -> tuple[Array, Array] | None:
    """Lowest and highest corner, each (3,), of what a node holds, in its own frame [m]; None if it holds nothing."""
    found = positions(node)
    if not found:
        return None
    low = np.min([part.amin(0).double().numpy() for part in found], axis=0)
    return low, np.max([part.amax(0).double().numpy() for part in found], axis=0)


def draw_box(
    api: viser.SceneApi, name: str, node: Node, *, color: tuple[int, int, int] = BOX, width: float = 1.5
) -> list[Handle]:
    """The box of a node along the axes of its frame."""
    box = box_of(node)
    if box is None:
        return []
    corners = np.array([[box[(i >> k) & 1][k] for k in range(3)] for i in range(8)])
    edges = np.array([[i, i | (1 << k)] for k in range(3) for i in range(8) if not i >> k & 1])
    return [api.add_line_segments(name, corners[edges], color, thickness=width, thickness_units="screen")]


def spread(count: int, most: int) -> list[int]:
    """At most `most` numbers below `count`, evenly."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def frustum_scale(capture: Capture) -> float:
    """Depth of frustums that do not hide each other [m]: a part of how far apart the photos are."""
    extent = float(np.linalg.norm(np.ptp(capture.centres, axis=0)))
    return 0.03 * extent if extent > 0 else 0.1


def draw_cameras(api: viser.SceneApi, name: str, node: Node) -> list[Handle]:
    """The photos of a node, with small pictures of them."""
    capture = node.cameras
    assert capture is not None
    scale = frustum_scale(capture)
    return [
        _frustum(api, f"{name}/{number}", capture.photos[number], scale)
        for number in spread(len(capture.photos), FRUSTUMS)
    ]


def _frustum(api: viser.SceneApi, name: str, photo: Photo, scale: float) -> Handle:
    try:
        picture = read_rgba(photo.path, max_side=THUMBNAIL)[..., :3]
    except FileError:  # a photo that has gone since leaves its frame
        picture = None
    camera, T = photo.camera, photo.T_world_cam
    return api.add_camera_frustum(
        name, 2 * math.atan(camera.height / 2 / camera.fy), camera.width / camera.height, scale=scale,
        thickness=1.0, thickness_units="screen", image=picture, format="jpeg",
        wxyz=quaternion_from_rotation(T[:3, :3]), position=T[:3, 3], cast_shadow=False, receive_shadow=False,
    )  # fmt: skip


def draw_points(api: viser.SceneApi, name: str, node: Node) -> list[Handle]:
    """The sparse points of a node's capture."""
    assert node.cameras is not None
    points, some = node.cameras.points, spread(len(node.cameras.points), POINTS)
    size = frustum_scale(node.cameras) / 10
    xyz = points.xyz[some].astype(np.float32)
    return [api.add_point_cloud(name, xyz, points.rgb[some], point_size=size, precision="float32")]


class Collision:
    """The pieces that meshes collide as; they are worked out when somebody asks, which takes seconds for each."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Mesh, Mesh | None]] = {}

    def work_out(self, mesh: Mesh) -> None:
        """Find the pieces of a mesh, to be drawn from then on; a mesh that has none, as it is flat, shows none."""
        from scenekit.sim.pieces import piece_mesh, pieces  # here, as what simulates takes long to import

        if self.of(mesh) is not None:
            return
        try:
            found, _ = pieces(mesh, max_pieces=32)
        except InputError:
            found = ()
        self._known[id(mesh)] = mesh, merge_meshes([piece_mesh(piece) for piece in found]) if found else None

    def of(self, mesh: Mesh | None) -> Mesh | None:
        """The surface of the pieces of a mesh, if they were worked out."""
        known = self._known.get(id(mesh))
        return None if known is None else known[1]

    def draw(self, api: viser.SceneApi, name: str, node: Node) -> list[Handle]:
        """The pieces of a node's mesh."""
        surface = self.of(node.mesh)
        assert surface is not None
        return [
            api.add_mesh_simple(
                name, surface.vertices.numpy(), surface.faces.numpy(), color=(60, 160, 60), opacity=0.5,
                flat_shading=True, side="double", cast_shadow=False, receive_shadow=False,
            )
        ]  # fmt: skip


def layers(collision: Collision) -> dict[str, Layer]:
    """All layers beside the splats, by name."""
    return {
        "mesh": Layer("Meshes", lambda node: _there(node.mesh), draw_mesh),
        "collision": Layer("Collision pieces", lambda node: _there(collision.of(node.mesh)), collision.draw),
        "cameras": Layer("Photos", lambda node: _there(node.cameras), draw_cameras),
        "points": Layer("Sparse points", lambda node: _there(_with_points(node.cameras)), draw_points),
        "box": Layer("Boxes", lambda node: (*_there(node.splats), *_there(node.mesh)), draw_box),
    }


def _there(part: object) -> tuple[object, ...]:
    return () if part is None else (part,)


def _with_points(capture: Capture | None) -> Capture | None:
    return capture if capture is not None and len(capture.points) else None
