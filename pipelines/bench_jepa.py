"""The static 3D-JEPA beside a masked autoencoder of the same encoder, data and budget: collapse, then all probes.

    scenekit bench jepa --output jepa-figures --size tiny --training.steps 2000

Every method is trained once for each seed, then frozen and measured as `scenekit jepa probe` does. What is trained and
measured is kept; a second call goes on where the first was stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from scenekit.datasets.token_shards import TokenShardConfig, write_token_shards
from scenekit.errors import InputError
from scenekit.io.atomic import write_text
from scenekit.jepa.objective import ObjectiveConfig
from scenekit.jepa.training import TrainingConfig
from scenekit.pipelines.jepa import Train, trained
from scenekit.pipelines.jepa_probe import Measured, Probe, Row, Sizes
from scenekit.pipelines.jepa_probe import run as probed
from scenekit.plots import Series, plot_svg
from scenekit.runs import read_json, write_json

Method = Literal["ema", "sigreg", "variance", "none", "autoencoder"]
METHODS: tuple[Method, ...] = ("ema", "sigreg", "none", "autoencoder")
"""What keeps a JEPA from collapsing, or the baseline."""


@dataclass(frozen=True)
class Config:
    """What is trained and measured."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("jepa-figures")
    """Trainings, data and figures are kept here."""
    methods: tuple[Method, ...] = METHODS
    """Who is compared."""
    seeds: int = 3
    """Of each."""
    size: Literal["tiny", "small", "base"] = "tiny"
    """Of the encoder."""
    mask: Literal["blocks", "i-jepa", "few", "hidden", "layers", "objects", "random"] = "blocks"
    """Of the JEPA; the autoencoder hides 60 % at random."""
    workers: int = 2
    """Processes that make data."""
    scenes: Annotated[TokenShardConfig, tyro.conf.arg(name="scenes")] = field(default_factory=TokenShardConfig)
    """What is learned from."""
    training: Annotated[TrainingConfig, tyro.conf.arg(name="training")] = field(default_factory=TrainingConfig)
    """How long and how; the seed counts on from its own."""
    probe: Annotated[Sizes, tyro.conf.arg(name="probe")] = field(default_factory=Sizes)
    """What encoders are measured on."""

    def __post_init__(self) -> None:
        if self.seeds < 1 or not self.methods or len(set(self.methods)) < len(self.methods):
            raise InputError("bench jepa", got=(self.seeds, self.methods), wanted="a seed, and methods, each once")


@dataclass(frozen=True)
class Result:
    """All figures."""

    collapse: list[Row]
    """How healthy latents are at the end."""
    probes: Measured
    """The rest."""

    def __str__(self) -> str:
        return "\n\n".join([Measured(self.collapse, "").table("collapse"), str(self.probes)])


def run(config: Config) -> Result:
    """Trains and measures; see the module.

    Raises:
        ScenekitError: If the folder holds something else, or an option cannot be used.
    """
    data = config.output / "scenes"
    write_token_shards(data, config.scenes, workers=config.workers)
    files = [trained(train)[0] for _, train in trainings(config, data)]
    collapse = collapsed(config, data)
    folders = {"data": config.output / "probe-data", "output": config.output / "probe"}
    probe = Probe(tuple(files), **folders, seeds=config.seeds, workers=config.workers, sizes=config.probe)
    result = Result(collapse, probed(probe))
    write_json(config.output / "figures.json", asdict(result))
    write_text(config.output / "tables.md", f"{result}\n")
    return result


def trainings(config: Config, data: Path) -> Iterator[tuple[Method, Train]]:
    """Every method with every seed."""
    for method in config.methods:
        for seed in range(config.seeds):
            training = replace(config.training, seed=config.training.seed + seed)
            train = Train(
                config.output / f"{method}-{seed}", data, config.size, mask=config.mask, training=training,
                scenes=config.scenes, intact=0,  # what is usual is not asked of them
            )  # fmt: skip
            if method == "autoencoder":
                yield method, replace(train, method="autoencoder", mask="random")
            else:
                yield method, replace(train, objective=ObjectiveConfig(targets=method))


def collapsed(config: Config, data: Path) -> list[Row]:
    """Health of latents at the end of each training; its course is drawn in collapse.svg."""
    rows: dict[str, Row] = {}
    curves = []
    for method, train in trainings(config, data):
        log = read_json(train.output / "log.json")
        ends = rows.setdefault(method, Row(method, {"collapse": {}})).tables["collapse"]
        for figure in ("rank", "deviation", "cosine"):
            ends.setdefault(figure, []).append(log["health"][-1][figure])
        ranks = [100 * health["rank"] for health in log["health"]]
        curves.append(Series(f"{method} {train.training.seed}", log["watched"], ranks))
    picture = plot_svg("Collapse", curves, x_label="step", y_label="effective rank of the latents [% of the width]")
    write_text(config.output / "collapse.svg", picture)
    return list(rows.values())
