"""Whether hiding objects teaches how they act on each other: Causal-JEPA with and without object masks.

    scenekit bench object_masks --output object-masks

The protocol, fixed before any run of it. One thing was set after a look: changes are told and said in units of their
own (`CHANGE`) since a pilot of M = 0 alone, 72 rollouts, 350 steps; a smoke run of toy size had compared M = 0 and 1.

Data: `scenekit.datasets.rollouts`, 3 to 6 boxes and balls in 6 rows, as CLEVRER has 3 to 6 objects in 7 slots. There
bodies mostly move on by themselves and seldom meet, so a model can do well on its own past alone, which is what masks
are to prevent; of `pulling_balls` every ball acts on every other at every step, and nothing tempts. Twins are of a
start with one thing changed: a body is not there, has another mass, or is pushed or comes otherwise. Only rollouts as
they were are learned from; twins, and all that is measured, are of another seed.

Slots are frozen, as published: what a frame shows (place, rotation, size, kind, whether there is a body), exact. How
fast a body is only its history tells. As published 3 frames of history, 1 to come, whole histories hidden but for the
first frame; there M = 4 of 7 slots gave most (VideoSAUR, counterfactual questions 47.68 → 68.81 %), or 2 of 7 (SAVi,
where 4 did worse than none). So M = 3 of 6 is the figure and 2 of 6 stands beside it. Frames are 0.1 s apart,
published 0.2 s of slower motion. Published, "counterfactual" is the share of right answers to questions by a network
that reads slots which were predicted without any mask; no error of states is given. Here it is that error.

Arms: M = 0, 2, 3; the same network, initial weights, batches and steps; that histories are hidden, and the term of
these, is the only difference. All see the whole history when measured, and are told what pushes. Three seeds, of
weights, batches and masks.

Error [m]: mean distance between where a linear probe, fitted to slots as they were learned from, says the predicted
slots are and where bodies come to; of all bodies but that with which the twin is otherwise.

| figure | of which frames and bodies |
|---|---|
| **counterfactual** | the frame after every window of the twins; bodies that the change has reached |
| all of the twins | every body, reached by the change or not |
| as it was | the frame after every window of rollouts that were not changed |
| 5 steps on | the fifth frame after every window of the twins, by own predictions; bodies that it has reached |
| removed, mass, push | the first, by what is otherwise |

The change has reached a body that is then more than 1 cm from where it was without it; of others a twin only repeats
what was. Beside it: saying that bodies stay, or go on as between the last two frames; that they are where they were
without the change; and rollouts of the same number made again, the simulator's repeatability. The bar is
`counterfactual` of M = 3 at least 20 % below M = 0, each seed against its own. If M = 0 is no better than moving on,
neither has learned what bodies do, and the comparison says nothing.

What is trained and measured is kept; a second call goes on where the first was stopped. On one core of a small machine
rollouts take about 15 minutes, once, and each seed about 20, 7 for each arm.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import torch
import tyro
from torch import Tensor

from scenekit.datasets.rollouts import CHANGES, RolloutConfig, rollout
from scenekit.datasets.rollouts_clips import ACTIONS, CHANGE, FEATURES, RolloutFiles, slots_of
from scenekit.datasets.rollouts_shards import RolloutShard, write_rollouts
from scenekit.errors import InputError
from scenekit.io.atomic import write_text
from scenekit.jepa.objects import ObjectConfig, ObjectObjective, Slots
from scenekit.jepa.probe import LinearProbe, regression
from scenekit.jepa.training import Trainer, TrainingConfig
from scenekit.pipelines.jepa_probe import Measured, Row
from scenekit.runs import as_json, read_json, write_json

AHEAD = 5
"""Frames that predictions are followed."""
REACHED = 0.01
"""How far a body is from where it was without the change, to count [m]."""
AGAIN = 4
"""Rollouts that are made again."""
AT_ONCE = 2048
"""Windows that go through a model together."""
COUNTERFACTUAL = "counterfactual [m]"
"""The figure that arms are compared by."""
TABLE = "object masks"
"""Name of the table."""


@dataclass(frozen=True)
class Config:
    """What is trained and measured."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("object-masks")
    """Data, trainings and figures are kept here."""
    masked: tuple[int, ...] = (0, 2, 3)
    """M of each arm; the first is what others are compared with."""
    seeds: int = 3
    """Of each; the seed of the training counts on."""
    every: int = 2
    """Steps of the rollouts from a frame to the next."""
    rollouts: RolloutConfig = field(
        default_factory=lambda: RolloutConfig(rollouts=1536, least=3, bodies=6, things=0.0, elements=1)
    )
    """What is learned from."""
    asked: int = 256
    """Rollouts, of the seed after theirs, that are measured."""
    objects: ObjectConfig = field(
        default_factory=lambda: ObjectConfig(FEATURES, ACTIONS, history=3, masked=0, change=CHANGE, depth=3, heads=4)
    )
    """The network; `masked` is that of the arm."""
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            steps=3000, batch=256, learning_rate=5e-4, warm_up=200, weight_decay=0.0, final_decay=0.0,
            precision="float32",
        )
    )  # fmt: skip
    """How; rate, batch and no decay as published."""
    workers: int = 2
    """Processes that make rollouts."""

    def __post_init__(self) -> None:
        frames = self.rollouts.steps // max(self.every, 1) + 1
        unlike = len(set(self.masked)) == len(self.masked) > 0 and max(self.masked) < self.rollouts.bodies
        if not unlike or min(self.seeds, self.every) < 1 or self.asked < 5 or self.objects.future != 1:
            wanted = f"arms unlike each other of fewer than {self.rollouts.bodies} bodies, a seed, 5 rollouts, future 1"
            raise InputError("object masks", got=as_json(self), wanted=wanted)
        if frames < self.objects.history + AHEAD:
            wanted = f"at least {self.objects.history + AHEAD}"
            raise InputError("object masks", got=f"{frames} frames", wanted=wanted)


