"""The report of what was made from words: how it came to be, what it looks like from all sides, what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scenekit.cameras import Array
from scenekit.charts import Curve
from scenekit.generate.pictures import Picture, of_mesh, of_splats, ring
from scenekit.io.images import read_image
from scenekit.meshes import Mesh
from scenekit.report import write_page
from scenekit.splats import Splats
from scenekit.validation import Finding

MOST_STRIPS = 10
"""So many moments of the making are shown."""

SIDES = ("front", "front right", "right", "behind right", "behind", "behind left", "left", "front left")
"""Of the sheet of all sides, counter-clockwise seen from above; right is the viewer's before the front."""

SIDE, ELEVATION = 240, 20.0
"""Sides of its pictures [px], and from how high they are [degrees]."""


@dataclass(frozen=True)
class Side:
    """What is seen from one side."""

    name: str
    """From where."""
    splats: Picture
    """Gaussians, shape (h, w, 3)."""
    mesh: Picture
    """The mesh from there, shape (h, w, 3)."""


@dataclass(frozen=True)
class ThingReport:
    """Everything the page shows."""

    title: str
    """What was asked for."""
    lede: str
    """What came of it, one sentence."""
    figures: dict[str, str]
    """The numbers at the top."""
    strips: dict[str, Picture] = field(default_factory=dict)
    """The thing in the making, from four sides, by moment."""
    sides: list[Side] = field(default_factory=list)
    """The thing as it is."""
    curves: list[Curve] = field(default_factory=list)
    """Charts of the making."""
    facts: dict[str, str] = field(default_factory=dict)
    """Settings."""
    verdict: dict[str, float] = field(default_factory=dict)
    """What a judge takes it for: sentences, the nearest first, and how well they fit."""
    findings: list[Finding] = field(default_factory=list)
    """What validation says."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time per stage [s], in order."""
    command: str = ""
    """How to make it again."""
    versions: dict[str, str] = field(default_factory=dict)
    """What made it."""
    video: Path | None = None
    """A turntable to show at the top."""


def write_thing_report(path: str | Path, report: ThingReport) -> None:
    """Writes `report` as one HTML file, atomically; nothing is fetched."""
    write_page(path, "generate/report.html.jinja", report=report)


def all_sides(splats: Splats, mesh: Mesh, box: Array) -> list[Side]:
    """What is seen of a thing or a world in a box (2, 3) [m] from all sides."""
    cameras = ring(box, count=len(SIDES), elevation=ELEVATION, side=SIDE)
    return [Side(*seen) for seen in zip(SIDES, of_splats(splats, cameras), of_mesh(mesh, cameras), strict=True)]


def kept_strips(folder: Path, stages: dict[str, int]) -> dict[str, Picture]:
    """The first, last and some evenly spaced pictures among those that a run kept, in order, by what they show.

    Args:
        folder: With STAGE-STEP.png.
        stages: Steps of each stage, in order.
    """
    found = {}
    for stage, steps in stages.items():
        for file in sorted(folder.glob(f"{stage}-*.png")):
            step = int(file.stem.removeprefix(f"{stage}-"))
            found[f"{stage}, step {step} of {steps}"] = file
    names, count = list(found), min(len(found), MOST_STRIPS)
    chosen = [names[round(k * (len(names) - 1) / max(count - 1, 1))] for k in range(count)]
    return {name: read_image(found[name]) for name in chosen}
