"""Splats as glTF with KHR_gaussian_splatting (release candidate of 2026, kernel ellipse): .glb written, .gltf read too.

A mesh primitive of points with POSITION and, with the prefix of the extension, ROTATION (unit, xyzw), SCALE and OPACITY
(both linear) and SH_DEGREE_l_COEF_n; COLOR_0 is for viewers that know no splats. glTF is Y up. Our Gaussians are stored
in their own axes, under a node that turns these, so that nothing is rounded but log → linear → log: a log-scale comes
back within 2e-7 of 1 + its size, a logit within 1e-6 below 2 and within 2^-24 / (1 − opacity) above. The specification
has no word for antialiased splats; the primitive's `extras` say it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.errors import FileError, InputError
from scenekit.io import spz
from scenekit.io.gltf import CONTRADICTIONS, Document
from scenekit.io.gltf_writer import GltfWriter
from scenekit.io.smallest_three import to_bytes, unit_quaternions
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.textures import linear_from_srgb
from scenekit.io.up import Up
from scenekit.splats import SH_C0, Splats, merge

EXTENSION = "KHR_gaussian_splatting"
COMPRESSED = "KHR_gaussian_splatting_compression_spz_2"
PREFIXES = (f"{EXTENSION}:", "_")
"""Before the names of attributes: today's, and that of drafts of 2025."""

TURNS: dict[Up, tuple[float, ...]] = {
    "y": (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1),
    "z": (1, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1),
    "-y": (1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1),
}
"""What turns each up axis to glTF's Y, row by row; whole numbers, so that a reader sees them exactly."""

SMALLEST = float(np.finfo(np.float32).tiny)
"""Scales and opacities of zero, which have no logarithm, are read as this."""

POINTS = 0

PRECISION = (
    "rotations made unit, scales and opacities stored linear, which rounds their logarithms in the seventh digit"
)


def read(path: Path) -> Reading:
    """Reads all splats of the scene of a glTF, as one cloud.

    Raises:
        FileError: If it is not glTF 2.0, is damaged, has no splats or skewed ones, or names files outside its folder.
    """
    try:
        return _reading(path)
    except CONTRADICTIONS as error:
        if isinstance(error, InputError):
            raise FileError(path, got=error.got, wanted=error.wanted) from error
        got = f"glTF that contradicts itself ({type(error).__name__}: {error})"
        raise FileError(path, got=got[:300], wanted=f"glTF 2.0 with {EXTENSION}") from error


def write(path: str | Path, splats: Splats, up: Up = "y") -> None:
    """Writes splats as one primitive of a .glb, atomically.

    Args:
        path: The file.
        splats: SH up to degree 3.
        up: Their up axis, from which the node turns to glTF's.

    Raises:
        InputError: If they do not fit into the 4 GiB of a GLB.
    """
    gltf = GltfWriter()
    node: dict[str, Any] = {"name": "splats", "mesh": add_splats(gltf, splats)}
    if up != "y":
        node["matrix"] = column_major(TURNS[up])
    gltf.json |= {"scene": 0, "scenes": [{"nodes": [gltf.add("nodes", node)]}]}
    gltf.write(path)


def add_splats(gltf: GltfWriter, splats: Splats) -> int:
    """Adds a mesh of one primitive with the Gaussians, in their own axes; returns its number."""
    attributes = {}
    for name, values in _attributes(splats).items():
        more: dict[str, Any] = {"normalized": True} if values.dtype == np.uint8 else {}
        if name == "POSITION":
            corners = (values.min(0), values.max(0)) if len(values) else (np.zeros(3), np.zeros(3))
            more["min"], more["max"] = (corner.tolist() for corner in corners)
        attributes[name] = gltf.accessor(values, **more)
    extension = {"kernel": "ellipse", "colorSpace": "srgb_rec709_display", "projection": "perspective"}
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "mode": POINTS,
        "extensions": {EXTENSION: {**extension, "sortingMethod": "cameraDistance"}},
    }
    if splats.antialiased:
        primitive["extras"] = {"antialiased": True}
    gltf.use(EXTENSION)
    return gltf.add("meshes", {"primitives": [primitive]})


def column_major(turn: tuple[float, ...]) -> list[float]:
    """A matrix of `TURNS` as a node has it."""
    return [turn[4 * row + column] for column in range(4) for row in range(4)]


def _reading(path: Path) -> Reading:
    document = Document(path)
    clouds, transforms, notes = list[Splats](), list[Tensor](), list[str]()
    for node, T in document.nodes():
        mesh = document.item("meshes", node["mesh"]) if "mesh" in node else {"primitives": []}
        for primitive in mesh["primitives"]:
            if EXTENSION in primitive.get("extensions", {}):
                clouds.append(_cloud(document, primitive))
                transforms.append(torch.from_numpy(T))
                notes += _notes(primitive["extensions"][EXTENSION])
    if not clouds:
        raise FileError(path, got="a glTF without Gaussian splats", wanted=f"primitives with {EXTENSION}")
    for up, turn in TURNS.items():
        if all(torch.allclose(T, torch.tensor(turn).double().reshape(4, 4), rtol=0, atol=1e-9) for T in transforms):
            return Reading(merge(clouds), up, tuple(dict.fromkeys(notes)), "gltf")
    placed = [cloud.transform(T) for cloud, T in zip(clouds, transforms, strict=True)]
    return Reading(merge(placed), "y", tuple(dict.fromkeys(notes)), "gltf")


