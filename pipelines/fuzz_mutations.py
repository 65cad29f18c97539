"""Seeded damage to bytes, and to what lies inside of gzip, zip and GLB, which are closed again with sound checksums."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

Random = np.random.Generator
Mutation = Callable[[bytearray, Random], bytearray]

COUNTS = (0, 1, 255, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
"""Counts and lengths that headers claim."""

WORDS = (
    b"999999999999",
    b"-1",
    b"0",
    b"1e999",
    b"nan",
    b"inf",
    b"18446744073709551616",
    b"",
    b"../../x",
    b"null",
    b"[]",
)
"""What stands in the place of a number or a word of a text."""

DEPTH = 20_000
"""Brackets that are opened one in the other."""


def mutated(data: bytes, seed: int) -> bytes:
    """The file with one to three kinds of damage; the same seed gives the same bytes."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.6:
        for inside in (_in_gzip, _in_zip, _in_glb):
            changed = inside(data, rng)
            if changed is not None:
                return changed
    return _damaged(data, rng)


def _damaged(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range((1, 1, 1, 2, 3)[rng.integers(5)]):
        if out:
            out = MUTATIONS[rng.integers(len(MUTATIONS))](out, rng)
    return bytes(out)


def _truncate(data: bytearray, rng: Random) -> bytearray:
    return data[: rng.integers(len(data))]


def _flip_bits(data: bytearray, rng: Random) -> bytearray:
    for at in rng.integers(0, _reach(data, rng), rng.integers(1, 9)):
        data[at] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(data: bytearray, rng: Random) -> bytearray:
    at, size = _run(data, rng)
    filler = (bytes(size), b"\xff" * size, rng.bytes(size))[rng.integers(3)]
    data[at : at + size] = filler
    return data


def _remove(data: bytearray, rng: Random) -> bytearray:
    at, size = _run(data, rng)
    del data[at : at + size]
    return data


def _repeat(data: bytearray, rng: Random) -> bytearray:
    at, size = _run(data, rng)
    to = rng.integers(len(data))
    data[to:to] = data[at : at + size] * int(rng.integers(1, 50))
    return data


def _claim(data: bytearray, rng: Random) -> bytearray:
    """An absurd count where a header has one."""
    size = (1, 2, 4, 8)[rng.integers(4)]
    at = rng.integers(0, _reach(data, rng)) // size * size
    value = COUNTS[rng.integers(len(COUNTS))] % (1 << 8 * size)
    data[at : at + size] = value.to_bytes(size, ("little", "big")[rng.integers(2)])
    return data


def _not_finite(data: bytearray, rng: Random) -> bytearray:
    for at in rng.integers(0, len(data), rng.integers(1, 9)) // 4 * 4:
        data[at : at + 4] = struct.pack("<f", (float("nan"), float("inf"), -float("inf"), 3e38, 1e-45)[rng.integers(5)])
    return data


def _reword(data: bytearray, rng: Random) -> bytearray:
    """Another word in the place of one of a text."""
    start = int(rng.integers(max(1, len(data) - 4096)))
    found = list(re.finditer(rb"[-+.\w/]+", data[start : start + 4096]))
    if found:
        word = found[rng.integers(len(found))]
        data[start + word.start() : start + word.end()] = WORDS[rng.integers(len(WORDS))]
    return data


def _nest(data: bytearray, rng: Random) -> bytearray:
    """Brackets without end, or a definition within a definition."""
    at = rng.integers(len(data))
    data[at:at] = (b"[", b"{", b'{"a":', b"(", b'def "a" {', b"\n")[rng.integers(6)] * int(rng.integers(1, DEPTH))
    return data


def _run(data: bytearray, rng: Random) -> tuple[int, int]:
    return int(rng.integers(len(data))), int(rng.integers(1, max(2, min(len(data), 512))))


def _reach(data: bytearray, rng: Random) -> int:
    """How far in the damage may lie: half of it in the header."""
    return min(len(data), 128) if rng.random() < 0.5 else len(data)


MUTATIONS: tuple[Mutation, ...] = (
    _truncate, _flip_bits, _overwrite, _remove, _repeat, _claim, _not_finite, _reword, _nest,
)  # fmt: skip


def _in_gzip(data: bytes, rng: Random) -> bytes | None:
    if not data.startswith(b"\x1f\x8b"):
        return None
    return gzip.compress(_damaged(gzip.decompress(data), rng), compresslevel=1)


def _in_zip(data: bytes, rng: Random) -> bytes | None:
    """Another archive of the same files, one of them damaged."""
    if not data.startswith(b"PK"):
        return None
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as other:
        entries = archive.infolist()
        hit = rng.integers(len(entries))
        for i, entry in enumerate(entries):
            content = archive.read(entry)
            other.writestr(entry.filename, _damaged(content, rng) if i == hit else content)
    return out.getvalue()


def _in_glb(data: bytes, rng: Random) -> bytes | None:
    """The JSON or the binary damaged, with the lengths of the chunks set right."""
    if not data.startswith(b"glTF"):
        return None
    size = struct.unpack_from("<I", data, 12)[0]
    chunks = [data[20 : 20 + size], data[28 + size :]]
    hit = int(rng.random() < 0.3)
    chunks[hit] = _damaged(chunks[hit], rng)
    return as_glb(*chunks)


def as_glb(text: bytes, binary: bytes) -> bytes:
    """A GLB of this JSON and this binary, with the lengths they have."""
    body = b""
    for kind, chunk in ((b"JSON", text), (b"BIN\0", binary)):
        body += struct.pack("<I4s", len(chunk), kind) + chunk
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def png_bomb(side: int) -> bytes:
    """A black PNG of `side`² pixels, about a thousandth of their number in bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(1 + side)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
