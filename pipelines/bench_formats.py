"""How fast splats are written and read in each format, how large the files are, and what a picture loses on the way.

    scenekit bench formats
    scenekit bench formats --source kitchen

Seconds are those of `write_splats` and `read_splats`, turning of axes and flushing to disk included; files are in the
page cache. Random Gaussians are noise that nothing compresses; a real scene says more of sizes and losses. The loss is
the PSNR between pictures of the splats and of what came back, pooled over views. If $SPLAT_TRANSFORM names PlayCanvas's
splat-transform, it converts a PLY to each format and back in the same run, as processes less their start-up.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from scenekit.cameras import Camera, look_at, pinhole, small_pinhole
from scenekit.errors import InputError
from scenekit.evaluate import psnr
from scenekit.io import spz
from scenekit.io.splat_files import SplatFormat, by_suffix, read_splats, write_splats
from scenekit.opening import open_scene
from scenekit.render.splats import render
from scenekit.scene import SceneState
from scenekit.splats import Splats, random_splats

View = tuple[Camera, NDArray[np.float64]]
"""A camera and its pose, camera to world."""

SIDE = 480
"""Longest side of the pictures [px]."""


@dataclass(frozen=True)
class Kind:
    """One way to keep splats."""

    file: str
    """Name of the file, whose ending says the format; of the folder of an unbundled SOG."""
    spz: spz.Version | None = None
    """Version of an SPZ."""
    written_by_peer: tuple[str, ...] | None = None
    """Options with which splat-transform writes it; None if it does not."""
    read_by_peer: bool = True
    """Whether splat-transform reads it."""


KINDS = {
    "ply": Kind("a.ply", written_by_peer=()),
    "compressed ply": Kind("a.compressed.ply", written_by_peer=()),
    "splat": Kind("a.splat"),
    "spz 2": Kind("2.spz", spz=2),
    "spz 3": Kind("3.spz", spz=3, written_by_peer=("--spz-version", "3")),
    "spz 4": Kind("4.spz", spz=4, written_by_peer=("--spz-version", "4")),
    "sog": Kind("a.sog", written_by_peer=("-g", "cpu")),
    "sog folder": Kind("folder/meta.json", written_by_peer=("-g", "cpu")),
    "gltf": Kind("a.glb", written_by_peer=(), read_by_peer=False),
    "usd": Kind("a.usdc", read_by_peer=False),
}
"""What is measured, by name."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    source: Path | None = None
    """A scene, a run or a file with the splats; None takes random ones."""
    gaussians: int = 1_000_000
    """How many random ones."""
    degree: int = 3
    """Their degree of SH."""
    formats: tuple[str, ...] = tuple(KINDS)
    """Which formats."""
    repeats: int = 3
    """Rounds; medians count."""
    views: int = 3
    """Pictures."""
    limit: float = 60.0
    """How long a process of splat-transform may take [s]; one that takes longer is not tried again."""


@dataclass(frozen=True)
class Row:
    """One format."""

    format: str
    """Its name."""
    encode: float
    """[s]"""
    decode: float
    """[s]"""
    size: int
    """Of the file [bytes]."""
    psnr: float
    """Of what came back [dB], infinite if pictures are the same."""
    peer_encode: float | None
    """PLY to it by splat-transform, less start-up [s], infinite beyond the limit; None if it does not."""
    peer_decode: float | None
    """It to PLY [s]."""
    peer_size: int | None
    """Its file [bytes]."""


@dataclass(frozen=True)
class Result:
    """Medians."""

    gaussians: int
    """How many."""
    degree: int
    """Of SH."""
    threads: int
    """Threads of ours."""
    peer: str
    """Version of splat-transform, or that there is none."""
    peer_start: float
    """Its start-up, which is taken off its times [s]."""
    limit: float
    """[s]"""
    rows: list[Row]
    """By format."""

    def __str__(self) -> str:
        def cell(value: float | None, form: str) -> str:
            return "–" if value is None else f"> {self.limit:.0f}" if math.isinf(value) else format(value, form)

        def line(row: Row) -> str:
            loss = "∞" if math.isinf(row.psnr) else f"{row.psnr:.1f}"
            ours = [f"{row.encode:.2f}", f"{row.decode:.2f}", f"{row.size / 1e6:.1f}"]
            ours.append(f"{row.size / max(self.gaussians, 1):.1f}")
            peer_mb = None if row.peer_size is None else row.peer_size / 1e6
            peer = [cell(row.peer_encode, ".2f"), cell(row.peer_decode, ".2f"), cell(peer_mb, ".1f")]
            return f"| {' | '.join([row.format, *ours, loss, *peer])} |"

        head = f"{self.gaussians} Gaussians, degree {self.degree}, {self.threads} threads; {self.peer}"
        title = (
            "| format | encode [s] | decode [s] | MB | bytes each | PSNR [dB] | peer encode | peer decode | peer MB |"
        )
        return "\n".join([head, "", title, "|---" * 9 + "|", *map(line, self.rows)])


