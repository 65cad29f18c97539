"""Rollouts: frames at their times, kept, resumed to the same bits, and refused where they do not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import FileError, InputError
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.runs import as_json, write_json
from scenekit.scene import Node, Scene, SceneState
from scenekit.sim.control import Control
from scenekit.sim.from_scene import SimConfig, model_of
from scenekit.sim.model import Model
from scenekit.sim.rollout import STATES, Clip, open_clip, roll, simulate, staged
from scenekit.sim.scenario import Scenario, Timed
from scenekit.sim.state import State


def scene(height: float = 2.0) -> Scene:
    cube = trimesh.creation.box((0.1, 0.1, 0.1))
    mesh = Mesh(torch.from_numpy(cube.vertices.copy()).float(), torch.from_numpy(cube.faces.copy()).long())
    return Scene(
        SceneState(Node("", children=(Node("cube", Pose((0, 0, height)), mesh=mesh, material=materials["wood"]),)))
    )


class Falling:
    """Bodies in free fall under gravity and what is commanded, exactly."""

    def __init__(self, model: Model, stop_at: float = np.inf):
        self.model, self.stop_at = model, stop_at
        self.impulses = torch.zeros(len(model.bodies), 6, dtype=torch.float64)

    def step(self, state: State, nxt: State, control: Control, dt: float) -> None:
        if state.time >= self.stop_at:
            raise KeyboardInterrupt
        nxt.copy_(state)
        for i, body in enumerate(self.model.bodies):
            if body.kind == "dynamic":
                a = torch.tensor(self.model.gravity, dtype=torch.float64) + control.body_force[i] / body.mass
                nxt.body_x[i] += state.body_v[i] * dt + a * dt**2 / 2
                nxt.body_v[i] += a * dt


def clip_of(scene: Scene, scenario: Scenario | None = None, folder: Path | None = None) -> tuple[Clip, State]:
    scenario = scenario or Scenario()
    state = scenario.set_up(scene.state)
    model, start = scenario.begin(model_of(state))
    return Clip(state, model, fps=10, folder=folder), start


def test_a_falling_cube_is_where_gravity_takes_it_and_its_energy_stays():
    clip, start = clip_of(scene(), Scenario(push={"/cube": (1.0, 0.0, 0.0)}))
    roll(clip, start, seconds=0.5, solver=Falling(clip.model))
    assert clip.times == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    position = clip.scene_at(-1).state.pose("/cube").position
    assert position == pytest.approx((0.5, 0.0, 2.0 - 9.81 * 0.25 / 2), abs=1e-6)
    assert [b.energy for b in clip.balances] == pytest.approx([clip.balances[0].energy] * 6)
    assert clip.balances[-1].momentum[0] == pytest.approx(materials["wood"].density.value * 1e-3, rel=1e-4)


def test_forces_act_while_they_last():
    clip, start = clip_of(
        scene(), Scenario(force=(Timed("/cube", (1.3, 0.0, 0.0), 0.1, 0.3),), gravity=(0.0, 0.0, 0.0))
    )
    roll(
        clip,
        start,
        seconds=0.5,
        command=Scenario(force=(Timed("/cube", (1.3, 0.0, 0.0), 0.1, 0.3),)).command,
        solver=Falling(clip.model),
    )
    momentum = [b.momentum[0] for b in clip.balances]
    assert momentum == pytest.approx([0, 0, 0.13, 0.26, 0.26, 0.26])


def test_an_interrupted_run_goes_on_from_its_last_frame_to_the_same_bits(tmp_path: Path):
    whole, start = clip_of(scene(), folder=tmp_path / "whole")
    roll(whole, start, seconds=0.8, solver=Falling(whole.model))
    half, start = clip_of(scene(), folder=tmp_path / "half")
    with pytest.raises(KeyboardInterrupt):
        roll(half, start, seconds=0.8, solver=Falling(half.model, stop_at=0.35))
    again, start = clip_of(scene(), folder=tmp_path / "half")
    assert 1 < len(again) < 9
    roll(again, start, seconds=0.8, solver=Falling(again.model))
    assert len(again) == len(whole) == 9
    assert not any(again.state(-1).differences(whole.state(-1)).values())
    assert again.balances == whole.balances


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path: Path):
    for seconds, frames in ((0.3, 4), (0.6, 7), (0.3, 7)):
        clip, start = clip_of(scene(), folder=tmp_path)
        roll(clip, start, seconds=seconds, solver=Falling(clip.model))
        assert len(clip) == frames


def test_frames_whose_state_is_gone_are_made_again(tmp_path: Path):
    clip, start = clip_of(scene(), folder=tmp_path)
    roll(clip, start, seconds=0.5, solver=Falling(clip.model))
    last = clip.state(-1)
    (tmp_path / STATES / "00003.safetensors").unlink()
    clip, start = clip_of(scene(), folder=tmp_path)
    assert len(clip) == 3
    roll(clip, start, seconds=0.5, solver=Falling(clip.model))
    assert not any(clip.state(-1).differences(last).values())


def test_frames_of_another_beginning_are_not_gone_on_with(tmp_path: Path):
    clip, start = clip_of(scene(), folder=tmp_path)
    roll(clip, start, seconds=0.3, solver=Falling(clip.model))
    clip, start = clip_of(scene(3.0), folder=tmp_path)
    with pytest.raises(InputError, match="body_x"):
        roll(clip, start, seconds=0.3, solver=Falling(clip.model))


def test_a_damaged_table_of_frames_is_a_file_error(tmp_path: Path):
    (tmp_path / STATES).mkdir()
    (tmp_path / STATES / "00000.safetensors").write_bytes(b"")
    (tmp_path / "frames.json").write_text('{"frames": [{"time": 0}]}')
    with pytest.raises(FileError, match=r"frames\.json"):
        clip_of(scene(), folder=tmp_path)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_clip_has_a_length(seconds: float):
    clip, start = clip_of(scene())
    with pytest.raises(InputError, match="frames"):
        roll(clip, start, seconds=seconds, solver=Falling(clip.model))


def test_a_frame_that_is_not_there_is_refused():
    clip, start = clip_of(scene())
    roll(clip, start, seconds=0.2, solver=Falling(clip.model))
    with pytest.raises(InputError, match="0 to 2"):
        clip.state(3)


def test_simulate_lets_a_scene_fall_onto_the_floor_and_leaves_it_as_it_was():
    before = scene(0.3)
    state = before.state
    clip = simulate(before, seconds=1.0, fps=10, drop={"/cube": 0.1})
    assert before.state is state
    assert clip.scene.pose("/cube").position[2] == pytest.approx(0.4)
    assert clip.scene_at(-1).state.pose("/cube").position[2] == pytest.approx(0.05, abs=2e-3)


def test_a_scenario_and_its_short_form_together_are_refused():
    with pytest.raises(InputError, match="one or the other"):
        simulate(scene(), scenario=Scenario(), push={"/cube": (1.0, 0.0, 0.0)})


def kept_run(folder: Path) -> Clip:
    """What `scenekit simulate` leaves in a folder."""
    scenario = Scenario(push={"/cube": (1.0, 0.0, 0.0)}, force=(Timed("/cube", (0.0, 1.0, 0.0), 0.1),))
    config = SimConfig(gravity=(0.0, 0.0, -1.62))
    folder.mkdir()
    write_json(folder / "config.json", as_json({"scene": "moon", "fps": 10.0, "scenario": scenario, "sim": config}))
    clip, start = staged(scene(), scenario, fps=10.0, config=config)
    clip.keep(folder)
    roll(clip, start, seconds=0.4, command=scenario.command, solver=Falling(clip.model))
    return clip


def test_a_kept_run_is_opened_with_all_its_frames(tmp_path: Path) -> None:
    kept = kept_run(tmp_path / "run")
    clip = open_clip(tmp_path / "run", scene())
    assert clip.balances == kept.balances
    assert clip.fps == 10.0
    for frame in (0, 4):
        assert clip.scene_at(frame).state.pose("/cube") == kept.scene_at(frame).state.pose("/cube")
    assert clip.scene_at(4).state.pose("/cube").position[0] == pytest.approx(0.4)


def test_a_run_of_another_scene_or_of_nothing_is_refused(tmp_path: Path) -> None:
    kept_run(tmp_path / "run")
    with pytest.raises(InputError, match="another beginning"):
        open_clip(tmp_path / "run", scene(3.0))
    with pytest.raises(FileError, match=r"config\.json"):
        open_clip(tmp_path, scene())
    write_json(tmp_path / "run" / "config.json", {"fps": 10.0, "scenario": {}, "sim": {"gravity": "down"}})
    with pytest.raises(FileError, match="options of a simulation"):
        open_clip(tmp_path / "run", scene())
