"""What encoders are worth: frozen, beside one that has learned nothing and features that need no learning.

Files of weights whose notes are the same are seeds of one row. What has been measured is kept, and the same command
goes on from there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from scenekit.data_folder import data_folder
from scenekit.datasets import rollouts_shards, token_shards
from scenekit.datasets.rollouts import RolloutConfig
from scenekit.datasets.rollouts_shards import write_rollouts
from scenekit.datasets.shapes_scenes import ScenesConfig
from scenekit.datasets.token_shards import TokenShardConfig, write_token_shards
from scenekit.errors import InputError
from scenekit.guidance.weights import read_weights
from scenekit.jepa.features import ElementFeatures, Features, LatentFeatures, VoxelFeatures, untrained
from scenekit.jepa.jepa import WEIGHTS, Jepa
from scenekit.pipelines.jepa_figures import (
    HORIZON,
    WINDOW,
    Figures,
    Rollouts,
    flaw_figures,
    object_figures,
    rollout_figures,
    still_figures,
    thing_figures,
)
from scenekit.runs import as_json, read_json, write_json

Table = Literal["objects", "energy", "energy, worn", "rollouts"]
TABLES: tuple[Table, ...] = ("objects", "energy", "energy, worn", "rollouts")
"""What is measured; a table of each."""
WEAR: dict[Table, float] = {"energy": 0.0, "energy, worn": 1.0}
"""Most of the scenes in which energy is to find what is wrong, see `scenekit.datasets.shapes_wear`."""


@dataclass(frozen=True)
class Sizes:
    """What encoders are measured on."""

    objects: int = 2000
    """That probes are fitted to."""
    gallery: int = 200
    """More objects, each of which is found again among all of these."""
    flawed: int = 150
    """Scenes with something wrong, a third of each kind; and as many that are worn."""
    rollouts: int = 256
    """Of which the last fifth is asked for."""
    steps: int = RolloutConfig().steps
    """Of each."""
    seed: int = 1
    """Of the data; another one than that of the scenes that were learned from."""

    def __post_init__(self) -> None:
        least = {"objects": 10, "gallery": 2, "flawed": 3, "rollouts": 20, "steps": WINDOW + HORIZON[-1], "seed": 0}
        if any(getattr(self, name) < number for name, number in least.items()):
            wanted = "at least " + ", ".join(f"{number} {name}" for name, number in least.items())
            raise InputError("probe", got=as_json(self), wanted=wanted)


@dataclass(frozen=True)
class Probe:
    """Measures encoders."""

    weights: tuple[Path, ...] = (WEIGHTS,)
    """Files that `scenekit jepa train` made, by either method."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Objects, flawed scenes and rollouts to measure on; made there if missing. A folder of the cache if not given."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("probe")
    """figures.json, tables.md and what has been measured of each encoder go here."""
    seeds: int = 3
    """Encoders that have learned nothing."""
    workers: int = 2
    """Processes that make data."""
    device: str = "cpu"
    """Where encoders run."""
    tables: tuple[Table, ...] = TABLES
    """Which are measured."""
    sizes: Annotated[Sizes, tyro.conf.arg(name="")] = field(default_factory=Sizes)
    """What they are measured on."""

    def __post_init__(self) -> None:
        if not self.weights or self.seeds < 1 or not self.tables:
            got = (self.weights, self.seeds, self.tables)
            raise InputError("probe", got=got, wanted="some weights, a seed, and a table")


@dataclass(frozen=True)
class Subject:
    """An encoder or a baseline."""

    name: str
    """Of its row."""
    seed: int
    """Which of the row."""
    features: Features
    """What it says."""
    jepa: Jepa | None = None
    """What it is, if an encoder."""
    about: str = ""
    """Hash of its weights, or what else makes it what it is."""

    @property
    def file(self) -> str:
        """Where its figures are kept."""
        return f"{re.sub('[^a-z0-9]+', '-', self.name.lower()).strip('-')}-{self.seed}.json"


@dataclass(frozen=True)
class Row:
    """One encoder or baseline, all seeds."""

    name: str
    """Which."""
    tables: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """Figures of each seed, by table and name."""


@dataclass(frozen=True)
class Measured:
    """All figures."""

    rows: list[Row]
    """Row by row."""
    folder: str
    """Where they are kept."""

    def __str__(self) -> str:
        return "\n\n".join([*(self.table(name) for name in TABLES), f"{self.folder}/figures.json"])

    def table(self, name: str) -> str:
        """One table: figures down, encoders across, mean ± deviation over seeds."""
        rows = [row for row in self.rows if row.tables.get(name)]
        figures = list(dict.fromkeys(figure for row in rows for figure in row.tables[name]))
        heads = [f"{row.name} ({max(map(len, row.tables[name].values()))})" for row in rows]
        lines = [f"| {name} (seeds) | " + " | ".join(heads) + " |", "|---" * (1 + len(rows)) + "|"]
        for figure in figures:
            cells = [with_deviation(row.tables[name].get(figure, [])) for row in rows]
            lines.append(f"| {figure} | " + " | ".join(cells) + " |")
        return "\n".join(lines) if rows else f"{name}: not run"


