"""Streams and files of pictures of random shapes. Letters: n objects, c views of each, h w picture.

What an object is depends on (variant, seed, index) alone, so that processes can share the work in any order.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from scenekit.datasets.shapes import build, captions, sample_spec
from scenekit.datasets.shapes_parts import Rng
from scenekit.datasets.shapes_pictures import STUDIO, Studio, cutout, over
from scenekit.errors import FileError, InputError
from scenekit.io.atomic import write_bytes, write_text

Variant = Literal["prior", "judge"]
VARIANTS: tuple[Variant, ...] = ("prior", "judge")
"""Each has random numbers of its own; the judge's pictures have other light, lenses and backgrounds too."""
VERSION = 1
"""Of the files."""
LOW, HIGH, STEEP = -10.0, 45.0, 85.0
"""Elevations [degrees]: four of five views between the first two, the others above."""
SENTENCES = 6
"""Captions kept for each object."""


class Example(NamedTuple):
    """One picture and what it shows."""

    picture: NDArray[np.uint8]
    """Display sRGB, shape (h, w, 3)."""
    caption: str
    """One of the sentences that say it."""
    azimuth: float
    """[degrees]."""
    elevation: float
    """[degrees]."""


@dataclass(frozen=True)
class ShardConfig:
    """What a folder of shards holds."""

    objects: int = 4096
    """Number of objects."""
    views: int = 8
    """Pictures of each."""
    side: int = 64
    """Width and height of each [px]."""
    seed: int = 0
    """Chance of everything."""
    variant: Variant = "prior"
    """Whose data it is."""
    relations: float = 0.15
    """Share of objects that are two things."""
    per_shard: int = 256
    """Objects in each file."""

    def __post_init__(self) -> None:
        whole = (self.objects, self.views, self.side, self.per_shard)
        if min(whole) < 1 or self.side > 1024 or self.seed < 0 or not 0 <= self.relations <= 1:
            wanted = "positive numbers, at most 1024 pixels, a share of 0 to 1"
            raise InputError("shards", got=asdict(self), wanted=wanted)
        if self.variant not in VARIANTS:
            raise InputError("variant", got=self.variant, wanted=" or ".join(VARIANTS))


@dataclass(frozen=True)
class Shard:
    """Some objects, seen from all around."""

    rgba: NDArray[np.uint8]
    """Display colours multiplied by the coverage, and that, as of `shapes_pictures.cutout`, shape (n, c, h, w, 4)."""
    azimuth: NDArray[np.float32]
    """[degrees], shape (n, c)."""
    elevation: NDArray[np.float32]
    """[degrees], shape (n, c)."""
    background: NDArray[np.float32]
    """Display colour 0..1 meant for each picture, shape (n, c, 3)."""
    captions: list[list[str]]
    """Sentences of each object, the canonical one first."""

    def pictures(self) -> NDArray[np.uint8]:
        """All pictures over their backgrounds, shape (n, c, h, w, 3)."""
        return over(self.rgba, self.background[:, :, None, None])


class _Object(NamedTuple):
    """What is drawn at random for one index."""

    rgba: NDArray[np.uint8]
    directions: NDArray[np.float32]
    backgrounds: NDArray[np.float32]
    captions: list[str]


def stream(
    seed: int,
    count: int,
    *,
    side: int = 64,
    variant: Variant = "prior",
    relations: float = 0.15,
    first: int = 0,
    step: int = 1,
) -> Iterator[Example]:
    """`count` pictures, each of another object, those of the indices first, first + step, …

    Args:
        seed: Chance of everything.
        count: Number of pictures.
        side: Width and height [px].
        variant: "prior" or "judge", with random numbers, light and lenses of its own.
        relations: Share of objects that are two things.
        first: Index of the first object.
        step: Between indices: `first=k, step=p` is the part of the k-th of p processes.

    Raises:
        InputError: If a number is out of range.
    """
    config = ShardConfig(max(count, 1), 1, side, seed, variant, relations)
    for index in range(first, first + step * count, step):
        made = _object(config, index)
        said = _rng(config, index, 1).choice(made.captions)
        azimuth, elevation = made.directions[0].tolist()
        yield Example(over(made.rgba[0], made.backgrounds[0]), str(said), azimuth, elevation)


