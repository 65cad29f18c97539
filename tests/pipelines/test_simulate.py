"""`scenekit simulate`: the files of a run, its options, its interruption and its answers to mistakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import trimesh
from pxr import Usd

import scenekit
from scenekit.cli import main
from scenekit.meshes import Mesh
from scenekit.pipelines import simulate
from scenekit.poses import Pose
from scenekit.runs import read_json
from scenekit.scene import Node, Scene, SceneState
from scenekit.sim.from_scene import SimConfig
from scenekit.sim.rollout import Clip
from scenekit.splats import SH_C0, Splats

SMALL = SimConfig(cells=4)
FAST = ("--cells", "4", "--size", "96x64", "--fps", "10")


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(shape.vertices.copy()).float(), torch.from_numpy(shape.faces.copy()).long())


def look_of(shape: trimesh.Trimesh, rgb: tuple[float, float, float]) -> Splats:
    points = trimesh.sample.sample_surface_even(shape, 400, seed=1)[0]
    n = len(points)
    colour = ((torch.tensor(rgb) - 0.5) / SH_C0).expand(n, 1, 3).contiguous()
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(n, 1)
    return Splats(
        torch.from_numpy(points).float(), quats, torch.full((n, 3), 0.006).log(), torch.full((n,), 4.0), colour
    )


def kitchen(*, splats: bool = True) -> Scene:
    """A table with a pudding and a brick."""
    cube, top = trimesh.creation.box((0.1, 0.1, 0.1)), trimesh.creation.box((1.0, 0.8, 0.05))
    things = [
        Node(name, Pose((x, 0.0, 0.075)), mesh=mesh_of(cube), splats=look_of(cube, rgb) if splats else None)
        for name, x, rgb in (("pudding", 0.0, (0.8, 0.1, 0.1)), ("brick", -0.25, (0.1, 0.1, 0.8)))
    ]
    table = Node("table", Pose((0, 0, 0.7)), mesh=mesh_of(top), children=tuple(things))
    if splats:
        table = replace(table, splats=look_of(top, (0.5, 0.4, 0.2)))
    return Scene(SceneState(Node("", children=(table,))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kitchen().save(tmp_path_factory.mktemp("scenes") / "kitchen")


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> simulate.Result:
    """A jelly pudding that is dropped, and a brick pushed into it."""
    return simulate.run(
        simulate.Config(
            scene=folder, output=tmp_path_factory.mktemp("runs") / "clip", seconds=0.4, fps=10, size=(96, 64),
            material=("/table/pudding=jelly",), push=("/table/brick=1,0,0",), drop=("/table/pudding=0.05",),
            to=("ply", "usd"), sim=SMALL,
        )
    )  # fmt: skip


def test_a_run_leaves_its_states_video_plots_and_animations(result: simulate.Result):
    clip, folder = result.clip, result.folder
    assert len(clip) == len(list((folder / "states").iterdir())) == 5
    with av.open(str(folder / "video.mp4")) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == 5 and pictures[0].shape == (64, 96, 3)
    assert (np.abs(pictures[0].astype(int) - pictures[-1]) > 30).any(), "something moved in the picture"
    assert len(list((folder / "frames").iterdir())) == 5
    stage = Usd.Stage.Open(str(folder / "animation.usdc"))
    points = stage.GetPrimAtPath("/scene/table/pudding/mesh").GetAttribute("points")
    moved = clip.scene_at(3).state.node("/table/pudding").mesh
    assert moved is not None and np.allclose(points.Get(3), moved.vertices, atol=1e-6)
    for name in ("energy.svg", "momentum.svg", "report.html"):
        assert (folder / name).stat().st_size > 1000
    assert read_json(folder / "run.json")["finished"]
    assert str(folder / "video.mp4") in str(result)


def test_the_pudding_falls_and_the_brick_slides(result: simulate.Result):
    first, last = (result.clip.scene_at(frame).state for frame in (0, -1))
    assert first.pose("/table/pudding").position[2] == pytest.approx(0.825)
    heights = [float(s.splats("/table/pudding").means[:, 2].mean()) for s in (first, last)]
    assert heights[0] - heights[1] > 0.02
    assert last.pose("/table/brick").position[0] - first.pose("/table/brick").position[0] > 0.05
    pushed = [balance.momentum[0] for balance in result.clip.balances]
    assert pushed[0] > 0 and pushed[-1] < pushed[0], "friction takes momentum away"


def test_the_same_command_goes_on_and_another_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["simulate", str(folder), "-o", str(tmp_path / "clip"), "--push", "/table/brick=1,0,0", "--no-video", *FAST]
    assert main([*words, "--seconds", "0.2"]) == 0
    state = (tmp_path / "clip" / "states" / "00002.safetensors").read_bytes()
    assert main([*words, "--seconds", "0.3"]) == 0
    assert (tmp_path / "clip" / "states" / "00002.safetensors").read_bytes() == state
    assert len(list((tmp_path / "clip" / "states").iterdir())) == 4
    words[5] = "/table/brick=2,0,0"
    assert main([*words, "--seconds", "0.2"]) == 2
    assert "other options" in capsys.readouterr().err
    words[5] = "/table/no_such_thing=2,0,0"
    assert main([*words, "--seconds", "0.2", "--fresh"]) == 2
    assert (tmp_path / "clip" / "states" / "00002.safetensors").read_bytes() == state, "a mistake destroys nothing"
    words[5] = "/table/brick=2,0,0"
    assert main([*words, "--seconds", "0.2", "--fresh"]) == 0
    assert len(list((tmp_path / "clip" / "states").iterdir())) == 3


def test_a_resumed_run_ends_like_one_that_was_not_stopped_to_the_bit(result: simulate.Result, tmp_path: Path):
    config = replace(simulate_config(result), output=tmp_path / "again", video=False, to=())
    simulate.run(replace(config, seconds=0.2))
    again = simulate.run(config).clip
    assert not any(again.state(-1).differences(result.clip.state(-1)).values())


def simulate_config(result: simulate.Result) -> simulate.Config:
    """The options of the fixture's run, from its own config.json."""
    scene = Path(read_json(result.folder / "config.json")["scene"])
    return simulate.Config(
        scene, seconds=0.4, fps=10, material=("/table/pudding=jelly",), push=("/table/brick=1,0,0",),
        drop=("/table/pudding=0.05",), sim=SMALL,
    )  # fmt: skip


