"""Splats as PLY in the layout of 3D Gaussian Splatting (Kerbl et al. 2023), which every splat viewer opens.

Properties, float32: x y z, nx ny nz (zeros), f_dc_0..2, f_rest_0.. (channel-major: all coefficients of red, then
green, then blue), opacity (logit), scale_0..2 (log), rot_0..3 (wxyz). They are found by name, in any order and of any
type: Inria's files, gsplat's (no normals), Brush's (another order), nerfstudio's, Postshot's, 2DGS's (two scales). The
comments `Vertical Axis: z` and `antialiased 1` say which way is up and how the opacities are to be read.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit.errors import FileError
from scenekit.io.atomic import written_atomically
from scenekit.io.ply_elements import Element, Ply, as_floats, comments, read_header, read_text, understood
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.up import Up
from scenekit.splats import Splats

BLOCK = 1 << 13
"""Gaussians that are reordered at a time; 2 MB of degree 3, which stays in the cache."""

FLAT = float(np.log(1e-6))
"""Log-scale across a disc of 2DGS [log m], which has no thickness: one µm."""

UNUSED = {"nx", "ny", "nz"}
"""Properties that say nothing about a splat."""


def properties(degree: int) -> list[str]:
    """Names of the vertex properties of a file with SH of this degree, in the order of the original implementation."""
    names = _columns(degree)
    head = [*names["means"], "nx", "ny", "nz", *names["sh"][:3], *(f"f_rest_{i}" for i in range(len(names["sh"]) - 3))]
    return [*head, *names["logit_opacities"], *names["log_scales"], *names["quats"]]


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file is a PLY, and not PlayCanvas's compressed one."""
    return head.startswith((b"ply\n", b"ply\r")) and b"packed_position" not in head


def read(path: Path) -> Reading:
    """Reads the splats of a PLY, binary or ASCII.

    Raises:
        FileError: If the file is missing, not a PLY of splats, truncated, or claims more Gaussians than it can hold.
    """
    ply = read_header(path)
    vertex = ply.require("vertex", "a vertex element with plain numbers")
    degree, flat = _layout(ply, vertex)
    names = _columns(degree)
    if flat:
        names["log_scales"][2] = names["log_scales"][1]  # a stand-in, overwritten below
    tensors = _tensors(ply, vertex, names)
    antialiased, up, notes = understood(ply.comments)
    if flat:
        tensors["log_scales"][:, 2] = FLAT
        notes.append("Discs of 2DGS, without a third scale: made 1 µm thick.")
    if skipped := [name for name in vertex.names if name not in UNUSED.union(*names.values())]:
        notes.append("Skipped the properties " + ", ".join(skipped[:12]) + ("…" if len(skipped) > 12 else "") + ".")
    if others := [name for name in ply.elements if name != "vertex"]:
        notes.append("Skipped the elements " + ", ".join(others[:12]) + ("…" if len(others) > 12 else "") + ".")
    tensors["sh"] = tensors["sh"].reshape(vertex.count, (degree + 1) ** 2, 3)
    tensors["logit_opacities"] = tensors["logit_opacities"][:, 0]
    splats = Splats(**{name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, antialiased=antialiased)
    return Reading(splats, up, tuple(notes), "ply")


def write(path: Path, splats: Splats, up: Up) -> None:
    """Writes `splats` as a binary little-endian PLY, atomically."""
    n, names = len(splats), properties(splats.sh_degree)
    parts = [tensor[..., None].flatten(1).detach().cpu().float().numpy() for tensor in splats.tensors().values()]
    source = [name for columns in _columns(splats.sh_degree).values() for name in columns]
    order = np.array([source.index(name) if name in source else len(source) for name in names])  # the last is zero
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *comments(antialiased=splats.antialiased, up=up),
        f"element vertex {n}",
        *(f"property float {name}" for name in names),
        "end_header\n",
    ]
    head = "\n".join(header).encode()
    with written_atomically(path) as temporary:
        temporary.write_bytes(head)

        def write_rows(start: int, stop: int) -> None:
            zeros = np.zeros((stop - start, 1), np.float32)
            rows = np.concatenate([*(part[start:stop] for part in parts), zeros], 1).take(order, axis=1)
            with temporary.open("rb+") as file:
                file.seek(len(head) + 4 * len(names) * start)
                file.write(rows.astype("<f4", copy=False).data)

        _in_blocks(n, write_rows)


FORMAT = SplatFormat(
    name="ply",
    suffixes=(".ply",),
    keeps=Keeps(max_degree=4, antialiased=True, writes_up=True),
    recognises=recognises,
    read=read,
    write=write,
)
"""The plain PLY."""


def _columns(degree: int) -> dict[str, list[str]]:
    """The properties of each tensor of the splats, in the order in which it holds them."""
    rest = (degree + 1) ** 2 - 1
    return {
        "means": ["x", "y", "z"],
        "quats": [f"rot_{i}" for i in range(4)],
        "log_scales": [f"scale_{i}" for i in range(3)],
        "logit_opacities": ["opacity"],
        "sh": [f"f_dc_{i}" for i in range(3)] + [f"f_rest_{c * rest + i}" for i in range(rest) for c in range(3)],
    }


def _layout(ply: Ply, vertex: Element) -> tuple[int, bool]:
    """The degree of SH that the properties have, and whether they are those of 2DGS."""
    names = set(vertex.names)
    rest = sum(name.startswith("f_rest_") for name in names)
    if rest not in (0, 9, 24, 45, 72):
        raise FileError(ply.path, got=f"{rest} properties f_rest_*", wanted="0, 9, 24, 45 or 72, for SH degrees 0 to 4")
    degree = round((rest / 3 + 1) ** 0.5) - 1
    missing = [name for name in properties(degree) if name not in names | UNUSED]
    if missing == ["scale_2"]:
        return degree, True
    if missing:
        shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
        hint = "This is a mesh or a point cloud." if "face" in ply.elements or len(missing) > 8 else ""
        raise FileError(ply.path, got=f"no properties {shown}", wanted="the 3DGS layout", hint=hint)
    return degree, False


def _tensors(ply: Ply, vertex: Element, names: dict[str, list[str]]) -> dict[str, NDArray[np.float32]]:
    """Each group of properties as an array, shape (n, properties); rows go from the file straight to their places."""
    place = {name: i for i, name in enumerate(vertex.names)}
    columns = {name: np.array([place[wanted] for wanted in group]) for name, group in names.items()}
    tensors = {name: np.empty((vertex.count, len(group)), np.float32) for name, group in names.items()}
    text = read_text(ply, vertex) if ply.encoding == "ascii" else None

    def read_rows(start: int, stop: int) -> None:
        rows = as_floats(ply.rows(vertex, start, stop)) if text is None else text[start:stop]
        for name, tensor in tensors.items():
            np.take(rows, columns[name], axis=1, out=tensor[start:stop], mode="clip")  # the mode that needs no buffer

    _in_blocks(vertex.count, read_rows)
    return tensors


def _in_blocks(n: int, work: Callable[[int, int], None]) -> None:
    """Calls work(start, stop) for blocks of n rows, on all threads."""
    starts = range(0, n, BLOCK)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(work, starts, (min(start + BLOCK, n) for start in starts)):
            pass