@dataclass(frozen=True)
class Result:
    """All figures."""

    rows: list[Row]
    """Arms and baselines; errors [m] of each seed."""
    lower: dict[str, list[float]]
    """How much lower the counterfactual error of each other arm is than that of the first, of each seed, as a share."""

    def __str__(self) -> str:
        lines = [Measured(self.rows, "").table(TABLE), ""]
        for name, shares in self.lower.items():
            each = ", ".join(f"{share:+.0%}" for share in shares)
            lines.append(f"counterfactual, {name}: {np.mean(shares):+.0%} ± {np.std(shares):.0%} lower ({each})")
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Trains and measures; see the module.

    Raises:
        ScenekitError: If the folder holds something else, or an option cannot be used.
    """
    known, asked = made(config)
    windows = Windows.of(asked, config)
    slots, places = windowed(known, config.objects.history + 1, config)
    there = slots.states[:, -1, :, -1] > 0
    probe = regression(slots.states[:, -1][there], places[:, -1][there])
    rows = [Row(f"M = {m}", {TABLE: {}}) for m in config.masked]
    for row, m in zip(rows, config.masked, strict=True):
        for seed in range(config.seeds):
            for figure, value in kept_figures(m, seed, slots, probe, windows, config).items():
                row.tables[TABLE].setdefault(figure, []).append(value)
    first = rows[0].tables[TABLE][COUNTERFACTUAL]
    lower = {
        row.name: [1 - own / other for own, other in zip(row.tables[TABLE][COUNTERFACTUAL], first, strict=True)]
        for row in rows[1:]
    }
    beside = baselines(windows) | {"made again": {COUNTERFACTUAL: repeatability(asked, config)}}
    rows += [Row(name, {TABLE: {figure: [value] for figure, value in one.items()}}) for name, one in beside.items()]
    result = Result(rows, lower)
    write_json(config.output / "figures.json", asdict(result) | {"config": as_json(replace(config, output=Path("/")))})
    write_text(config.output / "tables.md", f"{result}\n")
    return result


def made(config: Config) -> tuple[RolloutShard, RolloutShard]:
    """The rollouts that are learned from, and those that are measured."""
    taken = []
    for name, some in (("known", config.rollouts), ("asked", of_asked(config))):
        write_rollouts(config.output / name, some, workers=config.workers)
        files = RolloutFiles(config.output / name)
        taken.append(files.take(torch.arange(len(files))))
    return taken[0], taken[1]


def of_asked(config: Config) -> RolloutConfig:
    """What the rollouts that are measured are drawn from."""
    return replace(config.rollouts, rollouts=config.asked, seed=config.rollouts.seed + 1)


def windowed(shard: RolloutShard, frames: int, config: Config, *, twin: bool = False) -> tuple[Slots, Tensor]:
    """All windows of so many frames, of all rollouts from one start and then the next: slots, and the places of bodies
    [m], shape (w, frames, b, 3)."""
    starts = range(shard.positions.shape[2] - (frames - 1) * config.every)
    moments = [start + config.every * torch.arange(frames) for start in starts]
    each = [slots_of(shard, some.expand(len(shard), -1), twin=twin) for some in moments]
    slots = Slots(*(torch.cat([getattr(one, name) for one in each]) for name in ("states", "actions")))
    return slots, torch.cat([shard.positions[:, int(twin), some] for some in moments])


@dataclass(frozen=True)
class Windows:
    """What is measured: w windows of twins, and the same of what was; b bodies, h frames seen and AHEAD more."""

    twins: Slots
    """As it would have been."""
    was: Slots
    """As it was."""
    places: Tensor
    """Of the twins' bodies [m], shape (w, h + AHEAD, b, 3)."""
    were: Tensor
    """Of what was [m], the same shape."""
    others: Tensor
    """Bodies of the twins but those with which they are otherwise, bool, shape (w, b)."""
    there: Tensor
    """Bodies of what was, bool, shape (w, b)."""
    changes: Tensor
    """Numbers in `CHANGES`, shape (w,)."""
    history: int
    """h."""

    @staticmethod
    def of(shard: RolloutShard, config: Config) -> Windows:
        """All of them."""
        h = config.objects.history
        twins, places = windowed(shard, h + AHEAD, config, twin=True)
        was, were = windowed(shard, h + AHEAD, config)
        starts = len(places) // len(shard)
        others = shard.present[:, 1] & (torch.arange(shard.kinds.shape[1]) != shard.changed[:, None])
        there = shard.present[:, 0].repeat(starts, 1)
        return Windows(twins, was, places, were, others.repeat(starts, 1), there, shard.changes.repeat(starts), h)

    def reached(self, step: int) -> Tensor:
        """Other bodies that are not where they were so many frames after the history, bool, shape (w, b)."""
        apart = (self.places - self.were)[:, self.history + step - 1].norm(dim=-1)
        return self.others & (apart > REACHED)

    def errors(self, twins: Tensor, was: Tensor) -> dict[str, float]:
        """The figures of the module of predicted places [m], each (w, AHEAD, b, 3); without those of no body."""
        off = (twins - self.places[:, self.history :]).norm(dim=-1)
        same = (was - self.were[:, self.history :]).norm(dim=-1)
        soon = self.reached(1)
        found = {
            "counterfactual": off[:, 0][soon],
            "all of the twins": off[:, 0][self.others],
            "as it was": same[:, 0][self.there],
            f"{AHEAD} steps on": off[:, -1][self.reached(AHEAD)],
        }
        for number, change in enumerate(CHANGES):
            found[change] = off[:, 0][soon & (self.changes == number)[:, None]]
        return {f"{name} [m]": float(each.double().mean()) for name, each in found.items() if len(each)}


