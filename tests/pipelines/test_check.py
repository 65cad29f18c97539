"""`scenekit check`, and `scenekit export --check`: exit codes, what is printed, and the report in the folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

import scenekit
from scenekit.cli import main
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(np.array(shape.vertices)).float(), torch.from_numpy(np.array(shape.faces)).long())


def kitchen() -> Scene:
    """A table with a block and a can."""
    block = Node("block", Pose((0.2, 0, 0.075)), mesh=mesh_of(trimesh.creation.box((0.1, 0.1, 0.1))))
    can = Node("can", Pose((-0.2, 0, 0.085)), mesh=mesh_of(trimesh.creation.cylinder(radius=0.03, height=0.12)))
    top = mesh_of(trimesh.creation.box((1.0, 0.8, 0.05)))
    return Scene(SceneState(Node("", children=(Node("table", Pose((0, 0, 0.7)), mesh=top, children=(block, can)),))))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenekit.export(kitchen(), tmp_path_factory.mktemp("exports") / "assets").folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """One that may be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "assets"))


def test_what_is_sound_passes(copy: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(copy), "--no-drop"]) == 0
    said = capsys.readouterr().out
    assert "Passed" in said and "Nothing was dropped" in said
    assert json.loads((copy / "check.json").read_text())["passed"] is True
    assert (copy / "check.html").is_file()


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("mjcf/block.xml", lambda data: data[: len(data) // 2]),
        ("urdf/can.urdf", lambda data: data.replace(b'<mass value="', b'<mass value="9')),
        ("glb/scene.glb", lambda data: data[:-50]),
        ("usd/scene.usda", lambda data: b"#usda 1.0\n(" + data),
    ],
)
def test_a_broken_file_gives_exit_code_8_and_is_named(
    file: str, spoil: object, copy: Path, capsys: pytest.CaptureFixture[str]
):
    for format in {"mjcf", "urdf", "glb", "usd"} - {file.split("/")[0]}:
        shutil.rmtree(copy / format)
    assert callable(spoil)
    before = (copy / file).read_bytes()
    (copy / file).write_bytes(spoil(before))
    assert (copy / file).read_bytes() != before
    assert main(["check", str(copy), "--no-drop"]) == 8
    assert file in capsys.readouterr().out
    assert json.loads((copy / "check.json").read_text())["passed"] is False


def test_a_missing_file_gives_exit_code_8(copy: Path, capsys: pytest.CaptureFixture[str]):
    for format in ("urdf", "glb", "usd"):
        shutil.rmtree(copy / format)
    (copy / "mjcf/can.xml").unlink()
    assert main(["check", str(copy), "--no-drop"]) == 8
    assert "mjcf/can.xml" in capsys.readouterr().out


def test_what_is_no_export_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["check", str(tmp_path)]) == 2
    assert main(["check", str(tmp_path / "none")]) == 2
    assert "physics.json" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_checked_export_can_be_replaced(copy: Path, tmp_path: Path):
    assert main(["check", str(copy), "--no-drop"]) == 0
    scene = kitchen().save(tmp_path / "kitchen")
    assert main(["export", str(scene), "-o", str(copy), "--to", "mjcf", "--fresh"]) == 0
    assert not (copy / "check.json").exists(), "that was of other files"


def test_an_export_may_be_proven_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    checks = "scenekit.export.checks.check"
    monkeypatch.setattr(f"{checks}.dropped_in_newton", lambda folder, physics, assets: iter(()))  # compiles for minutes
    scene = kitchen().save(tmp_path / "kitchen")
    assert main(["export", str(scene), "-o", str(tmp_path / "assets"), "--to", "mjcf,urdf", "--check"]) == 0
    assert "Passed" in capsys.readouterr().out
    report = json.loads((tmp_path / "assets" / "check.json").read_text())
    assert report["passed"] is True and {drop["asset"] for drop in report["drops"]} == {"block", "can"}


@pytest.mark.slow
def test_an_export_in_all_formats_settles_in_both_engines(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scene = kitchen().save(tmp_path / "kitchen")
    assert main(["export", str(scene), "-o", str(tmp_path / "assets"), "--check"]) == 0
    report = json.loads((tmp_path / "assets" / "check.json").read_text())
    assert report["passed"] is True
    assert {(drop["asset"], drop["engine"]) for drop in report["drops"]} == {
        (asset, engine) for asset in ("block", "can") for engine in ("MuJoCo", "Newton")
    }
    assert (tmp_path / "assets" / "check.png").is_file()
