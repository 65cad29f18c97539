"""GLB as trimesh reads it, with the masses that its nodes tell; runs in a process of its own (`io.isolated`)."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from scenekit.errors import FileError
from scenekit.export.checks.readings import Reading, packed
from scenekit.io.isolated import Answer

HEADER = struct.Struct("<4sIIII")
"""Magic, version and length of a GLB; length and kind of its first chunk, which is JSON."""

Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""From glTF's axes, Y up, to ours."""


def warm_up() -> None:
    """trimesh loads little later."""


def read(path: Path) -> Answer:
    """Readings of all nodes that tell a mass in `extras.scenekit`; all geometry is read too."""
    document = _json(path)
    for item in (*document.get("buffers", []), *document.get("images", [])):
        uri = str(item.get("uri", "data:"))
        if not uri.startswith("data:"):
            raise FileError(path, got=f"a reference to {uri[:100]!r}", wanted="a GLB that holds all it needs")
    scene = trimesh.load_scene(path)
    for name, shape in scene.geometry.items():
        if not np.isfinite(shape.vertices).all():
            raise FileError(path, got=f"{name} with vertices that are not finite", wanted="finite numbers")
    known = {node.get("name", ""): node.get("extras", {}).get("scenekit", {}) for node in document.get("nodes", [])}
    return packed({
        name: Reading(
            float(told["mass"]), np.array(told["centre"], float), np.array(told["inertia"], float),
            Z_UP @ scene.graph.get(name)[0],
        )
        for name, told in known.items()
        if "mass" in told
    })  # fmt: skip


def _json(path: Path) -> dict[str, Any]:
    """The first chunk of a GLB."""
    data = path.read_bytes()
    magic, version, length, size, kind = HEADER.unpack_from(data)
    if (magic, version, kind) != (b"glTF", 2, 0x4E4F534A) or length != len(data):
        raise FileError(path, got=f"{len(data)} bytes that are no whole GLB", wanted="binary glTF 2.0")
    document: dict[str, Any] = json.loads(data[HEADER.size : HEADER.size + size])
    return document
