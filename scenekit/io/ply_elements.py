"""PLY, the container (Turk 1994): a text header that names elements and their properties, then the numbers.

    ply = read_header(path)
    vertex = ply.elements["vertex"]
    table = ply.rows(vertex, 0, 256)

What a splat file says in its comments is read here too, for plain and compressed files say it alike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured
from numpy.typing import NDArray

from scenekit.errors import FileError
from scenekit.io.up import Up

TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
"""PLY's scalar types, old and new names, as NumPy codes without byte order."""

ENCODINGS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
"""PLY's encodings and the NumPy byte order of each."""

MAX_HEADER = 65_536
"""A header longer than this [bytes] is not one; a splat file of degree 4 needs about 3000."""

TEXT_BLOCK = 1 << 20
"""How much text is split into words at a time [bytes]; words take thirty times the memory of their text."""

MAX_WORD = 400
"""No number is written longer [bytes]; a double in full needs 326."""


@dataclass
class Element:
    """One kind of row."""

    name: str
    """"vertex", "chunk", "face", …"""
    count: int
    """Number of rows."""
    properties: list[tuple[str, str]] = field(default_factory=list)
    """Names and NumPy types of the plain numbers in a row, in order."""
    has_list: bool = False
    """Whether a row also holds lists, and so has no fixed size."""
    offset: int = -1
    """Where its rows start [bytes from the beginning of the file]; −1 where lists or text stand before them."""

    @property
    def names(self) -> list[str]:
        """Names of the properties, in order."""
        return [name for name, _ in self.properties]


@dataclass(frozen=True)
class Ply:
    """A file whose header has been read and whose size has been checked against it."""

    path: Path
    """The file."""
    encoding: str
    """One of ENCODINGS."""
    comments: list[str]
    """Comments, single-spaced."""
    elements: dict[str, Element]
    """Elements by name, in order."""
    data: int
    """Where the header ends [bytes]."""

    def rows(self, element: Element, start: int, stop: int) -> NDArray[np.void]:
        """Rows start to stop of an element of a binary file, as a structured array."""
        dtype = np.dtype(element.properties)
        return np.fromfile(self.path, dtype, stop - start, offset=element.offset + start * dtype.itemsize)

    def require(self, name: str, wanted: str) -> Element:
        """An element of fixed row size whose place in the file is known.

        Raises:
            FileError: If there is none of this name, or lists stand before or in it.
        """
        element = self.elements.get(name)
        if element is None:
            got = "the elements " + (", ".join(self.elements) or "none")
            raise FileError(self.path, got=got, wanted=f"an element {name}")
        if element.has_list or (element.offset < 0 and self.encoding != "ascii"):
            got = f"list properties before the element {name} or in it"
            raise FileError(self.path, got=got, wanted=wanted, hint="Is this a mesh?")
        return element


def read_header(path: Path) -> Ply:
    """Reads the header of a PLY; nothing is allocated for what it claims.

    Raises:
        FileError: If the file is missing, not a PLY, or too short for the rows that it claims to hold.
    """
    if not path.is_file():
        raise FileError(path, got="a folder" if path.is_dir() else "nothing", wanted="a PLY file of Gaussian splats")
    with path.open("rb") as file:
        head = file.read(MAX_HEADER)
        size = os.fstat(file.fileno()).st_size
    end = re.search(rb"\nend_header[ \t\r]*\n", head)
    if not head.startswith(b"ply") or end is None:
        wanted = f"a PLY header, 'ply' to 'end_header', of ≤ {MAX_HEADER} bytes"
        raise FileError(path, got=repr(head[:16]), wanted=wanted)
    encoding, comments, elements = _parsed(path, head[: end.start()].decode("latin-1").split("\n")[1:])
    for kind, names in [
        ("elements", [e.name for e in elements]),
        *((f"{e.name} properties", e.names) for e in elements),
    ]:
        if len(set(names)) < len(names):
            raise FileError(path, got=f"two {kind} of one name", wanted="distinct names")
    _place(path, encoding, elements, end.end(), size)
    return Ply(path, encoding, comments, {element.name: element for element in elements}, end.end())


def as_floats(rows: NDArray[np.void]) -> NDArray[np.float32]:
    """The rows of a structured array as float32, shape (rows, properties); without a copy where they are that."""
    names = rows.dtype.names or ()
    if all(rows.dtype[name] == np.dtype("<f4") for name in names):
        return rows.view("<f4").reshape(len(rows), len(names))
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite and is reported as such
        return cast(NDArray[np.float32], structured_to_unstructured(rows, dtype=np.float32))


