"""GltfWriter: a glTF 2.0 document while it is being made, for meshes, splats and assets. Letters: n elements."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekit.errors import InputError
from scenekit.io.atomic import write_bytes, written_atomically
from scenekit.io.gltf import BINARY_CHUNK, JSON_CHUNK
from scenekit.poses import Pose

COMPONENTS = {np.dtype("u1"): 5121, np.dtype("<u2"): 5123, np.dtype("<u4"): 5125, np.dtype("<f4"): 5126}
"""glTF's numbers for types."""

VERTICES, INDICES = 34962, 34963
"""What a buffer view is for."""

MOST = 1 << 32
"""A GLB has 32-bit sizes [bytes]."""


class GltfWriter:
    """The JSON of a document, and the binary that it refers to."""

    def __init__(self) -> None:
        self.json: dict[str, Any] = {"asset": {"version": "2.0", "generator": "scenekit"}}
        self._parts: list[memoryview] = []
        self._size = 0

    def add(self, kind: str, item: dict[str, Any]) -> int:
        """Appends to a list of the document, like "nodes"; returns the number there."""
        items = self.json.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def add_node(self, name: str, parent: int | None, pose: Pose = Pose(), **more: Any) -> int:
        """Number of a new node at a pose in another one; without one it is in no scene, and others may refer to it."""
        node: dict[str, Any] = {"name": name}
        if not pose.is_identity:
            w, x, y, z = pose.quat
            node |= {"translation": list(pose.position), "rotation": [x, y, z, w]}
        number = self.add("nodes", node | more)
        if parent is not None:
            self.json["nodes"][parent].setdefault("children", []).append(number)
        return number

    def use(self, extension: str) -> None:
        """Says that an extension is used, not that it is required."""
        names = self.json.setdefault("extensionsUsed", [])
        if extension not in names:
            names.append(extension)

    def view(self, data: bytes | NDArray[Any], **more: Any) -> int:
        """Number of a new buffer view with data; it begins at a multiple of four bytes."""
        held = memoryview(data) if isinstance(data, bytes) else data.reshape(-1).view(np.uint8).data
        padding = memoryview(b"\0" * (-len(held) % 4))
        index = self.add("bufferViews", {"buffer": 0, "byteOffset": self._size, "byteLength": len(held), **more})
        self._parts += [held, padding]
        self._size += len(held) + len(padding)
        return index

    def accessor(self, array: NDArray[Any], *, target: int = VERTICES, **more: Any) -> int:
        """Number of a new accessor of an array of shape (n,) or (n, k), of vertices or of indices."""
        array = np.ascontiguousarray(array)
        width = 1 if array.ndim == 1 else array.shape[1]
        entry = {
            "bufferView": self.view(array, target=target),
            "componentType": COMPONENTS[array.dtype],
            "count": len(array),
            "type": "SCALAR" if width == 1 else f"VEC{width}",
        }
        return self.add("accessors", entry | more)

    def write(self, path: str | Path) -> None:
        """Writes a .glb, or a .gltf with its binary as base64, atomically.

        Raises:
            InputError: If it does not fit into the 4 GiB of a GLB.
        """
        path = Path(path)
        if path.suffix.lower() == ".gltf":
            self._write_text(path)
            return
        with written_atomically(path) as temporary, temporary.open("wb") as file:
            file.writelines(self.glb())

    def glb(self) -> Iterator[bytes | memoryview]:
        """The bytes of a GLB, chunk by chunk.

        Raises:
            InputError: If it does not fit into 4 GiB.
        """
        text = self._text({"byteLength": self._size})
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + self._size
        if total >= MOST:
            raise InputError("glTF", got=f"{total} bytes", wanted="less than 4 GiB in a GLB")
        yield struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<II", len(text), JSON_CHUNK) + text
        yield struct.pack("<II", self._size, BINARY_CHUNK)
        yield from self._parts

    def _write_text(self, path: Path) -> None:
        binary = b"".join(self._parts)
        uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
        write_bytes(path, self._text({"byteLength": len(binary), "uri": uri}))

    def _text(self, buffer: dict[str, Any]) -> bytes:
        """The document's JSON; glTF has no empty lists."""
        document = self.json | ({"buffers": [buffer]} if self._parts else {})
        return json.dumps(document, separators=(",", ":")).encode()
