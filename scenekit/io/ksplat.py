"""Splats as .ksplat, the format of mkkellogg's GaussianSplats3D (SplatBuffer); only read.

A header of 4096 bytes, one of 1024 for each section, then for each section the sizes of its partly filled buckets, the
centres of its buckets, and its Gaussians: centre, scales (linear), rotation (wxyz), colour and opacity (4 bytes), SH
band after band, channel-major in each. Level 0 is float32; level 1 has float16, and centres as 16 bits around that of
their bucket; level 2 besides has SH as bytes between two values of the header.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scenekit.errors import FileError
from scenekit.io.quantised import positive_logs
from scenekit.io.smallest_three import OPACITY_LOGITS
from scenekit.io.splat_files import Keeps, Reading, SplatFormat
from scenekit.splats import SH_C0, Splats

HEADER = np.dtype({
    "names": ["major", "minor", "max_sections", "splats", "level", "sh_min", "sh_max"],
    "formats": ["u1", "u1", "<u4", "<u4", "<u2", "<f4", "<f4"],
    "offsets": [0, 1, 4, 16, 20, 36, 40],
    "itemsize": 4096,
})  # fmt: skip
"""Of the file."""

SECTION = np.dtype({
    "names": ["splats", "max_splats", "bucket_size", "buckets", "block", "bucket_bytes", "range", "full", "partial",
              "degree"],
    "formats": ["<u4", "<u4", "<u4", "<u4", "<f4", "<u2", "<u4", "<u4", "<u4", "<u2"],
    "offsets": [0, 4, 8, 12, 16, 20, 24, 32, 36, 40],
    "itemsize": 1024,
})  # fmt: skip
"""Of a section; `range` is half the number of steps across a block."""

TYPES = (("<f4", "<f4", "<f4"), ("<u2", "<f2", "<f2"), ("<u2", "<f2", "u1"))
"""Of a centre, of scales and rotation, and of SH, by level."""

DEFAULT_RANGE, DEFAULT_SH = 32767, 1.5
"""What zeros in the headers stand for."""

BLOCK = 1 << 14
"""Gaussians that are unpacked at a time."""


@dataclass(frozen=True)
class Section:
    """Where a section lies and how it is stored."""

    header: np.void
    """Of dtype SECTION."""
    level: int
    """Of the file."""
    start: int
    """Of the bucket sizes [bytes from the beginning of the file]."""

    @property
    def count(self) -> int:
        """Number of Gaussians."""
        return int(self.header["splats"])

    @property
    def degree(self) -> int:
        """Of SH."""
        return int(self.header["degree"])

    @property
    def half_range(self) -> int:
        """Steps from the middle of a bucket to its side."""
        return int(self.header["range"]) or DEFAULT_RANGE

    @property
    def step(self) -> float:
        """Between neighbouring positions in a bucket [m]."""
        return float(self.header["block"]) / 2 / self.half_range

    @property
    def record(self) -> np.dtype[np.void]:
        """Of one Gaussian."""
        mean, scale, sh = TYPES[self.level]
        coefficients = 3 * ((self.degree + 1) ** 2 - 1)
        fields = [("mean", mean, 3), ("scale", scale, 3), ("quat", scale, 4), ("rgba", "u1", 4)]
        return np.dtype([*fields, ("sh", sh, (coefficients,))])

    @property
    def gaussians(self) -> int:
        """Where the Gaussians start [bytes]."""
        buckets = int(self.header["bucket_bytes"]) * int(self.header["buckets"])
        return self.start + 4 * int(self.header["partial"]) + buckets

    @property
    def end(self) -> int:
        """Where the section ends [bytes]."""
        return self.gaussians + self.record.itemsize * int(self.header["max_splats"])

    def rows(self, path: Path, start: int, stop: int) -> NDArray[np.void]:
        """Gaussians start to stop as they are stored."""
        size = self.record.itemsize
        return np.fromfile(path, self.record, stop - start, offset=self.gaussians + start * size)

    def bucket_centres(self, path: Path) -> NDArray[np.float32]:
        """The centre of the bucket of each Gaussian, shape (count, 3).

        Raises:
            FileError: If a Gaussian is in none of the buckets.
        """
        full, partial, buckets, width = (int(self.header[f]) for f in ("full", "partial", "buckets", "bucket_bytes"))
        if full + partial > buckets or width < 12:
            got = f"{full} full and {partial} other buckets among {buckets} of {width} bytes"
            raise FileError(path, got=got, wanted="buckets of at least 12 bytes")
        partly = np.fromfile(path, "<u4", partial, offset=self.start).astype(np.int64)
        ends = np.cumsum(np.concatenate([np.full(full, int(self.header["bucket_size"])), partly]))
        if self.count > (ends[-1] if len(ends) else 0):
            raise FileError(path, got=f"{self.count} Gaussians in smaller buckets", wanted="a bucket for each")
        stored = np.fromfile(path, "u1", buckets * width, offset=self.start + 4 * partial).reshape(buckets, width)
        centres = np.ascontiguousarray(stored[:, :12]).view("<f4")
        return centres[np.searchsorted(ends, np.arange(self.count), side="right")]


def recognises(path: Path, head: bytes) -> bool:
    """Whether a file has a header of version 0.1 or later 0.x with a level and sections that fit into it."""
    if len(head) < HEADER.itemsize:
        return False
    header = np.frombuffer(head, HEADER, 1)[0]
    fits = HEADER.itemsize + int(header["max_sections"]) * SECTION.itemsize <= path.stat().st_size
    return bool(header["major"] == 0 and header["minor"] >= 1 and header["level"] <= 2 and fits)


def read(path: Path) -> Reading:
    """Reads a .ksplat of any level.

    Raises:
        FileError: If the file is missing, not a .ksplat, truncated, or its counts do not fit together.
    """
    if not path.is_file():
        raise FileError(path, got="a folder" if path.is_dir() else "nothing", wanted="a .ksplat file")
    header, sections = _sections(path)
    n, degree = int(header["splats"]), max((section.degree for section in sections), default=0)
    means, log_scales, quats = (np.empty((n, width), np.float32) for width in (3, 3, 4))
    logits, sh = np.empty(n, np.float32), np.zeros((n, (degree + 1) ** 2, 3), np.float32)
    first = 0
    with np.errstate(invalid="ignore", over="ignore"):  # what a hostile header makes infinite is reported as such
        for section in sections:
            centres = section.bucket_centres(path) if section.level else None
            for start in range(0, section.count, BLOCK):
                rows = section.rows(path, start, min(start + BLOCK, section.count))
                part = slice(first + start, first + start + len(rows))
                means[part] = rows["mean"]
                if centres is not None:
                    steps = rows["mean"].astype(np.float64) - section.half_range
                    means[part] = steps * section.step + centres[start : start + len(rows)]
                log_scales[part] = positive_logs(rows["scale"])
                quats[part] = rows["quat"]
                logits[part] = OPACITY_LOGITS[rows["rgba"][:, 3]]
                sh[part, 0] = (rows["rgba"][:, :3] / 255 - 0.5) / SH_C0
                for degree in range(1, section.degree + 1):
                    sh[part, degree**2 : (degree + 1) ** 2] = _band(header, rows["sh"], degree)
            first += section.count
    means_, quats_, log_scales_, logits_, sh_ = map(torch.from_numpy, (means, quats, log_scales, logits, sh))
    splats = Splats(means_, quats_, log_scales_, logits_, sh_)
    return Reading(splats, None, (), f"ksplat level {header['level']}")


FORMAT = SplatFormat(
    name="ksplat",
    suffixes=(".ksplat",),
    keeps=Keeps(
        max_degree=2,
        precision="level 0: float32; 1 and 2: means 16 bits of their bucket, scales and rotations float16, SH float16 "
        "or 8 bits; colours and opacities 8 bits within 0..1",
    ),
    recognises=recognises,
    read=read,
    write=None,
)
"""mkkellogg's .ksplat."""