def kept_figures(
    masked: int, seed: int, slots: Slots, probe: LinearProbe, windows: Windows, config: Config
) -> dict[str, float]:
    """The figures of an arm and seed, measured if they are not there yet."""
    file = config.output / "arms" / f"{masked}-{seed}.json"
    training = replace(config.training, device="cpu")  # where it is done is no matter
    about = as_json(replace(config, masked=(0,), seeds=1, output=Path("/"), workers=1, training=training))
    if file.is_file() and (kept := read_json(file)).get("about") == about:
        return cast(dict[str, float], kept["figures"])
    model = learned(masked, seed, slots, config)
    figures = windows.errors(*(probe(followed(model, some)) for some in (windows.twins, windows.was)))
    write_json(file, {"masked": masked, "seed": seed, "about": about, "figures": figures})
    return figures


def learned(masked: int, seed: int, slots: Slots, config: Config) -> ObjectObjective:
    """An arm after its training."""
    training = replace(config.training, seed=config.training.seed + seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = ObjectObjective(replace(config.objects, masked=masked))
    about = {"masked": masked, "every": config.every, "rollouts": as_json(config.rollouts)}
    Trainer(model, slots, training, folder=config.output / "trainings" / f"{masked}-{seed}", about=about).train(
        progress=True
    )
    return model.eval().to("cpu")


@torch.no_grad()
def followed(model: ObjectObjective, slots: Slots) -> Tensor:
    """What is predicted after the history, by own predictions, shape (w, AHEAD, b, f)."""
    h, found = model.config.history, []
    for states, actions in zip(slots.states.split(AT_ONCE), slots.actions.split(AT_ONCE), strict=True):
        seen = states[:, :h]
        for step in range(AHEAD):
            seen = torch.cat([seen, model.predict(Slots(seen[:, -h:], actions[:, step : step + h]))], 1)
        found.append(seen[:, h:])
    return torch.cat(found)


def baselines(windows: Windows) -> dict[str, dict[str, float]]:
    """Who knows no interaction, from the true places; and who does not know of the change."""
    steps, h = torch.arange(1, AHEAD + 1)[:, None, None], windows.history
    found = {}
    for name, speed in (("standing still", 0), ("moving on", 1)):
        said = [
            places[:, h - 1, None] + speed * steps * (places[:, h - 1] - places[:, h - 2])[:, None]
            for places in (windows.places, windows.were)
        ]
        found[name] = windows.errors(*said)
    unchanged = windows.were[:, h:]
    return found | {"without the change": windows.errors(unchanged, unchanged)}


def repeatability(shard: RolloutShard, config: Config) -> float:
    """Mean distance between the places of twins and of the same made again [m]."""
    off = []
    for number in range(min(AGAIN, len(shard))):
        again = torch.from_numpy(rollout(of_asked(config), number).twin_motion.positions).float()
        off.append((again - shard.positions[number, 1, :, : again.shape[1]]).norm(dim=-1).mean())
    return float(torch.stack(off).mean())
