"""Meshes as glTF 2.0 (.glb, .gltf): every triangle of the default scene as one mesh; ours comes back bit for bit.

glTF is Y up: (x, y, z) there is (x, −z, y) here, an exact swap. Its texture coordinates run down where ours run up, and
1 − v is not exact; so v is kept as it is and the picture is turned upside down, which means the same. Vertex colours
are linear in glTF and sRGB here; 16 bits hold each of our 256 steps.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_bytes
from scenekit.io.bounded import parse_json, read_bytes
from scenekit.io.textures import FREE_PIXELS, linear_from_srgb, png, read_texture, srgb_from_linear
from scenekit.meshes import Mesh

Array = NDArray[Any]

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TRIANGLES, STRIP, FAN = 4, 5, 6
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942

UNDERSTOOD = {
    *("KHR_mesh_quantization", "KHR_materials_unlit", "EXT_texture_webp", "KHR_texture_basisu"),
    *("KHR_gaussian_splatting", "KHR_gaussian_splatting_compression_spz_2"),
}
"""Extensions that a file may require of us; textures in Basis are left out."""

MAX_DEPTH = 512
"""Of the tree of nodes."""

SPREAD = 64 << 20
"""What instances of one mesh may add up to [bytes], beside three times the file."""


def read(path: Path) -> tuple[list[Mesh], list[str]]:
    """The meshes of a file, one per primitive, with Z up; and notes.

    Raises:
        FileError: If it is not glTF 2.0, is damaged, needs an extension we do not know, or names files outside its
            folder.
    """
    try:
        return _Document(path).meshes()
    except FileError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        got = f"glTF that contradicts itself ({type(error).__name__}: {error})"
        raise FileError(path, got=got[:300], wanted="glTF 2.0") from error


def write(path: Path, mesh: Mesh) -> None:
    """Writes one node with one mesh, atomically; a .gltf holds its data as base64."""
    document, binary = _document(mesh)
    if path.suffix.lower() == ".gltf":
        uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
        document["buffers"] = [{"byteLength": len(binary), "uri": uri}]
        write_bytes(path, json.dumps(document).encode())
        return
    text = json.dumps(document, separators=(",", ":")).encode()
    chunks = b""
    for kind, chunk, filler in ((JSON_CHUNK, text, b" "), (BINARY_CHUNK, binary, b"\0")):
        padded = chunk + filler * (-len(chunk) % 4)
        chunks += struct.pack("<II", len(padded), kind) + padded
    write_bytes(path, struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


class _Document:
    """One file: its JSON, and its buffers as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, list[str]()
        data = read_bytes(path, "a .glb or .gltf file")
        self.size = len(data)
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
        self.textures: dict[int, torch.Tensor] = {}
        self.left = SPREAD + 3 * self.size

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

    def meshes(self) -> tuple[list[Mesh], list[str]]:
        """One mesh per primitive, where the scene has it."""
        found = []
        for node, T in self._nodes():
            for primitive in self._item("meshes", node["mesh"])["primitives"] if "mesh" in node else ():
                mesh = self._primitive(primitive)
                if mesh is not None:
                    turned = mesh if np.array_equal(T, np.eye(4)) else mesh.transform(torch.from_numpy(T))
                    found.append(_z_up(turned))
        for name in ("skins", "animations"):
            if self.json.get(name):
                self.notes.append(f"The file's {name} were left out.")
        return found, self.notes

    def _nodes(self) -> Iterator[tuple[dict[str, Any], Array]]:
        """Every node of the scene and its transform to the scene, parents first."""
        nodes = self.json.get("nodes", [])
        children = {child for node in nodes for child in node.get("children", ())}
        roots = [i for i in range(len(nodes)) if i not in children]
        if self.json.get("scenes"):
            roots = self._item("scenes", self.json.get("scene", 0)).get("nodes", [])
        waiting, seen = [(int(root), np.eye(4), 0) for root in reversed(roots)], set()
        while waiting:
            index, T, depth = waiting.pop()
            if index in seen or depth > MAX_DEPTH:
                raise FileError(self.path, got="nodes in a circle or too deep", wanted="a tree of nodes")
            seen.add(index)
            node = self._item("nodes", index)
            T = T @ _local(node)
            yield node, T
            waiting += [(int(child), T, depth + 1) for child in reversed(node.get("children", []))]

    def _primitive(self, primitive: dict[str, Any]) -> Mesh | None:
        attributes, mode = primitive["attributes"], primitive.get("mode", TRIANGLES)
        if "KHR_draco_mesh_compression" in primitive.get("extensions", {}) or "POSITION" not in attributes:
            self.notes.append("A primitive without plain positions was left out.")
            return None
        if mode not in (0, TRIANGLES, STRIP, FAN):
            self.notes.append("A primitive of lines was left out.")
            return None
        if primitive.get("targets"):
            self.notes.append("Morph targets were left out.")
        vertices = self._accessor(attributes["POSITION"], "VEC3")
        corners = self._indices(primitive, len(vertices))
        uvs = self._accessor(attributes["TEXCOORD_0"], "VEC2") if "TEXCOORD_0" in attributes else None
        colors = self._accessor(attributes["COLOR_0"], "VEC3", "VEC4") if "COLOR_0" in attributes else None
        if colors is not None:
            if not np.isfinite(colors).all():
                raise FileError(self.path, got="vertex colours that are not finite", wanted="numbers")
            alpha = np.ones((len(colors), 4 - colors.shape[1]), np.float32)
            colors = srgb_from_linear(np.concatenate([colors, alpha], 1))
        try:
            return Mesh(
                torch.from_numpy(vertices),
                torch.from_numpy(_triangles(corners, mode)),
                vertex_colors=None if colors is None else torch.from_numpy(colors),
                uvs=None if uvs is None else torch.from_numpy(uvs),
                **self._look(primitive),
            )
        except InputError as error:
            raise FileError(self.path, got=f"{error.name} of {error.got}", wanted=error.wanted) from error

    def _indices(self, primitive: dict[str, Any], vertices: int) -> Array:
        if "indices" not in primitive:
            return np.arange(vertices)
        return self._accessor(primitive["indices"], "SCALAR", whole=True).astype(np.int64)

    def _look(self, primitive: dict[str, Any]) -> dict[str, Any]:
        """The fields of Mesh that a material fills; without one, glTF's default of a dielectric, matt and white."""
        if "material" not in primitive:
            return {}
        surface = self._item("materials", primitive["material"]).get("pbrMetallicRoughness", {})
        look: dict[str, Any] = {"metallic": float(surface.get("metallicFactor", 1.0))}
        look["roughness"] = float(surface.get("roughnessFactor", 1.0))
        color = tuple(float(x) for x in surface.get("baseColorFactor", (1, 1, 1, 1)))
        if len(color) != 4 or not np.isfinite([*color, look["metallic"], look["roughness"]]).all():
            raise FileError(self.path, got=f"baseColorFactor {color}", wanted="four finite numbers")
        look["base_color"] = color
        if "baseColorTexture" in surface:
            texture = self._item("textures", surface["baseColorTexture"]["index"])
            webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
            source = texture.get("source", webp.get("source"))
            if source is None:
                self.notes.append("A texture that is not PNG, JPEG or WebP was left out.")
            else:
                look["texture"] = self._texture(source)
        return look

    def _texture(self, source: int) -> torch.Tensor:
        if source not in self.textures:
            image = self._item("images", source)
            data = self._uri(image["uri"]) if "uri" in image else self._view(image["bufferView"])
            pixels = read_texture(self.path, data)
            self.left -= max(0, pixels.numel() - 4 * FREE_PIXELS)
            self.textures[source] = pixels.flip(0)
            if len(self.textures) > 1:
                self.left -= pixels.numel()
            self._check_left()
        return self.textures[source]

    def _accessor(self, index: int, *kinds: str, whole: bool = False) -> Array:
        """An accessor's values, shape (n,) or (n, width); float32, integers as fractions if so said, or as they are."""
        accessor = self._item("accessors", index)
        if accessor["type"] not in kinds or "sparse" in accessor or "bufferView" not in accessor:
            raise FileError(
                self.path, got=f"accessor {index} of {accessor['type']}", wanted=f"plain {' or '.join(kinds)}"
            )
        width, count = WIDTHS[accessor["type"]], int(accessor["count"])
        dtype = np.dtype(COMPONENTS[accessor["componentType"]])
        view = self._item("bufferViews", accessor["bufferView"])
        data = self._view(accessor["bufferView"])
        stride, offset = int(view.get("byteStride") or dtype.itemsize * width), int(accessor.get("byteOffset", 0))
        if stride < dtype.itemsize * width or offset < 0 or count < 0 or (whole and dtype.kind != "u"):
            raise FileError(
                self.path, got=f"stride {stride}, offset {offset}, count {count}", wanted="a sound accessor"
            )
        self.left -= count * width * (8 if whole else 4)
        self._check_left()
        values = np.ndarray((count, width), dtype, data, offset, (stride, dtype.itemsize))
        if whole:
            return values[:, 0]
        if accessor.get("normalized") and dtype.kind in "iu":
            return np.maximum(values / np.float32(np.iinfo(dtype).max), -1).astype(np.float32)
        return values.astype(np.float32)

    def _check_left(self) -> None:
        if self.left < 0:
            raise FileError(self.path, got="instances and textures far larger than the file", wanted="fewer")

    def _view(self, index: int) -> memoryview:
        view = self._item("bufferViews", index)
        offset, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        buffer = self._buffer(int(view["buffer"]))
        if offset < 0 or length < 0 or offset + length > len(buffer):
            raise FileError(self.path, got=f"a view to byte {offset + length}", wanted=f"at most {len(buffer)}")
        return memoryview(buffer)[offset : offset + length]

    def _buffer(self, index: int) -> bytes:
        if index not in self.buffers:
            buffer = self._item("buffers", index)
            data = self._uri(buffer["uri"]) if "uri" in buffer else self.binary
            if data is None:
                raise FileError(self.path, got=f"buffer {index} without data", wanted="a GLB with its binary chunk")
            self.buffers[index] = data
        return self.buffers[index]

    def _uri(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        return read_bytes(beside(self.path, unquote(uri)), "the file that the glTF names")

    def _item(self, kind: str, index: int) -> dict[str, Any]:
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


def _triangles(corners: Array, mode: int) -> Array:
    """Corners of separate triangles, shape (f, 3), of a list, a strip or a fan; points have none."""
    n = len(corners)
    if mode == 0:
        return np.zeros((0, 3), np.int64)
    if mode == TRIANGLES:
        return corners[: n // 3 * 3].reshape(-1, 3)
    i = np.arange(max(n - 2, 0))
    if mode == FAN:
        return corners[np.stack([np.zeros_like(i), i + 1, i + 2], 1)]
    return corners[np.stack([i, i + 1 + i % 2, i + 2 - i % 2], 1)]  # every other triangle of a strip is turned


def _z_up(mesh: Mesh) -> Mesh:
    x, y, z = mesh.vertices.unbind(1)
    return Mesh(**mesh.__dict__ | {"vertices": torch.stack([x, -z, y], 1)})


def _document(mesh: Mesh) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary of one mesh."""
    parts, document = list[bytes](), dict[str, Any](asset={"version": "2.0", "generator": "scenekit"}, bufferViews=[])

    def view(data: bytes) -> int:
        document["bufferViews"].append({"buffer": 0, "byteOffset": sum(map(len, parts)), "byteLength": len(data)})
        parts.append(data + b"\0" * (-len(data) % 4))
        return len(document["bufferViews"]) - 1

    def accessor(array: Array, component: int, kind: str, **more: Any) -> int:
        index = view(np.ascontiguousarray(array).tobytes())
        entry = {"bufferView": index, "componentType": component, "count": len(array), "type": kind} | more
        document.setdefault("accessors", []).append(entry)
        return len(document["accessors"]) - 1

    document |= {"scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"name": "mesh"}]}
    if len(mesh.vertices):
        document["nodes"][0]["mesh"] = 0
        document["meshes"] = [{"primitives": [_packed_primitive(mesh, accessor)]}]
    document["materials"] = [_packed_material(mesh, view, document)]
    binary = b"".join(parts)
    if binary:
        document["buffers"] = [{"byteLength": len(binary)}]
    else:
        del document["bufferViews"]  # glTF has no empty lists
    return document, binary


def _packed_primitive(mesh: Mesh, accessor: Any) -> dict[str, Any]:
    x, y, z = mesh.vertices.unbind(1)
    vertices = torch.stack([x, z, -y], 1).cpu().numpy()
    bounds = {"min": vertices.min(0).tolist(), "max": vertices.max(0).tolist()}
    attributes = {"POSITION": accessor(vertices, 5126, "VEC3", **bounds)}
    if mesh.uvs is not None:
        attributes["TEXCOORD_0"] = accessor(mesh.uvs.cpu().numpy(), 5126, "VEC2")
    if mesh.vertex_colors is not None:
        colors = np.round(linear_from_srgb(mesh.vertex_colors.cpu().numpy()).astype(np.float64) * 65535)
        attributes["COLOR_0"] = accessor(colors.astype("<u2"), 5123, "VEC4", normalized=True)
    primitive: dict[str, Any] = {"attributes": attributes, "material": 0, "mode": TRIANGLES if len(mesh.faces) else 0}
    if len(mesh.faces):
        primitive["indices"] = accessor(mesh.faces.reshape(-1).cpu().numpy().astype("<u4"), 5125, "SCALAR")
    return primitive


def _packed_material(mesh: Mesh, view: Any, document: dict[str, Any]) -> dict[str, Any]:
    surface: dict[str, Any] = {"baseColorFactor": list(mesh.base_color), "metallicFactor": mesh.metallic}
    surface["roughnessFactor"] = mesh.roughness
    clear = mesh.base_color[3] < 1 or (mesh.vertex_colors is not None and bool((mesh.vertex_colors[:, 3] < 255).any()))
    if mesh.texture is not None:
        document["images"] = [{"bufferView": view(png(mesh.texture.flip(0))), "mimeType": "image/png"}]
        document["textures"] = [{"source": 0}]
        surface["baseColorTexture"] = {"index": 0}
        clear = clear or bool((mesh.texture[..., 3] < 255).any())
    return {"pbrMetallicRoughness": surface, "doubleSided": True} | ({"alphaMode": "BLEND"} if clear else {})
