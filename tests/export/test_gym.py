"""The Gymnasium environment of an export: its contract, what it sees, what it does."""

import importlib
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenekit.cameras import look_at
from scenekit.errors import BackendError, FileError, InputError
from scenekit.export import mjcf, splat_files
from scenekit.export.assets import Assets
from scenekit.render.splats import render
from scenekit.scene import Node, SceneState
from scenekit.splats import Splats

gymnasium = pytest.importorskip("gymnasium")
from gymnasium.utils.env_checker import check_env  # noqa: E402

from scenekit.export.gym import ID, SceneEnv, camera_pose, pinhole_of, reaching  # noqa: E402

EYE, TARGET = (0.6, -0.4, 0.7), (0.1, 0.2, 0.5)

MODEL = """
<mujoco>
  <compiler angle="radian"/>
  <option timestep="0.002"/>
  <worldbody>
    <geom type="plane" size="1 1 .1"/>
    <camera name="side" pos="0 -1 0.5" xyaxes="1 0 0 0 0 1" fovy="60"/>
    <camera name="view" pos="{pos}" xyaxes="{axes}" fovy="40"/>
    <camera name="flat" pos="0 -1 0.5" xyaxes="1 0 0 0 0 1" projection="orthographic"/>
    <body name="cup" pos="0.1 0.2 0.5" quat="0.955336 0 0 0.295520">
      <freejoint/><geom type="box" size=".03 .025 .04" mass="0.2"/>
    </body>
    <body name="door" pos="-0.4 0.1 0.7">
      <joint name="door" axis="0 0 1" range="0 1.5" limited="true" damping="0.5"/>
      <geom type="box" pos="0.1 0 0" size=".1 .01 .1" mass="1" group="{group}"/>
      <camera name="wrist" pos="0 0 0.2"/>
    </body>
  </worldbody>
  {actuator}
  <keyframe><key name="home" qpos="0.1 0.2 0.5 0.955336 0 0 0.295520 0"/></keyframe>
</mujoco>
"""
ACTUATOR = '<actuator><position joint="door" kp="5" ctrlrange="0 1.5"/></actuator>'


def exported(folder: Path, assets: Assets, actuator: str = "", group: int = 3) -> Path:
    """A folder as an export makes it, of a model made by hand."""
    T = look_at(np.array(EYE), np.array(TARGET))
    axes = np.concatenate([T[:3, 0], -T[:3, 1]])
    (folder / "mjcf").mkdir()
    text = MODEL.format(pos=" ".join(map(str, EYE)), axes=" ".join(map(str, axes)), actuator=actuator, group=group)
    (folder / "mjcf" / "scene.xml").write_text(text)
    splat_files.write(folder / "splats", replace(assets, assets=assets.assets[1:2]), SceneState(Node("")))
    return folder


@pytest.fixture
def folder(tmp_path, assets):
    return exported(tmp_path, assets)


@pytest.fixture
def driven(tmp_path, assets):
    return exported(tmp_path, assets, ACTUATOR)


@pytest.fixture(scope="module")
def written(tmp_path_factory, assets):
    """What the writers make of the assets, with a table, a free cup with splats and a cabinet with a servo."""
    folder = tmp_path_factory.mktemp("export")
    mjcf.write(folder / "mjcf", assets)
    splat_files.write(folder / "splats", assets, SceneState(Node("")))
    return folder


def cup_of(assets: Assets) -> Splats:
    splats = assets.assets[1].links[0].splats
    assert splats is not None
    return splats


@pytest.mark.parametrize("options", [{"width": 32}, {"width": 40, "depth": True, "jitter": 0.01, "pusher": "door"}])
def test_passes_gymnasiums_checker(folder, options):
    env = gymnasium.make(f"scenekit.export.gym:{ID}", folder=folder, height=32, render_mode="rgb_array", **options)
    check_env(env.unwrapped)


def test_image_is_the_splats_at_the_pose_that_mujoco_computes(folder, assets):
    env = SceneEnv(folder, depth=True)
    env.reset()
    observation, *_ = env.step(np.array([0.3, 0.1, 0.9]))
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = env.data.body("cup").xmat.reshape(3, 3), env.data.body("cup").xpos
    assert np.linalg.norm(T[:3, 3] - (0.1, 0.2, 0.5)) > 1e-4
    frame = render(cup_of(assets).transform(torch.from_numpy(T)), env.camera, look_at(np.array(EYE), np.array(TARGET)))
    assert np.abs(observation["image"] / 255 - frame.rgb.clamp(0, 1).numpy()).max() <= 0.51 / 255
    np.testing.assert_allclose(observation["depth"], frame.depth, atol=1e-5)
    assert observation["image"].max() > 100


def test_what_has_no_splats_is_in_the_image_too(tmp_path, assets):
    (tmp_path / "seen").mkdir(), (tmp_path / "unseen").mkdir()
    seen, unseen = (
        SceneEnv(exported(tmp_path / name, assets, group=group), camera="side", depth=True).reset()[0]
        for name, group in (("seen", 2), ("unseen", 3))
    )
    door = (seen["image"] != unseen["image"]).any(2)
    assert door.sum() > 50
    assert np.abs(seen["depth"][door] - 1.1).max() < 0.02  # its front is 9 cm behind the origin, the camera 1 m before


def test_an_export_runs_with_its_own_camera_actuators_and_home(written, assets):
    env = SceneEnv(written, pusher="cup")
    observation, _ = env.reset()
    np.testing.assert_allclose(env.pose("cup"), assets.assets[1].links[0].body.pose.matrix, atol=1e-6)
    assert observation["image"].max() > 100  # the camera of the export sees the cup
    assert env.action_space.shape == (1 + 3,)
    for _ in range(25):
        observation, *_ = env.step(np.array([1.0, 0, 0, 0], np.float32))
    turned = np.arccos(env.pose("cabinet")[:3, 0] @ env.pose("cabinet_door")[:3, 0])
    assert turned > 0.3
    assert env.pose("cup")[2, 3] < 0.49


