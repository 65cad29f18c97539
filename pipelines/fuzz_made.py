"""Files made to do harm: bombs of gzip, zip and PNG, absurd counts, endless nesting, names outside of the folder."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from scenekit.pipelines.fuzz_mutations import png_bomb

OUTSIDE = ("../secret", "../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:9/a", "..\\secret")
"""Names that no file may make us open."""

LONG = "x" * 300
"""A name that no system allows."""

DEEP = 100_000
"""Brackets in a file of nothing else."""

BOMB = 400 << 20
"""What a bomb unpacks to [bytes]; it is a thousandth of that itself."""

Change = Callable[[Path], object]
"""Makes a sound sample, whose main file is given, into a harmful one."""


def made(name: str) -> Iterator[tuple[str, Change]]:
    """What is done to the sample of this name: its title, and what does it. Every result must be refused."""
    kind = name.split()[-1]
    yield from (_gzip_bombs() if name.startswith("spz") else ())
    yield from (_sog() if name.startswith("sog") else ())
    yield from (_scene() if name == "scene folder" else ())
    yield from (_gltf(kind) if kind in ("glb", "gltf") else ())
    yield from (_usda(name) if kind == "usda" else ())
    yield from (_zip_names() if kind == "usdz" else ())
    yield from (_obj() if kind == "obj" else ())
    yield from (_ply() if kind in ("ply", "compressed_ply") else ())
    yield from (_checkpoint() if kind == "gsplat" else ())
    if kind == "stl":
        yield "4 billion triangles", _rewritten(lambda data: data[:80] + b"\xff" * 4 + data[84:])


def _rewritten(change: Callable[[bytes], bytes]) -> Change:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _replaced(old: bytes, new: bytes) -> Change:
    return _rewritten(partial(_swap, old, new))


@cache
def _zeros(wrapped: bytes = b"") -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
        file.write(wrapped)
        for _ in range(BOMB >> 20):
            file.write(bytes(1 << 20))
    return out.getvalue()


def _gzip_bombs() -> Iterator[tuple[str, Change]]:
    header = struct.pack("<IIIBBBB", 0x5053474E, 3, 2**31, 3, 12, 0, 0)
    yield "a gzip of zeros", lambda path: path.write_bytes(_zeros())
    yield "a gzip bomb with a header", lambda path: path.write_bytes(_zeros(header))


def _sog() -> Iterator[tuple[str, Change]]:
    for outside in (*OUTSIDE, LONG):
        yield f"the name {outside}", _meta(partial(_swap, '"means_l.webp"', json.dumps(outside)))
    yield "nesting", _meta(lambda text: '{"a":' * DEEP)
    yield "a bomb as meta.json", _meta(lambda text: text + " " * (64 << 20))
    yield "4 billion Gaussians", _meta(lambda text: text.replace('"count":48', '"count":4294967295'))
    yield "a picture that is a bomb", _member("means_l.webp", lambda data: png_bomb(16_000))


def _swap(old: Any, new: Any, text: Any) -> Any:
    """The text, or the bytes, with the first `old` replaced."""
    return text.replace(old, new, 1)


def _append(more: bytes, data: bytes) -> bytes:
    return data + more


def _meta(change: Callable[[str], str]) -> Change:
    return _member("meta.json", lambda data: change(data.decode().replace('": ', '":')).encode())


def _member(name: str, change: Callable[[bytes], bytes]) -> Change:
    """A file of a SOG, in its folder or its archive."""

    def apply(path: Path) -> None:
        if path.is_dir():
            file = path / name
            file.write_bytes(change(file.read_bytes()))
            return
        out = io.BytesIO()
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
            for entry in old.infolist():
                content = old.read(entry)
                new.writestr(entry.filename, change(content) if entry.filename == name else content)
        path.write_bytes(out.getvalue())

    return apply


def _checkpoint() -> Iterator[tuple[str, Change]]:
    """Pickles are programs; data.pkl of a checkpoint is one."""
    yield "a pickle that calls the system", _pickle(b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    yield "a pickle that takes a terabyte", _pickle(b"cbuiltins\nbytearray\n\x8a\x06" + bytes(5) + b"\x01\x85R.")
    yield "a call of what is named on the stack", _pickle(b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")
    yield "marks without end", _pickle(b"(" * DEEP)
    yield "a pickle of 64 MB", _pickle(b"N0" * (32 << 20) + b"}.")
    yield "packed members", _member("", bytes)


def _pickle(program: bytes) -> Change:
    """A checkpoint whose pickle is this program."""

    def apply(path: Path) -> None:
        with zipfile.ZipFile(path) as old:
            contents = {entry.filename: old.read(entry) for entry in old.infolist()}
        with zipfile.ZipFile(path, "w") as new:
            for name, content in contents.items():
                new.writestr(name, b"\x80\x02" + program if name.endswith("/data.pkl") else content)

    return apply


def _scene() -> Iterator[tuple[str, Change]]:
    for outside in (*OUTSIDE, LONG):
        yield f"a part at {outside}", _member("scene.json", partial(_part_at, json.dumps(outside).encode()))
    yield "nesting", _member("scene.json", lambda data: b'{"a":' * DEEP)
    yield "children shared without end", _member("scene.json", _shared_children)


def _part_at(name: bytes, data: bytes) -> bytes:
    return re.sub(rb'(?<="file": )"[^"]*"', lambda _: name, data)


def _shared_children(data: bytes) -> bytes:
    """Nodes a and b, which both hold the a and the b before them."""
    document = json.loads(data)
    nodes: list[dict[str, Any]] = [{"name": "a0"}, {"name": "b0"}]
    for i in range(1, 60):
        nodes += [{"name": f"{side}{i}", "children": [2 * i - 2, 2 * i - 1]} for side in "ab"]
    nodes.append({"name": "", "children": [len(nodes) - 1]})
    document["nodes"] = nodes
    for state in (document["state"], *document["past"], *document["future"]):
        state["root"] = len(nodes) - 1
    return json.dumps(document).encode()


def _gltf(kind: str) -> Iterator[tuple[str, Change]]:
    def document(change: Callable[[dict[str, Any]], object]) -> Change:
        def apply(path: Path) -> None:
            data = path.read_bytes()
            size = struct.unpack_from("<I", data, 12)[0] if kind == "glb" else 0
            parsed = json.loads(data[20 : 20 + size] if kind == "glb" else data)
            change(parsed)
            text = json.dumps(parsed).encode()
            path.write_bytes(_glb(text, data[20 + size :]) if kind == "glb" else text)

        return apply

    for outside in (*OUTSIDE, LONG):
        yield (
            f"a buffer at {outside}",
            document(partial(_buffer_at, outside)),
        )
    yield "4 billion values", document(lambda d: [a.update(count=2**32 - 1) for a in d["accessors"]])
    yield "stride 0", document(lambda d: [a.update(count=2**40) for a in d["accessors"]] + [v.update(byteStride=0) for v in d["bufferViews"]])  # fmt: skip  # noqa: E501
    yield "a node that is its own child", document(lambda d: d["nodes"][0].update(children=[0]))
    nested = b'{"asset":' + b"[" * DEEP
    yield "nesting", lambda path: path.write_bytes(_glb(nested, b"") if kind == "glb" else nested)


def _buffer_at(uri: str, document: dict[str, Any]) -> None:
    document["buffers"] = [{"uri": uri, "byteLength": 9999}]


def _glb(text: bytes, rest: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + rest
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def _usda(name: str) -> Iterator[tuple[str, Change]]:
    for outside in OUTSIDE:
        layer = f"@{outside}.usda@".encode()
        yield f"a sublayer at {outside}", _replaced(b"(", b"(\n    subLayers = [" + layer + b"]")
        yield (
            f"a reference to {outside}",
            _rewritten(partial(_append, b'\ndef "r" (references = ' + layer + b") {}")),
        )
        yield f"a payload of {outside}", _rewritten(partial(_append, b'\ndef "r" (payload = ' + layer + b") {}"))
    yield "nesting", _rewritten(lambda data: data + b'\ndef "a" {' * DEEP)
    yield (
        "value clips",
        _rewritten(
            lambda data: data + b'\ndef "r" (clips = {dictionary a = {asset[] assetPaths = [@/etc/passwd@]}}) {}'
        ),
    )


def _zip_names() -> Iterator[tuple[str, Change]]:
    def with_entry(entry: str, how: int) -> Change:
        def apply(path: Path) -> None:
            with zipfile.ZipFile(path, "a", how) as archive:
                archive.writestr(entry, bytes(1 << 20 if how else 10))

        return apply

    for outside in OUTSIDE[:3]:
        yield f"an entry {outside}", with_entry(outside, zipfile.ZIP_STORED)
    yield "an entry that is packed", with_entry("packed.usdc", zipfile.ZIP_DEFLATED)


def _obj() -> Iterator[tuple[str, Change]]:
    for outside in OUTSIDE:
        yield f"a material at {outside}", _replaced(b"mtllib a.mtl", f"mtllib {outside}".encode())
        picture = f"newmtl mesh\nmap_Kd {outside}\n".encode()
        yield f"a picture at {outside}", partial(_picture, picture)
    yield "faces of vertices that are not there", _rewritten(lambda data: data + b"f 1 2 99999999\n" * 100)


def _picture(material: bytes, path: Path) -> None:
    path.with_suffix(".mtl").write_bytes(material)


def _ply() -> Iterator[tuple[str, Change]]:
    for count in (2**31, 2**32, 2**63, 10**30):
        claim = f"element vertex {count}".encode()
        yield f"{count} vertices", _rewritten(partial(_first_line, b"element ", claim))
    yield (
        "a header without end",
        lambda path: path.write_bytes(b"ply\nformat binary_little_endian 1.0\n" + b"comment\n" * 10**6),
    )
    yield (
        "a million properties",
        lambda path: path.write_bytes(
            b"ply\nformat ascii 1.0\nelement vertex 9\n" + b"property float x\n" * 10**6 + b"end_header\n"
        ),
    )


def _first_line(start: bytes, line: bytes, data: bytes) -> bytes:
    at = data.index(start)
    return data[:at] + line + data[data.index(b"\n", at) :]
