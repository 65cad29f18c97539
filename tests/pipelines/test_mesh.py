"""`scenekit mesh`: the scene and its files, what stays when it is interrupted, and `reconstruct --mesh`."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from scenekit.cli import main
from scenekit.io.mesh_files import read_mesh
from scenekit.io.scene_folder import read_scene
from scenekit.io.splat_files import write_splats
from scenekit.pipelines import mesh, reconstruct
from scenekit.runs import read_json
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import SH_C0, Splats, merge
from scenekit.validation.surface import Surface

FAST = ("--max-side", "96", "--clean.faces", "1500", "--fusion.voxel", "0.01")


def blob(x: float, rgb: tuple[float, ...], r: float = 0.1) -> Splats:
    """A ball of opaque Gaussians."""
    points = trimesh.creation.icosphere(5, r).vertices + np.array([x, 0, 0])
    n = len(points)
    return Splats(
        torch.from_numpy(points).float(),
        torch.tensor([1.0, 0, 0, 0]).expand(n, 4).contiguous(),
        torch.full((n, 3), r / 40).log(),
        torch.full((n,), 6.0),
        ((torch.tensor(rgb) - 0.5) / SH_C0).expand(n, 1, 3).contiguous(),
    )


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of splats."""
    file = tmp_path_factory.mktemp("mesh") / "ball.ply"
    write_splats(file, blob(0, (0.8, 0.2, 0.1)))
    return file


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scene of two balls and a background, which make two things."""
    nodes = (Node("red", splats=blob(-0.2, (0.8, 0.2, 0.1))), Node("blue", splats=blob(0.2, (0.1, 0.2, 0.8))))
    room = Node("background", splats=merge([blob(-0.5, (0.5,) * 3), blob(0.5, (0.5,) * 3)]))
    return Scene(SceneState(Node("", children=(*nodes, room)))).save(tmp_path_factory.mktemp("mesh") / "scene")


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_a_file_of_splats_becomes_a_scene_with_mesh_files_and_a_picture(
    cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["mesh", str(cloud), "-o", str(out), "--close", *FAST]) == 0
    whole, alone = read_mesh(out / "mesh.glb"), read_mesh(out / "meshes" / "ball.glb")
    assert Surface(whole).is_closed
    assert Surface(whole).solid.volume == pytest.approx(4 / 3 * np.pi * 0.1**3, rel=0.3)
    assert torch.equal(whole.vertices, alone.vertices)
    assert torch.equal(read_scene(out).state.node("/ball").mesh.vertices, whole.vertices)
    assert Image.open(out / "meshes.png").size[0] > 3 * 300
    printed = capsys.readouterr().out
    assert "/ball" in printed and "yes" in printed and "mesh.glb" in printed


def test_every_node_has_its_file_and_its_facts(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    whole = ["--fusion.region", "-1", "-1", "-1", "1", "1", "1"]
    assert main(["mesh", str(scene), "-o", str(out), *FAST, *whole]) == 0
    assert sorted(file.name for file in (out / "meshes").iterdir()) == [
        "background.glb", "blue.glb", "meshes.json", "red.glb",
    ]  # fmt: skip
    facts = json.loads((out / "meshes" / "meshes.json").read_text())
    assert [facts[path]["closed"] for path in ("/red", "/blue")] == [True, True]
    for path, known in facts.items():
        found = read_mesh(out / "meshes" / f"{path[1:]}.glb")
        assert len(found.faces) == known["faces"] >= known["estimated_from_face"]
    assert set(trimesh.load(out / "mesh.glb").graph.nodes_geometry) == {"red", "blue", "background"}


def test_obj_is_written_on_request(cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["mesh", str(cloud), "-o", str(out), "--format", "obj", *FAST]) == 0
    assert len(read_mesh(out / "mesh.obj").faces) == len(read_mesh(out / "meshes" / "ball.obj").faces) > 100


def test_undo_takes_the_meshes_away(cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["mesh", str(cloud), "-o", str(out), *FAST]) == 0
    assert main(["edit", str(out), "undo"]) == 0
    assert read_scene(out).state.node("/ball").mesh is None


@pytest.mark.parametrize("where", ["scene_meshes", "write_results"])
def test_an_interrupt_leaves_what_was_there(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folder = read_scene(scene).save(tmp_path / "scene")
    before = contents(folder)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mesh, where, interrupted)
    assert main(["mesh", str(folder), *FAST]) == 130
    after = contents(folder)
    if where == "scene_meshes":
        assert after == before
    assert read_scene(folder).state.node("/red").splats is not None
    assert not (folder / "mesh.glb").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fusion.voxel", "1e-8"], "max_memory"),
        (["--fusion.voxel", "0"], "above 0"),
        (["--fusion.depth", "plane"], "median"),
        (["--path", "/chair"], "/chair"),
        (["--views", "0"], "views"),
    ],
)
def test_what_cannot_be_meshed_is_said_and_leaves_no_folder(
    cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit, match="2"):  # tyro leaves by itself where an option is out of range
        raise SystemExit(main(["mesh", str(cloud), "-o", str(out), "--max-side", "96", *options]))
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_file_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mesh", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def test_a_finished_run_goes_on_to_meshes_and_its_report_shows_them(
    finished: reconstruct.Result, config: reconstruct.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, output=tmp_path / "tiny", mesh=True)  # other tests look at the run as it was
    shutil.copytree(finished.folder, config.output)
    meshed = reconstruct.run(config)
    assert torch.equal(meshed.splats.means, finished.splats.means)
    folder = meshed.folder
    assert len(read_mesh(folder / "mesh.glb").faces) > 0
    made = {path for path, node in read_scene(folder).state.walk() if node.mesh is not None}
    assert made == set(read_json(folder / "meshes" / "meshes.json")) != set()
    page = (folder / "report.html").read_text()
    assert "<h2>Meshes</h2>" in page
    assert all(path in page for path in made)

    def twice(*_: object, **__: object) -> None:
        raise AssertionError("the meshes are there already")

    monkeypatch.setattr(reconstruct, "meshed", twice)
    reconstruct.run(config)
