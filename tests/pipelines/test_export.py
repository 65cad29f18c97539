"""`scenekit export`: the files, the masses they say, what is refused, what is mended, and that nothing is left half."""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
import trimesh
from pxr import Usd

import scenekit
from scenekit.cli import main
from scenekit.errors import InputError
from scenekit.export.assets import Asset, ExportConfig
from scenekit.export.export import export
from scenekit.export.physics_json import LinkFacts, read_physics
from scenekit.material import materials
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import SH_C0, Splats

PLASTIC = materials["plastic"].density.value
WOOD = materials["wood"].density.value
HULL = ExportConfig(collision="hull")


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(torch.from_numpy(np.array(shape.vertices)).float(), torch.from_numpy(np.array(shape.faces)).long())


def box(*sides: float) -> Mesh:
    return mesh_of(trimesh.creation.box(sides))


def look_of(mesh: Mesh, rgb: tuple[float, float, float]) -> Splats:
    """A Gaussian at each vertex."""
    n = len(mesh.vertices)
    colour = ((torch.tensor(rgb) - 0.5) / SH_C0).expand(n, 1, 3).contiguous()
    quats = torch.tensor([1.0, 0, 0, 0]).repeat(n, 1)
    return Splats(mesh.vertices, quats, torch.full((n, 3), 0.006).log(), torch.full((n,), 4.0), colour)