def test_a_node_that_is_driven_goes_where_it_is_told_and_pushes_what_is_in_its_way(folder: Path, tmp_path: Path):
    (tmp_path / "push.toml").write_text(
        """
        [material]
        "/table/pudding" = "jelly"
        [[drive]]
        node = "/table/brick"
        velocity = [0.6, 0, 0]
        end = 0.4
        """
    )
    config = simulate.Config(
        folder, tmp_path / "clip", seconds=0.5, fps=10, scenario=tmp_path / "push.toml", video=False, sim=SMALL
    )
    clip = simulate.run(config).clip
    places = [clip.scene_at(frame).state.pose("/table/brick").position[0] for frame in (0, 4, 5)]
    assert places == pytest.approx([-0.25, -0.01, -0.01], abs=1e-6)
    pudding = [float(clip.scene_at(frame).splats("/table/pudding").means[:, 0].mean()) for frame in (0, -1)]
    assert pudding[1] - pudding[0] > 0.05


def test_an_interruption_says_where_the_frames_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    append = Clip.append

    def interrupted(self: Clip, *frame: object) -> None:
        append(self, *frame)  # type: ignore[arg-type]
        if len(self) == 3:
            raise KeyboardInterrupt

    words = ["simulate", str(folder), "-o", str(tmp_path / "clip"), "--seconds", "0.4", "--no-video", *FAST]
    monkeypatch.setattr(Clip, "append", interrupted)
    assert main(words) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    monkeypatch.undo()
    assert main(words) == 0
    assert len(list((tmp_path / "clip" / "states").iterdir())) == 5


def test_meshes_are_drawn_where_there_are_no_splats(tmp_path: Path):
    scene = kitchen(splats=False).save(tmp_path / "bare")
    config = simulate.Config(scene, tmp_path / "clip", seconds=0.1, fps=10, size=(48, 32), path="turntable", sim=SMALL)
    assert simulate.run(config).clip.scene.node("/table/brick").splats is None
    with av.open(str(tmp_path / "clip" / "video.mp4")) as video:
        (first, *_) = (frame.to_ndarray(format="rgb24") for frame in video.decode(video=0))
    assert first.std() > 5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--material", "/table/mug=jelly"), "/table/pudding"),
        (("--material", "/table/pudding=jelo"), "jelly"),
        (("--material", "table/pudding"), "NODE=VALUE"),
        (("--push", "/table/brick=fast"), "X,Y,Z"),
        (("--push", "/table=1,0,0"), "stays where it is"),
        (("--drop", "/table/brick=nan"), "a number"),
        (("--seconds", "0"), "frames"),
        (("--view", "3"), "--view"),
        (("--scenario", "none.toml"), "TOML"),
    ],
)
def test_mistakes_are_answered(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
):
    assert main(["simulate", str(folder), "-o", str(tmp_path / "clip"), "--seconds", "0.1", *FAST, *words]) == 2
    assert says in capsys.readouterr().err


def test_the_door_of_the_package(folder: Path):
    clip = scenekit.simulate(scenekit.open_scene(folder), seconds=0.1, fps=10, push={"/table/brick": (1.0, 0.0, 0.0)})
    assert len(clip) == 2 and clip.times == [0.0, 0.1]