def read_text(ply: Ply, wanted: Element) -> NDArray[np.float32]:
    """All rows of an element of an ASCII file as float32, shape (rows, properties).

    Raises:
        FileError: If a word is no number or there are too few of them.
    """
    width = len(wanted.properties)
    table = np.empty(wanted.count * width, np.float32)
    filled = 0
    with ply.path.open("rb") as file, np.errstate(over="ignore"):
        file.seek(ply.data)
        for element in ply.elements.values():
            if element.name == wanted.name:
                break
            for _ in range(element.count):
                if not file.readline():
                    break
        for words in _words(iter(lambda: file.read(TEXT_BLOCK), b"")):
            if filled == len(table):
                break
            words = words[: len(table) - filled]
            try:
                table[filled : filled + len(words)] = np.array(words, np.float64)
            except ValueError:
                got = f"a word that is no number, in {wanted.name} {filled // width} or soon after"
                raise FileError(ply.path, got=got, wanted=f"{width} numbers each") from None
            filled += len(words)
    if filled < len(table):
        got, asked = f"{filled} numbers", f"{len(table)} for {wanted.count} × {wanted.name}"
        raise FileError(ply.path, got=got, wanted=asked, hint="The file is truncated or its header is wrong.")
    return table.reshape(wanted.count, width)


def comments(*, antialiased: bool, up: Up) -> list[str]:
    """What a file of ours says about its splats, as header lines."""
    return [
        "comment Generated by scenekit",
        f"comment Vertical Axis: {up}",
        f"comment antialiased {int(antialiased)}",  # Postshot's word for it
        f"comment SplatRenderMode: {'mip' if antialiased else 'default'}",  # and Brush's
    ]


def understood(said: Sequence[str]) -> tuple[bool, Up | None, list[str]]:
    """Whether the comments of a file call its splats antialiased, which axis they call up, and what else to know."""
    lines = [line.lower() for line in said]
    antialiased = "antialiased 1" in lines or "splatrendermode: mip" in lines
    notes = ["Fitted as 2D discs (2DGS), drawn as Gaussians."] if "splatrendermode: 2dgs" in lines else []
    up: Up | None = None
    for axis in (line.removeprefix("vertical axis:").strip() for line in lines if line.startswith("vertical axis:")):
        if axis == "y" and "exported from brush" in lines:
            up = "-y"  # Brush keeps COLMAP's axes, always writes "y", and reads it as −y
        elif axis in get_args(Up):
            up = cast(Up, axis)
        else:
            notes.append(f"The axis {axis[:8]!r} is said to be up; the axes were left as they are.")
    return antialiased, up, notes


def _parsed(path: Path, lines: Sequence[str]) -> tuple[str, list[str], list[Element]]:
    encoding, comments, elements = "", [], list[Element]()
    for line in lines:
        match line.split():
            case [] | ["obj_info", *_]:
                pass
            case ["comment", *words]:
                comments.append(" ".join(words))
            case ["format", name, "1.0"] if name in ENCODINGS and not elements:
                encoding = name
            case ["element", name, count] if count.isdecimal() and len(count) < 16:
                elements.append(Element(name, int(count)))
            case ["property", "list", *_] if elements:
                elements[-1].has_list = True
            case ["property", kind, name] if kind in TYPES and elements:
                elements[-1].properties.append((name, ENCODINGS.get(encoding, "=") + TYPES[kind]))
            case _:
                raise FileError(path, got=f"the header line {line[:80]!r}", wanted="a line of the PLY 1.0 format")
    if not encoding:
        raise FileError(path, got="no format line", wanted="format " + " | ".join(ENCODINGS) + " 1.0")
    return encoding, comments, elements


def _place(path: Path, encoding: str, elements: Sequence[Element], start: int, size: int) -> None:
    """Finds where the rows of each element start, and that the file is long enough for them."""
    known = encoding != "ascii"
    for element in elements:
        known = known and not element.has_list
        if known:
            element.offset = start
        row = np.dtype(element.properties).itemsize if known else 2 * max(1, len(element.properties))
        if encoding == "ascii" or known:
            needed = element.count * row
            if start + needed > size + (encoding == "ascii"):  # the last line may lack its newline
                got = f"{max(size - start, 0)} bytes after the header"
                wanted = f"at least {needed} for {element.count} × {element.name}"
                raise FileError(path, got=got, wanted=wanted, hint="The file is truncated or its header is wrong.")
            start += needed


def _words(blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """The words of a text that comes in blocks; one that a block cuts in two is put together, one too long is cut."""
    tail = b""
    for block in blocks:
        words = (tail + block).split()
        tail = words.pop()[:MAX_WORD] if words and not block[-1:].isspace() else b""
        yield words
    yield [tail] if tail else []
