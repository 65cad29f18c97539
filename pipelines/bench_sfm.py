"""Structure from motion against COLMAP's defaults: wall time, photos registered, reprojection error, in one run."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pycolmap
import tyro

from scenekit.capture import CaptureConfig, SfmConfig, open_capture
from scenekit.capture.photos import photo_root
from scenekit.io.atomic import write_text


@dataclass(frozen=True)
class Config:
    """What is measured."""

    photos: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of photos, each of one lens."""
    output: Path | None = None
    """JSON file for the figures."""
    defaults: bool = True
    """Measure COLMAP's defaults too; without, only ours."""
    sfm: SfmConfig = field(default_factory=SfmConfig)
    """Our options."""


@dataclass(frozen=True)
class Row:
    """One program on one folder."""

    capture: str
    """Name of the folder."""
    program: str
    """Whose defaults."""
    registered: int
    """Photos with a pose."""
    total: int
    """Photos there are."""
    points: int
    """Sparse points."""
    error: float
    """Mean reprojection error in pixels of the full photo [px]."""
    features: float
    """Time for features [s]."""
    matches: float
    """Time for matches [s]."""
    mapping: float
    """Time for mapping, second try included [s]."""
    wall: float
    """Time for everything, from folder to poses [s]."""


@dataclass(frozen=True)
class Result:
    """All rows, and on what they were measured."""

    rows: list[Row]
    """Two for each folder."""
    versions: dict[str, str]
    """Programs and machine."""

    def __str__(self) -> str:
        lines = [
            "| capture | by | registered | points | error [px] | features | matches | mapping | wall [s] | ratio |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        base = {row.capture: row.wall for row in self.rows if row.program == "pycolmap"}
        for r in self.rows:
            ratio = f"{r.wall / base[r.capture]:.2f}" if r.capture in base else "–"
            lines.append(
                f"| {r.capture} | {r.program} | {r.registered}/{r.total} | {r.points} | {r.error:.3f} "
                f"| {r.features:.1f} | {r.matches:.1f} | {r.mapping:.1f} | {r.wall:.1f} | {ratio} |"
            )
        return "\n".join([*lines, "", ", ".join(f"{name} {value}" for name, value in self.versions.items())])


def run(config: Config) -> Result:
    """Poses for each folder, by COLMAP's defaults and by ours, each from scratch."""
    programs = [by_colmap_defaults] * config.defaults + [by_scenekit]
    rows = []
    for folder in config.photos:
        for program in programs:
            with tempfile.TemporaryDirectory() as workspace:
                rows.append(program(folder, Path(workspace), config.sfm))
    versions = {"pycolmap": pycolmap.__version__, "cores": str(os.cpu_count()), "machine": platform.machine()}
    result = Result(rows, versions)
    if config.output is not None:
        write_text(config.output, json.dumps(asdict(result), indent=2))
    return result


def by_colmap_defaults(folder: Path, workspace: Path, sfm: SfmConfig) -> Row:
    """What pycolmap does if nothing is said but that all photos have one lens."""
    images, database = photo_root(folder), workspace / "database.db"
    pycolmap.logging.minloglevel = int(pycolmap.logging.FATAL)
    pycolmap.set_random_seed(sfm.seed)
    times = [time.perf_counter()]
    pycolmap.extract_features(database, images, camera_mode=pycolmap.CameraMode.SINGLE)
    times.append(time.perf_counter())
    pycolmap.match_exhaustive(database)
    times.append(time.perf_counter())
    models = pycolmap.incremental_mapping(database, images, workspace / "models")
    times.append(time.perf_counter())
    model = max(models.values(), key=lambda model: model.num_reg_images())
    with pycolmap.Database.open(database) as opened:
        total = opened.num_images()
    return Row(
        folder.name,
        "pycolmap",
        model.num_reg_images(),
        total,
        model.num_points3D(),
        model.compute_mean_reprojection_error(),
        features=times[1] - times[0],
        matches=times[2] - times[1],
        mapping=times[3] - times[2],
        wall=times[3] - times[0],
    )


def by_scenekit(folder: Path, workspace: Path, sfm: SfmConfig) -> Row:
    """What `open_capture` does."""
    start = time.perf_counter()
    summary = open_capture(folder, workspace=workspace, config=CaptureConfig(poses="sfm", sfm=sfm)).summary
    wall = time.perf_counter() - start
    seconds = dict(summary["seconds"])  # type: ignore[call-overload]
    return Row(
        folder.name,
        "scenekit",
        int(str(summary["registered"])),
        int(str(summary["total"])),
        int(str(summary["points"])),
        float(str(summary["reprojection_error_px"])),
        seconds["features"],
        seconds["matches"],
        seconds["mapping"] + seconds.get("second_try", 0.0),
        wall,
    )
