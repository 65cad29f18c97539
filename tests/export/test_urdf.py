"""URDF, as MuJoCo and the XML itself say."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from scenekit.body import Joint
from scenekit.cameras import rotation_from_quaternion
from scenekit.errors import InputError
from scenekit.export import mjcf
from scenekit.export.assets import Asset, Assets, Link
from scenekit.export.urdf import shift, write
from scenekit.mass import mass_properties
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece
from scenekit.sim.pieces import piece_mesh
from scenekit.sim.shapes import Capsule, Plane

from .conftest import link, mesh_of, moved
from .test_mjcf import poses


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, assets: Assets) -> Path:
    return moved(tmp_path_factory, "urdf", lambda made: write(made, assets))


def loaded(folder: Path, name: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(folder / f"{name}.urdf"))


def a_box(name: str, place: float, parent: int = -1, joint: Joint | None = None) -> Link:
    box = mesh_of(trimesh.creation.box((0.1, 0.2, 0.3)))
    pose = Pose((place, 0.1 * place, 1.0), tuple(Rotation.from_rotvec([place, 1, 0]).as_quat()[[3, 0, 1, 2]]))
    return link(name, f"/{name}", box, pose, method="primitive", parent=parent, joint=joint)


def test_masses_centres_and_inertias_come_back_in_the_frame_of_the_link(folder: Path, assets: Assets) -> None:
    for asset in assets.assets[1:]:
        model = loaded(folder, asset.name)
        for one in asset.links:
            body = model.body(one.name)
            R = rotation_from_quaternion(body.iquat)
            assert body.mass[0] == pytest.approx(one.body.mass, rel=1e-12)
            assert np.allclose(body.ipos + shift(one.body.joint).position, one.body.centre, atol=1e-9)
            assert np.allclose(R @ np.diag(body.inertia) @ R.T, one.body.inertia, rtol=1e-9, atol=1e-12)


def test_a_link_has_a_look_with_a_material_and_a_collision_for_each_piece(folder: Path, assets: Assets) -> None:
    for asset in assets.assets:
        root = ElementTree.parse(folder / f"{asset.name}.urdf").getroot()
        assert root.get("name") == asset.name
        for one in asset.links:
            element = root.find(f"link[@name='{one.name}']")
            assert element is not None and len(element.findall("visual/material/color")) == 1
            assert len(element.findall("collision")) == len(one.body.pieces)
            texture = element.find("visual/material/texture")
            assert (texture is not None) == (one.mesh is not None and one.mesh.texture is not None)


def test_paths_are_relative_and_stay_inside(folder: Path) -> None:
    for path in folder.glob("*.urdf"):
        named = [
            element.attrib["filename"] for element in ElementTree.parse(path).iter() if "filename" in element.attrib
        ]
        assert named and all((folder / name).is_file() and ".." not in name and name[0] != "/" for name in named)


def test_what_is_static_hangs_on_the_world(folder: Path) -> None:
    root = ElementTree.parse(folder / "table.urdf").getroot()
    joint = root.find("joint[@type='fixed']")
    assert joint is not None and root.find("link[@name='world']") is not None
    assert [part.get("link") for part in (*joint.findall("parent"), *joint.findall("child"))] == ["world", "table"]
    assert root.find("link[@name='table']/inertial") is None


def test_joints_move_as_in_mjcf(tmp_path: Path) -> None:
    hinge = Joint("hinge", (1, 0.5, 0), (0.1, 0.2, 0.3), (-1, 2), damping=0.1, actuator="motor", gain=2)
    slide = Joint("slide", (0, 0.5, 1), (0.1, 0.2, 0.3), (-0.1, 0.2))
    links = (
        a_box("root", 0.3), a_box("arm", 0.5, 0, hinge), a_box("hand", 0.8, 1, slide),
        a_box("ball", 1.1, 2, Joint("ball", anchor=(0.05, 0, 0.1))), a_box("stick", 1.3, 3, Joint("fixed")),
    )  # fmt: skip
    assets = Assets("arms", (Asset(links),))
    write(tmp_path, assets)
    mjcf.write(tmp_path, assets)
    model = loaded(tmp_path, "root")
    quat = Rotation.from_euler("XYZ", [0.3, -0.4, 0.5]).as_quat()[[3, 0, 1, 2]]
    other = mujoco.MjModel.from_xml_path(str(tmp_path / "root.xml"))
    wanted = poses(other, {"arm": [0.7], "hand": [0.11], "ball": quat.tolist()})
    turned = {"ball.x_joint": [0.3], "ball.y_joint": [-0.4], "ball_joint": [0.5]}
    got = poses(model, {"arm_joint": [0.7], "hand_joint": [0.11], **turned})
    for one in links:
        assert np.allclose(got[one.name] @ shift(one.body.joint).inverse().matrix, wanted[one.name], atol=1e-12)
    assert np.allclose(model.jnt_range[:2], [hinge.limits, slide.limits])
    assert model.dof_damping[0] == 0.1


def test_a_body_joined_to_the_world_turns_about_its_anchor(tmp_path: Path) -> None:
    door = a_box("door", 0.3, joint=Joint("hinge", anchor=(0.05, 0, 0)))
    write(tmp_path, Assets("doors", (Asset((door,)),)))
    model = loaded(tmp_path, "door")
    data = mujoco.MjData(model)
    data.qpos[:] = 1.0
    mujoco.mj_kinematics(model, data)
    T = Pose(tuple(data.body("door").xpos), tuple(data.body("door").xquat)) @ shift(door.body.joint).inverse()
    anchored = T.matrix @ [0.05, 0, 0, 1]
    assert np.allclose(anchored, [0.05, 0, 0, 1]) and np.allclose(T.matrix[0, :2], [np.cos(1), -np.sin(1)])


def test_a_capsule_is_a_cylinder_and_two_balls(tmp_path: Path) -> None:
    pose = Pose((0.1, 0.2, 0.3), tuple(Rotation.from_rotvec([1, 2, 3]).as_quat()[[3, 0, 1, 2]]))
    piece = Piece(Capsule(0.02, 0.05), pose)
    pill = a_box("pill", 0.3)
    pill = replace(pill, body=replace(pill.body, pieces=(piece,)))
    write(tmp_path, Assets("pills", (Asset((pill,)),)))
    model = loaded(tmp_path, "pill")
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    balls, rods = (np.flatnonzero(model.geom_type == kind) for kind in (mujoco.mjtGeom.mjGEOM_SPHERE, 5))
    ends = np.array([[0, 0, -0.05, 1], [0, 0, 0.05, 1]]) @ pose.matrix.T
    assert np.allclose(data.geom_xpos[balls], ends[:, :3]) and len(rods) == 1
    assert np.allclose(model.geom_size[rods[0]][:2], [0.02, 0.05])
    assert np.allclose(data.geom_xpos[rods[0]], mass_properties(piece_mesh(piece)).centre, atol=1e-6)


def test_a_look_straight_up_has_angles_too(tmp_path: Path) -> None:
    up = Pose((0, 0, 0), (0.5**0.5, 0, 0.5**0.5, 0)) @ Pose((0, 0, 0), (0.8, 0, 0, 0.6))
    stick = a_box("stick", 0.0)
    stick = replace(stick, body=replace(stick.body, pieces=(replace(stick.body.pieces[0], pose=up),)))
    write(tmp_path, Assets("sticks", (Asset((stick,)),)))
    model = loaded(tmp_path, "stick")
    quat = model.geom_quat[np.flatnonzero(model.geom_contype)[0]]
    assert np.allclose(rotation_from_quaternion(quat), up.matrix[:3, :3], atol=1e-9)


def test_what_urdf_does_not_know_is_refused(tmp_path: Path) -> None:
    stick = a_box("stick", 0.0)
    plane = replace(stick, body=replace(stick.body, pieces=(Piece(Plane()),)))
    with pytest.raises(InputError, match="stick: shape"):
        write(tmp_path, Assets("planes", (Asset((plane,)),)))
    with pytest.raises(InputError, match="axis"):
        write(tmp_path, Assets("none", (Asset((a_box("none", 0.0, joint=Joint("hinge", (0, 0, 0))),)),)))


def test_what_is_flat_loads_without_its_look(tmp_path: Path, assets: Assets) -> None:
    square = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]), torch.tensor([[0, 1, 2], [1, 3, 2]]))
    write(tmp_path, Assets("flat", (Asset((replace(assets.assets[0].links[0], mesh=square),)),)))
    assert loaded(tmp_path, "table").ngeom == 1
