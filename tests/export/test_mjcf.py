"""MJCF, as MuJoCo reads it back."""

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
from scenekit.cameras import Camera, rotation_from_quaternion
from scenekit.capture.capture import Photo
from scenekit.export.assets import Asset, Assets, Link
from scenekit.export.mjcf import bodies_of, write
from scenekit.export.names import LEGAL
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody
from scenekit.sim.model import Model
from scenekit.sim.mujoco_model import spec
from scenekit.sim.shapes import Capsule, Sphere

from .conftest import a_cup, link, mesh_of, moved


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, assets: Assets) -> Path:
    return moved(tmp_path_factory, "mjcf", lambda made: write(made, assets))


def loaded(folder: Path, name: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(folder / f"{name}.xml"))


def poses(model: mujoco.MjModel, joints: dict[str, list[float]]) -> dict[str, np.ndarray]:
    """T_root_body of all bodies with joints where they are told to be."""
    data = mujoco.MjData(model)
    for name, values in joints.items():
        data.joint(name).qpos[:] = values
    mujoco.mj_kinematics(model, data)
    found = {}
    for number in range(1, model.nbody):
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = data.xmat[number].reshape(3, 3), data.xpos[number]
        found[model.body(number).name] = T
    root = np.linalg.inv(found[model.body(1).name])
    return {name: root @ T for name, T in found.items()}


def test_all_files_load_from_any_folder_after_they_were_moved(
    folder: Path, assets: Assets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("scene", *(asset.name for asset in assets.assets)):
        assert loaded(folder, name).nbody > 1


def test_masses_centres_and_inertias_are_those_of_the_bodies(folder: Path, assets: Assets) -> None:
    for name in ("scene", "cup", "cabinet"):
        model = loaded(folder, name)
        for one in assets.links:
            if one.body.kind == "static" or one.name not in [model.body(i).name for i in range(model.nbody)]:
                continue
            number, R = model.body(one.name).id, rotation_from_quaternion(model.body(one.name).iquat)
            assert model.body_mass[number] == pytest.approx(one.body.mass, rel=1e-12)
            assert np.allclose(model.body_ipos[number], one.body.centre, atol=1e-12)
            inertia = R @ np.diag(model.body_inertia[number]) @ R.T
            assert np.allclose(inertia, one.body.inertia, rtol=1e-9, atol=1e-12)


def test_home_has_everything_at_its_place_and_the_frames_are_those_of_the_nodes(folder: Path, assets: Assets) -> None:
    model = loaded(folder, "scene")
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_kinematics(model, data)
    for one in assets.links:
        T = one.body.pose.matrix
        assert np.allclose(data.body(one.name).xpos, T[:3, 3], atol=1e-9)
        assert np.allclose(data.body(one.name).xmat.reshape(3, 3), T[:3, :3], atol=1e-9)


def test_roots_are_at_the_origin_of_their_own_files_and_free_unless_static(folder: Path, assets: Assets) -> None:
    for asset in assets.assets:
        model = loaded(folder, asset.name)
        assert model.body_pos[1].tolist() == [0, 0, 0] and model.body_quat[1].tolist() == [1, 0, 0, 0]
        free = model.njnt > 0 and model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
        assert free != asset.is_static


def test_classes_groups_names_and_paths_are_as_readers_expect(folder: Path) -> None:
    for path in folder.glob("*.xml"):
        model = loaded(folder, path.stem)
        for i in range(model.ngeom):
            name, group = model.geom(i).name, model.geom_group[i]
            assert LEGAL.fullmatch(name)
            if name.endswith("_visual"):
                assert group == 2 and model.geom_contype[i] == model.geom_conaffinity[i] == 0
            else:
                assert group == (0 if name == "floor" else 3)
        text = path.read_text()
        assert "vertex=" not in text and str(folder.parent) not in text
        for element in ElementTree.fromstring(text).iter():
            file = element.get("file")
            assert file is None or (not Path(file).is_absolute() and ".." not in file and (folder / file).is_file())


def test_a_look_has_its_texture_and_material(folder: Path) -> None:
    model = loaded(folder, "cup")
    material = model.material(model.geom("cup_visual").matid[0])
    assert model.ntex == 1 and material.texid[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] == 0
    assert model.mat_roughness[material.id] == pytest.approx(0.4)
    assert model.mesh_texcoordnum[model.mesh("cup_visual").id] > 0


def test_joints_move_as_in_the_model_of_the_solver(tmp_path: Path) -> None:
    box = mesh_of(trimesh.creation.box((0.1, 0.2, 0.3)))

    def part(name: str, place: float, parent: int = -1, joint: Joint | None = None) -> Link:
        pose = Pose((place, 0.1 * place, 1.0), tuple(Rotation.from_rotvec([place, 1, 0]).as_quat()[[3, 0, 1, 2]]))
        return link(name, f"/{name}", box, pose, method="primitive", parent=parent, joint=joint)

    hinge = Joint("hinge", (1, 0.5, 0), (0.1, 0.2, 0.3), (-1, 2), damping=0.1, actuator="motor", gain=2)
    slide = Joint("slide", (0, 0.5, 1), (0.1, 0.2, 0.3), (-0.1, 0.2))
    links = (
        part("root", 0.3), part("arm", 0.5, 0, hinge), part("hand", 0.8, 1, slide),
        part("ball", 1.1, 2, Joint("ball", anchor=(0.05, 0, 0.1))), part("stick", 1.3, 3, Joint("fixed")),
    )  # fmt: skip
    assets = Assets("arms", (Asset(links),))
    write(tmp_path, assets)
    ours = spec(Model(bodies=bodies_of(assets))).compile()
    theirs = loaded(tmp_path, "root")
    joints = {"arm": [0.7], "hand": [0.11], "ball": [0.8, 0.6, 0, 0]}
    wanted, got = poses(ours, joints), poses(theirs, joints)
    turn = np.linalg.inv(wanted["root"]) @ got["root"]
    for name in ("arm", "hand", "ball", "stick"):
        assert np.allclose(turn @ wanted[name], got[name], atol=1e-9)
    assert np.allclose(theirs.jnt_range[1:3], [hinge.limits, slide.limits]) and theirs.nu == 1
    assert theirs.dof_damping[theirs.joint("arm").dofadr[0]] == 0.1
    assert theirs.nexclude == 4


def test_a_dropped_cup_comes_to_rest(folder: Path) -> None:
    made = mujoco.MjSpec.from_file(str(folder / "cup.xml"))
    made.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], pos=[0, 0, -0.15])
    model = made.compile()
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, nstep=2000)
    early = data.qpos.copy()
    mujoco.mj_step(model, data, nstep=1000)
    assert np.abs(data.qvel).max() < 1e-2 and np.abs(data.qpos - early)[:3].max() < 1e-4
    assert data.ncon and data.contact.dist.min() > -1e-3


