"""Splats as SPZ, Niantic's compact format (github.com/nianticlabs/spz): versions 1 to 4 are read, 2 to 4 written.

A header, then the attributes one after the other: positions as 24-bit fixed point (version 1: float16), opacities,
colours, log-scales, rotations (versions 1 and 2: the imaginary part, 3 × 8 bits; from 3 on the smallest three, 2 + 3 ×
10 bits), and SH coefficients, colour channel innermost. Up to version 3 that is one gzip stream; version 4 has a plain
header, a table of contents and one ZSTD stream for each attribute. Axes are right, up, back: Y is up.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import zstandard
from numpy.typing import NDArray

from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_bytes
from scenekit.io.bounded import check_count, read_bytes
from scenekit.io.smallest_three import OPACITY_LOGITS, from_smallest_three, smallest_three, to_bytes, unit_quaternions
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.io.streams import GzipStream, Stream, ZstdStream
from scenekit.io.up import Up
from scenekit.splats import Splats

Version = Literal[2, 3, 4]
Array = NDArray[np.floating]
Bytes = NDArray[np.uint8]
Pack = Callable[[Array], Bytes]
Unpack = Callable[[Bytes, Array], None]

MAGIC = b"NGSP"
ANTIALIASED, EXTENDED = 1, 2
"""Bits of the header's flags."""

COORDINATES = 0xADBE0003
"""Extension record that says in which axes a file is, Adobe's SPZ_ADOBE_coordinate_system."""

UPS: dict[int, Up] = {1: "-y", 4: "y", 6: "-y", 7: "y", 12: "z", 15: "z"}
"""Up axes of the right-handed systems among its numbers: LDB, RUB, RDF, LUF, RFU, LBU."""

FRACTIONAL_BITS = 12
"""Bits after the binary point of a position where it fits, 1/4096 m, as everybody writes them."""

COLOUR_SCALE = 0.15
"""A colour byte is 255 (COLOUR_SCALE dc + ½)."""

SH_BUCKETS = (8, 16)
"""SH bytes of degree 1, and of those above, are rounded to multiples of this: 5 and 4 bits, which compress well."""

COMPONENTS = np.outer([1, -1], np.arange(512) * (math.sqrt(0.5) / 511)).astype(np.float32).ravel()
"""Component of a rotation that 10 bits stand for, from version 3 on."""

LEVELS = {"gzip": 6, "zstd": 12}
"""How hard is compressed; the levels of Niantic's library."""

MAX_EXTENSIONS = 1 << 16
"""Longest extension records that are read [bytes]."""

BLOCK = 1 << 16
"""Gaussians that a thread packs or unpacks at a time."""

PRECISION = (
    "means 1/4096 m (coarser beyond 2 km), rotations 10 bits, log-scales 1/16, opacities and colours 8 bits, SH 5 bits "
    "in degree 1 and 4 above, within −1..1"
)


class Header(NamedTuple):
    """What the headers of all versions say."""

    version: int
    """1 to 4."""
    n: int
    """Gaussians."""
    degree: int
    """Degree of SH, 0 to 4."""
    fractional_bits: int
    """Bits after the binary point of a position."""
    flags: int
    """ANTIALIASED | EXTENDED."""

    def sizes(self) -> list[int]:
        """Bytes of a Gaussian in positions, opacities, colours, log-scales, rotations and SH."""
        position, rotation = (6 if self.version == 1 else 9), (3 if self.version < 3 else 4)
        return [position, 1, 3, 3, rotation, 3 * (self.degree + 1) ** 2 - 3]


def read(path: Path) -> Reading:
    """Reads an SPZ of any version.

    Raises:
        FileError: If the file is missing, truncated, damaged, or claims more Gaussians than it can hold.
    """
    return decode(path, read_bytes(path, "an SPZ file of Gaussian splats"))


def decode(path: Path, data: bytes) -> Reading:
    """Reads the bytes of an SPZ, which may be part of another file.

    Raises:
        FileError: As `read`, with the name `path`.
    """
    return (_decode_zstd if data[:4] == MAGIC else _decode_gzip)(path, data)


