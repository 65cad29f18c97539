"""`scenekit info` of scenes and of runs that were edited."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scenekit.cli import main
from scenekit.io.scene_folder import save_scene
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.opening import open_scene
from scenekit.pipelines import info, reconstruct
from scenekit.poses import Pose
from scenekit.scene import Frame, Node, Scene, SceneState
from scenekit.splats import random_splats


@pytest.fixture
def kitchen(tmp_path: Path) -> Path:
    """/table/mug_2: a bar of 3 m along z of its own frame, turned to lie along x of the world, and moved."""
    bar = torch.tensor([[0.0, 0, 0], [0.0, 0, 3], [0, 0.1, 0]])
    pose = Pose((0.0, 0.0, 1.0), (0.5**0.5, 0.0, 0.5**0.5, 0.0))
    mug = Node("mug_2", pose, mesh=Mesh(bar, torch.tensor([[0, 1, 2]])), material=materials["wood"])
    nodes = (Node("table", splats=random_splats(1234), children=(mug,)), Node("empty"))
    frame = Frame(up="measured", up_spread=0.01, scale="estimated")
    return save_scene(Scene(SceneState(Node("", children=nodes), frame)), tmp_path / "kitchen")


def test_the_tree_has_counts_and_boxes_in_the_world(kitchen: Path) -> None:
    nodes = info.run(info.Config(kitchen)).facts["nodes"]
    assert list(nodes) == ["/table", "/table/mug_2", "/empty"]
    assert nodes["/table"]["gaussians"] == 1234
    assert nodes["/empty"] == {}
    mug = nodes["/table/mug_2"]
    assert (mug["faces"], mug["material"]) == (1, "wood")
    assert mug["size_m"] == pytest.approx([3, 0.1, 0], abs=0.07)  # but for the outermost hundredth at each end
    assert mug["middle_m"] == pytest.approx([1.5, 0.05, 1], abs=0.04)


def test_text_and_json_tell_the_same(kitchen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(kitchen)]) == 0
    out = capsys.readouterr().out
    assert "/table/mug_2" in out
    assert "1,234 Gaussians" in out
    assert "1 faces, wood" in out
    assert [line for line in out.splitlines() if line.split() == ["scale", "estimated"]]
    assert main(["info", str(kitchen), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frame"]["up_spread_degrees"] == pytest.approx(0.57)
    assert facts["history"] == {"done": 0, "undone": 0}


def test_a_run_that_was_edited_shows_its_tree_first_and_the_run_after_it(
    finished: reconstruct.Result, tmp_path: Path
) -> None:
    run = shutil.copytree(finished.folder, tmp_path / "run")
    plain = info.run(info.Config(run)).facts
    assert "nodes" not in plain
    scene = open_scene(run)
    scene.state = replace(scene.state, frame=Frame(scale="given"))
    scene.save()
    result = info.run(info.Config(run))
    assert list(result.facts)[:3] == ["kind", "nodes", "frame"]
    assert set(result.facts["nodes"]) == {"/scene", "/cameras"}
    assert result.facts["nodes"]["/cameras"] == {"photos": 9}
    assert result.facts["frame"]["scale"] == "given"
    assert result.facts["held_out"] == plain["held_out"]
    assert str(result).startswith("kind                       run\nnodes\n  /scene")