def run(config: Probe) -> Measured:
    """Makes the data that is missing, and measures what is.

    Raises:
        ScenekitError: If weights or data cannot be used.
    """
    subjects = compared(config)
    measures, known = prepared(config, next(s.jepa for s in subjects if s.jepa is not None))
    rows: dict[str, Row] = {}
    for subject in subjects:
        row = rows.setdefault(subject.name, Row(subject.name))
        for table, figures in figures_of(subject, measures, config).items():
            for name, value in figures.items():
                row.tables.setdefault(table, {}).setdefault(name, []).append(value)
    for name, tables in known.items():
        alone = {table: {figure: [value] for figure, value in figures.items()} for table, figures in tables.items()}
        rows[name] = Row(name, alone)
    measured = Measured(list(rows.values()), str(config.output))
    write_json(config.output / "figures.json", asdict(measured))
    (config.output / "tables.md").write_text(str(measured) + "\n")
    return measured


def compared(config: Probe) -> list[Subject]:
    """The encoders of all files, then those that have learned nothing, then features that need no learning.

    Raises:
        FileError: If a file of weights cannot be read.
    """
    subjects: list[Subject] = []
    for file in config.weights:
        jepa = Jepa.load(file, device=config.device)
        note = str(read_weights(file, wanted="weights of a 3D-JEPA")[0].get("note") or file.stem)
        seed = sum(subject.name == note for subject in subjects)
        subjects.append(Subject(note, seed, LatentFeatures(jepa), jepa, hashlib.sha256(file.read_bytes()).hexdigest()))
    network = next(s.jepa for s in subjects if s.jepa is not None).config
    for seed in range(config.seeds):
        jepa = untrained(network, seed=seed)
        jepa.network.to(config.device)
        subjects.append(Subject("random encoder", seed, LatentFeatures(jepa), jepa, str(as_json(network))))
    raw: dict[str, Features] = {"raw features": ElementFeatures(), "voxel statistics": VoxelFeatures()}
    return subjects + [Subject(name, 0, features) for name, features in raw.items()]


Measures = dict[str, Callable[[Subject], Figures]]
"""How the figures of each table are measured."""


def prepared(config: Probe, jepa: Jepa) -> tuple[Measures, dict[str, dict[str, Figures]]]:
    """How each table is measured, on data that is there then; and what takes no encoder at all, by name and table."""
    folder = config.data or data_folder() / "probe"
    sizes = config.sizes
    common = TokenShardConfig(seed=sizes.seed, tokens=jepa.config.tokens)
    objects = replace(common, variant="objects", scenes=sizes.objects + sizes.gallery)
    flawed = replace(common, variant="flawed", scenes=sizes.flawed, views=("splats",))
    moving = RolloutConfig(rollouts=sizes.rollouts, steps=sizes.steps, seed=sizes.seed)
    measures: Measures = {}
    known: dict[str, dict[str, Figures]] = {}
    if "objects" in config.tables:
        write_token_shards(folder / "objects", objects, workers=config.workers)
        measures["objects"] = lambda s: object_figures(
            s.features, folder / "objects", gallery=sizes.gallery, unlike=s.jepa is None
        )
    for table, wear in WEAR.items():
        if table in config.tables:
            place = folder / ("flawed-worn" if wear else "flawed")
            write_token_shards(place, replace(flawed, composed=ScenesConfig(wear=wear)), workers=config.workers)
            measures[table] = lambda s, place=place: flaw_figures(s.features, s.jepa, place)  # type: ignore[misc]
            known.setdefault("being of a thing", {})[table] = thing_figures(place)
    if "rollouts" in config.tables:
        write_rollouts(folder / "rollouts", moving, workers=config.workers)
        rollouts = Rollouts.read(folder / "rollouts")
        measures["rollouts"] = lambda s: rollout_figures(s.features, rollouts)
        known |= {name: {"rollouts": figures} for name, figures in still_figures(rollouts).items()}
    return measures, known


def figures_of(subject: Subject, measures: Measures, config: Probe) -> dict[str, Figures]:
    """The figures of one encoder by table, each kept as soon as it is there."""
    file = config.output / "encoders" / subject.file
    data = as_json(config.sizes) | {"tokens": token_shards.VERSION, "rollouts": rollouts_shards.VERSION}
    about = {"weights": subject.about, "data": data}
    kept: dict[str, Any] = read_json(file) if file.is_file() else {}
    found: dict[str, Figures] = kept["figures"] if kept.get("about") == about else {}
    for table, measure in measures.items():
        if table not in found:
            found[table] = measure(subject)
            write_json(file, {"name": subject.name, "about": about, "figures": found})
    return found


def with_deviation(values: list[float]) -> str:
    """Mean ± deviation over seeds, or – if there are none."""
    if not values:
        return "–"
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")
