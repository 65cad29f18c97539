"""scenekit convert, and scenekit info of what it wrote."""

from pathlib import Path

import pytest
import torch

from scenekit.cli import main
from scenekit.errors import FileError, InputError
from scenekit.io.mesh_files import read_mesh, write_mesh
from scenekit.io.scene_folder import save_scene
from scenekit.io.splat_files import formats, open_splats, read_splats, write_splats
from scenekit.meshes import Mesh
from scenekit.pipelines import convert, info
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats

SPLATS = [suffix for format in formats().values() if format.write for suffix in format.suffixes if suffix[0] == "."]
MESHES = [".glb", ".gltf", ".obj", ".ply", ".stl", ".usda", ".usdc", ".usdz"]


@pytest.fixture
def splats(tmp_path: Path) -> Path:
    write_splats(tmp_path / "a.ply", random_splats(40, degree=2))
    return tmp_path / "a.ply"


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    """A tetrahedron with right angles at the origin, sides of 1 m."""
    vertices = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    texture = torch.randint(0, 256, (4, 6, 4), dtype=torch.uint8)
    write_mesh(tmp_path / "m.glb", Mesh(vertices, faces, uvs=torch.rand(4, 2), texture=texture))
    return tmp_path / "m.glb"


@pytest.mark.parametrize("suffix", SPLATS)
def test_splats_reach_every_format_and_info_knows_it(splats: Path, suffix: str) -> None:
    target = splats.with_name(f"b{suffix}")
    result = convert.run(convert.Config(splats, target))
    assert result.kept.startswith(f"{target}: 40 Gaussians")
    facts = info.run(info.Config(target)).facts
    assert (facts["kind"], facts["gaussians"]) == ("splats", 40)
    order = [s.means[s.means[:, 0].argsort()] for s in (read_splats(target), read_splats(splats))]
    torch.testing.assert_close(*order, rtol=0, atol=2e-3)


@pytest.mark.parametrize("suffix", MESHES)
def test_meshes_reach_every_format_and_info_measures_them(mesh: Path, suffix: str) -> None:
    target = mesh.with_name(f"b{suffix}")
    result = convert.run(convert.Config(mesh, target))
    assert "4 vertices, 4 faces" in result.kept
    facts = info.run(info.Config(target)).facts
    assert facts["kind"] == "mesh"
    assert facts["format"] == {".usda": "usd", ".usdc": "usd", ".usdz": "usd"}.get(suffix, suffix[1:])
    assert facts["watertight"]
    assert facts["volume_m3"] == pytest.approx(1 / 6, rel=1e-3)
    assert facts["size_m"] == [1, 1, 1]
    assert facts["texture"] == (None if suffix in (".ply", ".stl") else "6x4")


def test_what_a_format_cannot_hold_is_told(splats: Path, mesh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(splats), str(splats.with_suffix(".splat"))]) == 0
    assert "lost: SH degree 2 was cut to 0" in capsys.readouterr().out
    assert main(["convert", str(mesh), str(mesh.with_suffix(".stl"))]) == 0
    assert "lost: The texture was left out" in capsys.readouterr().out
    assert main(["convert", str(mesh), str(mesh.with_suffix(".usdz"))]) == 0
    assert "nothing was lost" in capsys.readouterr().out


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_version_of_an_spz_can_be_chosen(splats: Path, version: int) -> None:
    target = splats.with_suffix(".spz")
    convert.run(convert.Config(splats, target, spz_version=version))
    assert open_splats(target).format == f"spz {version}"


def test_a_name_without_ending_is_the_folder_of_a_sog(splats: Path) -> None:
    convert.run(convert.Config(splats, splats.with_name("folder")))
    assert (splats.with_name("folder") / "meta.json").is_file()
    assert info.run(info.Config(splats.with_name("folder"))).facts["gaussians"] == 40


def test_the_up_axis_can_be_said_on_both_sides(splats: Path) -> None:
    target = splats.with_name("b.usda")
    convert.run(convert.Config(splats, target, up="y"))
    assert open_splats(target).up == "y"
    torch.testing.assert_close(read_splats(target).means, read_splats(splats).means)