def write(path: str | Path, splats: Splats, *, version: Version | None = None) -> None:
    """Writes splats as SPZ, atomically.

    Args:
        path: The file.
        splats: With Y up, finite.
        version: 4 is what Niantic's library writes now; 3, which readers of 2025 know too, is the choice of None, or 4
            for SH of degree 4; 2 is for older readers and keeps 8 bits of a rotation.

    Raises:
        InputError: If means lie beyond 2^23 m.
    """
    version = version or (4 if splats.sh_degree == 4 else 3)
    arrays = {name: tensor.detach().cpu().float().numpy() for name, tensor in splats.tensors().items()}
    bits = _fractional_bits(arrays["means"])
    header = Header(version, len(splats), splats.sh_degree, bits, ANTIALIASED * splats.antialiased)
    attributes: list[tuple[Array, Pack]] = [
        (arrays["means"], lambda means: _pack_positions(means, bits)),
        (arrays["logit_opacities"], lambda logits: to_bytes(255 / (1 + np.exp(-logits)))),
        (arrays["sh"][:, 0], lambda dc: to_bytes(255 * COLOUR_SCALE * dc + 127.5)),
        (arrays["log_scales"], lambda log_scales: to_bytes(16 * log_scales + 160)),
        (arrays["quats"], _pack_imaginary if version == 2 else _pack_smallest_three),
        (arrays["sh"][:, 1:], _pack_sh),
    ]
    blocks = [[(array[i : i + BLOCK], pack) for i in range(0, len(splats), BLOCK)] for array, pack in attributes]
    write_bytes(path, (_zstd_file if version == 4 else _gzip_file)(header, blocks))


def _decode_gzip(path: Path, data: bytes) -> Reading:
    """Versions 1 to 3: header, attributes and extension records in one stream."""
    stream = GzipStream(path, data)
    head = stream.read(16)
    if len(head) < 16 or head[:4] != MAGIC:
        raise FileError(path, got=repr(head[:4]), wanted="the mark NGSP of an SPZ file")
    version, count, degree, bits, flags = struct.unpack_from("<IIBBB", head, 4)
    header = _checked(path, Header(version, count, degree, bits, flags), stored=len(data), versions=(1, 2, 3))
    splats = _unpacked(path, header, [stream] * 6)
    records = stream.read(MAX_EXTENSIONS if flags & EXTENDED else 1)
    if records and not flags & EXTENDED:
        raise FileError(path, got="more bytes", wanted=f"{sum(header.sizes()) * count} for {count} Gaussians")
    up, notes = _extensions(path, records)
    return Reading(splats, up, notes, f"spz {version}")


def _decode_zstd(path: Path, data: bytes) -> Reading:
    """Version 4: plain header and extension records, and a stream for each attribute that has bytes."""
    if len(data) < 32:
        raise FileError(path, got=f"{len(data)} bytes", wanted="the 32 bytes of an SPZ header")
    version, count, degree, bits, flags, stream_count, toc = struct.unpack_from("<IIBBBBI", data, 4)
    header = _checked(path, Header(version, count, degree, bits, flags), stored=len(data), versions=(4,))
    sizes = [size for width in header.sizes() if (size := count * width)]
    start = toc + 16 * stream_count
    if toc < 32 or start > len(data) or stream_count != len(sizes):
        got = f"{stream_count} streams listed at byte {toc} of {len(data)}"
        raise FileError(path, got=got, wanted=f"{len(sizes)} streams inside the file")
    listed = list(struct.iter_unpack("<QQ", data[toc:start]))
    if [size for _, size in listed] != sizes or start + sum(length for length, _ in listed) != len(data):
        got = f"streams {listed} in a file of {len(data)} bytes"
        raise FileError(path, got=got, wanted=f"streams of {sizes} bytes that fill the file")
    streams = list[Stream]()
    for length, _ in listed:
        streams.append(ZstdStream(path, memoryview(data)[start : start + length]))
        start += length
    splats = _unpacked(path, header, streams)
    if any(stream.read(1) for stream in streams):
        raise FileError(path, got="longer streams", wanted=f"streams of {sizes} bytes, as the file says")
    up, notes = _extensions(path, data[32:toc] if flags & EXTENDED else b"")
    return Reading(splats, up, notes, f"spz {version}")


def _checked(path: Path, header: Header, *, stored: int, versions: tuple[int, ...]) -> Header:
    if header.version not in versions:
        raise FileError(path, got=f"SPZ version {header.version}", wanted=f"one of {versions} in such a file")
    if header.degree > 4 or header.fractional_bits > 23:
        got = f"SH degree {header.degree} and {header.fractional_bits} fractional bits"
        raise FileError(path, got=got, wanted="at most 4 and 23")
    check_count(path, header.n, degree=header.degree, stored=stored)
    return header


