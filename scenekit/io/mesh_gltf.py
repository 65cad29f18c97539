"""Meshes as glTF 2.0 (.glb, .gltf): every triangle of the default scene as one mesh; ours comes back bit for bit.

glTF is Y up: (x, y, z) there is (x, −z, y) here, an exact swap. Its texture coordinates run down where ours run up, and
1 − v is not exact; so v is kept as it is and the picture is turned upside down, which means the same. Vertex colours
are linear in glTF and sRGB here; 16 bits hold each of our 256 steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit.errors import FileError, InputError
from scenekit.io.gltf import CONTRADICTIONS, Document
from scenekit.io.gltf_writer import INDICES, GltfWriter
from scenekit.io.textures import FREE_PIXELS, linear_from_srgb, png, read_texture, srgb_from_linear
from scenekit.meshes import Mesh

Array = NDArray[Any]

TRIANGLES, STRIP, FAN = 4, 5, 6


def read(path: Path) -> tuple[list[Mesh], list[str]]:
    """The meshes of a file, one per primitive, with Z up; and notes.

    Raises:
        FileError: If it is not glTF 2.0, is damaged, needs an extension we do not know, or names files outside its
            folder.
    """
    try:
        return _Meshes(Document(path)).read()
    except FileError:
        raise
    except CONTRADICTIONS as error:
        got = f"glTF that contradicts itself ({type(error).__name__}: {error})"
        raise FileError(path, got=got[:300], wanted="glTF 2.0") from error


def write(path: Path, meshes: Mapping[str, Mesh]) -> None:
    """Writes a node with a mesh for each name, atomically; a .gltf holds its data as base64."""
    gltf = GltfWriter()
    gltf.json |= {"scene": 0, "scenes": [{"nodes": [*range(len(meshes))]}]}
    for name, mesh in meshes.items():
        gltf.add("nodes", {"name": name} | ({"mesh": add_mesh(gltf, _y_up(mesh))} if len(mesh.vertices) else {}))
    gltf.write(path)


class _Meshes:
    """The meshes of a document, and what had to be left out of them."""

    def __init__(self, document: Document) -> None:
        self.document, self.notes = document, list[str]()
        self.textures: dict[int, torch.Tensor] = {}

    def read(self) -> tuple[list[Mesh], list[str]]:
        """One mesh per primitive, where the scene has it."""
        found = []
        for node, T in self.document.nodes():
            for primitive in self.document.item("meshes", node["mesh"])["primitives"] if "mesh" in node else ():
                mesh = self._primitive(primitive)
                if mesh is not None:
                    turned = mesh if np.array_equal(T, np.eye(4)) else mesh.transform(torch.from_numpy(T))
                    found.append(_z_up(turned))
        for name in ("skins", "animations"):
            if self.document.json.get(name):
                self.notes.append(f"The file's {name} were left out.")
        return found, self.notes

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
        vertices = self.document.accessor(attributes["POSITION"], "VEC3")
        corners = self._indices(primitive, len(vertices))
        uvs = self.document.accessor(attributes["TEXCOORD_0"], "VEC2") if "TEXCOORD_0" in attributes else None
        colors = self.document.accessor(attributes["COLOR_0"], "VEC3", "VEC4") if "COLOR_0" in attributes else None
        if colors is not None:
            if not np.isfinite(colors).all():
                raise FileError(self.document.path, got="vertex colours that are not finite", wanted="numbers")
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
            raise FileError(self.document.path, got=f"{error.name} of {error.got}", wanted=error.wanted) from error

    def _indices(self, primitive: dict[str, Any], vertices: int) -> Array:
        if "indices" not in primitive:
            return np.arange(vertices)
        return self.document.accessor(primitive["indices"], "SCALAR", whole=True).astype(np.int64)

    def _look(self, primitive: dict[str, Any]) -> dict[str, Any]:
        """The fields of Mesh that a material fills; without one, glTF's default of a dielectric, matt and white."""
        if "material" not in primitive:
            return {}
        surface = self.document.item("materials", primitive["material"]).get("pbrMetallicRoughness", {})
        look: dict[str, Any] = {"metallic": float(surface.get("metallicFactor", 1.0))}
        look["roughness"] = float(surface.get("roughnessFactor", 1.0))
        color = tuple(float(x) for x in surface.get("baseColorFactor", (1, 1, 1, 1)))
        if len(color) != 4 or not np.isfinite([*color, look["metallic"], look["roughness"]]).all():
            raise FileError(self.document.path, got=f"baseColorFactor {color}", wanted="four finite numbers")
        look["base_color"] = color
        if "baseColorTexture" in surface:
            texture = self.document.item("textures", surface["baseColorTexture"]["index"])
            webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
            source = texture.get("source", webp.get("source"))
            if source is None:
                self.notes.append("A texture that is not PNG, JPEG or WebP was left out.")
            else:
                look["texture"] = self._texture(source)
        return look

    def _texture(self, source: int) -> torch.Tensor:
        if source not in self.textures:
            image = self.document.item("images", source)
            data = self.document.uri(image["uri"]) if "uri" in image else self.document.view(image["bufferView"])
            pixels = read_texture(self.document.path, data)
            self.document.spend(max(0, pixels.numel() - 4 * FREE_PIXELS))
            self.textures[source] = pixels.flip(0)
            if len(self.textures) > 1:
                self.document.spend(pixels.numel())
        return self.textures[source]


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


