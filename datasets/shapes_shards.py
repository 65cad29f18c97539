"""Streams and files of pictures of random shapes. Letters: n objects, c views of each, h w picture.

What an object is depends on (variant, seed, index) alone, so that processes can share the work in any order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenekit.data_folder import data_folder
from scenekit.datasets.shapes import build, captions, sample_spec
from scenekit.datasets.shapes_parts import Rng
from scenekit.datasets.shapes_pictures import STUDIO, Studio, cutout, over
from scenekit.datasets.shards import Part, ShardFolder
from scenekit.errors import FileError, InputError

Variant = Literal["prior", "judge"]
VARIANTS: tuple[Variant, ...] = ("prior", "judge")
"""Each has random numbers of its own; the judge's pictures have other light, lenses and backgrounds too."""
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
    count = -(-config.objects // config.per_shard)
    return ShardFolder(folder, "shapes").write(config, count, functools.partial(_part, config), workers=workers)


def read_shards(folder: str | Path) -> Iterator[Shard]:
    """The shards of a folder in order, each checked against its hash.

    Raises:
        FileError: If there is none, or one is damaged or incomplete.
    """
    for arrays, notes in ShardFolder(Path(folder), "shapes").read():
        try:
            yield Shard(**arrays, captions=notes["captions"])
        except (KeyError, TypeError) as error:
            raise FileError(folder, got=error, wanted="shards that write_shards made") from error


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


def _part(config: ShardConfig, number: int) -> Part:
    first = number * config.per_shard
    objects = [_object(config, index) for index in range(first, min(first + config.per_shard, config.objects))]
    directions = np.stack([made.directions for made in objects])
    arrays = {
        "rgba": np.stack([made.rgba for made in objects]),
        "azimuth": np.ascontiguousarray(directions[..., 0]),
        "elevation": np.ascontiguousarray(directions[..., 1]),
        "background": np.stack([made.backgrounds for made in objects]),
    }
    return Part(arrays, {"captions": [made.captions for made in objects]})
