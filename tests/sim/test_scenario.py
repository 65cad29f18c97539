"""Scenarios: what a file says is what is done, and what it cannot say is answered."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from scenekit.errors import FileError, InputError
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, SceneState
from scenekit.sim.from_scene import SimConfig, model_of
from scenekit.sim.scenario import Scenario, Timed, read_scenario

FILE = """
gravity = [0, 0, -1.62]
[material]
"/cube" = "jelly"
[drop]
"/cube" = 0.2
[move]
"/hand" = [0.1, 0, 0]
[push]
"/cube" = [0.5, 0, 0]
[spin]
"/cube" = [0, 0, 2]
[[force]]
node = "/cube"
force = [2, 0, 0]
start = 0.5
end = 0.8
[[drive]]
node = "/hand"
velocity = [0.2, 0, 0]
end = 1.5
"""


def scene() -> SceneState:
    cube = trimesh.creation.box((0.1, 0.1, 0.1))
    mesh = Mesh(torch.from_numpy(cube.vertices.copy()).float(), torch.from_numpy(cube.faces.copy()).long())
    nodes = (
        Node(n, Pose((x, 0, 1.0)), mesh=mesh, material=materials["wood"]) for n, x in (("cube", 0.0), ("hand", 0.5))
    )
    return SceneState(Node("", children=tuple(nodes)))


def test_a_file_says_what_is_done(tmp_path: Path):
    (tmp_path / "moon.toml").write_text(FILE)
    scenario = read_scenario(tmp_path / "moon.toml")
    assert scenario == Scenario(
        {"/cube": "jelly"}, {"/cube": 0.2}, {"/hand": (0.1, 0.0, 0.0)}, {"/cube": (0.5, 0.0, 0.0)},
        {"/cube": (0.0, 0.0, 2.0)}, (Timed("/cube", (2.0, 0.0, 0.0), 0.5, 0.8),),
        (Timed("/hand", (0.2, 0.0, 0.0), 0.0, 1.5),), (0.0, 0.0, -1.62),
    )  # fmt: skip


def test_the_scene_is_set_up_and_the_state_in_motion(tmp_path: Path):
    (tmp_path / "moon.toml").write_text(FILE)
    scenario = read_scenario(tmp_path / "moon.toml")
    state = scenario.set_up(scene())
    assert state.pose("/cube").position == pytest.approx((0, 0, 1.2))
    assert state.pose("/hand").position == pytest.approx((0.6, 0, 1.0))
    model, start = scenario.begin(model_of(state, SimConfig(cells=4)))
    assert model.gravity == (0.0, 0.0, -1.62)
    assert start.particle_v.double().mean(0).numpy() == pytest.approx([0.5, 0, 0], abs=1e-6)
    spun = torch.linalg.cross(
        torch.tensor([0.0, 0, 2]).expand(len(start.particle_x), 3), start.particle_x - torch.tensor([0, 0, 1.2])
    )
    assert torch.allclose(start.particle_v - torch.tensor([0.5, 0, 0]), spun, atol=1e-6)
    assert [body.kind for body in model.bodies if body.name == "/hand"] == ["kinematic"]


def test_what_is_pushed_is_loose_even_if_nothing_says_so():
    mesh = scene().node("/cube").mesh
    assert mesh is not None
    state = scene().with_node("/cube", lambda node: replace(node, mesh=replace(mesh, faces=mesh.faces[1:])))
    assert [body.kind for body in model_of(state).bodies if body.name == "/cube"] == ["static"]
    scenario = Scenario(push={"/cube": (1.0, 0.0, 0.0)})
    model, start = scenario.begin(model_of(scenario.set_up(state)))
    number = next(m.body for m in model.matter if m.path == "/cube")
    assert model.bodies[number].kind == "dynamic" and float(start.body_v[number, 0]) == 1.0


def test_commands_hold_while_they_last():
    scenario = Scenario(
        force=(Timed("/cube", (2.0, 0.0, 0.0), 0.5, 0.8),), drive=(Timed("/hand", (0.2, 0.0, 0.0), end=1.5),)
    )
    model, _ = scenario.begin(model_of(scenario.set_up(scene())))
    control = model.control()
    numbers = {m.path: m.body for m in model.matter}
    for time, force, speed in ((0.0, 0.0, 0.2), (0.5, 2.0, 0.2), (0.79, 2.0, 0.2), (0.8, 0.0, 0.2), (1.5, 0.0, 0.0)):
        scenario.command(model, control, time)
        assert float(control.body_force[numbers["/cube"], 0]) == force
        assert float(control.body_v[numbers["/hand"], 0]) == pytest.approx(speed)


def test_a_force_on_soft_matter_is_shared_by_mass():
    scenario = Scenario(material={"/cube": "jelly"}, force=(Timed("/cube", (2.0, 0.0, 0.0)),))
    model, _ = scenario.begin(model_of(scenario.set_up(scene()), SimConfig(cells=4)))
    control = model.control()
    scenario.command(model, control, 0.0)
    assert model.particles is not None
    total = (control.particle_a.double() * model.particles.mass.double()[:, None]).sum(0)
    assert total.numpy() == pytest.approx([2.0, 0.0, 0.0], rel=1e-5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("wind = 3", "wind"),
        ("[push]\n'/cube' = [1, 2]", "scenario"),
        ("[push]\n'/cube' = [1, nan, 2]", "three finite numbers"),
        ("[[force]]\nnode = '/cube'\nforce = [1, 0, 0]\nstart = 2\nend = 1", "start < end"),
        ("[[force]]\nforce = [1, 0, 0]", "node"),
        ("[[drive]]\nnode = '/cube'\nforce = [1, 0, 0]", "velocity"),
        ("material = 3", "scenario"),
        ("[push", "TOML"),
    ],
)
def test_a_file_that_says_something_else_is_answered(tmp_path: Path, text: str, says: str):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises((FileError, InputError), match=says):
        read_scenario(tmp_path / "bad.toml")


def test_a_missing_file_is_answered(tmp_path: Path):
    with pytest.raises(FileError, match="nothing"):
        read_scenario(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "wrong",
    [
        {"material": {"/cube": "unobtainium"}},
        {"material": {"/mug": "jelly"}},
        {"push": {"/mug": (1.0, 0.0, 0.0)}},
        {"drop": {"/mug": 0.1}},
        {"force": (Timed("/mug", (1.0, 0.0, 0.0)),)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_nodes_and_materials_that_do_not_exist_are_answered_with_those_that_do(wrong: dict[str, object]):
    scenario = Scenario(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"/cube|jelly"):
        scenario.begin(model_of(scenario.set_up(scene())))
    assert np.isfinite(scene().pose("/cube").position).all()
