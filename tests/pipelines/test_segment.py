"""`scenekit segment`: a folder, a picture, a tree, and what it says of what cannot be segmented."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from scenekit.cameras import quaternion_from_rotation
from scenekit.capture.level import rotation_between
from scenekit.cli import main
from scenekit.io.scene_folder import read_scene
from scenekit.io.splat_files import write_splats
from scenekit.splats import SH_C0, Splats, merge, random_splats


def surface(mesh: trimesh.Trimesh, rgb: tuple[float, ...], sigma: float) -> Splats:
    """Flat Gaussians of deviation `sigma` [m] all over a mesh, but for what looks down."""
    mesh.update_faces(mesh.face_normals[:, 2] > -0.9)
    n = int(1.2 * mesh.area / sigma**2)
    points, faces = trimesh.sample.sample_surface(mesh, n, seed=0)
    up = np.array([0.0, 0.0, 1.0])
    quats = [quaternion_from_rotation(rotation_between(up, mesh.face_normals[face])) for face in faces]
    colours = np.array(rgb) * np.random.default_rng(0).normal(1, 0.08, (n, 1))
    return Splats(
        torch.from_numpy(points).float(),
        torch.from_numpy(np.array(quats)).float(),
        torch.tensor([sigma, sigma, sigma / 10]).log().expand(n, 3).contiguous(),
        torch.full((n,), 5.0),
        torch.from_numpy((colours - 0.5) / SH_C0).float()[:, None],
    )


def box(x: float, y: float, z: float, *sides: float) -> trimesh.Trimesh:
    """A box whose bottom's middle is at (x, y, z)."""
    return trimesh.creation.box(sides, trimesh.transformations.translation_matrix([x, y, z + sides[2] / 2]))


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A brown table with a red carton and a blue one."""
    parts = [
        surface(box(0, 0, -0.03, 1.2, 0.8, 0.03), (0.6, 0.4, 0.2), 0.02),
        surface(box(-0.3, 0.1, 0, 0.14, 0.1, 0.2), (0.8, 0.1, 0.1), 0.009),
        surface(box(0.3, -0.1, 0, 0.2, 0.14, 0.1), (0.1, 0.2, 0.7), 0.009),
    ]
    file = tmp_path_factory.mktemp("segment") / "table.ply"
    write_splats(file, merge(parts))
    return file


def test_things_become_nodes_in_the_folder_with_a_picture(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(table), "-o", str(tmp_path / "out")]) == 0
    state = read_scene(tmp_path / "out").state
    assert [path for path, _ in state.walk("/table")] == ["/table", "/table/object_1", "/table/object_2"]
    out = capsys.readouterr().out
    assert "/table/object_2" in out
    assert "scale estimated" in out
    size = Image.open(tmp_path / "out" / "segments.png").size
    assert size[0] == 2 * size[1]
    assert np.std(np.asarray(Image.open(tmp_path / "out" / "segments.png"))) > 0


def test_it_is_one_step_that_edit_undoes(table: Path, tmp_path: Path) -> None:
    main(["segment", str(table), "-o", str(tmp_path / "out")])
    assert main(["edit", str(tmp_path / "out"), "undo"]) == 0
    assert list(read_scene(tmp_path / "out")) == ["/table"]
    assert read_scene(tmp_path / "out").state.node("/table").children == ()


def test_settings_are_options(table: Path, tmp_path: Path) -> None:
    assert main(["segment", str(table), "-o", str(tmp_path / "out"), "--support", "desk", "--seed", "3"]) == 0
    assert "/desk/object_1" in read_scene(tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--path", "/nothing"], "/table"),
        (["--masks", "nowhere"], "photos"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    words: list[str], says: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(table), "-o", str(tmp_path / "out"), *words]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_scene_without_a_support_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_splats(tmp_path / "a.ply", random_splats(300))
    assert main(["segment", str(tmp_path / "a.ply"), "-o", str(tmp_path / "out")]) == 2
    assert "support" in capsys.readouterr().err
