"""A robot beside the assets."""

import shutil
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from PIL import Image

from scenekit.errors import FileError, InputError
from scenekit.export.assets import Assets
from scenekit.export.mjcf import write
from scenekit.export.robot import Robot

ARM = """
<mujoco model="arm">
  <compiler angle="degree" meshdir="assets" texturedir="assets/looks" autolimits="true" inertiagrouprange="0 2"/>
  <option timestep="0.0005" gravity="0 0 -1" integrator="RK4"/>
  <size nkey="3"/>
  <default><default class="visual"><geom group="1" rgba="1 0 0 1"/></default><joint damping="0.3"/></default>
  <asset>
    <mesh file="hand.stl" scale="0.1 0.1 0.1"/>
    <texture name="wood" type="2d" file="wood.png"/>
    <texture name="sky" type="skybox" builtin="flat" width="8" height="48"/>
    <material name="cup" texture="wood"/>
  </asset>
  <worldbody>
    <light name="lamp" pos="0 0 3"/>
    <geom name="floor" type="plane" size="1 1 1"/>
    <body name="cup" pos="0 0 0.2" euler="0 0 30">
      <joint name="turn" axis="0 0 1" range="-90 45"/>
      <geom class="visual" type="capsule" fromto="0 0 0 0.2 0 0" size="0.02" material="cup"/>
      <body name="hand" pos="0.2 0 0">
        <joint name="bend" axis="0 1 0" range="0 60"/>
        <geom name="hand" type="mesh" mesh="hand"/>
        <geom type="sphere" size="0.1" group="3"/>
        <site name="grip"/>
      </body>
    </body>
  </worldbody>
  <actuator><position name="turn" joint="turn" kp="7" ctrlrange="-90 45"/><motor joint="bend" gear="2"/></actuator>
  <keyframe><key qpos="0.1 0.2"/><key name="home" qpos="0.3 0.4" ctrl="0.3 0"/></keyframe>
</mujoco>
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An arm whose names, options, classes and paths all clash with ours."""
    looks = tmp_path / "arm" / "assets" / "looks"
    looks.mkdir(parents=True)
    trimesh.creation.icosahedron().export(looks.parent / "hand.stl")
    Image.new("RGB", (4, 4), (200, 100, 0)).save(looks / "wood.png")
    (tmp_path / "arm" / "arm.xml").write_text(ARM)
    (tmp_path / "arm" / "secret.txt").write_text("not named")
    return tmp_path / "arm" / "arm.xml"


@pytest.fixture
def folder(tmp_path: Path, assets: Assets, file: Path) -> Path:
    """Of a scene with it, moved, its own files gone."""
    (tmp_path / "mjcf").mkdir()
    files = write(tmp_path / "mjcf", assets, robot=Robot(file, (0.5, 0.0, 0.3), 90.0))
    assert all(path.is_file() for path in files)
    shutil.rmtree(file.parent)
    return Path(shutil.move(tmp_path / "mjcf", tmp_path / "moved"))


def test_a_robot_is_the_one_that_was_given(tmp_path: Path, assets: Assets, file: Path) -> None:
    alone = mujoco.MjModel.from_xml_path(str(file))
    write(tmp_path / "mjcf", assets, robot=Robot(file, (0.5, 0.0, 0.3), 90.0))
    scene = mujoco.MjModel.from_xml_path(str(tmp_path / "mjcf" / "scene.xml"))
    for name in ("cup", "hand"):
        mine, theirs = scene.body(f"robot_{name}"), alone.body(name)
        assert np.allclose(mine.mass, theirs.mass, rtol=1e-9) and np.allclose(mine.inertia, theirs.inertia, rtol=1e-9)
    for name in ("turn", "bend"):
        mine, theirs = scene.joint(f"robot_{name}"), alone.joint(name)
        assert np.allclose(mine.range, theirs.range) and np.allclose(mine.damping, theirs.damping)
    assert np.allclose(scene.actuator("robot_turn").ctrlrange, alone.actuator("turn").ctrlrange)
    one, other = mujoco.MjData(alone), mujoco.MjData(scene)
    for name, angle in (("turn", 0.5), ("bend", 0.7)):
        one.joint(name).qpos[:] = other.joint(f"robot_{name}").qpos[:] = angle
    mujoco.mj_kinematics(alone, one)
    mujoco.mj_kinematics(scene, other)
    x, y, z = one.site("grip").xpos
    assert np.allclose(other.site("robot_grip").xpos, [0.5 - y, x, 0.3 + z], atol=1e-12)