def test_a_point_is_where_mujocos_own_frustum_puts_it(folder):
    """The oracle is the definition of MuJoCo's camera: fovy is the whole vertical angle, it looks along −z, y is up."""
    env = SceneEnv(folder, camera="wrist", width=64, height=48)
    env.reset()
    model, data, number = env.model, env.data, env.camera_id
    point = data.cam_xpos[number] + data.cam_xmat[number].reshape(3, 3) @ (0.1, 0.2, -1.0)
    x = np.linalg.inv(camera_pose(data, number)) @ (*point, 1)
    u, v = pinhole_of(model, number, 64, 48).project(x[None, :3])[0]
    half = math.tan(math.radians(model.cam_fovy[number] / 2))
    assert (u, v) == (pytest.approx(32 + 24 * 0.1 / half), pytest.approx(24 - 24 * 0.2 / half))


def test_same_seed_gives_the_same_episode(folder):
    def episode() -> list[np.ndarray]:
        env = SceneEnv(folder, jitter=0.05, width=32, height=32)
        env.action_space.seed(3)
        seen = [env.reset(seed=7)[0]]
        seen += [env.step(env.action_space.sample())[0] for _ in range(5)]
        return [np.concatenate([o["image"].ravel(), o["qpos"], o["qvel"]]) for o in seen]

    for one, other in zip(episode(), episode(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_jitter_moves_free_bodies_sideways_and_options_say_how_far(folder):
    env = SceneEnv(folder, jitter=0.05, width=32, height=32)
    x = env.reset(seed=1)[0]["qpos"]
    assert 0 < np.abs(x[:2] - (0.1, 0.2)).max() <= 0.05
    assert x[2] == 0.5
    assert tuple(env.reset(options={"jitter": 0})[0]["qpos"][:2]) == (0.1, 0.2)


def test_a_push_lifts_what_has_no_actuators(folder):
    env = SceneEnv(folder, width=32, height=32, frame_skip=50)
    assert env.action_space.shape == (3,)
    env.reset()
    observation, *_ = env.step(np.array([0, 0, 1.0]))
    # 2 m g up, m g down: z = ½ g t², and semi-implicit Euler is half a step ahead
    t, h = env.data.time, env.model.opt.timestep
    assert observation["qpos"][2] - 0.5 == pytest.approx(9.81 / 2 * t * (t + h), rel=1e-4)


def test_actuators_are_the_action_and_a_pusher_comes_after_them(driven):
    assert SceneEnv(driven).action_space.shape == (1,)
    env = SceneEnv(driven, pusher="cup", push=2.0, width=32, height=32)
    assert env.action_space.shape == (4,)
    assert (env.action_space.low[0], env.action_space.high[0]) == (0, 1.5)
    env.reset()
    for _ in range(40):
        env.step(np.array([1.0, 0, 0, 0]))
    assert env.data.qpos[-1] == pytest.approx(1.0, abs=0.02)


def test_reward_end_and_time_limit(folder):
    env = SceneEnv(
        folder, width=32, height=32, frame_skip=10, time_limit=0.06,
        reward=reaching("cup", (0.1, 0.2, 0.0)), done=lambda env: env.pose("cup")[2, 3] < 0.49,
    )  # fmt: skip
    env.reset()
    steps = [env.step(np.zeros(3)) for _ in range(3)]
    assert steps[0][1] == pytest.approx(-env.pose("cup")[2, 3], abs=0.02)
    assert [step[2] for step in steps] == [False, False, True]  # 18 mm in 60 ms
    assert [step[3] for step in steps] == [False, False, True]


def test_render_shows_the_last_observation(folder):
    env = SceneEnv(folder, render_mode="rgb_array", width=32, height=32)
    np.testing.assert_array_equal(env.reset()[0]["image"], env.render())
    assert env.metadata["render_fps"] == 25


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"camera": "nowhere"}, "camera.*side, view"), ({"camera": "flat"}, "orthographic"),
        ({"pusher": "nobody"}, "pusher.*cup, door"), ({"width": 0}, "width"), ({"frame_skip": 0}, "frame_skip"),
        ({"time_limit": float("nan")}, "time_limit"), ({"jitter": -1}, "jitter"), ({"render_mode": "human"}, "render"),
    ],
)  # fmt: skip
def test_wrong_option_is_an_input_error(folder, options, name):
    with pytest.raises(InputError, match=name):
        SceneEnv(folder, **options)


@pytest.mark.parametrize("action", [np.zeros(2), np.array([0, np.nan, 0])])
def test_wrong_action_is_an_input_error(folder, action):
    env = SceneEnv(folder, width=32, height=32)
    env.reset()
    with pytest.raises(InputError, match="action"):
        env.step(action)


def test_what_stays_cannot_be_pushed(written):
    with pytest.raises(InputError, match="table, which stays"):
        SceneEnv(written, pusher="table")


def test_missing_or_broken_folder_is_a_file_error(tmp_path, folder):
    with pytest.raises(FileError, match=r"scene\.xml"):
        SceneEnv(tmp_path / "nothing")
    (folder / "mjcf" / "scene.xml").write_text("<mujoco><worldbody><geom/></worldbody></mujoco>")
    with pytest.raises(FileError, match="MuJoCo loads"):
        SceneEnv(folder)


def test_without_gymnasium_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    monkeypatch.delitem(sys.modules, "scenekit.export.gym")
    with pytest.raises(BackendError, match=r"scenekit\[gym\]"):
        importlib.import_module("scenekit.export.gym")
