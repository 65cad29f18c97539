"""Shards of tokens: what the 3D-JEPA learns from and is measured on. Letters: n scenes, v views of each, t tokens.

Views are other drawings of one scene: of its splats, again of these with other chance, of its meshes. What a scene is
depends on the config and its number alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from scenekit.data_folder import data_folder
from scenekit.datasets.shapes_parts import Rng
from scenekit.datasets.shapes_scenes import FLAWS, Flawed, ScenesConfig, ShapesScene, compose, flawed, touched
from scenekit.datasets.shards import Part, ShardFolder, ShardRows
from scenekit.errors import FileError, InputError
from scenekit.jepa.tokens import TokenConfig, Tokens, tokenize

Variant = Literal["objects", "scenes", "flawed"]
View = Literal["splats", "mesh"]
VERSION = 4
"""Of the files: what elements say, and which tokens are marked."""


@dataclass(frozen=True)
class TokenShardConfig:
    """What a folder of shards of tokens holds.

    Raises:
        InputError: If a number is out of range or a name unknown.
    """

    scenes: int = 4096
    """Number of scenes."""
    variant: Variant = "scenes"
    """Single objects without a ground; several on one; or these with one thing wrong, whose views are all of splats."""
    views: tuple[View, ...] = ("splats", "splats", "mesh")
    """What each view is drawn from."""
    seed: int = 0
    """Chance of everything."""
    per_shard: int = 64
    """Scenes in each file."""
    composed: ScenesConfig = field(default_factory=ScenesConfig)
    """How scenes are made; of objects, there is one without ground."""
    tokens: TokenConfig = field(default_factory=TokenConfig)
    """How they become tokens."""

    def __post_init__(self) -> None:
        if self.scenes < 1 or self.per_shard < 1 or self.seed < 0:
            raise InputError("shards", got=(self.scenes, self.per_shard, self.seed), wanted="positive numbers")
        if self.variant not in get_args(Variant) or not self.views or not set(self.views) <= set(get_args(View)):
            got, wanted = (self.variant, self.views), f"one of {get_args(Variant)}, some of {get_args(View)}"
            raise InputError("shards", got=got, wanted=wanted)


@dataclass(frozen=True)
class MadeScene:
    """The scene of one number."""

    scene: ShapesScene
    """It, as it should be."""
    flaw: Flawed | None
    """It with what is wrong, if the variant is flawed."""


def made_scene(config: TokenShardConfig, number: int) -> MadeScene:
    """The scene of a number: the same on every call, in any process."""
    rng = _rng(config, number, 0)
    alone = replace(config.composed, least=1, most=1, ground=False)
    scene = compose(rng, alone if config.variant == "objects" else config.composed)
    flaw = flawed(scene.state, FLAWS[number % len(FLAWS)], rng) if config.variant == "flawed" else None
    return MadeScene(scene, flaw)


def made_view(config: TokenShardConfig, number: int, view: int, made: MadeScene) -> Tokens:
    """The tokens of one view of a scene."""
    chance = torch.Generator().manual_seed(int(_rng(config, number, 1 + view).integers(2**62)))
    if made.flaw:
        return tokenize(made.flaw.state, config.tokens, generator=chance)
    return tokenize(made.scene.state, replace(config.tokens, node=config.views[view]), generator=chance)


def write_token_shards(folder: str | Path | None = None, config: TokenShardConfig = TokenShardConfig(), *,
                       workers: int = 1) -> list[Path]:  # fmt: skip
    """Writes shards; those that are there already, whole and of the same config, are kept.

    Args:
        folder: Where; None is `data_folder()` / tokens / variant.
        config: What.
        workers: Processes that share the shards.

    Raises:
        FileError: If the folder has shards of another config.
    """
    place = ShardFolder(Path(folder or data_folder() / "tokens" / config.variant), "tokens", VERSION)
    count = -(-config.scenes // config.per_shard)
    return place.write(config, count, functools.partial(_shard, config), workers=workers)


class TokenShards:
    """The tokens of a folder, to learn from: `Examples` of which any can be had at any time, read from the disk then.

    Example number i is view i mod v of scene i div v.

    Args:
        folder: What `write_token_shards` made.
        views: Numbers of the views that count; None for all.

    Raises:
        FileError: If there are no shards, or one is damaged, incomplete, or of another config than the others.
        InputError: If there is no such view.
    """

    def __init__(self, folder: str | Path, *, views: Sequence[int] | None = None):
        self.scenes: list[dict[str, Any]] = []
        """The truth about each scene: "things" as of `Thing`, "ground", and "flaw"."""
        self.config: dict[str, Any] = {}
        """Options of the shards, as of `TokenShardConfig`."""
        self._rows = ShardRows()
        for path, said in ShardFolder(Path(folder), "tokens", VERSION).files():
            self._open(path, said)
        self.views = tuple(range(len(self.config["views"])) if views is None else views)
        """Numbers of the views that count."""
        if not self.views or not set(self.views) <= set(range(len(self.config["views"]))):
            raise InputError("views", got=self.views, wanted=f"some of 0 to {len(self.config['views']) - 1}")

    def __len__(self) -> int:
        return len(self.scenes) * len(self.views)

    def batch(self, numbers: Tensor) -> Tokens:
        """The tokens of these examples.

        Args:
            numbers: int64, shape (b,).
        """
        names = ("elements", "centers", "radii", "owners", "valid", "frame")
        parts = {name: self._read(name, numbers) for name in names}
        return Tokens(**parts | {"elements": parts["elements"].float(), "owners": parts["owners"].long()})

    def affected(self, numbers: Tensor) -> Tensor:
        """Which tokens of these examples have to do with what is wrong, bool, shape (b, t); of flawed scenes only.

        Args:
            numbers: int64, shape (b,).

        Raises:
            InputError: If these are shards of another variant.
        """
        if self.config["variant"] != "flawed":
            raise InputError("affected", got=f"shards of {self.config['variant']}", wanted="shards of flawed scenes")
        return self._read("affected", numbers)

    def _open(self, path: Path, said: dict[str, Any]) -> None:
        try:
            scenes, config = list(said["scenes"]), dict(said["config"])
        except (KeyError, TypeError) as error:
            raise FileError(path, got=repr(error)[:200], wanted="a shard of tokens") from None
        rows = self._rows.add(path, "elements")
        if rows != len(scenes) or config != (self.config or config):
            got = f"{rows} scenes, {len(scenes)} in its JSON, of {config}"
            raise FileError(path, got=got, wanted="as many, and the config of the other shards")
        self.config = config
        self.scenes += scenes

    def _read(self, name: str, numbers: Tensor) -> Tensor:
        places = [divmod(number, len(self.views)) for number in numbers.tolist()]
        return self._rows.read(name, [(scene, self.views[view]) for scene, view in places])


def _rng(config: TokenShardConfig, number: int, purpose: int) -> Rng:
    return np.random.default_rng([get_args(Variant).index(config.variant), config.seed, number, purpose])


def _shard(config: TokenShardConfig, number: int) -> Part:
    """What the shard of a number holds."""
    first = number * config.per_shard
    arrays: dict[str, list[np.ndarray]] = {}
    truths = []
    for scene in range(first, min(first + config.per_shard, config.scenes)):
        made = made_scene(config, scene)
        views = [made_view(config, scene, view, made) for view in range(len(config.views))]
        tokens = Tokens.stack(views)
        parts = {
            "elements": tokens.elements.half(), "centers": tokens.centers, "radii": tokens.radii,
            "owners": tokens.owners.short(), "valid": tokens.valid, "frame": tokens.frame,
        }  # fmt: skip
        if made.flaw:
            parts["affected"] = torch.stack([touched(view, made.flaw) for view in views])
        for name, part in parts.items():
            arrays.setdefault(name, []).append(part.numpy())
        truths.append(_truth(made))
    return Part({name: np.stack(parts) for name, parts in arrays.items()}, {"scenes": truths})


def _truth(made: MadeScene) -> dict[str, Any]:
    ground = next((node.name for node in made.scene.state.root.children if node.name in ("floor", "table")), None)
    things = [asdict(thing) for thing in made.scene.things]
    return {"things": things, "ground": ground, "flaw": made.flaw.kind if made.flaw else None}