def test_it_loads_after_it_was_moved_with_the_files_it_names_and_no_other(folder: Path) -> None:
    model = mujoco.MjModel.from_xml_path(str(folder / "scene.xml"))
    assert model.nmesh and "secret" not in "".join(str(path) for path in folder.rglob("*"))
    copied = sorted(path.relative_to(folder / "robot").as_posix() for path in (folder / "robot").rglob("*.*"))
    assert copied == ["assets/hand.stl", "assets/looks/wood.png"]


def test_home_is_that_of_the_robot_and_the_scene(folder: Path, assets: Assets) -> None:
    model = mujoco.MjModel.from_xml_path(str(folder / "scene.xml"))
    data = mujoco.MjData(model)
    assert model.nkey == 1
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    assert data.joint("robot_turn").qpos == 0.3 and data.joint("robot_bend").qpos == 0.4
    assert data.actuator("robot_turn").ctrl == 0.3
    assert np.allclose(data.joint("cup").qpos[:3], assets.assets[1].links[0].body.pose.position)


def test_the_options_are_those_of_the_scene_but_for_a_shorter_timestep_and_the_file_says_so(folder: Path) -> None:
    model = mujoco.MjModel.from_xml_path(str(folder / "scene.xml"))
    assert model.opt.timestep == 0.0005 and model.opt.gravity.tolist() == [0, 0, -9.81]
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    text = (folder / "scene.xml").read_text()
    assert all(words in text for words in ("gravity of [0.0, 0.0, -1.0]", "timestep", "integrator", "floor, sky"))
    assert [model.geom(i).name for i in range(model.ngeom) if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_PLANE] == [
        "floor"
    ]


def test_masses_of_the_assets_stay_as_they_are(folder: Path, assets: Assets) -> None:
    model = mujoco.MjModel.from_xml_path(str(folder / "scene.xml"))
    for link in assets.links:
        assert model.body(link.name).mass[0] == pytest.approx(link.body.mass, rel=1e-12)


def test_files_elsewhere_are_refused(tmp_path: Path, assets: Assets, file: Path) -> None:
    shutil.copy(file.parent / "assets" / "hand.stl", tmp_path / "hand.stl")
    for path in ("../../hand.stl", str(tmp_path / "hand.stl")):
        file.write_text(ARM.replace('"hand.stl"', f'"{path}"'))
        with pytest.raises(FileError, match="elsewhere"):
            write(tmp_path / "mjcf", assets, robot=Robot(file))
    file.write_text(ARM)
    (file.parent / "assets" / "hand.stl").unlink()
    (file.parent / "assets" / "hand.stl").symlink_to(tmp_path / "hand.stl")
    with pytest.raises(FileError, match="elsewhere"):
        write(tmp_path / "mjcf", assets, robot=Robot(file))


def test_what_is_no_robot_is_refused_with_the_reason(tmp_path: Path, assets: Assets, file: Path) -> None:
    with pytest.raises(FileError, match="no file"):
        write(tmp_path / "mjcf", assets, robot=Robot(tmp_path / "none.xml"))
    for text in ("<mujoco><worldbody><body><geom/></worldbody>", "", "<robot/>", ARM.replace("hand.stl", "none.stl")):
        file.write_text(text)
        with pytest.raises(FileError):
            write(tmp_path / "mjcf", assets, robot=Robot(file))
    with pytest.raises(InputError, match="place"):
        Robot(file, (0.0, float("nan"), 0.0))