@np.errstate(invalid="ignore")  # what is not a number in the file is refused later, by `open_splats`
def _cloud(document: Document, primitive: dict[str, Any]) -> Splats:
    """The Gaussians of one primitive, in its own axes."""
    packed = primitive["extensions"][EXTENSION].get("extensions", {}).get(COMPRESSED)
    if packed is not None:
        return spz.decode(document.path, bytes(document.view(packed["bufferView"]))).splats
    attributes = primitive["attributes"]

    def find(name: str, *kinds: str) -> NDArray[np.float32] | None:
        found = [attributes[prefix + name] for prefix in PREFIXES if prefix + name in attributes]
        return document.accessor(found[0], *kinds) if found else None

    means = document.accessor(attributes["POSITION"], "VEC3")
    quats, scales, opacities = find("ROTATION", "VEC4"), find("SCALE", "VEC3"), find("OPACITY", "SCALAR")
    colours = document.accessor(attributes["COLOR_0"], "VEC3", "VEC4") if "COLOR_0" in attributes else None
    coefficients: list[NDArray[Any]] = []
    while (values := find("SH_DEGREE_{}_COEF_{}".format(*_band(len(coefficients))), "VEC3")) is not None:
        coefficients.append(values)
    if opacities is None and colours is not None and colours.shape[1] == 4:  # as drafts of 2025 have it
        opacities = colours[:, 3:]
    if not coefficients and colours is not None:
        coefficients.append((colours[:, :3] - 0.5) / np.float32(SH_C0))
    if quats is None or scales is None or opacities is None or len(coefficients) not in (1, 4, 9, 16):
        got = f"{len(coefficients)} SH coefficients and the attributes {', '.join(attributes)}"[:300]
        raise FileError(document.path, got=got, wanted="ROTATION, SCALE, OPACITY and 1, 4, 9 or 16 SH coefficients")
    sh = np.stack([values.astype(np.float32, copy=False) for values in coefficients], 1)
    extras = primitive.get("extras")
    return Splats(
        means=torch.from_numpy(means),
        quats=torch.from_numpy(np.ascontiguousarray(quats[:, [3, 0, 1, 2]])),
        log_scales=torch.from_numpy(np.log(np.maximum(scales, SMALLEST))),
        logit_opacities=torch.from_numpy(_logits(opacities[:, 0])),
        sh=torch.from_numpy(sh),
        antialiased=isinstance(extras, dict) and extras.get("antialiased") is True,
    )


def _logits(opacities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits in double precision; 1 is read as the largest float32 below it."""
    inside = np.clip(opacities.astype(np.float64), SMALLEST, 1 - 2.0**-25)
    return (np.log(inside) - np.log1p(-inside)).astype(np.float32)


def _band(i: int) -> tuple[int, int]:
    """Degree and index in it of the i-th SH coefficient."""
    degree = int(i**0.5)
    return degree, i - degree**2


def _notes(extension: dict[str, Any]) -> list[str]:
    notes = []
    if extension.get("kernel", "ellipse") != "ellipse":
        notes.append(f"The kernel {str(extension['kernel'])[:40]!r} was read as an ellipse.")
    if extension.get("colorSpace", "srgb_rec709_display") != "srgb_rec709_display":
        notes.append(f"The colour space {str(extension['colorSpace'])[:40]!r} was read as sRGB.")
    return notes


def _attributes(splats: Splats) -> dict[str, NDArray[Any]]:
    """Arrays by attribute name, each a multiple of four bytes long."""
    arrays = {name: tensor.detach().cpu().float().numpy() for name, tensor in splats.tensors().items()}
    opacities = 1 / (1 + np.exp(-arrays["logit_opacities"].astype(np.float64)))[:, None]
    rgba = to_bytes(255 * np.concatenate([0.5 + SH_C0 * arrays["sh"][:, 0], opacities], 1))
    attributes: dict[str, NDArray[Any]] = {
        "POSITION": arrays["means"],
        "COLOR_0": to_bytes(255 * linear_from_srgb(rgba)),  # colours of vertices are linear
        "ROTATION": unit_quaternions(arrays["quats"].astype(np.float64))[:, [1, 2, 3, 0]].astype(np.float32),
        "SCALE": np.exp(arrays["log_scales"]),
        "OPACITY": opacities.astype(np.float32),
    }
    for i in range(splats.sh.shape[1]):
        attributes["SH_DEGREE_{}_COEF_{}".format(*_band(i))] = np.ascontiguousarray(arrays["sh"][:, i])
    base = ("POSITION", "COLOR_0")
    return {name if name in base else PREFIXES[0] + name: values for name, values in attributes.items()}


def _recognises(path: Path, head: bytes) -> bool:
    return head[:4] == b"glTF" or (path.suffix.lower() == ".gltf" and head.lstrip()[:1] == b"{")


KEEPS = Keeps(max_degree=3, antialiased=True, writes_up=True, precision=PRECISION)
FORMAT = SplatFormat("gltf", (".glb",), KEEPS, _recognises, read, write)
