"""GltfWriter: what the specification asks of a document, and what a reader finds in it."""

import struct
from pathlib import Path

import numpy as np
import pytest

from scenekit.errors import InputError
from scenekit.io import gltf_writer
from scenekit.io.gltf import Document
from scenekit.io.gltf_writer import INDICES, GltfWriter
from scenekit.poses import Pose


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_arrays_come_back_and_begin_at_multiples_of_four(suffix: str, tmp_path: Path) -> None:
    gltf = GltfWriter()
    corners, weights = np.arange(3, dtype="<u2"), np.array([0.5, 0.25], np.float32)
    points = np.arange(6, dtype=np.float32).reshape(2, 3)
    numbers = [gltf.accessor(corners, target=INDICES), gltf.accessor(points), gltf.accessor(weights)]
    gltf.json |= {"scene": 0, "scenes": [{"nodes": [gltf.add_node("all", None)]}]}
    gltf.write(tmp_path / f"a{suffix}")
    document = Document(tmp_path / f"a{suffix}")
    assert all(view["byteOffset"] % 4 == 0 for view in document.json["bufferViews"])
    np.testing.assert_array_equal(document.accessor(numbers[0], "SCALAR", whole=True).reshape(-1), corners)
    np.testing.assert_array_equal(document.accessor(numbers[1], "VEC3"), points)
    np.testing.assert_array_equal(document.accessor(numbers[2], "SCALAR").reshape(-1), weights)


def test_a_node_is_at_its_pose_in_its_parent(tmp_path: Path) -> None:
    gltf = GltfWriter()
    outer = Pose((1.0, 2.0, 3.0), (0.6, 0.0, 0.8, 0.0))
    inner = Pose((0.1, 0.0, 0.0), (0.8, 0.6, 0.0, 0.0))
    parent = gltf.add_node("parent", None, outer)
    gltf.add_node("child", parent, inner)
    gltf.json |= {"scene": 0, "scenes": [{"nodes": [parent]}]}
    gltf.write(tmp_path / "a.glb")
    placed = {node["name"]: T for node, T in Document(tmp_path / "a.glb").nodes()}
    np.testing.assert_allclose(placed["child"], (outer @ inner).matrix, atol=1e-12)


def test_a_glb_says_its_length_and_those_of_its_chunks(tmp_path: Path) -> None:
    gltf = GltfWriter()
    gltf.view(b"12345")
    gltf.write(tmp_path / "a.glb")
    data = (tmp_path / "a.glb").read_bytes()
    magic, version, length, size, kind = struct.unpack_from("<4sIIII", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), 0x4E4F534A)
    assert struct.unpack_from("<II", data, 20 + size) == (8, 0x004E4942)
    assert size % 4 == 0 and data[-8:] == b"12345\0\0\0"


def test_an_extension_is_said_to_be_used_once() -> None:
    gltf = GltfWriter()
    gltf.use("KHR_a")
    gltf.use("KHR_a")
    assert gltf.json["extensionsUsed"] == ["KHR_a"]


def test_what_a_glb_cannot_hold_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gltf_writer, "MOST", 1000)
    gltf = GltfWriter()
    gltf.view(bytes(1000))
    with pytest.raises(InputError, match="less than 4 GiB"):
        gltf.write(tmp_path / "a.glb")
    assert not list(tmp_path.iterdir())