def test_the_camera_sees_what_a_photo_saw(tmp_path: Path, assets: Assets) -> None:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_euler("x", -120, degrees=True).as_matrix(), (0.1, -1.0, 1.2)
    camera = Camera("PINHOLE", 640, 400, (500.0, 500.0, 320.0, 200.0))
    write(tmp_path, replace(assets, photos=(Photo("a.png", tmp_path / "a.png", camera, T),)))
    model = loaded(tmp_path, "scene")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert model.cam_resolution[0].tolist() == [640, 400]
    point = np.array([0.1, 0.2, 0.5])
    u, v, depth = camera.K @ (T[:3, :3].T @ (point - T[:3, 3]))
    x, y, z = data.cam_xmat[0].reshape(3, 3).T @ (point - data.cam_xpos[0])  # MuJoCo: y up, looks along −z
    focal = 200 / np.tan(np.radians(model.cam_fovy[0]) / 2)
    assert (320 + focal * x / -z, 200 - focal * y / -z, -z) == pytest.approx((u / depth, v / depth, depth))


def test_without_photos_the_camera_sees_everything(folder: Path, assets: Assets) -> None:
    model = loaded(folder, "scene")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    for one in assets.links:
        T = one.body.pose.matrix
        assert one.mesh is not None
        points = one.mesh.vertices.numpy() @ T[:3, :3].T + T[:3, 3]
        seen = (points - data.cam_xpos[0]) @ data.cam_xmat[0].reshape(3, 3)
        assert (np.abs(seen[:, 1] / seen[:, 2]) < np.tan(np.radians(model.cam_fovy[0] / 2))).all()


def test_a_distance_field_collides_as_the_concave_thing_it_is(tmp_path: Path) -> None:
    torus = trimesh.creation.torus(0.1, 0.02)
    ring = replace(link("ring", "/ring", mesh_of(torus), Pose()), sdf=True)
    write(tmp_path, Assets("rings", (Asset((ring,)),), floor=None))
    made = mujoco.MjSpec.from_file(str(tmp_path / "ring.xml"))
    assert [geom.type for geom in made.geoms if geom.group == 3] == [mujoco.mjtGeom.mjGEOM_SDF]
    ball = made.worldbody.add_body(name="ball")
    ball.add_freejoint(name="ball")
    ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0])
    model = made.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0  # in the hole, where the hull would touch
    data.joint("ball").qpos[:3] = [0.06, 0, 0]
    mujoco.mj_forward(model, data)
    assert data.ncon > 0


def test_what_moves_as_told_is_a_mocap_body(tmp_path: Path) -> None:
    cup = a_cup().links[0]
    shapes = (Piece(Sphere(0.02)), Piece(Capsule(0.01, 0.05)))
    body = RigidBody(cup.path, "kinematic", cup.body.pose, 0.0, (0, 0, 0), np.zeros((3, 3)), shapes)
    write(tmp_path, Assets("hands", (Asset((replace(cup, body=body),)),)))
    assert loaded(tmp_path, "scene").nmocap == loaded(tmp_path, "cup").nmocap == 1


def test_an_open_flat_mesh_without_pieces_is_only_seen(tmp_path: Path, assets: Assets) -> None:
    sheet = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2], [1, 2, 3]]))
    table = assets.assets[0].links[0]
    write(tmp_path, Assets("sheets", (Asset((replace(table, mesh=sheet, body=replace(table.body, pieces=())),)),)))
    assert loaded(tmp_path, "table").ngeom == 1
    assert [path.name for path in (tmp_path / "meshes").iterdir()] == ["table_visual.obj"]
