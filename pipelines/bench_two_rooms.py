"""Planning in latents from room to room: models of the world side by side, a random policy on the same starts.

    scenekit bench two_rooms --output rooms

Every learned model has the same encoder, predictor and budget; frozen features get the same predictor. A second call
goes on where the first was stopped. Letters: n places or episodes, s steps, d width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, cast

import torch
import tyro
from torch import Tensor, nn

from scenekit.datasets.two_rooms import Tasks, TwoRooms, Walks, random_policy
from scenekit.errors import InputError
from scenekit.jepa.clips import Recordings
from scenekit.jepa.diagnostics import health
from scenekit.jepa.features import ElementFeatures, Features, LatentFeatures, VoxelFeatures, of_scenes, untrained
from scenekit.jepa.jepa import Jepa, JepaNetwork
from scenekit.jepa.masked_autoencoder import MaskedAutoencoder
from scenekit.jepa.masks import Random
from scenekit.jepa.network import TINY, JepaConfig
from scenekit.jepa.probe import r2, regression
from scenekit.jepa.tokens import TokenConfig, Tokens
from scenekit.jepa.training import Trainer, TrainingConfig
from scenekit.jepa.world import Against, SceneEncoder, WorldConfig, WorldModel
from scenekit.pipelines.jepa_probe import Measured, Row
from scenekit.planning import CemConfig, Controller, PlanConfig
from scenekit.runs import as_json, read_json, write_json

LEARNED: dict[str, Against] = {
    "LDAD": "inverse",
    "SIGReg": "sigreg",
    "LDAD and SIGReg": "both",
    "neither": "nothing",
}
"""Encoders that learn with the predictor, and what keeps them from collapsing."""
FROZEN = ("masked autoencoder", "random encoder", "raw features", "voxel statistics")
"""Encoders that do not."""
NETWORK = replace(TINY, tokens=TokenConfig(count=16, neighbours=8, elements=512))
"""Of encoders of tokens, if not told otherwise."""
PLAYERS = ("random policy", "the true world")
"""Who else plays."""
BLOCK = 5
"""Steps of the world in an action of a plan, and between frames."""
AHEAD = 5
"""Blocks that a plan, a rollout in training and the table look ahead."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("two-rooms")
    """Figures of each model and seed go here."""
    only: tuple[str, ...] = (*LEARNED, *FROZEN)
    """Models, of all those that there are if not told otherwise."""
    seeds: int = 3
    """Of each; a seed has its walks, beginning and tasks."""
    episodes: int = 50
    """Tasks of each kind."""
    walks: int = 1024
    """Episodes without a purpose that are learned from, and a fifth more that probes are judged on."""
    length: int = 50
    """Steps of each."""
    steps: int = 2000
    """Of the optimiser."""
    batch: int = 64
    """Clips of a step."""
    learning_rate: float = 1e-3
    """After the warm-up; it falls by a cosine."""
    network: JepaConfig = NETWORK
    """Of encoders of tokens; two tokens are the ball's."""
    width: int = 96
    """d."""
    depth: int = 3
    """Blocks of the predictor."""
    search: CemConfig = field(default_factory=lambda: CemConfig(samples=100, elites=10, iterations=10))
    """How plans are found."""
    device: str = "cpu"
    """Where models learn, as torch names it; they play on the CPU."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.only if name not in (*LEARNED, *FROZEN)]
        if unknown or min(self.seeds, self.episodes) < 1 or self.walks < 10 or self.length < BLOCK * AHEAD:
            wanted = f"some of {(*LEARNED, *FROZEN)}; a seed, an episode, 10 walks of {BLOCK * AHEAD} steps at least"
            raise InputError("two rooms", got=as_json(self), wanted=wanted)


@dataclass(frozen=True)
class Result:
    """All figures."""

    rows: list[Row]
    """Row by row."""

    def __str__(self) -> str:
        return Measured(self.rows, "").table("two rooms")


def run(config: Config) -> Result:
    """Measure; see the module."""
    rows = []
    for name in (*PLAYERS, *config.only):
        row = Row(name, {"two rooms": {}})
        for seed in range(config.seeds):
            for figure, value in kept_figures(name, seed, config).items():
                row.tables["two rooms"].setdefault(figure, []).append(value)
        rows.append(row)
    result = Result(rows)
    write_json(config.output / "figures.json", asdict(result))
    return result


def kept_figures(name: str, seed: int, config: Config) -> dict[str, float]:
    """The figures of one player and seed, measured if they are not there yet."""
    file = config.output / "players" / f"{name.lower().replace(' ', '-')}-{seed}.json"
    about = as_json(replace(config, only=(), output=Path("/"), seeds=1, device="cpu"))
    if file.is_file() and (kept := read_json(file)).get("about") == about:
        return cast(dict[str, float], kept["figures"])
    figures = measured(name, seed, config)
    write_json(file, {"name": name, "seed": seed, "about": about, "figures": figures})
    return figures


def measured(name: str, seed: int, config: Config) -> dict[str, float]:
    """The figures of one player and seed."""
    rooms = TwoRooms()
    if name == "random policy":
        return success(lambda n: random_policy(generator=_chance(seed, 3)), rooms, seed, config) | still(seed, config)
    if name == "the true world":
        return success(lambda n: _controller(rooms.energy(BLOCK), n, seed, config), rooms, seed, config)
    world = learned(name, rooms, seed, config)

    @torch.no_grad()
    def energy(state: Tensor, goal: Tensor) -> Callable[[Tensor], Tensor]:
        return world.energy(world.encode(state), world.encode(goal))

    found = success(lambda n: _controller(energy, n, seed, config), rooms, seed, config)
    return found | told(world, seed, config)


def success(
    player: Callable[[int], Callable[[Tensor, Tensor], Tensor]], rooms: TwoRooms, seed: int, config: Config
) -> dict[str, float]:
    """Shares of tasks solved: those in the other room, and those as LeWM makes them."""
    n = config.episodes
    kinds: dict[str, Callable[..., Tasks]] = {"other room": rooms.tasks, "where a walk ends": rooms.later}
    found = {}
    for number, (kind, tasks) in enumerate(kinds.items()):
        done = rooms.play(player(n), tasks(n, generator=_chance(seed, 1 + number)))
        found[f"solved, {kind}"] = float(done.double().mean())
    return found


@torch.no_grad()
def told(world: WorldModel, seed: int, config: Config) -> dict[str, float]:
    """What a linear probe reads off latents: where the ball is, R², and the error of predicted latents [m]."""
    known, asked = walked(seed, config)
    z, places = (in_parts(world.encode, known.states[:, ::BLOCK].flatten(0, 1)), known.states[:, ::BLOCK].flatten(0, 1))
    probe = regression(z, places)
    latents = in_parts(world.encode, asked.states[:, 0])
    truth = asked.states[:, ::BLOCK]
    figures = {
        "position R²": r2(probe(in_parts(world.encode, truth.flatten(0, 1))), truth.flatten(0, 1)),
        "effective rank": health(z).rank,
    }
    after = world.rollout(latents[:, None], blocks(asked)[:, :AHEAD])
    for number in range(AHEAD):
        wrong = (probe(after[:, number]) - truth[:, number + 1]).norm(dim=-1)
        figures[f"{(number + 1) * BLOCK} steps on [m]"] = float(wrong.mean())
    return figures


def still(seed: int, config: Config) -> dict[str, float]:
    """The same error of saying that the ball stays where it is."""
    truth = walked(seed, config)[1].states[:, ::BLOCK]
    return {
        f"{number * BLOCK} steps on [m]": float((truth[:, number] - truth[:, 0]).norm(dim=-1).mean())
        for number in range(1, AHEAD + 1)
    }


def learned(name: str, rooms: TwoRooms, seed: int, config: Config) -> WorldModel:
    """A model of the world after its training."""
    known, _ = walked(seed, config)
    frames, actions = known.states[:, ::BLOCK], blocks(known)
    size = WorldConfig(2 * BLOCK, config.width, 1, config.depth, 4, against_collapse=LEARNED.get(name, "nothing"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in LEARNED:
            encoder: nn.Module = Seen(rooms, SceneEncoder(config.network, config.width), config.network)
            world = WorldModel(encoder, size)
        else:
            encoder = Frozen(frozen(name, rooms, seed, config), rooms, config)
            frames = in_parts(encoder, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
            world = WorldModel(nn.Identity(), size)  # it learns from latents that are known
    Trainer(world, Recordings(frames, actions, window=1 + AHEAD), _training(seed, config), folder=None).train()
    world.encoder = encoder
    return world.to("cpu").eval()


def frozen(name: str, rooms: TwoRooms, seed: int, config: Config) -> Features:
    """Features that do not learn with the predictor."""
    if name == "masked autoencoder":
        objective = MaskedAutoencoder(config.network, Random(shares=(0.6,), context=0.4))
        places = walked(seed, config)[0].states[:, ::BLOCK].flatten(0, 1)
        Trainer(objective, Places(rooms, places, config.network), _training(seed, config), folder=None).train()
        return LatentFeatures(Jepa(JepaNetwork.of(objective.encoder).to("cpu"), normalised=False))
    if name == "random encoder":
        return LatentFeatures(untrained(config.network, seed=seed))
    return ElementFeatures() if name == "raw features" else VoxelFeatures()


class Seen(nn.Module):
    """Places of the ball (n, 2) → latents (n, d), of the tokens of the rooms with the ball there."""

    def __init__(self, rooms: TwoRooms, encoder: nn.Module, network: JepaConfig):
        super().__init__()
        self.rooms, self.encoder, self.network = rooms, encoder, network

    def forward(self, places: Tensor) -> Tensor:
        """Latents."""
        latents: Tensor = self.encoder(self.rooms.tokens(places.cpu(), self.network.tokens).to(places.device))
        return latents


class Frozen(nn.Module):
    """The same by features that do not learn: in deviations, turned and cut to d numbers by a fixed orthonormal map."""

    def __init__(self, features: Features, rooms: TwoRooms, config: Config):
        super().__init__()
        self.features, self.rooms, self.tokens = features, rooms, config.network.tokens
        examples = self._said(rooms.places(512, generator=_chance(0, 0)))
        self.mean, deviation = examples.mean(0), examples.std(0)
        self.scale = torch.where(deviation > 1e-5, 1 / deviation, 0.0)
        f, d = examples.shape[1], config.width
        turn = torch.linalg.qr(torch.randn(max(f, d), min(f, d), generator=_chance(0, 0))).Q
        self.lift = turn if f >= d else turn.T

    def forward(self, places: Tensor) -> Tensor:
        """Latents."""
        return (self._said(places) - self.mean) * self.scale @ self.lift

    def _said(self, places: Tensor) -> Tensor:
        return of_scenes(self.features, self.rooms.tokens(places, self.tokens))


@dataclass(frozen=True)
class Places:
    """Tokens of the rooms with the ball at known places (n, 2): `Examples` of a trainer."""

    rooms: TwoRooms
    places: Tensor
    network: JepaConfig

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, numbers: Tensor) -> Tokens:
        """Some of them."""
        return self.rooms.tokens(self.places[numbers], self.network.tokens)


def walked(seed: int, config: Config) -> tuple[Walks, Walks]:
    """Walks to learn from, and others."""
    rooms, other = TwoRooms(), max(config.walks // 5, 2)
    walks = rooms.walks(config.walks + other, config.length, generator=_chance(seed, 0))
    return Walks(*(part[: config.walks] for part in walks)), Walks(*(part[config.walks :] for part in walks))


def blocks(walks: Walks) -> Tensor:
    """Actions of blocks, as plans have them, shape (n, s / BLOCK, 2 BLOCK)."""
    whole = walks.actions.shape[1] // BLOCK * BLOCK
    return walks.actions[:, :whole].unflatten(1, (-1, BLOCK)).flatten(2)


@torch.no_grad()
def in_parts(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """A function of many rows, some at once."""
    return torch.cat([function(some) for some in rows.split(256)])


def _controller(
    energy: Callable[[Tensor, Tensor], Callable[[Tensor], Tensor]], episodes: int, seed: int, config: Config
) -> Callable[[Tensor, Tensor], Tensor]:
    high = torch.ones(episodes, 2)
    plan = PlanConfig(horizon=AHEAD, receding=AHEAD, block=BLOCK, search=config.search)
    return Controller(energy, plan, low=-high, high=high, generator=_chance(seed, 3)).act


def _training(seed: int, config: Config) -> TrainingConfig:
    return TrainingConfig(
        steps=config.steps, batch=config.batch, learning_rate=config.learning_rate, warm_up=max(config.steps // 20, 1),
        weight_decay=1e-3, final_decay=1e-3, precision="float32", device=config.device, watch_every=config.steps,
        seed=seed,
    )  # fmt: skip


def _chance(seed: int, use: int) -> torch.Generator:
    """Of walks, tasks of two kinds, and players: 0 to 3."""
    return torch.Generator().manual_seed(4 * seed + use)
