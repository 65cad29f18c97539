"""What `scenekit.io.isolated` runs to read OBJ, PLY and STL: trimesh, with no file from outside the mesh's folder.

Imports no torch, so that its process starts fast and stays small.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image

from scenekit.errors import FileError
from scenekit.io.isolated import Answer

Array = NDArray[Any]

MAX_PIXELS = 2048**2
"""Most pixels of a texture's image, beside 32 in a byte of its file, as for textures elsewhere."""


def warm_up() -> None:
    """Reads a small file, so that what trimesh loads on first use is loaded before memory is limited."""
    Image.init()
    box = trimesh.creation.box()
    for kind in ("ply", "stl", "obj"):
        data = box.export(file_type=kind)
        trimesh.load(io.BytesIO(data.encode() if isinstance(data, str) else data), file_type=kind, process=False)


def meshes(path: Path) -> Answer:
    """Every geometry: facts notes and looks (one per geometry); arrays "0/vertices" …

    A geometry's arrays: vertices (v, 3) float32, faces (f, 3) int64; where it has them, colors (v, 4) uint8, uvs (v, 2)
    float32, texture (h, w, 4) uint8.
    """
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    beside = _Beside(path)
    with path.open("rb") as file:
        kind = "ply" if file.read(3) == b"ply" else path.suffix.lower().removeprefix(".")
        file.seek(0)
        options: dict[str, Any] = {"file_type": kind, "resolver": beside, "process": False}
        loaded = trimesh.load(file, maintain_order=True, **options)
        if isinstance(loaded, trimesh.Scene) and len(loaded.geometry) > 1:  # with several, order costs them their uvs
            file.seek(0)
            loaded = trimesh.load(file, **options)
    if beside.refused:
        raise FileError(path, got=f"the name {beside.refused[0][:200]!r}", wanted="names inside its folder")
    facts: dict[str, Any] = {"notes": [f"The file {name[:200]!r} is missing." for name in beside.missing], "looks": []}
    arrays: dict[str, Array] = {}
    for index, (geometry, T) in enumerate(_placed(loaded)):
        look, parts = _parts(geometry, T, merged=kind == "stl")
        facts["looks"].append(look)
        arrays |= {f"{index}/{name}": array for name, array in parts.items()}
    return Answer(facts, arrays)


class _Beside(trimesh.resolvers.Resolver):
    """Files of the mesh's own folder; remembers what was asked for in vain."""

    def __init__(self, path: Path) -> None:
        self.path, self.file_name = path, path.name
        self.folder = path.parent.resolve()
        self.refused: list[str] = []
        self.missing: list[str] = []

    def get(self, name: str) -> bytes:
        name = name.decode() if isinstance(name, bytes) else str(name)
        found = (self.folder / name).resolve() if "\0" not in name and len(name) < 4096 else self.folder
        if self.folder not in found.parents or ".." in Path(name).parts or ":" in name or "\\" in name:
            self.refused.append(name)
            raise ValueError(name)
        if not found.is_file():
            self.missing.append(name)
            raise ValueError(name)
        data = found.read_bytes()
        Image.MAX_IMAGE_PIXELS = max(MAX_PIXELS, 32 * len(data))  # a warning above it, which is an error here
        return data

    def write(self, name: str, data: Any) -> None:
        raise ValueError(name)

    def namespaced(self, namespace: str) -> _Beside:
        raise ValueError(namespace)

    def keys(self) -> list[str]:
        return [file.name for file in self.folder.iterdir()]


def _placed(loaded: Any) -> list[tuple[Any, Array]]:
    """Every geometry and where the scene has it."""
    if not isinstance(loaded, trimesh.Scene):
        return [(loaded, np.eye(4))]
    names = loaded.graph.nodes_geometry
    return [(loaded.geometry[loaded.graph[name][1]], loaded.graph[name][0]) for name in names]


def _parts(geometry: Any, T: Array, *, merged: bool) -> tuple[dict[str, Any], dict[str, Array]]:
    vertices, faces = np.asarray(geometry.vertices), np.asarray(getattr(geometry, "faces", np.zeros((0, 3))), np.int64)
    vertices = (vertices if np.array_equal(T, np.eye(4)) else trimesh.transform_points(vertices, T)).astype(np.float32)
    if merged:  # STL writes each corner anew; those at one place are one
        vertices, inverse = np.unique(vertices, axis=0, return_inverse=True)
        faces = inverse.reshape(-1)[faces]
    parts = {"vertices": vertices, "faces": faces}
    look: dict[str, Any] = {"base_color": [1.0, 1.0, 1.0, 1.0], "metallic": 0.0, "roughness": 1.0}
    colors = _vertex_colors(geometry)
    if colors is not None and len(colors) == len(vertices) and not merged:
        parts["colors"] = colors
    visual: Any = getattr(geometry, "visual", None)
    if getattr(visual, "kind", None) == "texture":
        uvs = getattr(visual, "uv", None)
        if uvs is not None and np.shape(uvs) == (len(vertices), 2):
            parts["uvs"] = np.asarray(uvs, np.float32)
        if not _stands_in(visual.material):
            look |= _material(visual.material)
            image = getattr(visual.material, "image", None) or getattr(visual.material, "baseColorTexture", None)
            if image is not None:
                parts["texture"] = np.array(image.convert("RGBA"))
    return look, parts


def _stands_in(material: Any) -> bool:
    """True for the grey picture that trimesh puts where a file has coordinates and no material."""
    image, grey = getattr(material, "image", None), trimesh.visual.material.empty_material().image
    return image is not None and not getattr(material, "kwargs", True) and np.array_equal(image, grey)


def _vertex_colors(geometry: Any) -> Array | None:
    visual: Any = getattr(geometry, "visual", None)
    if getattr(visual, "kind", None) in ("vertex", "face"):
        return np.asarray(visual.vertex_colors, np.uint8)
    colors = getattr(geometry, "vertex_attributes", {}).get("color")  # beside a texture
    if colors is None or np.ndim(colors) != 2 or not np.isfinite(colors).all():
        return None
    return trimesh.visual.color.to_rgba(colors)


def _material(material: Any) -> dict[str, Any]:
    """Base colour, metallic and roughness; MTL has Kd and d, and for the others Pm and Pr."""
    color = getattr(material, "baseColorFactor", None)
    color = getattr(material, "diffuse", None) if color is None else color
    rgba = trimesh.visual.color.to_rgba([255] * 4 if color is None else color)
    said = getattr(material, "kwargs", None) or {}
    return {
        "base_color": [*(float(x) / 255 for x in rgba[:3]), _number(said, "d", float(rgba[3]) / 255)],
        "metallic": _number(said, "pm", 0.0),
        "roughness": _number(said, "pr", 1.0),
    }


def _number(said: dict[str, Any], name: str, otherwise: float) -> float:
    """A value of an MTL, where trimesh keeps each as it came: a number, a text, or several."""
    try:
        return float(np.ravel(said[name])[0])
    except (KeyError, ValueError, IndexError, TypeError):
        return otherwise
