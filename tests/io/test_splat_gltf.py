"""Splats as glTF: what is lossless, PlayCanvas's file, transforms of nodes, and files that are not what they say."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scenekit.errors import FileError
from scenekit.io import ply, splat_gltf
from scenekit.io.splat_files import open_splats, read_splats, write_splats
from scenekit.io.up import Up
from scenekit.splats import Splats, random_splats

FILES = Path(__file__).parent / "files"


def cloud(n: int, degree: int = 3) -> Splats:
    splats = random_splats(n, degree=degree)
    return replace(splats, quats=splats.quats / splats.quats.norm(dim=1, keepdim=True))


def assert_close(found: Splats, truth: Splats, atol: float = 2e-6) -> None:
    for name, tensor in truth.tensors().items():
        torch.testing.assert_close(found.tensors()[name], tensor, rtol=1e-6, atol=atol)


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """One of our files with another JSON."""
    splat_gltf.write(folder / "a.glb", cloud(20, 1))
    data = (folder / "a.glb").read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document = json.loads(data[20 : 20 + length])
    change(document)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
    (folder / "b.glb").write_bytes(head + text + rest)
    return folder / "b.glb"


@pytest.mark.parametrize("n", [0, 1, 257])
@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("antialiased", [False, True])
def test_means_and_colours_come_back_bit_for_bit(tmp_path: Path, n: int, degree: int, antialiased: bool) -> None:
    truth = replace(cloud(n, degree), antialiased=antialiased)
    write_splats(tmp_path / "a.glb", truth)
    reading = open_splats(tmp_path / "a.glb")
    found = reading.splats
    assert (reading.up, reading.notes, found.antialiased) == ("z", (), antialiased)
    assert torch.equal(found.means, truth.means)
    assert torch.equal(found.sh, truth.sh)
    assert_close(found, truth)


@pytest.mark.parametrize("up", ["z", "y", "-y"])
def test_every_up_axis_is_declared_by_the_node(tmp_path: Path, up: Up) -> None:
    write_splats(tmp_path / "a.glb", cloud(50), up=up)
    reading = open_splats(tmp_path / "a.glb")
    assert reading.up == up
    assert_close(reading.splats, cloud(50))


def test_same_splats_make_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        splat_gltf.write(tmp_path / name, cloud(30))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_certain_and_flat_gaussians_stay_finite(tmp_path: Path) -> None:
    extreme = replace(cloud(3), logit_opacities=torch.tensor([-200.0, 200, 0]), log_scales=torch.full((3, 3), -200.0))
    splat_gltf.write(tmp_path / "a.glb", extreme)
    found = read_splats(tmp_path / "a.glb")
    torch.testing.assert_close(found.opacities, torch.tensor([0.0, 1, 0.5]))
    assert found.scales.max() < 1e-30


def test_transforms_of_nodes_are_applied_and_clouds_are_merged(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        half = 0.5**0.5
        document["nodes"] = [
            {"children": [1, 2], "translation": [1, 2, 3]},
            {"mesh": 0, "rotation": [0, half, 0, half], "scale": [2, 2, 2]},
            {"mesh": 0},
        ]

    reading = splat_gltf.read(changed(tmp_path, change))
    T = torch.tensor([[0.0, 0, 2, 1], [0, 2, 0, 2], [-2, 0, 0, 3], [0, 0, 0, 1]], dtype=torch.float64)
    shift = torch.eye(4, dtype=torch.float64)
    shift[:3, 3] = torch.tensor([1.0, 2, 3])
    truth = cloud(20, 1)
    assert reading.up == "y"
    assert_close(reading.splats.map(lambda t: t[:20]), truth.transform(T), atol=1e-5)
    assert_close(reading.splats.map(lambda t: t[20:]), truth.transform(shift), atol=1e-5)


def test_a_file_of_splat_transform_is_read() -> None:
    """It turns the PLY by half a turn about Z, to Y up."""
    truth = ply.read(FILES / "tool.ply").splats.transform(torch.diag(torch.tensor([-1.0, -1, 1, 1])))
    reading = splat_gltf.read(FILES / "tool.glb")
    found = reading.splats
    assert reading.up == "y"
    for name in ("means", "sh", "log_scales", "logit_opacities"):
        torch.testing.assert_close(found.tensors()[name], truth.tensors()[name], rtol=1e-5, atol=1e-5)
    unit = [splats.quats / splats.quats.norm(dim=1, keepdim=True) for splats in (found, truth)]
    assert (unit[0] * unit[1]).sum(1).abs().min() > 0.99999


def test_words_of_drafts_and_other_kernels_are_understood(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        primitive = document["meshes"][0]["primitives"][0]
        named = primitive["attributes"]
        primitive["attributes"] = {name.replace("KHR_gaussian_splatting:", "_"): i for name, i in named.items()}
        primitive["extensions"]["KHR_gaussian_splatting"].update(kernel="box", colorSpace="lin_rec709_display")

    reading = splat_gltf.read(changed(tmp_path, change))
    assert_close(reading.splats, cloud(20, 1))
    assert len(reading.notes) == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["meshes"][0]["primitives"][0].pop("extensions"), "without Gaussian splats"),
        (lambda d: d["meshes"][0]["primitives"][0]["attributes"].pop("KHR_gaussian_splatting:SCALE"), "SCALE"),
        (lambda d: d["meshes"][0]["primitives"][0]["attributes"].pop("POSITION"), "POSITION"),
        (lambda d: d["accessors"][0].update(count=10**12), "larger than the file|contradicts"),
        (lambda d: d["accessors"][0].update(count=19), "contradicts|shape"),
        (lambda d: d["accessors"][0].update(type="VEC2"), "VEC3"),
        (lambda d: d["bufferViews"][0].update(byteOffset=10**9), "view to byte"),
        (lambda d: d["nodes"][0].update(children=[0]), "circle"),
        (lambda d: d["nodes"][0].update(scale=[1, 2, 3]), "similarity"),
        (lambda d: d.update(asset={"version": "1.0"}), "glTF 1.0"),
        (lambda d: d["buffers"][0].update(uri="../../secret.bin"), "inside its folder"),
    ],
)
def test_a_document_that_lies_is_named(tmp_path: Path, change: Callable[[dict[str, Any]], object], says: str) -> None:
    with pytest.raises(FileError, match=says):
        splat_gltf.read(changed(tmp_path, change))


def test_files_cut_off_are_refused(tmp_path: Path) -> None:
    splat_gltf.write(tmp_path / "a.glb", cloud(3, 0))
    data = (tmp_path / "a.glb").read_bytes()
    for length in range(0, len(data), 11):
        (tmp_path / "b.glb").write_bytes(data[:length])
        with pytest.raises(FileError):
            splat_gltf.read(tmp_path / "b.glb")