def test_splats_are_no_mesh_and_a_mesh_is_no_splats(splats: Path, mesh: Path) -> None:
    with pytest.raises(InputError, match="reconstruction"):
        convert.run(convert.Config(splats, splats.with_suffix(".obj")))
    with pytest.raises(InputError, match="holds splats"):
        convert.run(convert.Config(mesh, mesh.with_suffix(".sog")))


@pytest.mark.parametrize(
    ("words", "says"),
    [({"spz_version": 3}, "spz"), ({"format": "nonsense"}, "one of")],
)
def test_options_that_do_not_fit_are_refused(splats: Path, words: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        convert.run(convert.Config(splats, splats.with_name("b.ply"), **words))  # type: ignore[arg-type]
    assert not splats.with_name("b.ply").exists()


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    for name in ("a.txt", "missing.ply"):
        with pytest.raises(FileError):
            convert.run(convert.Config(tmp_path / name, tmp_path / "b.ply"))


@pytest.fixture
def scene(tmp_path: Path, mesh: Path) -> Path:
    """/table/mug, which has both, moved up by a metre; and /bowl, which has splats."""
    mug = Node("mug", splats=random_splats(7), mesh=read_mesh(mesh))
    table = Node("table", Pose((0.0, 0.0, 1.0)), children=(mug,))
    bowl = Node("bowl", splats=random_splats(5, seed=1))
    return save_scene(Scene(SceneState(Node("", children=(table, bowl)))), tmp_path / "scene")


def test_a_scene_is_written_as_one_cloud_in_the_world(scene: Path, tmp_path: Path) -> None:
    convert.run(convert.Config(scene, tmp_path / "b.ply"))
    whole = read_splats(tmp_path / "b.ply")
    torch.testing.assert_close(whole.means[:7], random_splats(7).means + torch.tensor([0.0, 0, 1]))
    torch.testing.assert_close(whole.means[7:], random_splats(5, seed=1).means)


def test_one_node_is_written_by_its_path(scene: Path, tmp_path: Path) -> None:
    result = convert.run(convert.Config(scene, tmp_path / "b.ply", path="/bowl"))
    assert "from /bowl of" in result.kept
    assert len(read_splats(tmp_path / "b.ply")) == 5


def test_the_mesh_of_a_node_is_written_where_a_format_holds_meshes_or_it_is_asked(scene: Path, tmp_path: Path) -> None:
    for name, part in (("b.obj", None), ("b.glb", "mesh")):
        convert.run(convert.Config(scene, tmp_path / name, path="/table", part=part))  # type: ignore[arg-type]
        assert read_mesh(tmp_path / name).vertices.amin(0).tolist() == [0, 0, 1]
    convert.run(convert.Config(scene, tmp_path / "c.glb", path="/table"))
    assert len(read_splats(tmp_path / "c.glb")) == 7


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"path": "/nothing"}, "/table/mug"),
        ({"path": "/bowl", "part": "mesh"}, "scenekit info"),
        ({"source_up": "y"}, "Z up"),
    ],
)
def test_options_that_do_not_fit_the_scene_are_refused(
    scene: Path, tmp_path: Path, options: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        convert.run(convert.Config(scene, tmp_path / "b.ply", **options))  # type: ignore[arg-type]
    assert not (tmp_path / "b.ply").exists()


def test_a_file_has_no_nodes(splats: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--path"):
        convert.run(convert.Config(splats, tmp_path / "b.ply", path="/a"))


def test_a_scene_is_opened_from_a_mesh_of_any_format(mesh: Path) -> None:
    target = str(mesh.with_name("moved"))
    assert main(["edit", str(mesh), "move", "/m", "--by", "0", "0", "1", "-o", target]) == 0
    assert main(["convert", target, f"{target}.stl"]) == 0
    assert read_mesh(f"{target}.stl").vertices.amin(0).tolist() == [0, 0, 1]
