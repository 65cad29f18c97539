"""The container of an SOG: its meta.json, its images, and where they lie. All is checked before it is decoded."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from scenekit.errors import FileError, InputError
from scenekit.io.bounded import MAX_JSON, check_count, open_zip, parse_json, read_bytes, unzip, webp_size

FILES = {"means": ("means_l", "means_u"), "scales": ("scales",), "quats": ("quats",), "sh0": ("sh0",)}
"""Parts of meta.json that every SOG has, and what we call the images they name."""

SH_FILES = ("shN_centroids", "shN_labels")

SLACK = 1 << 16
"""Texels that an image may have beyond four times those in use."""


@dataclass(frozen=True)
class Texture:
    """One decoded image."""

    pixels: NDArray[np.uint8]
    """RGBA, shape (h, w, 4)."""

    def texels(self, n: int) -> NDArray[np.uint8]:
        """The first n, row by row, shape (n, 4)."""
        return self.pixels.reshape(-1, 4)[:n]


@dataclass(frozen=True)
class Store:
    """An open SOG whose meta.json has the right shape."""

    path: Path
    """What the user named."""
    meta: dict[str, Any]
    """meta.json."""
    archive: zipfile.ZipFile | None
    """The bundle; None for a folder."""
    stored: int
    """Size of all its files [bytes]."""

    @property
    def version(self) -> int:
        """1 or 2."""
        return 2 if self.meta.get("version") == 2 else 1

    @property
    def n(self) -> int:
        """Gaussians."""
        return int(self.meta["count"] if self.version == 2 else self.meta["means"]["shape"][0])

    @property
    def degree(self) -> int:
        """Degree of SH; version 1 has it in the width of the palette's image only."""
        if "shN" not in self.meta:
            return 0
        if self.version == 2:
            return int(self.meta["shN"]["bands"])
        width, _ = webp_size(self.path, self.file(self.name(SH_FILES[0])))
        self.check(width in (192, 512, 960), f"shN_centroids {width} texels wide", "192, 512 or 960")
        return {192: 1, 512: 2, 960: 3}[width]

    def check(self, holds: bool, got: str, wanted: str) -> None:
        """Raises FileError unless `holds`."""
        if not holds:
            raise FileError(self.path, got=got, wanted=wanted)

    def name(self, image: str) -> str:
        """The file that meta.json names for an image: a plain name, beside meta.json."""
        part = next(part for part, images in [*FILES.items(), ("shN", SH_FILES)] if image in images)
        images = SH_FILES if part == "shN" else FILES[part]
        names = self.meta[part].get("files")
        whole = isinstance(names, list) and len(names) >= len(images) and all(isinstance(name, str) for name in names)
        self.check(whole, f"{part}.files: {str(names)[:80]}", f"{len(images)} names of files")
        name = names[images.index(image)]
        plain = name not in ("", ".", "..") and not set(name) & set("/\\:\0")
        self.check(plain, f"the name {name[:80]!r} in meta.json", "a plain file name, in the same folder")
        return str(name)

    def file(self, name: str) -> bytes:
        """The bytes of a file beside meta.json."""
        if self.archive is not None:
            return unzip(self.path, self.archive, name, limit=SLACK + 4 * self.stored)
        return read_bytes(_folder(self.path) / name, "an image that meta.json names")

    def textures(self) -> dict[str, Texture]:
        """All images, decoded on all cores, after their sizes have been checked against the count."""
        names = [name for part in FILES.values() for name in part] + ([*SH_FILES] if self.degree else [])
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return dict(zip(names, pool.map(self._texture, names), strict=True))

    def _texture(self, image: str) -> Texture:
        data = self.file(self.name(image))
        width, height = webp_size(self.path, data)
        if image == SH_FILES[0]:
            k = (self.degree + 1) ** 2 - 1
            self.check(width == 64 * k and height <= 1024, f"{image} {width}×{height}", f"{64 * k} wide, ≤ 1024 high")
        else:
            most = 4 * self.n + SLACK
            self.check(self.n <= width * height <= most, f"{image} {width}×{height}", f"{self.n} to {most} texels")
        try:
            with Image.open(BytesIO(data), formats=["WEBP"]) as opened:
                self.check(opened.size == (width, height), f"{image} with two sizes", "one")
                return Texture(np.asarray(opened.convert("RGBA")))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise FileError(self.path, got=f"a damaged {image} ({error})", wanted="a WebP image") from None

    def values(self, part: str, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What codes of shape (n, 3) stand for: entries of a codebook, or positions between minimum and maximum."""
        if self.version == 2:
            return columns(self, part, "codebook", 256)[codes]
        width = 4 if part == "sh0" else 3
        low, high = columns(self, part, "mins", width)[:3], columns(self, part, "maxs", width)[:3]
        return low + codes * ((high - low) / np.float32(255))

    def centroids(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Entries of the palette, shape (K, k − 1, 3); an image holds 64 to a row."""
        codes = pixels[..., :3].reshape(-1, pixels.shape[1] // 64, 3)
        if self.version == 2:
            size = self.meta["shN"].get("count", len(codes))
            self.check(isinstance(size, int) and size >= 0, f"shN.count {size!r}", "a whole number")
            return columns(self, "shN", "codebook", 256)[codes[:size]]
        low, high = (float(columns(self, "shN", key, 1)[0]) for key in ("mins", "maxs"))
        return np.float32(low) + codes * np.float32((high - low) / 255)

    def notes(self) -> tuple[str, ...]:
        """What was skipped."""
        known = {*FILES, "version", "asset", "count", "shN", "model"}
        notes = [f"{key} in meta.json was skipped." for key in list(self.meta)[:100] if key not in known]
        if self.meta.get("model", "default") not in ("default", "antialiased"):
            notes.append(f"The model {str(self.meta['model'])[:40]!r} was read as ordinary Gaussians.")
        return tuple(notes)


@contextmanager
def open_store(path: Path) -> Iterator[Store]:
    """Opens an SOG and checks its meta.json.

    Raises:
        FileError: If it is missing, damaged, streamed in levels of detail, or claims more than it can hold.
    """
    if path.name == "lod-meta.json" or (path.is_dir() and not (path / "meta.json").is_file()):
        hint = "A streamed SOG (lod-meta.json) is not read; convert one of its levels to .sog."
        raise FileError(path, got="a streamed SOG or another folder", wanted="an SOG with meta.json", hint=hint)
    if path.is_dir() or path.name.lower().endswith(".json"):
        folder = _folder(path)
        data = read_bytes(folder / "meta.json" if path.is_dir() else path, "the meta.json of an SOG")
        stored = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        yield _checked(Store(path, parse_json(path, data), None, stored))
    else:
        stored = path.stat().st_size if path.is_file() else 0
        with open_zip(path) as archive:
            meta = parse_json(path, unzip(path, archive, "meta.json", limit=min(MAX_JSON, SLACK + 16 * stored)))
            yield _checked(Store(path, meta, archive, stored))


def columns(store: Store, part: str, key: str, width: int) -> NDArray[np.float32]:
    """Numbers of meta.json, shape (width,); a single one stands for itself."""
    found = store.meta[part].get(key)
    found = [found] if width == 1 and not isinstance(found, list) else found
    numbers = isinstance(found, list) and all(type(value) in (int, float) and abs(value) < 1e30 for value in found)
    store.check(
        numbers and len(found) >= (1 if width == 256 else width), f"{part}.{key}: {str(found)[:60]}", f"{width} numbers"
    )
    values = np.zeros(width, np.float32)
    values[: len(found)] = found[:width]
    return values


def written_folder(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files as a folder wholly or not at all; an SOG that is there already is replaced.

    Raises:
        InputError: If a folder of that name holds anything but an SOG.
    """
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    if (there - {"meta.json"} and "meta.json" not in there) or any(
        not name.endswith((".webp", ".json")) for name in there
    ):
        raise InputError(folder, got="a folder with other files", wanted="a new name, or an SOG to replace")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        new.mkdir()
        for name, content in files.items():
            (new / name).write_bytes(content)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _checked(store: Store) -> Store:
    """The store, once its parts are objects, its count is a number, and the files can hold so many."""
    meta = store.meta
    for part in [*FILES, *(["shN"] if "shN" in meta else [])]:
        store.check(isinstance(meta.get(part), dict), f"{part}: {str(meta.get(part))[:40]} in meta.json", "an object")
    if store.version == 1:
        shape = meta["means"].get("shape")
        counted = isinstance(shape, list) and shape and type(shape[0]) is int and 0 <= shape[0] < 1 << 28
        store.check(bool(counted), f"means.shape: {str(shape)[:40]}", "the number of Gaussians")
    else:
        count = meta.get("count")
        store.check(type(count) is int and 0 <= count < 1 << 28, f"count: {str(count)[:40]}", "the number of Gaussians")
        bands = meta["shN"].get("bands") if "shN" in meta else 1
        store.check(bands in (1, 2, 3), f"shN.bands: {str(bands)[:40]}", "1, 2 or 3")
    check_count(store.path, store.n, degree=store.degree, stored=store.stored)
    return store
