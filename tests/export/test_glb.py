"""GLB of assets, read back by trimesh and by our readers."""

import json
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh

from scenekit.body import Joint
from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.export import glb
from scenekit.export.assets import Asset, Assets, Link
from scenekit.io import mesh_gltf, splat_gltf
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece
from scenekit.sim.shapes import Box, Capsule, Hull, Plane, Sphere

Z_UP = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""From glTF's axes to ours."""


@pytest.fixture(scope="module")
def folder(assets: Assets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("glb")
    glb.write(folder, assets, physics=True)
    return folder


def document(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    found: dict[str, Any] = json.loads(data[20 : 20 + length])
    return found


def nodes(path: Path) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in document(path)["nodes"]}


def frames(path: Path) -> dict[str, Array]:
    """T_world_node of each node in the scene, by name, in our axes."""
    scene = trimesh.load_scene(path)
    return {name: Z_UP @ scene.graph.get(name)[0] for name in scene.graph.nodes}


def cup(assets: Assets) -> Link:
    return assets.assets[1].links[0]


def one(folder: Path, link: Link) -> dict[str, Any]:
    """The document of an asset with one link."""
    glb.write(folder, Assets("one", (Asset((link,)),)), physics=True)
    return document(folder / f"{link.name}.glb")


def bodies(item: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = item["extensions"]["KHR_physics_rigid_bodies"]
    return found


def test_the_files_are_those_of_the_layout(assets: Assets, tmp_path: Path) -> None:
    files = glb.write(tmp_path / "glb", assets)
    assert [file.name for file in files] == ["table.glb", "cup.glb", "cabinet.glb", "scene.glb"]
    for file in files:
        used = document(file).get("extensionsUsed", [])
        assert not [name for name in used if name in ("KHR_physics_rigid_bodies", "KHR_implicit_shapes")]


def test_links_stand_upright_where_the_scene_has_them(assets: Assets, folder: Path) -> None:
    found = frames(folder / "scene.glb")
    for link in assets.links:
        np.testing.assert_allclose(found[link.name], link.body.pose.matrix, atol=1e-6)


def test_an_asset_has_the_frame_of_its_root(assets: Assets, folder: Path) -> None:
    found, (root, door) = frames(folder / "cabinet.glb"), assets.assets[2].links
    np.testing.assert_allclose(found["cabinet"], np.eye(4), atol=1e-12)
    np.testing.assert_allclose(found["cabinet_door"], (root.body.pose.inverse() @ door.body.pose).matrix, atol=1e-12)


def test_nodes_tell_mass_centre_and_inertia_in_the_axes_of_the_link(assets: Assets, folder: Path) -> None:
    found = nodes(folder / "scene.glb")
    for link in assets.links:
        told, body = found[link.name]["extras"]["scenekit"], link.body
        assert (told["path"], told["kind"]) == (link.path, body.kind)
        assert (told["friction"], told["restitution"]) == (body.friction, body.restitution)
        if body.kind == "dynamic":
            assert (told["mass"], tuple(told["centre"])) == (body.mass, body.centre)
            np.testing.assert_array_equal(told["inertia"], body.inertia)
        else:
            assert "mass" not in told


def test_what_nodes_tell_of_centres_is_true_of_their_meshes(assets: Assets, folder: Path) -> None:
    scene = trimesh.load_scene(folder / "scene.glb")
    for link in (link for link in assets.links if link.body.kind == "dynamic"):
        T, geometry = scene.graph.get(link.name)
        solid = scene.geometry[geometry].copy()
        solid.merge_vertices(merge_tex=True)
        solid.apply_transform(Z_UP @ T)
        centre = link.body.pose.matrix[:3, :3] @ link.body.centre + link.body.pose.position
        np.testing.assert_allclose(solid.center_mass, centre, atol=1e-6)


def test_meshes_and_textures_come_back_bit_for_bit(assets: Assets, folder: Path) -> None:
    look = cup(assets).mesh
    (found, *_), _ = mesh_gltf.read(folder / "cup.glb")
    assert look is not None and look.texture is not None and look.uvs is not None
    assert torch.equal(found.vertices, look.vertices)
    assert torch.equal(found.faces, look.faces)
    assert found.uvs is not None and torch.equal(found.uvs, look.uvs)
    assert found.texture is not None and torch.equal(found.texture, look.texture)
    assert found.roughness == look.roughness


def test_splats_of_an_asset_come_back_in_its_frame(assets: Assets, folder: Path) -> None:
    truth, reading = cup(assets).splats, splat_gltf.read(folder / "cup.glb")
    assert truth is not None and reading.up == "z"
    torch.testing.assert_close(reading.splats.means, truth.means, rtol=0, atol=0)
    torch.testing.assert_close(reading.splats.sh, truth.sh, rtol=0, atol=0)
    torch.testing.assert_close(reading.splats.quats.abs(), truth.quats.abs(), rtol=0, atol=1e-6)


def test_splats_of_the_scene_land_where_their_body_is(assets: Assets, folder: Path) -> None:
    link, reading = cup(assets), splat_gltf.read(folder / "scene.glb")
    assert link.splats is not None and reading.up == "y"
    truth = link.splats.transform(torch.from_numpy(link.body.pose.matrix))
    found = reading.splats.transform(torch.from_numpy(Z_UP).double())
    torch.testing.assert_close(found.means, truth.means, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.sh, truth.sh, rtol=0, atol=1e-5)


def test_moving_links_have_motion_and_static_ones_only_colliders(assets: Assets, folder: Path) -> None:
    found = nodes(folder / "scene.glb")
    assert "extensions" not in found["table"]
    assert bodies(found["table.collider_0"])["collider"]
    for link in (link for link in assets.links if link.body.kind == "dynamic"):
        motion, body = bodies(found[link.name])["motion"], link.body
        x, y, z, w = motion["inertiaOrientation"]
        R = rotation_from_quaternion(np.array([w, x, y, z]))
        inertia = R @ np.diag(motion["inertiaDiagonal"]) @ R.T
        assert (motion["mass"], tuple(motion["centerOfMass"])) == (body.mass, body.centre)
        np.testing.assert_allclose(inertia, body.inertia, atol=1e-9 * np.abs(body.inertia).max())


def test_hulls_are_meshes_of_nodes_outside_of_the_scene(assets: Assets, folder: Path) -> None:
    found, link = document(folder / "cup.glb"), cup(assets)
    inside = {child for node in found["nodes"] for child in node.get("children", [])}
    for i, piece in enumerate(link.body.pieces):
        collider = bodies(nodes(folder / "cup.glb")[f"cup.collider_{i}"])["collider"]
        geometry = collider["geometry"]
        hull = found["nodes"][geometry["node"]]
        assert geometry["convexHull"] and geometry["node"] not in inside
        accessor = found["meshes"][hull["mesh"]]["primitives"][0]["attributes"]["POSITION"]
        assert isinstance(piece.shape, Hull)
        assert found["accessors"][accessor]["count"] == len(piece.shape.mesh.vertices)
        (material,) = bodies(found)["physicsMaterials"]
        assert material["staticFriction"] == material["dynamicFriction"] == link.body.friction
        assert material["restitution"] == link.body.restitution


def test_primitives_have_their_size_and_capsules_their_axis(assets: Assets, tmp_path: Path) -> None:
    pose = Pose((0.1, 0.2, 0.3), (math.cos(0.3), math.sin(0.3), 0, 0))
    shapes = (Box((0.1, 0.2, 0.3)), Sphere(0.05), Capsule(0.02, 0.07))
    link = cup(assets)
    found = one(tmp_path, replace(link, body=replace(link.body, pieces=tuple(Piece(s, pose) for s in shapes))))
    assert found["extensions"]["KHR_implicit_shapes"]["shapes"] == [
        {"type": "box", "box": {"size": [0.2, 0.4, 0.6]}},
        {"type": "sphere", "sphere": {"radius": 0.05}},
        {"type": "capsule", "capsule": {"height": 0.14, "radiusTop": 0.02, "radiusBottom": 0.02}},
    ]
    placed = [node for node in found["nodes"] if "collider_" in node["name"]]
    turned = [rotation_from_quaternion(np.array(node["rotation"])[[3, 0, 1, 2]]) for node in placed]
    assert all(node["translation"] == list(pose.position) for node in placed)
    np.testing.assert_allclose(turned[0], pose.matrix[:3, :3], atol=1e-12)
    np.testing.assert_allclose(turned[2] @ [0, 1, 0], pose.matrix[:3, :3] @ [0, 0, 1], atol=1e-12)


def test_a_plane_is_no_piece(assets: Assets, tmp_path: Path) -> None:
    link = cup(assets)
    with pytest.raises(InputError, match="a cup: shape: got Plane"):
        one(tmp_path, replace(link, body=replace(link.body, pieces=(Piece(Plane()),))))


def test_a_distance_field_is_the_closed_mesh(assets: Assets, tmp_path: Path) -> None:
    found = one(tmp_path, replace(cup(assets), sdf=True))
    (collider,) = [node for node in found["nodes"] if "collider_" in node["name"]]
    geometry = bodies(collider)["collider"]["geometry"]
    assert found["nodes"][geometry["node"]]["name"] == "cup.solid" and not geometry["convexHull"]


def test_the_frames_of_a_hinge_lie_on_each_other_along_its_axis(assets: Assets, folder: Path) -> None:
    found, told = frames(folder / "scene.glb"), nodes(folder / "scene.glb")
    door = assets.assets[2].links[1].body
    joint, T = door.joint, door.pose.matrix
    assert joint is not None
    holder, held = found["cabinet_door.holder"], found["cabinet_door.held"]
    np.testing.assert_allclose(holder, held, atol=1e-6)
    np.testing.assert_allclose(held[:3, 0], T[:3, :3] @ joint.axis, atol=1e-6)
    np.testing.assert_allclose(held[:3, 3], T[:3, :3] @ joint.anchor + T[:3, 3], atol=1e-6)
    whole = document(folder / "scene.glb")
    about = bodies(told["cabinet_door.holder"])["joint"]
    assert whole["nodes"][about["connectedNode"]]["name"] == "cabinet_door.held"
    described = bodies(whole)["physicsJoints"][about["joint"]]
    assert described["limits"][-1] == {"angularAxes": [0], "min": 0.0, "max": 1.5}
    (drive,) = described["drives"]
    assert (drive["type"], drive["axis"], drive["stiffness"], drive["damping"]) == ("angular", 0, 3.0, 0.02)


@pytest.mark.parametrize(
    ("joint", "free"),
    [
        (Joint("hinge", (1, 2, 3)), {("angularAxes", 0)}),
        (Joint("slide", (1, 2, 3)), {("linearAxes", 0)}),
        (Joint("ball"), {("angularAxes", axis) for axis in range(3)}),
        (Joint("fixed"), set()),
    ],
)
def test_a_joint_leaves_free_what_its_kind_says(
    joint: Joint, free: set[tuple[str, int]], assets: Assets, tmp_path: Path
) -> None:
    link = cup(assets)
    found = one(tmp_path, replace(link, body=replace(link.body, joint=joint)))
    (described,) = bodies(found)["physicsJoints"]
    held = {
        (kind, axis) for limit in described["limits"] for kind in limit if kind.endswith("Axes") for axis in limit[kind]
    }
    every = {(kind, axis) for kind in ("linearAxes", "angularAxes") for axis in range(3)}
    assert every - held == free
    assert "drives" not in described


def test_the_floor_looks_up(folder: Path) -> None:
    found, whole = frames(folder / "scene.glb"), document(folder / "scene.glb")
    np.testing.assert_allclose(found["floor.collider"][:3, 1], [0, 0, 1], atol=1e-12)
    assert {"type": "plane", "plane": {}} in whole["extensions"]["KHR_implicit_shapes"]["shapes"]
    assert nodes(folder / "scene.glb")["z_up"]["extras"]["scenekit"] == {"gravity": [0.0, 0.0, -9.81], "floor": 0.0}


def test_the_camera_sees_the_scene(assets: Assets, folder: Path) -> None:
    node, (camera,) = nodes(folder / "scene.glb")["view"], document(folder / "scene.glb")["cameras"]
    R, lens = rotation_from_quaternion(np.array(node["rotation"])[[3, 0, 1, 2]]), camera["perspective"]
    for link in assets.links:
        x, y, z = R.T @ (np.array(link.body.pose.position) - node["translation"])
        assert -z > lens["znear"]
        assert max(abs(y), abs(x) / lens["aspectRatio"]) < -z * math.tan(lens["yfov"] / 2)
    assert R[2, 1] > 0.5  # upright