def kitchen() -> Scene:
    """A table with a wooden block and a box of nothing known, which has splats."""
    cube = box(0.1, 0.1, 0.1)
    block = Node("block", Pose((0.25, 0, 0.075)), mesh=cube, material=materials["wood"])
    parcel = Node("parcel", Pose((0, 0, 0.075)), mesh=cube, splats=look_of(cube, (0.8, 0.1, 0.1)))
    table = Node("table", Pose((0, 0, 0.7)), mesh=box(1.0, 0.8, 0.05), children=(block, parcel))
    return Scene(SceneState(Node("", children=(table,))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kitchen().save(tmp_path_factory.mktemp("scenes") / "kitchen")


@pytest.fixture(scope="module")
def assets(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kitchen in all formats, the mass of the block being known."""
    made = tmp_path_factory.mktemp("exports") / "assets"
    words = ["export", str(folder), "-o", str(made), "--to", "mjcf,urdf,usd,glb", "--mass", "/table/block=0.25"]
    assert main(words) == 0
    return made


def links_of(assets: Path) -> dict[str, LinkFacts]:
    return {link.name: link for link in read_physics(assets).links}


def test_every_format_has_its_files_and_other_programs_open_them(assets: Path):
    model = mujoco.MjModel.from_xml_path(str(assets / "mjcf" / "scene.xml"))
    assert {model.body(i).name for i in range(1, model.nbody)} >= {"block", "parcel"}
    for name in ("block", "parcel"):
        mujoco.MjModel.from_xml_path(str(assets / "mjcf" / f"{name}.xml"))
        mujoco.MjModel.from_xml_path(str(assets / "urdf" / f"{name}.urdf"))
        np.testing.assert_allclose(trimesh.load(assets / "glb" / f"{name}.glb").extents, 0.1, rtol=1e-5)
        assert (assets / "usd" / name / "simready" / f"{name}.usda").is_file()
    for name in ("scene.usda", "scene.usdz"):
        assert Usd.Stage.Open(str(assets / "usd" / name)).GetDefaultPrim()
    kinds = [type(geometry) for geometry in trimesh.load(assets / "glb" / "scene.glb").geometry.values()]
    assert kinds.count(trimesh.Trimesh) == 3 and kinds.count(trimesh.PointCloud) == 1, "the splats are points to it"
    assert (assets / "splats" / "parcel.ply").is_file() and not (assets / "splats" / "block.ply").exists()
    assert [file.name for file in assets.parent.iterdir()] == ["assets"], "nothing is left beside it"


def test_masses_are_those_that_are_known_else_by_material_and_density(folder: Path, assets: Path, tmp_path: Path):
    known = links_of(assets)
    assert known["block"].mass is not None and known["parcel"].mass is not None and known["table"].mass is None
    assert (known["block"].mass.value, known["block"].mass.provenance) == (0.25, "authored")
    assert known["parcel"].mass.value == pytest.approx(PLASTIC * 1e-3, rel=1e-5)
    assert known["parcel"].mass.provenance == "default"
    assert any("taken for plastic" in remark for remark in known["parcel"].remarks)
    assert main(["export", str(folder), "-o", str(tmp_path / "a"), "--to", "mjcf", "--default-material", "steel"]) == 0
    found = links_of(tmp_path / "a")
    assert found["block"].mass is not None and found["parcel"].mass is not None
    assert found["block"].mass.value == pytest.approx(WOOD * 1e-3, rel=1e-5)
    assert found["parcel"].mass.value == pytest.approx(materials["steel"].density.value * 1e-3, rel=1e-5)


def test_what_is_written_says_what_stays_and_where_the_floor_is(assets: Path):
    physics = read_physics(assets)
    assert {link.name: link.kind for link in physics.links} == {
        "table": "static", "block": "dynamic", "parcel": "dynamic",
    }  # fmt: skip
    assert physics.floor == 0
    block = links_of(assets)["block"]
    np.testing.assert_allclose(block.pose.position, (0.25, 0, 0.775), atol=1e-9)
    assert block.path == "/table/block"
    assert block.collision is not None and block.collision.method == "box"


def test_an_earlier_export_is_replaced_only_with_fresh(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["export", str(folder), "-o", str(tmp_path / "assets")]
    assert main([*words, "--to", "mjcf"]) == 0
    before = (tmp_path / "assets" / "physics.json").read_bytes()
    assert main([*words, "--to", "urdf", "--mass", "/table/block=9"]) == 2
    assert "--fresh" in capsys.readouterr().err
    assert (tmp_path / "assets" / "physics.json").read_bytes() == before
    assert main([*words, "--to", "urdf", "--mass", "/table/block=9", "--fresh"]) == 0
    assert sorted(file.name for file in (tmp_path / "assets").iterdir()) == ["physics.json", "splats", "urdf"]
    mass = links_of(tmp_path / "assets")["block"].mass
    assert mass is not None and mass.value == 9


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--mass", "/table/mug=1"), "/table/block, /table/parcel"),
        (("--mass", "/table=1"), "one that moves"),
        (("--mass", "block=1"), "NODE=KG"),
        (("--mass", "/table/block=heavy"), "--mass: got 'heavy'; wanted a number"),
        (("--mass", "/table/block=-1"), "more than 0 kg"),
        (("--mass", "/table/block=nan"), "--mass: got 'nan'; wanted a number"),
        (("--size", "0.2"), "a whole scene"),
        (("--tolerance", "2"), "0 to 1"),
        (("--with-robot", "none.xml"), "none.xml"),
        (("--default-material", "unobtainium"), "unobtainium"),
    ],
)
def test_mistakes_are_answered_and_nothing_is_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
):
    assert main(["export", str(folder), "-o", str(tmp_path / "assets"), "--to", "mjcf", *words]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stopped:
        main(["export", str(folder), "-o", str(tmp_path / "assets"), "--to", "mjcf,sdf"])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert "mjcf,urdf,usd,glb" in said.out + said.err
    with pytest.raises(InputError, match="sdf"):
        export(kitchen(), tmp_path / "assets", formats=("mjcf", "sdf"))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_missing_or_no_scene_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["export", str(tmp_path / "none"), "-o", str(tmp_path / "assets")]) == 2
    assert "none" in capsys.readouterr().err
    (tmp_path / "noise.obj").write_bytes(bytes(range(256)))
    assert main(["export", str(tmp_path / "noise.obj"), "-o", str(tmp_path / "assets")]) == 2
    assert not (tmp_path / "assets").exists()


def one(mesh: Mesh, folder: Path, config: ExportConfig = ExportConfig()) -> Asset:
    """A bare mesh, exported; MuJoCo opens what was made of it."""
    made = export(mesh, folder, formats=("mjcf",), config=config)
    model = mujoco.MjModel.from_xml_path(str(folder / "mjcf" / "mesh.xml"))
    (asset,) = made.assets.assets
    assert model.body("mesh").mass[0] == pytest.approx(asset.links[0].body.mass, rel=1e-5)
    return asset


BOX = trimesh.creation.box((0.1, 0.1, 0.2))
CROSSING = trimesh.util.concatenate([BOX, BOX.copy().apply_transform(trimesh.transformations.euler_matrix(0, 1.57, 0))])


@pytest.mark.parametrize(
    ("shape", "volume", "says"),
    [
        (trimesh.Trimesh(BOX.vertices, BOX.faces[:-2]), 2e-3, "without two faces"),
        (trimesh.Trimesh(BOX.vertices, BOX.faces[:, ::-1]), 2e-3, "inside out"),
        (CROSSING, 3e-3, "cross"),
    ],
    ids=["open", "inside out", "crosses itself"],
)
def test_what_is_no_solid_is_mended_and_the_files_say_so(
    shape: trimesh.Trimesh, volume: float, says: str, tmp_path: Path
):
    link = one(mesh_of(shape), tmp_path / "assets").links[0]
    assert link.body.mass == pytest.approx(PLASTIC * volume, rel=0.03)
    facts = links_of(tmp_path / "assets")["mesh"]
    assert facts.repair is not None
    assert any(re.search(f"no solid .*({says})", remark) for remark in facts.remarks), facts.remarks
    assert facts.volume == pytest.approx(volume, rel=0.03)


@pytest.mark.parametrize(
    ("mesh", "says"),
    [
        (Mesh(box(1, 1, 1).vertices * math.nan, box(1, 1, 1).faces), "finite"),
        (Mesh(box(1, 1, 1).vertices * torch.tensor([1.0, 0, 0]), box(1, 1, 1).faces), "area"),
        (box(1e4, 1e4, 1e4), "--size"),
        (box(1e-5, 1e-5, 1e-5), "--size"),
        (Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64)), "something to export"),
    ],
    ids=["not finite", "a line", "ten kilometres", "ten micrometres", "empty"],
)
def test_a_mesh_that_can_be_no_body_is_refused_with_a_reason(mesh: Mesh, says: str, tmp_path: Path):
    with pytest.raises(InputError, match=says):
        export(mesh, tmp_path / "assets")
    assert not list(tmp_path.iterdir())


def test_a_plane_is_a_sheet_and_a_huge_thing_is_given_its_size(tmp_path: Path):
    flat = one(Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2], [0, 2, 3]])),
               tmp_path / "flat")  # fmt: skip
    assert any("sheet" in remark for remark in flat.links[0].remarks)
    huge = one(box(1e4, 1e4, 2e4), tmp_path / "huge", ExportConfig(size=0.2))
    assert huge.links[0].body.mass == pytest.approx(PLASTIC * 2e-3, rel=1e-4)


def test_names_that_are_alike_or_taken_become_files_that_differ(tmp_path: Path):
    names = ("a.b", "a-b", "a_b", "A_B", "3D", "scene", "con", "rest", "x" * 64)
    nodes = tuple(Node(name, Pose((0.2 * i, 0, 0.05)), mesh=box(0.1, 0.1, 0.1)) for i, name in enumerate(names))
    made = export(Scene(SceneState(Node("", children=nodes))), tmp_path / "Größe 1", config=HULL)
    physics = read_physics(made.folder)
    assert {link.path for link in physics.links} == {f"/{name}" for name in names}
    assert len({link.name.casefold() for link in physics.links}) == len(names)
    assert len(list((made.folder / "urdf").glob("*.urdf"))) == len(names)
    assert mujoco.MjModel.from_xml_path(str(made.folder / "mjcf" / "scene.xml")).nbody == 1 + len(names)
    assert [file.name for file in tmp_path.iterdir()] == ["Größe 1"]


@pytest.mark.parametrize("name", ["Große Tasse (2).obj", "カップ.obj", "con.obj", "-x;rm.obj"])
def test_a_file_of_any_name_becomes_an_asset(name: str, tmp_path: Path):
    trimesh.creation.box((0.1, 0.1, 0.1)).export(tmp_path / "plain.obj")
    (tmp_path / "plain.obj").rename(tmp_path / name)
    made = tmp_path / "made of it"
    assert main(["export", str(tmp_path / name), "-o", str(made), "--to", "mjcf,usd", "--collision", "hull"]) == 0
    (link,) = read_physics(made).links
    model = mujoco.MjModel.from_xml_path(str(made / "mjcf" / f"{link.name}.xml"))
    assert model.body(link.name).mass[0] == pytest.approx(PLASTIC * 1e-3, rel=1e-4)
    assert Usd.Stage.Open(str(made / "usd" / "scene.usda")).GetDefaultPrim()


def test_an_interruption_leaves_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scenekit.export.splat_files.write", interrupted)
    words = ["export", str(folder), "-o", str(tmp_path / "assets"), "--to", "mjcf"]
    assert main(words) == 130
    assert not list(tmp_path.iterdir())
    assert "goes on from there" not in capsys.readouterr().err, "nothing is there to go on from"
    monkeypatch.undo()
    assert main(words) == 0


def test_the_door_of_the_package(folder: Path, tmp_path: Path):
    pytest.importorskip("gymnasium")
    gym = importlib.import_module("scenekit.export.gym")  # a sub-module of what is called
    made = scenekit.export(scenekit.open_scene(folder), tmp_path / "assets", formats=("mjcf",))
    assert made.files and all(file.is_file() for file in made.files) and made.report is None
    env = gym.SceneEnv(made.folder)
    observation, _ = env.reset(seed=0)
    assert observation["image"].ndim == 3
    bare = scenekit.export(box(0.1, 0.2, 0.3), tmp_path / "bare", formats=("mjcf",))
    assert [link.name for link in bare.assets.links] == ["mesh"]


@pytest.mark.slow
def test_a_mesh_of_a_million_faces_is_shown_with_fewer(tmp_path: Path):
    ball = trimesh.creation.icosphere(subdivisions=8, radius=0.1)
    assert len(ball.faces) > 1_000_000
    link = one(mesh_of(ball), tmp_path / "assets").links[0]
    assert link.mesh is not None and len(link.mesh.faces) <= 200_000
    assert any("simplified" in remark for remark in link.remarks)
    assert link.body.mass == pytest.approx(PLASTIC * 4 / 3 * math.pi * 1e-3, rel=1e-3)
