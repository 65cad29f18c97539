"""glTF 2.0 as a container (.glb, .gltf): the tree of nodes and the arrays in it, whether they hold meshes or splats.

    document = Document(path)
    for node, T in document.nodes():
        ...

A damaged file may besides raise what indexing raises: KeyError, IndexError, TypeError, ValueError, AttributeError,
OverflowError, struct.error; `CONTRADICTIONS` lists them for whoever reads a whole file.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from scenekit.errors import FileError
from scenekit.io.bounded import parse_json, read_bytes

Array = NDArray[Any]

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942

CONTRADICTIONS = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, struct.error)
"""What a file raises whose parts do not fit together."""

UNDERSTOOD = {
    *("KHR_mesh_quantization", "KHR_materials_unlit", "EXT_texture_webp", "KHR_texture_basisu"),
    *("KHR_gaussian_splatting", "KHR_gaussian_splatting_compression_spz_2"),
}
"""Extensions that a file may require of us; textures in Basis are left out."""

MAX_DEPTH = 512
"""Of the tree of nodes."""

SPREAD = 64 << 20
"""What instances of one mesh may add up to [bytes], beside three times the file."""


class Document:
    """One file: its JSON, and its buffers as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = read_bytes(path, "a .glb or .gltf file")
        self._left = SPREAD + 3 * len(data)
        self.binary: bytes | None = None
        if data.startswith(b"glTF"):
            data, self.binary = self._chunks(data)
        self.json = parse_json(path, data)
        version = str(self.json["asset"]["version"])
        if not version.startswith("2"):
            raise FileError(path, got=f"glTF {version}", wanted="glTF 2.0")
        unknown = set(self.json.get("extensionsRequired", [])) - UNDERSTOOD
        if unknown:
            raise FileError(
                path, got=f"a file that needs {', '.join(sorted(map(str, unknown)))}", wanted="plain glTF 2.0"
            )
        self.buffers: dict[int, bytes] = {}

    def _chunks(self, data: bytes) -> tuple[bytes, bytes | None]:
        _, version, length = struct.unpack_from("<4sII", data)
        if version != 2 or length > len(data):
            got = f"version {version} of {length} bytes in {len(data)}"
            raise FileError(self.path, got=got, wanted="a whole GLB of version 2")
        text, binary, at = None, None, 12
        while at + 8 <= length:
            size, kind = struct.unpack_from("<II", data, at)
            if at + 8 + size > length:
                raise FileError(self.path, got=f"a chunk of {size} bytes", wanted="chunks that fit into the file")
            chunk = data[at + 8 : at + 8 + size]
            if kind == JSON_CHUNK and text is None:
                text = chunk
            elif kind == BINARY_CHUNK and binary is None:
                binary = chunk
            at += 8 + size
        if text is None:
            raise FileError(self.path, got="no JSON chunk", wanted="a GLB")
        return text, binary

    def nodes(self) -> Iterator[tuple[dict[str, Any], Array]]:
        """Every node of the scene and its transform to the scene, parents first."""
        nodes = self.json.get("nodes", [])
        children = {child for node in nodes for child in node.get("children", ())}
        roots = [i for i in range(len(nodes)) if i not in children]
        if self.json.get("scenes"):
            roots = self.item("scenes", self.json.get("scene", 0)).get("nodes", [])
        waiting, seen = [(int(root), np.eye(4), 0) for root in reversed(roots)], set()
        while waiting:
            index, T, depth = waiting.pop()
            if index in seen or depth > MAX_DEPTH:
                raise FileError(self.path, got="nodes in a circle or too deep", wanted="a tree of nodes")
            seen.add(index)
            node = self.item("nodes", index)
            T = T @ _local(node)
            yield node, T
            waiting += [(int(child), T, depth + 1) for child in reversed(node.get("children", []))]

    def accessor(self, index: int, *kinds: str, whole: bool = False) -> Array:
        """An accessor's values, shape (n,) or (n, width); float32, integers as fractions if so said, or as they are."""
        accessor = self.item("accessors", index)
        if accessor["type"] not in kinds or "sparse" in accessor or "bufferView" not in accessor:
            raise FileError(
                self.path, got=f"accessor {index} of {accessor['type']}", wanted=f"plain {' or '.join(kinds)}"
            )
        width, count = WIDTHS[accessor["type"]], int(accessor["count"])
        dtype = np.dtype(COMPONENTS[accessor["componentType"]])
        view = self.item("bufferViews", accessor["bufferView"])
        data = self.view(accessor["bufferView"])
        stride, offset = int(view.get("byteStride") or dtype.itemsize * width), int(accessor.get("byteOffset", 0))
        if stride < dtype.itemsize * width or offset < 0 or count < 0 or (whole and dtype.kind != "u"):
            raise FileError(
                self.path, got=f"stride {stride}, offset {offset}, count {count}", wanted="a sound accessor"
            )
        self.spend(count * width * (8 if whole else 4))
        values = np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize))
        if whole:
            return values[:, 0]
        if accessor.get("normalized") and dtype.kind in "iu":
            return np.maximum(values / np.float32(np.iinfo(dtype).max), -1).astype(np.float32)
        return values.astype(np.float32)

    def spend(self, size: int) -> None:
        """Counts memory [bytes] against what a file of this size may ask for.

        Raises:
            FileError: If that is more than three times the file and `SPREAD`.
        """
        self._left -= size
        if self._left < 0:
            raise FileError(self.path, got="instances and textures far larger than the file", wanted="fewer")

    def view(self, index: int) -> memoryview:
        """The bytes of a buffer view."""
        view = self.item("bufferViews", index)
        offset, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        buffer = self._buffer(int(view["buffer"]))
        if offset < 0 or length < 0 or offset + length > len(buffer):
            raise FileError(self.path, got=f"a view to byte {offset + length}", wanted=f"at most {len(buffer)}")
        return memoryview(buffer)[offset : offset + length]

    def _buffer(self, index: int) -> bytes:
        if index not in self.buffers:
            buffer = self.item("buffers", index)
            data = self.uri(buffer["uri"]) if "uri" in buffer else self.binary
            if data is None:
                raise FileError(self.path, got=f"buffer {index} without data", wanted="a GLB with its binary chunk")
            self.buffers[index] = data
        return self.buffers[index]

    def uri(self, uri: str) -> bytes:
        """What a URI holds: base64, or a file in the folder of this one."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        return read_bytes(beside(self.path, unquote(uri)), "the file that the glTF names")

    def item(self, kind: str, index: int) -> dict[str, Any]:
        """The entry of a list in the JSON."""
        if not isinstance(index, int) or index < 0:
            raise FileError(self.path, got=f"{kind}[{index!r}]"[:100], wanted="an index")
        return self.json[kind][index]


def beside(path: Path, name: str) -> Path:
    """The file that `path` names, in its own folder or below.

    Raises:
        FileError: If the name leads elsewhere: absolute, with `..`, a URL, or through a link.
    """
    folder = path.parent.resolve()
    found = (folder / name).resolve() if "\0" not in name and len(name) < 4096 else Path()
    if folder not in found.parents or ".." in Path(name).parts or ":" in name or "\\" in name:
        raise FileError(path, got=f"the name {name[:200]!r}", wanted="names inside its folder")
    return found


def _local(node: dict[str, Any]) -> Array:
    """A node's own transform."""
    if "matrix" in node:
        T = np.array(node["matrix"], np.float64).reshape(4, 4).T
    else:
        x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
        R = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        T = np.eye(4)
        T[:3, :3] = R * np.array(node.get("scale", (1, 1, 1)), np.float64).reshape(3)
        T[:3, 3] = np.array(node.get("translation", (0, 0, 0)), np.float64).reshape(3)
    if not np.isfinite(T).all():
        raise ValueError("a transform that is not finite")
    return T
