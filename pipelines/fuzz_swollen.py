"""Small files that hold much: equal Gaussians, black pictures, JSON of brackets. All is read or refused in bounds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from scenekit.io import spz
from scenekit.io.bounded import FREE, MAX_JSON
from scenekit.io.mesh_files import write_mesh
from scenekit.io.splat_files import write_splats
from scenekit.meshes import Mesh
from scenekit.pipelines.fuzz_mutations import as_glb, png_bomb
from scenekit.splats import Splats

SIDE = 2048
"""Of a black picture [px], as large as any small file's may be; it has a thousandth of its pixels in bytes."""

Change = Callable[[Path], object]
"""Makes a sound sample, whose main file is given, into a swollen one."""


def swollen(name: str) -> Iterator[tuple[str, Change]]:
    """What is done to the sample of this name: its title, and what does it."""
    kind = name.split()[-1]
    if name.startswith(("spz", "sog")):
        for degree in (0,) if name.startswith("sog") else (0, 3):  # our palette of equal vectors takes minutes
            yield f"equal Gaussians of degree {degree}", partial(_equal_gaussians, name, degree)
    if name in ("mesh usdc", "mesh usdz"):
        yield "equal faces", _equal_faces
    if name in ("mesh glb", "mesh gltf"):
        for count in (1, 2, 9):
            yield f"{count} black pictures", partial(_pictures, kind, count)
    if name == "mesh obj":
        yield "a black picture", lambda path: path.with_suffix(".png").write_bytes(png_bomb(SIDE))
    document = {"sog folder": "meta.json", "scene folder": "scene.json", "mesh gltf": "", "splats gltf": ""}.get(name)
    if document is not None:
        for title, item in (("lists", b"[],"), ("objects", b"{},"), ("fractions", b"1.5,")):
            yield f"JSON of {title}", partial(_brackets, document, item)


def _equal_gaussians(name: str, degree: int, path: Path) -> None:
    """As many as any small file may hold."""
    k = (degree + 1) ** 2
    n = FREE // (4 * (11 + 3 * k))
    splats = Splats(
        means=torch.zeros(n, 3),
        quats=torch.tensor([1.0, 0, 0, 0]).expand(n, 4).contiguous(),
        log_scales=torch.full((n, 3), -3.0),
        logit_opacities=torch.zeros(n),
        sh=torch.zeros(n, k, 3),
    )
    if name.startswith("spz"):
        spz.write(path, splats, version=int(name[-1]))  # type: ignore[arg-type]  # 2, 3 or 4
    else:
        write_splats(path, splats, format="sog" if name.startswith("sog") else None)


def _equal_faces(path: Path) -> None:
    """USD packs whole numbers, though not fractions."""
    write_mesh(path, Mesh(torch.zeros(3, 3), torch.arange(3).expand(2_000_000, 3).contiguous()))


def _pictures(kind: str, count: int, path: Path) -> None:
    """Triangles with a tinted picture each, which go into one atlas."""
    picture = png_bomb(SIDE)
    corners, indices = np.zeros((3, 3), "<f4").tobytes(), np.arange(3, dtype="<u4").tobytes()
    uvs = np.array([[0, 0], [1, 0], [0, 1]], "<f4").tobytes()
    binary = corners + indices + uvs + picture
    views = [(0, 36), (36, 12), (48, 24), (72, len(picture))]
    primitive = {"attributes": {"POSITION": 0, "TEXCOORD_0": 2}, "indices": 1}
    document = {
        "asset": {"version": "2.0"},
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{**primitive, "material": i} for i in range(count)]}],
        "materials": [_tinted(i) for i in range(count)],
        "textures": [{"source": i} for i in range(count)],
        "images": [{"bufferView": 3, "mimeType": "image/png"}] * count,
        "buffers": [{"byteLength": len(binary)}],
        "bufferViews": [{"buffer": 0, "byteOffset": at, "byteLength": size} for at, size in views],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5125, "count": 3, "type": "SCALAR"},
            {"bufferView": 2, "componentType": 5126, "count": 3, "type": "VEC2"},
        ],
    }
    if kind == "gltf":
        path.with_suffix(".bin").write_bytes(binary)
        document["buffers"] = [{"byteLength": len(binary), "uri": "a.bin"}]
    text = json.dumps(document).encode()
    path.write_bytes(text if kind == "gltf" else as_glb(text, binary))


def _tinted(i: int) -> dict[str, object]:
    return {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1, 1, 1 / (1 + i)], "baseColorTexture": {"index": i}}}


def _brackets(name: str, item: bytes, path: Path) -> None:
    out = io.BytesIO()
    out.write(b'{"nodes":[')
    out.write(item * (MAX_JSON // len(item) - 20))
    out.write(b"0]}")
    (path / name if name else path).write_bytes(out.getvalue())
