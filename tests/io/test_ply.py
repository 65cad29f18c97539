"""PLY of splats: against plyfile, and against files that are not what they say."""

from pathlib import Path

import numpy as np
import plyfile
import pytest
import torch

from scenekit.errors import FileError
from scenekit.io.ply import FORMAT, properties
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.splats import Splats, random_splats


def assert_same(a: Splats, b: Splats) -> None:
    assert a.antialiased == b.antialiased
    for name, tensor in a.tensors().items():
        torch.testing.assert_close(tensor, b.tensors()[name], rtol=0, atol=0)


@pytest.mark.parametrize("degree", range(5))
def test_reading_inverts_writing_bit_for_bit(tmp_path: Path, degree: int) -> None:
    splats = random_splats(57, degree=degree)
    write_splats(tmp_path / "a.ply", splats)
    assert_same(read_splats(tmp_path / "a.ply"), splats)


def test_no_gaussians_survive_the_round_trip(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.ply", random_splats(0))
    assert len(read_splats(tmp_path / "a.ply")) == 0


def test_antialiasing_is_remembered(tmp_path: Path) -> None:
    splats = Splats(**random_splats(3).tensors(), antialiased=True)
    write_splats(tmp_path / "a.ply", splats)
    assert read_splats(tmp_path / "a.ply").antialiased


def test_plyfile_finds_the_published_layout(tmp_path: Path) -> None:
    splats = random_splats(20, degree=2)
    write_splats(tmp_path / "a.ply", splats)
    vertex = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"]
    assert [p.name for p in vertex.properties] == properties(2)
    assert {p.val_dtype for p in vertex.properties} == {"f4"}
    np.testing.assert_array_equal(vertex["nx"], 0)
    np.testing.assert_array_equal(vertex["rot_0"], splats.quats[:, 0])
    np.testing.assert_array_equal(vertex["opacity"], splats.logit_opacities)
    for channel in range(3):  # channel-major: 8 coefficients of red, then green, then blue
        for i in range(8):
            np.testing.assert_array_equal(vertex[f"f_rest_{channel * 8 + i}"], splats.sh[:, 1 + i, channel])


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_files_of_another_program_in_another_order_read_alike(tmp_path: Path, text: bool, order: str) -> None:
    splats = random_splats(11, degree=1)
    write_splats(tmp_path / "a.ply", splats)
    rows = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"].data
    kinds = [(name, "f8" if name == "x" else "f4") for name in reversed(properties(1)) if not name.startswith("n")]
    shuffled = np.empty(11, kinds)
    for name, _ in kinds:
        shuffled[name] = rows[name]
    other = plyfile.PlyElement.describe(np.zeros(4, [("weight", "u2")]), "extra")
    vertex = plyfile.PlyElement.describe(shuffled, "vertex")
    plyfile.PlyData([other, vertex], text=text, byte_order="=" if text else order).write(tmp_path / "b.ply")
    again = read_splats(tmp_path / "b.ply")
    for name, tensor in splats.tensors().items():
        torch.testing.assert_close(again.tensors()[name], tensor, rtol=1e-6 if text else 0, atol=0)


def damaged(folder: Path, old: bytes, new: bytes) -> Path:
    write_splats(folder / "a.ply", random_splats(9, degree=0))
    data = (folder / "a.ply").read_bytes()
    assert old in data
    (folder / "b.ply").write_bytes(data.replace(old, new))
    return folder / "b.ply"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"ply\n", b"plx\n", "splats as one of ply"),
        (b"end_header", b"eof_header", "PLY header"),
        (b"vertex 9", b"vertex 10", "truncated"),
        (b"vertex 9", b"vertex 900000000000000", "truncated"),
        (b"vertex 9", b"vertex 9" + b"0" * 40, "header line"),
        (b"vertex 9", b"vertex -9", "header line"),
        (b"element vertex", b"element face", "element vertex"),
        (b"property float opacity", b"property float alpha", "no properties opacity"),
        (b"property float opacity", b"property list uchar int opacity", "mesh"),
        (b"property float opacity", b"property float x", "one name"),
        (b"property float opacity", b"property quad opacity", "header line"),
        (b"property float nx", b"property float f_rest_0", "SH degrees"),
        (b"format binary_little_endian 1.0\n", b"", "no format"),
        (b"format binary_little_endian 1.0", b"format binary_middle_endian 1.0", "header line"),
        (b"format binary_little_endian 1.0", b"format ascii 1.0", "vertex 0"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    with pytest.raises(FileError, match=says) as error:
        read_splats(damaged(tmp_path, old, new))
    assert "b.ply" in str(error.value)


def test_truncated_files_are_refused_at_every_length(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.ply", random_splats(2, degree=0))
    data = (tmp_path / "a.ply").read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / "b.ply").write_bytes(data[:length])
        with pytest.raises(FileError):
            read_splats(tmp_path / "b.ply")


def test_non_finite_gaussians_are_counted_and_can_be_dropped(tmp_path: Path) -> None:
    splats = random_splats(6)
    splats.means[1, 2] = float("nan")
    splats.logit_opacities[4] = float("inf")
    write_splats(tmp_path / "a.ply", splats)
    with pytest.raises(FileError, match="2 of 6 Gaussians"):
        read_splats(tmp_path / "a.ply")
    keep = torch.tensor([0, 2, 3, 5])
    assert_same(read_splats(tmp_path / "a.ply", drop_non_finite=True), splats.map(lambda t: t[keep]))


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="got nothing"):
        read_splats(tmp_path / "none.ply")
    with pytest.raises(FileError, match="got a folder"):
        read_splats(tmp_path)
