"""Splats as PlayCanvas's compressed PLY: 16 bytes a Gaussian, and one for each SH coefficient above degree 0.

Chunks of 256 Gaussians in Morton order. The element `chunk` has the least and greatest centre, log-scale and colour of
each; the element `vertex` four 32-bit words: centre and log-scale as 11 + 10 + 11 bits between those, the rotation as
the place of its largest component and the other three in 10 bits each, colour and opacity as 4 × 8 bits. The optional
element `sh` has 8 bits in −4..4, channel-major. Older files have no colours in `chunk`: theirs lie in 0..1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scenekit.errors import FileError
from scenekit.io.atomic import written_atomically
from scenekit.io.morton import morton_order
from scenekit.io.ply_elements import Element, Ply, as_floats, comments, read_header, understood
from scenekit.io.quantised import castable, rounded
from scenekit.io.smallest_three import OPACITY_LOGITS, from_smallest_three, smallest_three
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.up import Up
from scenekit.splats import SH_C0, Splats

CHUNK = 256
"""Gaussians that share a box."""

BOX = [f"{end}_{field}" for fields in (("x", "y", "z"), ("scale_x", "scale_y", "scale_z"), ("r", "g", "b"))
       for end in ("min", "max") for field in fields]  # fmt: skip
"""Properties of a chunk; files of before 2024 lack the last six."""

PACKED = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]
"""Properties of a vertex."""

BITS = (11, 10, 11)
"""Of the three components of a centre or a log-scale."""

LARGEST_LOG_SCALE = 20.0
"""Log-scales are kept within ± this [log m], as PlayCanvas does, for one that is infinite would flatten its chunk."""

BLOCK = 64 * CHUNK
"""Gaussians that are unpacked at a time; what they need stays in the cache."""


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file is a PLY with packed positions."""
    return head.startswith((b"ply\n", b"ply\r")) and b"packed_position" in head