def _sections(path: Path) -> tuple[np.void, list[Section]]:
    """The header and the sections of a file, all of them inside it."""
    size = path.stat().st_size
    if size < HEADER.itemsize:
        raise FileError(path, got=f"{size} bytes", wanted=f"a header of {HEADER.itemsize}")
    header = np.fromfile(path, HEADER, 1)[0]
    if header["major"] != 0 or header["minor"] < 1 or header["level"] > 2:
        got = f"version {header['major']}.{header['minor']}, level {header['level']}"
        raise FileError(path, got=got, wanted="version 0.1, level 0, 1 or 2")
    start = HEADER.itemsize + int(header["max_sections"]) * SECTION.itemsize
    if start > size:
        raise FileError(path, got=f"{header['max_sections']} sections in {size} bytes", wanted="sections that fit")
    sections = []
    for i, fields in enumerate(np.fromfile(path, SECTION, int(header["max_sections"]), offset=HEADER.itemsize)):
        section = Section(fields, int(header["level"]), start)
        if section.degree > 2 or section.count > int(fields["max_splats"]) or section.end > size:
            got = f"section {i} of {section.count} Gaussians of SH degree {section.degree} from byte {start}"
            raise FileError(path, got=got, wanted=f"SH degree ≤ 2 and an end within {size} bytes")
        start = section.end
        if section.count:
            sections.append(section)
    if sum(section.count for section in sections) != int(header["splats"]):
        got = f"{sum(section.count for section in sections)} Gaussians in the sections"
        raise FileError(path, got=got, wanted=f"the {header['splats']} of the header")
    return header, sections


def _band(header: np.void, stored: NDArray[Any], degree: int) -> NDArray[Any]:
    """SH coefficients of one degree, shape (rows, 2 degree + 1, 3)."""
    band = stored[:, 3 * (degree**2 - 1) : 3 * ((degree + 1) ** 2 - 1)].reshape(-1, 3, 2 * degree + 1)
    if header["level"] == 2:
        low, high = float(header["sh_min"]) or -DEFAULT_SH, float(header["sh_max"]) or DEFAULT_SH
        band = low + band / 255 * (high - low)
    return band.transpose(0, 2, 1)
