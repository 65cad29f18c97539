"""Assets as GLB: meshes with PBR textures, splats by KHR_gaussian_splatting, and what is known of each body.

    glb/NAME.glb      one asset; the root link's frame is the file's, but for the turn
    glb/scene.glb     all of them where they are, with light and camera

Frames: glTF is Y up, our frames are Z up. One node, "z_up", turns (x, y, z) to (x, z, −y) by a matrix of whole numbers;
all is below it in our own axes, metres and kilograms. So a node with the name of a link has the link's frame, and a
link that is joined to another is its child. `extras.scenekit` of such a node has the numbers of physics.json, in the
axes of the link: path, kind, mass, centre, inertia (about the centre), friction, restitution, joint. On "z_up" it has
gravity and floor. What belongs to a link is named LINK.splats, LINK.collider_N …
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from scenekit.export.assets import Asset, Assets, Link
from scenekit.export.glb_physics import GlbPhysics
from scenekit.export.view import view_of
from scenekit.io.gltf_writer import GltfWriter
from scenekit.io.mesh_gltf import add_mesh
from scenekit.io.splat_gltf import TURNS, add_splats, column_major
from scenekit.poses import Pose

LIGHTS = "KHR_lights_punctual"

SUN = 2.0
"""Illuminance of the light of a scene, in the units of viewers rather than of the sun [lx]."""


def write(folder: Path, assets: Assets, *, physics: bool = False) -> list[Path]:
    """Writes every asset, and the scene of them; returns the files.

    Args:
        folder: Where to.
        assets: What.
        physics: Also writes KHR_physics_rigid_bodies and KHR_implicit_shapes, which are drafts.

    Raises:
        InputError: If a file would have more than 4 GiB, or a shape has no counterpart; names the link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [_write_asset(folder / f"{asset.name}.glb", asset, physics) for asset in assets.assets]
    return [*files, _write_scene(folder / "scene.glb", assets, physics)]


def _write_asset(file: Path, asset: Asset, physics: bool) -> Path:
    gltf = GltfWriter()
    top = _set_up(gltf, {})
    _add_asset(gltf, top, asset, Pose(), GlbPhysics(gltf) if physics else None)
    gltf.write(file)
    return file


def _write_scene(file: Path, assets: Assets, physics: bool) -> Path:
    gltf = GltfWriter()
    top = _set_up(gltf, {"gravity": list(assets.gravity), "floor": assets.floor})
    bodies = GlbPhysics(gltf) if physics else None
    for asset in assets.assets:
        _add_asset(gltf, top, asset, assets.pose(asset), bodies)
    if bodies is not None and assets.floor is not None:
        bodies.add_floor(top, assets.floor)
    _add_view(gltf, top, assets)
    gltf.write(file)
    return file


def _set_up(gltf: GltfWriter, known: dict[str, Any]) -> int:
    """The scene and its one node, which turns Z up."""
    node = {"name": "z_up", "matrix": column_major(TURNS["z"])}
    top = gltf.add("nodes", node | ({"extras": {"scenekit": known}} if known else {}))
    gltf.json |= {"scene": 0, "scenes": [{"nodes": [top]}]}
    return top


def _add_asset(gltf: GltfWriter, top: int, asset: Asset, pose: Pose, bodies: GlbPhysics | None) -> None:
    """The links of an asset whose root is at a pose."""
    numbers: list[int] = []
    for link in asset.links:
        joined = link.body.parent >= 0
        held = asset.links[link.body.parent].body.pose if joined else asset.links[0].body.pose @ pose.inverse()
        parent = numbers[link.body.parent] if joined else top
        numbers.append(gltf.add_node(link.name, parent, held.inverse() @ link.body.pose, **_look(gltf, link)))
        if link.splats is not None:
            gltf.add_node(f"{link.name}.splats", numbers[-1], mesh=add_splats(gltf, link.splats))
        if bodies is not None:
            bodies.add_body(numbers[-1], link)
            if link.body.joint is not None:
                bodies.add_joint(parent, numbers[-1], asset, link)


def _look(gltf: GltfWriter, link: Link) -> dict[str, Any]:
    """The mesh of a node, and what is known of its link."""
    node: dict[str, Any] = {"extras": {"scenekit": _known(link)}}
    if link.mesh is not None and len(link.mesh.faces):
        node["mesh"] = add_mesh(gltf, link.mesh)
    return node


def _known(link: Link) -> dict[str, Any]:
    body, joint = link.body, link.body.joint
    known: dict[str, Any] = {"path": link.path, "kind": body.kind}
    if body.mass > 0:
        known |= {"mass": body.mass, "centre": list(body.centre), "inertia": body.inertia.tolist()}
    known |= {"friction": body.friction, "restitution": body.restitution}
    if joint is not None:
        known["joint"] = {**vars(joint), "limits": joint.limits and list(joint.limits)}
    return known


def _add_view(gltf: GltfWriter, top: int, assets: Assets) -> None:
    """A light from above, and the camera of the other formats."""
    gltf.use(LIGHTS)
    gltf.json["extensions"] = gltf.json.get("extensions", {}) | {
        LIGHTS: {"lights": [{"type": "directional", "intensity": SUN}]}
    }
    down = Pose(quat=(math.cos(0.3), math.sin(0.3), 0.0, 0.0))  # a light shines along −z
    gltf.add_node("sun", top, down, extensions={LIGHTS: {"light": 0}})
    view = view_of(assets)
    perspective = {"yfov": view.fovy, "aspectRatio": view.width / view.height, "znear": view.near}
    camera = gltf.add("cameras", {"type": "perspective", "perspective": perspective})
    gltf.add_node("view", top, view.pose, camera=camera)