def write_shards(
    folder: str | Path | None = None, config: ShardConfig = ShardConfig(), *, workers: int = 1
) -> list[Path]:
    """Writes objects seen from all around as shard-00000.safetensors, …, each with a JSON of captions and its hash.

    Shards that are there already, whole and of the same config, are kept: an interrupted run continues.

    Args:
        folder: Where; None is `data_folder()` / shapes / variant.
        config: What.
        workers: Processes that share the shards.

    Raises:
        FileError: If the folder has shards of another config.
    """
    folder = Path(folder) if folder is not None else data_folder() / "shapes" / config.variant
    folder.mkdir(parents=True, exist_ok=True)
    count = -(-config.objects // config.per_shard)
    jobs = [(folder, config, number) for number in range(count) if not _is_whole(folder, config, number)]
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            _write(*job)
    else:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            list(pool.map(_write, *zip(*jobs, strict=True)))
    return [_paths(folder, number)[0] for number in range(count)]


def read_shards(folder: str | Path) -> Iterator[Shard]:
    """The shards of a folder in order, each checked against its hash.

    Raises:
        FileError: If there is none, or one is damaged or incomplete.
    """
    notes = sorted(Path(folder).glob("shard-*.json"))
    if not notes:
        raise FileError(folder, got="no shard-*.json", wanted="a folder that write_shards made")
    for note in notes:
        yield _read(note)


def data_folder() -> Path:
    """Where generated data goes: $SCENEKIT_DATA, else the user's cache folder."""
    return Path(os.environ.get("SCENEKIT_DATA") or Path.home() / ".cache" / "scenekit")


def judge_studio(rng: Rng) -> Studio:
    """Light, lens and background for one of the judge's pictures."""
    fov = rng.uniform(26, 46)
    distance = (
        STUDIO.distance * np.tan(np.radians(STUDIO.fov) / 2) / np.tan(np.radians(fov) / 2) * rng.uniform(0.92, 1.2)
    )
    turn = rng.uniform(0, 2 * np.pi)
    angles = turn + np.array([0, 1.9, 4.1])
    strengths = rng.uniform(0.15, 0.45, 4)
    heights = rng.uniform(0.3, 1.2, 3)
    lamps = [
        (float(np.cos(a)), float(np.sin(a)), float(h), float(s))
        for a, h, s in zip(angles, heights, strengths, strict=False)
    ]
    background = rng.uniform(0.35, 0.95) + rng.uniform(-0.06, 0.06, 3)
    return Studio(
        fov=fov,
        distance=float(distance),
        background=tuple(background.clip(0, 1).tolist()),
        ambient=rng.uniform(0.22, 0.4),
        lamps=(*lamps, (0.0, 0.0, 1.0, 0.5 * float(strengths[3]))),
    )


def _rng(config: ShardConfig, index: int, purpose: int) -> Rng:
    return np.random.default_rng([VARIANTS.index(config.variant), config.seed, index, purpose])


def _object(config: ShardConfig, index: int) -> _Object:
    """Everything about the object of one index."""
    rng = _rng(config, index, 0)
    spec = sample_spec(rng, relations=config.relations)
    shape = build(spec, rng)
    sentences = captions(spec, rng, count=SENTENCES)
    pictures, directions, backgrounds = [], [], []
    for _ in range(config.views):
        azimuth, steep = rng.uniform(0, 360), rng.random() < 0.2
        elevation = rng.uniform(HIGH, STEEP) if steep else rng.uniform(LOW, HIGH)
        studio = judge_studio(rng) if config.variant == "judge" else STUDIO
        pictures.append(cutout(shape, azimuth, elevation, side=config.side, studio=studio))
        directions.append((azimuth, elevation))
        backgrounds.append(studio.background)
    return _Object(np.stack(pictures), np.array(directions, np.float32), np.array(backgrounds, np.float32), sentences)


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    stem = f"shard-{number:05d}"
    return folder / f"{stem}.safetensors", folder / f"{stem}.json"


def _write(folder: Path, config: ShardConfig, number: int) -> None:
    first = number * config.per_shard
    objects = [_object(config, index) for index in range(first, min(first + config.per_shard, config.objects))]
    directions = np.stack([made.directions for made in objects])
    data = save(
        {
            "rgba": np.stack([made.rgba for made in objects]),
            "azimuth": np.ascontiguousarray(directions[..., 0]),
            "elevation": np.ascontiguousarray(directions[..., 1]),
            "background": np.stack([made.backgrounds for made in objects]),
        }
    )
    file, note = _paths(folder, number)
    write_bytes(file, data)
    said = {"captions": [made.captions for made in objects]}
    write_text(note, json.dumps(_header(config) | {"sha256": hashlib.sha256(data).hexdigest()} | said))


def _header(config: ShardConfig) -> dict[str, Any]:
    return {"dataset": "shapes", "version": VERSION, "config": asdict(config)}


def _is_whole(folder: Path, config: ShardConfig, number: int) -> bool:
    """True if a shard need not be written again."""
    file, note = _paths(folder, number)
    if not note.exists():
        return False
    said = _note(note)
    if {key: said.get(key) for key in _header(config)} != _header(config):
        hint = "Choose another folder, or delete this one."
        raise FileError(note, got=said.get("config"), wanted=f"shards of {asdict(config)}", hint=hint)
    return file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == said.get("sha256")


def _note(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise FileError(path, got=error, wanted="the JSON beside a shard") from error
    if not isinstance(said, dict) or said.get("dataset") != "shapes":
        raise FileError(path, got="another file", wanted="the JSON beside a shard")
    return said


def _read(note: Path) -> Shard:
    said, file = _note(note), note.with_suffix(".safetensors")
    try:
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != said["sha256"]:
            raise FileError(
                file, got="other bytes than were written", wanted="the hash in its JSON", hint="Write it again."
            )
        return Shard(**load(data), captions=said["captions"])
    except (OSError, KeyError, TypeError, SafetensorError) as error:
        raise FileError(file, got=error, wanted="a shard that write_shards made") from error
