"""Reading with upper limits, so that a small hostile file cannot fill the memory or hang the reader."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenekit.errors import FileError

MIB = 1 << 20

FREE = 64 * MIB
"""Gaussians that need this little as float32 [bytes] are read however small their file is; decoders take four times it
at their peak."""

FREE_JSON = 128 * MIB
"""And JSON whose values take this little."""

MAX_JSON = 16 * MIB
"""Longest JSON that is parsed [bytes]; the largest honest one, a glTF of thousands of meshes, is far below."""

VALUE = 100
"""What a value of JSON takes in memory, at most on average [bytes]: an empty object 64 and its place 8, a key 60."""


MAX_END, MAX_LIST = 22 + (1 << 16), MIB
"""Longest end of a zip archive, where its list of members is found, and longest such list [bytes]."""

ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError),
    *(RuntimeError, NotImplementedError, ValueError, OverflowError, IndexError),
)
"""What `zipfile` raises for damaged archives."""


def read_bytes(path: Path, wanted: str) -> bytes:
    """The bytes of a file.

    Raises:
        FileError: If it is missing or a folder.
    """
    check_file(path, wanted)
    return path.read_bytes()


def check_file(path: Path, wanted: str) -> None:
    """Refuses what is no file.

    Raises:
        FileError: If it is missing, a folder, or of a name that the system does not allow.
    """
    try:
        got = "" if path.is_file() else "a folder" if path.is_dir() else "nothing"
    except OSError as error:  # File name too long
        got = f"a name that cannot be ({error.strerror})"
    if got:
        raise FileError(str(path)[:300], got=got, wanted=wanted)


def check_count(path: Path, n: int, *, degree: int, stored: int, ratio: int = 32) -> None:
    """Refuses a claim of n Gaussians that would need more than `FREE` and more than `ratio` times the file.

    Entropy bounds what honest data can shrink to: a Gaussian of degree 3 is 236 bytes as float32, and its noise keeps
    it above 8 in every format here. A file that promises more is made to exhaust the memory.

    Args:
        path: The file, for the message.
        n: Gaussians the file claims to hold.
        degree: Their degree of SH.
        stored: Size of the file [bytes].
        ratio: Bytes as float32 for a byte in the file that the format could reach.

    Raises:
        FileError: If the claim is refused.
    """
    needed = n * 4 * (11 + 3 * (degree + 1) ** 2)
    if needed > max(FREE, ratio * stored):
        got = f"{n} Gaussians claimed by {stored} bytes"
        raise FileError(path, got=got, wanted="a count that the file can hold", hint="The file is damaged or hostile.")


@contextmanager
def open_zip(path: Path, *, max_list: int = MAX_LIST) -> Iterator[zipfile.ZipFile]:
    """A zip archive whose list of members is not out of proportion: at most `max_list` bytes.

    Raises:
        FileError: If it is missing or not a zip archive.
    """
    if not path.is_file():
        raise FileError(path, got="a folder" if path.is_dir() else "nothing", wanted="a zip archive")
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MAX_END))
        tail = file.read()
        end, end64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
        listed = int.from_bytes(tail[end + 12 : end + 16], "little")  # size of the central directory
        if listed == 0xFFFFFFFF and end64 >= 0:
            listed = int.from_bytes(tail[end64 + 40 : end64 + 48], "little")
        if end < 0 or listed > max_list:
            got = "no end of a zip archive" if end < 0 else f"a list of members of {listed} bytes"
            raise FileError(path, got=got, wanted=f"a zip archive with a list of at most {max_list} bytes")
        try:
            archive = zipfile.ZipFile(file)
        except ZIP_ERRORS as error:
            raise FileError(path, got=f"a damaged archive ({error})", wanted="an intact one") from None
        with archive:
            yield archive


def unzip(path: Path, archive: zipfile.ZipFile, name: str, *, limit: int) -> bytes:
    """One member of a zip archive, at most `limit` bytes.

    Raises:
        FileError: If it is missing, damaged, encrypted, or longer.
    """
    try:
        info = archive.getinfo(name)
        if info.file_size > limit or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            got = f"{name} of {info.file_size} bytes, method {info.compress_type}"
            raise FileError(path, got=got, wanted=f"at most {limit} bytes, stored or deflated")
        with archive.open(info) as member:
            return member.read(limit)
    except KeyError:
        raise FileError(path, got=f"no {name} in the archive", wanted="the file that meta.json names") from None
    except ZIP_ERRORS as error:
        raise FileError(path, got=f"a damaged {name} ({error})", wanted="an intact archive") from None


def parse_json(path: Path, data: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        FileError: If `data` is not one, is longer than `MAX_JSON`, or is nested too deep.
    """
    if len(data) > MAX_JSON:
        raise FileError(path, got=f"JSON of {len(data)} bytes", wanted=f"at most {MAX_JSON}")
    check_values(path, data)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FileError(path, got=f"JSON that does not parse ({error})", wanted="a JSON object") from None
    if not isinstance(found, dict):
        raise FileError(path, got=f"a JSON {type(found).__name__}", wanted="a JSON object")
    return found


def check_values(path: Path, data: bytes) -> None:
    """Refuses JSON whose values, counted by what stands between them, would take more memory than `FREE_JSON` and twice
    its size.

    Raises:
        FileError: If there are more: "[[],[],…" swells to twenty times its size.
    """
    values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if values * VALUE > FREE_JSON + 2 * len(data):
        raise FileError(path, got=f"JSON of {values} values in {len(data)} bytes", wanted="fewer, or longer ones")


def webp_size(path: Path, data: bytes) -> tuple[int, int]:
    """Width and height [px] that the header of a WebP image claims, before anything is decoded.

    Raises:
        FileError: If it is not a WebP image.
    """
    kind = data[12:16] if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30 else b""
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise FileError(path, got=repr(data[:16]), wanted="a WebP image")