def _unpacked(path: Path, header: Header, streams: Sequence[Stream]) -> Splats:
    """Splats of the stream of each attribute: blocks are unpacked on all cores while the next are decompressed."""
    n, k = header.n, (header.degree + 1) ** 2
    means, logits, log_scales, quats, sh = (np.empty((n, width), np.float32) for width in (3, 1, 3, 4, 3 * k))
    half = header.version == 1
    attributes: list[tuple[Array, Unpack]] = [
        (means, _unpack_half if half else partial(_unpack_positions, header.fractional_bits)),
        (logits, _unpack_opacities),
        (sh[:, :3], partial(_unpack_linear, 1 / (255 * COLOUR_SCALE), -0.5 / COLOUR_SCALE)),
        (log_scales, partial(_unpack_linear, 1 / 16, -10)),
        (quats, _unpack_imaginary if header.version < 3 else _unpack_smallest_three),
        (sh[:, 3:], partial(_unpack_linear, 1 / 128, -1)),
    ]
    done = []
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for (array, unpack), width, stream in zip(attributes, header.sizes(), streams, strict=False):
            for out in (array[i : i + BLOCK] for i in range(0, n if width else 0, BLOCK)):
                rows = stream.read(len(out) * width)
                if len(rows) < len(out) * width:
                    raise FileError(path, got="a stream that ends early", wanted=f"{width} bytes for {n} Gaussians")
                done.append(pool.submit(unpack, np.frombuffer(rows, np.uint8).reshape(-1, width), out))
    for block in done:
        block.result()
    tensors = {"means": means, "quats": quats, "log_scales": log_scales, "logit_opacities": logits[:, 0]}
    tensors["sh"] = sh.reshape(n, k, 3)
    return Splats(
        **{name: torch.from_numpy(array) for name, array in tensors.items()},
        antialiased=bool(header.flags & ANTIALIASED),
    )


def _unpack_linear(scale: float, offset: float, rows: Bytes, out: Array) -> None:
    values = rows.astype(np.float32)  # dense, a third of the time of strided ones
    values *= np.float32(scale)
    values += np.float32(offset)
    out[:] = values


def _unpack_half(rows: Bytes, out: Array) -> None:
    out[:] = np.ascontiguousarray(rows).view("<f2")


def _unpack_positions(bits: int, rows: Bytes, out: Array) -> None:
    """24-bit numbers go to the high bytes of 32-bit ones, so that their sign is where it belongs."""
    fixed = np.zeros((len(rows), 3, 4), np.uint8)
    fixed[..., 1:] = rows.reshape(-1, 3, 3)
    np.multiply(fixed.view("<i4")[..., 0], np.float32(2.0 ** -(bits + 8)), out=out, dtype=np.float32)


def _unpack_opacities(rows: Bytes, out: Array) -> None:
    np.take(OPACITY_LOGITS, rows, out=out)


def _unpack_imaginary(rows: Bytes, out: Array) -> None:
    imaginary = rows * np.float32(1 / 127.5) - 1
    out[:, 1:] = imaginary
    out[:, 0] = np.sqrt(np.maximum(0, 1 - np.square(imaginary).sum(1)))


def _unpack_smallest_three(rows: Bytes, out: Array) -> None:
    """The index of the largest in xyzw, then the others in order, each a sign and 9 bits of its √2-fold."""
    packed = np.ascontiguousarray(rows).view("<u4")
    three = COMPONENTS.take(packed >> np.array([20, 10, 0], np.uint32) & 1023)
    xyzw = np.empty((len(rows), 4), np.float32)
    from_smallest_three(three, packed[:, 0] >> 30, xyzw)
    out[:, 0], out[:, 1:] = xyzw[:, 3], xyzw[:, :3]


def _pack_positions(means: Array, bits: int) -> Bytes:
    fixed = np.rint(means * np.float32(2.0**bits)).astype("<i4")
    return fixed.view(np.uint8).reshape(-1, 3, 4)[..., :3]


def _pack_imaginary(quats: Array) -> Bytes:
    unit = unit_quaternions(quats)
    return to_bytes(127.5 * np.where(unit[:, :1] < 0, -unit, unit)[:, 1:] + 127.5)


def _pack_smallest_three(quats: Array) -> Bytes:
    three, largest = smallest_three(unit_quaternions(quats)[:, [1, 2, 3, 0]])
    words = np.minimum(511 * math.sqrt(2) * np.abs(three) + 0.5, 511).astype(np.uint32)
    words |= (three < 0).astype(np.uint32) << np.uint32(9)
    packed = np.bitwise_or.reduce(words << np.array([20, 10, 0], np.uint32), axis=1)
    return (packed | largest.astype("<u4") << np.uint32(30)).view(np.uint8)