def _y_up(mesh: Mesh) -> Mesh:
    x, y, z = mesh.vertices.unbind(1)
    return Mesh(**mesh.__dict__ | {"vertices": torch.stack([x, z, -y], 1)})


def add_mesh(gltf: GltfWriter, mesh: Mesh) -> int:
    """Adds a mesh that has vertices, with its material, in its own axes; returns its number."""
    return gltf.add("meshes", {"primitives": [_packed_primitive(gltf, mesh) | {"material": _add_material(gltf, mesh)}]})


def _packed_primitive(gltf: GltfWriter, mesh: Mesh) -> dict[str, Any]:
    vertices = mesh.vertices.cpu().numpy()
    bounds = {"min": vertices.min(0).tolist(), "max": vertices.max(0).tolist()}
    attributes = {"POSITION": gltf.accessor(vertices, **bounds)}
    if mesh.uvs is not None:
        attributes["TEXCOORD_0"] = gltf.accessor(mesh.uvs.cpu().numpy())
    if mesh.vertex_colors is not None:
        colors = np.round(linear_from_srgb(mesh.vertex_colors.cpu().numpy()).astype(np.float64) * 65535)
        attributes["COLOR_0"] = gltf.accessor(colors.astype("<u2"), normalized=True)
    primitive: dict[str, Any] = {"attributes": attributes, "mode": TRIANGLES if len(mesh.faces) else 0}
    if len(mesh.faces):
        primitive["indices"] = gltf.accessor(mesh.faces.reshape(-1).cpu().numpy().astype("<u4"), target=INDICES)
    return primitive


def _add_material(gltf: GltfWriter, mesh: Mesh) -> int:
    surface: dict[str, Any] = {"baseColorFactor": list(mesh.base_color), "metallicFactor": mesh.metallic}
    surface["roughnessFactor"] = mesh.roughness
    clear = mesh.base_color[3] < 1 or (mesh.vertex_colors is not None and bool((mesh.vertex_colors[:, 3] < 255).any()))
    if mesh.texture is not None:
        image = gltf.add("images", {"bufferView": gltf.view(png(mesh.texture.flip(0))), "mimeType": "image/png"})
        surface["baseColorTexture"] = {"index": gltf.add("textures", {"source": image})}
        clear = clear or bool((mesh.texture[..., 3] < 255).any())
    material = {"pbrMetallicRoughness": surface, "doubleSided": True} | ({"alphaMode": "BLEND"} if clear else {})
    return gltf.add("materials", material)
