"""The benchmark of exports, on a box, and what it sees in the files of other tools."""

import pytest
import trimesh
import tyro

from scenekit.errors import FileError
from scenekit.io.mesh_files import read_mesh
from scenekit.pipelines import bench_export, export_peers
from scenekit.pipelines.bench_export import Config

MJCF = """
<mujoco><default><default class="collision"><geom group="3"/></default></default>
<asset><mesh file="a.obj"/><texture type="2d" file="a.png"/></asset>
<worldbody><body name="a"><freejoint/><geom mesh="a" class="visual"/>
<geom mesh="a" class="collision"/></body></worldbody>
</mujoco>
"""
URDF = """
<robot name="a"><link name="a"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial>
<collision><geometry><mesh filename="/somewhere/a.obj"/></geometry></collision>
<collision><geometry><box size="1 1 1"/></geometry></collision></link></robot>
"""


@pytest.fixture
def meshes(tmp_path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    trimesh.creation.box((1.0, 2.0, 3.0)).export(folder / "brick.obj")
    return folder


def test_solids_and_a_box_are_measured(meshes):
    result = bench_export.run(Config(meshes=meshes, check=False))
    assert set(result.solids) == {"box", "ball", "cylinder", "torus", "cup"}
    assert all(max(e.mass, e.centre, e.inertia) < 1e-3 for e in result.solids.values())
    made = result.exports["brick, auto"]
    (thing,) = made.things.values()
    assert (thing.method, thing.pieces) == ("box", 1)
    assert thing.distance < 1e-6
    assert thing.volume == pytest.approx(1)
    assert "| brick, auto |" in str(result)


def test_meshes_have_z_up_and_the_size_asked_for(meshes):
    ((name, mesh),) = bench_export._meshes(Config(meshes=meshes, size=0.3))
    assert name == "brick"
    assert (mesh.vertices.amax(0) - mesh.vertices.amin(0)).tolist() == pytest.approx([0.1, 0.3, 0.2])


def test_options_of_the_export_can_be_given():
    config = tyro.cli(Config, args=["--size", "0.3", "--export.max-pieces", "7", "--methods", "hull", "auto"])
    assert (config.size, config.export.max_pieces, config.methods) == (0.3, 7, ("hull", "auto"))


def test_folder_without_meshes_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="no OBJ"):
        bench_export.run(Config(meshes=tmp_path))


def test_what_a_file_says_is_seen(tmp_path):
    trimesh.creation.box((1, 1, 1)).export(tmp_path / "a.obj")
    (tmp_path / "a.xml").write_text(MJCF)
    (tmp_path / "a.urdf").write_text(URDF.replace("/somewhere/", str(tmp_path) + "/"))
    says, pieces = export_peers._said(tmp_path / "a.xml")
    assert pieces == 1
    assert {name for name, good in says.items() if good} == {"texture", "relative paths", "closed pieces"}
    says, pieces = export_peers._said(tmp_path / "a.urdf")
    assert pieces == 2
    assert {name for name, good in says.items() if good} == {"mass", "inertia", "closed pieces"}


def test_a_tool_that_fails_is_a_row_with_its_reason(tmp_path, meshes):
    def fails(source, folder):
        raise RuntimeError("no such luck")

    file, problem = export_peers._made(fails, meshes / "brick.obj", tmp_path)
    row = export_peers._row("tool MJCF", "brick", read_mesh(meshes / "brick.obj"), 0.1, file, problem)
    assert (row.pieces, row.mass, row.loads) == (0, None, {})
    assert row.problems == ("writes nothing: RuntimeError: no such luck",)


@pytest.mark.slow
def test_every_tool_that_is_installed_has_its_row(tmp_path, meshes):
    found = {row.tool: row for row in export_peers.rows(dict(bench_export._meshes(Config(meshes=meshes))), tmp_path)}
    assert {"scenekit MJCF", "scenekit URDF", "trimesh URDF"} <= set(found)
    for tool in ("scenekit MJCF", "scenekit URDF"):
        row = found[tool]
        assert all(row.loads.values()) and all(row.settles.values()), row.problems
        assert all(row.says[fact] for fact in ("mass", "inertia", "friction", "relative paths"))
    volume = 0.2 * 0.2 * 2 / 3 * 0.2 / 3
    assert found["scenekit MJCF"].volume == pytest.approx(volume, rel=1e-4)
    assert found["scenekit MJCF"].mass == pytest.approx(found["scenekit URDF"].mass, rel=1e-4)
    assert found["trimesh URDF"].mass == pytest.approx(volume, rel=0.02)  # of 1 kg/m³