def run(config: Config) -> Result:
    """Measure; see the module."""
    unknown = set(config.formats) - set(KINDS)
    if unknown or config.repeats < 1 or config.views < 1:
        got = f"{', '.join(sorted(unknown))}, {config.repeats} repeats, {config.views} views"
        raise InputError(
            "bench formats", got=got, wanted=f"some of {', '.join(KINDS)}, and a repeat and a view at least"
        )
    state = open_scene(config.source).state if config.source else None
    splats = state.splats() if state else random_splats(config.gaussians, degree=config.degree)
    views = _views(splats, state, config.views)
    truth = _pictures(splats, views)
    peer = Peer(os.environ.get("SPLAT_TRANSFORM", ""), config.limit)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "source.ply"
        write_splats(plain, splats)
        for name in track(config.formats, "formats", transient=True):
            rows.append(_row(name, plain, splats, views, truth, peer, config.repeats))
    return Result(
        gaussians=len(splats),
        degree=splats.sh_degree,
        threads=torch.get_num_threads(),
        peer=peer.version,
        peer_start=peer.start,
        limit=config.limit,
        rows=rows,
    )


class Peer:
    """PlayCanvas's splat-transform, if there is one."""

    def __init__(self, tool: str, limit: float) -> None:
        self.tool, self.limit, self.start, self.version = tool, limit, 0.0, "no splat-transform"
        if tool:
            self.start = median(self._seconds("--version") for _ in range(5))
            said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
            self.version = (said.stdout + said.stderr).strip()

    def convert(self, source: Path, target: Path, options: tuple[str, ...], before: list[float]) -> list[float]:
        """The times before and that of one more conversion, unless one took longer than the limit."""
        if not self.tool or math.inf in before:
            return before
        target.parent.mkdir(exist_ok=True)
        return [*before, self._seconds("--quiet", "--overwrite", *options, str(source), str(target)) - self.start]

    def _seconds(self, *words: str) -> float:
        start = time.perf_counter()
        try:
            subprocess.run([self.tool, *words], capture_output=True, timeout=self.limit + self.start, check=True)
        except subprocess.TimeoutExpired:
            return math.inf
        return time.perf_counter() - start


def _row(
    name: str,
    plain: Path,
    splats: Splats,
    views: list[View],
    truth: Tensor,
    peer: Peer,
    repeats: int,
) -> Row:
    """One format: written, read, and both by the peer, in turns."""
    kind = KINDS[name]
    ours, theirs = (plain.parent / who / kind.file for who in ("ours", "theirs"))
    ours.parent.mkdir(parents=True, exist_ok=True)
    theirs.parent.parent.mkdir(exist_ok=True)
    encode, decode = list[float](), list[float]()
    peer_encode, peer_decode = list[float](), list[float]()
    for _ in range(repeats):
        start = time.perf_counter()
        write_splats(ours, splats, format=_format(kind))
        encode.append(time.perf_counter() - start)
        start = time.perf_counter()
        found = read_splats(ours)
        decode.append(time.perf_counter() - start)
        if kind.written_by_peer is not None:
            peer_encode = peer.convert(plain, theirs, kind.written_by_peer, peer_encode)
        if kind.read_by_peer:
            peer_decode = peer.convert(ours, plain.with_name("back.ply"), (), peer_decode)
    done = peer_encode and math.inf not in peer_encode
    return Row(
        format=name,
        encode=round(median(encode), 3),
        decode=round(median(decode), 3),
        size=_size(ours),
        psnr=round(float(psnr(_pictures(found, views), truth)), 2),
        peer_encode=_median(peer_encode),
        peer_decode=_median(peer_decode),
        peer_size=_size(theirs) if done else None,
    )


def _format(kind: Kind) -> SplatFormat:
    if kind.spz is None:
        return by_suffix(Path(kind.file))
    return replace(spz.FORMAT, write=lambda path, splats, up: spz.write(path, splats, version=kind.spz))


def _size(path: Path) -> int:
    """Of a file, or of all that lies beside a meta.json [bytes]."""
    files = path.parent.iterdir() if path.name == "meta.json" else [path]
    return sum(file.stat().st_size for file in files)


def _median(seconds: list[float]) -> float | None:
    return None if not seconds else math.inf if math.inf in seconds else round(median(seconds), 3)


def _views(splats: Splats, state: SceneState | None, count: int) -> list[View]:
    """Cameras and poses of some of the photos or, where there are none, on a circle around the splats."""
    photos = state.photos() if state else []
    if photos:
        chosen = photos[:: -(-len(photos) // count)]
        return [(small_pinhole(photo.camera, SIDE), photo.T_world_cam) for photo in chosen]
    middle = splats.means.double().median(0).values.numpy()
    radius = 2.5 * float(np.percentile(np.linalg.norm(splats.means.double().numpy() - middle, axis=1), 90))
    camera = pinhole(SIDE, SIDE, SIDE, SIDE, SIDE / 2, SIDE / 2)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    offsets = [radius * np.array([np.cos(angle), np.sin(angle), 0.5]) for angle in angles]
    return [(camera, look_at(middle + offset, middle)) for offset in offsets]


def _pictures(splats: Splats, views: list[View]) -> Tensor:
    """What the views see, one below the other, shape (views · h, w, 3)."""
    return torch.cat([render(splats, camera, pose).rgb for camera, pose in views])