def read(path: Path) -> Reading:
    """Reads a compressed PLY.

    Raises:
        FileError: If the file is missing, not a compressed PLY, truncated, or its elements do not fit together.
    """
    ply = read_header(path)
    chunk, vertex, sh = _layout(ply)
    n, rest = vertex.count, len(sh.properties) // 3 if sh else 0
    means, log_scales, quats = (np.empty((n, width), np.float32) for width in (3, 3, 4))
    logits, coefficients = np.empty(n, np.float32), np.empty((n, rest + 1, 3), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # a hostile box gives NaN, which is reported as such
        boxes = _boxes(ply, chunk)
        for start in range(0, n, BLOCK):
            part = slice(start, min(start + BLOCK, n))
            words = ply.rows(vertex, part.start, part.stop)
            low, high = boxes[np.arange(part.start, part.stop) // CHUNK].reshape(-1, 3, 2, 3).transpose(2, 1, 0, 3)
            means[part] = _between(low[0], high[0], _unpack(words["packed_position"], BITS))
            log_scales[part] = _between(low[1], high[1], _unpack(words["packed_scale"], BITS))
            rgba = _unpack(words["packed_color"], (8, 8, 8, 8))
            coefficients[part, 0] = (_between(low[2], high[2], rgba[:, :3]) - 0.5) / SH_C0
            logits[part] = OPACITY_LOGITS[words["packed_color"] & 255]
            largest, places = np.split(_unpack(words["packed_rotation"], (2, 10, 10, 10)), [1], 1)
            three = ((places - 0.5) * 2**0.5).astype(np.float32)
            from_smallest_three(three, (3 * largest[:, 0]).round().astype(np.intp), quats[part])
            if sh:
                levels = as_floats(ply.rows(sh, part.start, part.stop)).reshape(-1, 3, rest).transpose(0, 2, 1)
                coefficients[part, 1:] = np.where(levels % 255 == 0, levels / 255, (levels + 0.5) / 256) * 8 - 4
    antialiased, up, notes = understood(ply.comments)
    tensors = {"means": means, "quats": quats, "log_scales": log_scales, "logit_opacities": logits, "sh": coefficients}
    splats = Splats(**{name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, antialiased=antialiased)
    return Reading(splats, up, tuple(notes), "compressed_ply")


def write(path: Path, splats: Splats, up: Up) -> None:
    """Writes a compressed PLY, atomically."""
    splats = castable(splats)
    order = torch.from_numpy(morton_order(splats.means.numpy()))
    n, chunks, rest = len(splats), -(-len(splats) // CHUNK), splats.sh.shape[1] - 1
    splats = splats.take(order)
    colours = splats.sh[:, 0].double() * SH_C0 + 0.5
    scales = splats.log_scales.clamp(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE)
    boxes, places = zip(*(_boxed(values, chunks) for values in (splats.means, scales, colours)), strict=True)
    opacities = splats.logit_opacities.double().sigmoid()[:, None]
    packed = [
        _pack(places[0], BITS),
        _pack_quats(splats.quats),
        _pack(places[1], BITS),
        _pack(torch.cat([places[2], opacities], 1), (8, 8, 8, 8)),
    ]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *comments(antialiased=splats.antialiased, up=up),
        f"element chunk {chunks}",
        *(f"property float {name}" for name in BOX),
        f"element vertex {n}",
        *(f"property uint {name}" for name in PACKED),
        *([f"element sh {n}", *(f"property uchar f_rest_{i}" for i in range(3 * rest))] if rest else []),
        "end_header\n",
    ]
    levels = ((splats.sh[:, 1:].mT.clamp(-4, 4) / 8 + 0.5) * 256).floor().clamp(0, 255)
    with written_atomically(path) as temporary, temporary.open("wb") as file:
        file.write("\n".join(header).encode())
        np.concatenate(boxes, 1, dtype="<f4").tofile(file)
        np.stack(packed, 1).astype("<u4").tofile(file)
        levels.to(torch.uint8).contiguous().numpy().tofile(file)


FORMAT = SplatFormat(
    name="compressed_ply",
    suffixes=(".compressed.ply",),
    keeps=Keeps(
        max_degree=3,
        antialiased=True,
        writes_up=True,
        order=False,
        precision="means and log-scales 11, 10 and 11 bits of their chunk of 256, rotations 10 bits, colours 8 bits of "
        "their chunk, opacities 8 bits, SH 8 bits within −4..4",
    ),
    recognises=recognises,
    read=read,
    write=write,
)
"""PlayCanvas's compressed PLY."""


def _layout(ply: Ply) -> tuple[Element, Element, Element | None]:
    """The elements of chunks, vertices and SH, if they have the properties and counts that the format asks for."""
    wanted = "the layout of PlayCanvas's compressed PLY"
    chunk, vertex = (ply.require(name, wanted) for name in ("chunk", "vertex"))
    sh = ply.require("sh", wanted) if "sh" in ply.elements else None
    of_sh = [f"f_rest_{i}" for i in range(len(sh.properties))] if sh else []
    layouts = [(chunk, BOX if "min_r" in chunk.names else BOX[:12], "f4"), (vertex, PACKED, "u4")]
    for element, names, kind in [*layouts, *([(sh, of_sh, "u1")] if sh else [])]:
        types = {name: code[1:] for name, code in element.properties}
        missing = [name for name in names if types.get(name) != kind]
        if missing or ply.encoding == "ascii" or len(of_sh) not in (0, 9, 24, 45):
            got = f"no {', '.join(missing[:4])} of {kind}" if missing else f"{ply.encoding}, {len(of_sh)} SH values"
            raise FileError(ply.path, got=got, wanted=wanted)
    chunks = -(-vertex.count // CHUNK)
    if chunk.count < chunks or (sh and sh.count != vertex.count):
        got = f"{chunk.count} chunks and {sh.count if sh else 0} × SH for {vertex.count} Gaussians"
        raise FileError(ply.path, got=got, wanted=f"{chunks} chunks, and SH for all or none")
    return chunk, vertex, sh


def _boxes(ply: Ply, chunk: Element) -> NDArray[np.float64]:
    """Least and greatest centre, log-scale and colour of each chunk, shape (chunks, 18)."""
    rows = ply.rows(chunk, 0, chunk.count)
    boxes = np.repeat([[0.0] * 15 + [1.0] * 3], len(rows), 0)
    for column, name in enumerate(BOX if "min_r" in chunk.names else BOX[:12]):
        boxes[:, column] = rows[name]
    return boxes


def _between(low: NDArray[np.float64], high: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    return low * (1 - t) + high * t


def _boxed(values: Tensor, chunks: int) -> tuple[NDArray[np.float32], Tensor]:
    """Boxes of chunks, shape (chunks, 6), and the place of each value in its box in 0..1, shape (n, 3)."""
    values = values.double()
    padded = torch.cat([values, values[-1:].expand(chunks * CHUNK - len(values), 3)]).reshape(chunks, CHUNK, 3)
    low, high = (end.float() for end in (padded.amin(1), padded.amax(1)))
    size = high.double() - low.double()
    place = (padded - low[:, None]) / torch.where(size > 0, size, torch.inf)[:, None]
    return torch.cat([low, high], 1).numpy(), place.reshape(-1, 3)[: len(values)]


def _pack(values: Tensor, bits: tuple[int, ...]) -> NDArray[np.uint32]:
    """Columns in 0..1 as words, the first column in the highest bits."""
    words = np.zeros(len(values), np.uint32)
    for column, width in zip(values.unbind(1), bits, strict=True):
        words = words << np.uint32(width) | rounded(column, width)
    return words


def _unpack(words: NDArray[np.uint32], bits: tuple[int, ...]) -> NDArray[np.float64]:
    """The columns in 0..1 of words, shape (n, columns)."""
    columns, shift = [], 32
    for width in bits:
        shift -= width
        top = (1 << width) - 1
        columns.append((words >> np.uint32(shift) & np.uint32(top)) / top)
    return np.stack(columns, 1)


def _pack_quats(quats: Tensor) -> NDArray[np.uint32]:
    """Unit quaternions as the place of the largest component, 2 bits, and the other three in order, 10 bits each."""
    others, largest = smallest_three(quats.double().numpy())
    return largest.astype(np.uint32) << np.uint32(30) | _pack(torch.from_numpy(others * 0.5**0.5 + 0.5), (10, 10, 10))