def _pack_sh(rest: Array) -> Bytes:
    """To the nearest multiple of the bucket, halves up; 128 is zero, and 256 does not fit."""
    bucket = np.full((rest.shape[1], 1), SH_BUCKETS[1], np.int32)
    bucket[:3] = SH_BUCKETS[0]
    levels = np.rint(np.clip(128 * rest, -128, 128)).astype(np.int32) + (128 + bucket // 2)
    return np.minimum(levels & -bucket, 255).astype(np.uint8)


def _fractional_bits(means: Array) -> int:
    """FRACTIONAL_BITS, or as many as leave room for the furthest mean in 24 bits with sign."""
    furthest = float(np.abs(means).max(initial=0))
    bits = min(FRACTIONAL_BITS, 22 - math.floor(math.log2(max(furthest, 1))))
    if bits < 0:
        raise InputError("splats.means", got=f"a coordinate of {furthest:.3g} m", wanted="at most 2^23 m in an SPZ")
    return bits


def _gzip_file(header: Header, blocks: list[list[tuple[Array, Pack]]]) -> bytes:
    """Versions 2 and 3. Blocks are deflated side by side, each to a byte boundary, and joined to one stream."""
    head = struct.pack("<4sIIBBBB", MAGIC, *header, 0)

    def deflate(block: tuple[Array, Pack]) -> tuple[bytes, bytes]:
        values, pack = block
        raw = pack(values).tobytes()
        stream = zlib.compressobj(LEVELS["gzip"], wbits=-zlib.MAX_WBITS, memLevel=9)
        return raw, stream.compress(raw) + stream.flush(zlib.Z_FULL_FLUSH)

    start = zlib.compressobj(0, wbits=-zlib.MAX_WBITS)
    parts = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff", start.compress(head) + start.flush(zlib.Z_FULL_FLUSH)]
    crc, size = zlib.crc32(head), len(head)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for raw, deflated in pool.map(deflate, chain.from_iterable(blocks)):
            parts.append(deflated)
            crc, size = zlib.crc32(raw, crc), size + len(raw)
    return b"".join([*parts, b"\x03\0", struct.pack("<II", crc, size % 2**32)])  # an empty last block ends the stream


def _zstd_file(header: Header, blocks: list[list[tuple[Array, Pack]]]) -> bytes:
    """Version 4."""

    def compress(attribute: list[tuple[Array, Pack]]) -> tuple[bytes, int]:
        raw = b"".join(pack(values).tobytes() for values, pack in attribute)
        return zstandard.ZstdCompressor(level=LEVELS["zstd"], threads=torch.get_num_threads()).compress(
            raw
        ) if raw else b"", len(raw)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        streams = [(packed, size) for packed, size in pool.map(compress, blocks) if size]
    head = struct.pack("<4sIIBBBBI12x", MAGIC, *header, len(streams), 32)
    listed = [struct.pack("<QQ", len(packed), size) for packed, size in streams]
    return b"".join([head, *listed, *(packed for packed, _ in streams)])


def _extensions(path: Path, records: bytes) -> tuple[Up | None, tuple[str, ...]]:
    """The up axis, and what was skipped, of extension records: type, length and content, one after the other."""
    up: Up | None = "y"
    notes, start = [], 0
    while start < len(records):
        kind, length = struct.unpack_from("<II", records, start) if start + 8 <= len(records) else (0, len(records))
        content = records[start + 8 : start + 8 + length]
        if len(content) < length:
            raise FileError(path, got="an extension record cut off", wanted="whole ones")
        start += 8 + length
        if kind != COORDINATES or length != 4:
            notes.append(f"Extension {kind:#010x} of {length} bytes was skipped.")
        elif (up := UPS.get(int.from_bytes(content, "little"))) is None:
            notes.append("Its axes are mirrored or unknown to us; they were left as they are.")
    return up, tuple(notes)


def _recognises(path: Path, head: bytes) -> bool:
    if head[:4] == MAGIC:
        return True
    try:
        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(head, max_length=4) == MAGIC
    except zlib.error:
        return False


KEEPS = Keeps(max_degree=4, antialiased=True, up="y", precision=PRECISION)
FORMAT = SplatFormat("spz", (".spz",), KEEPS, _recognises, read, lambda path, splats, up: write(path, splats))
