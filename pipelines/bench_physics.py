"""What the laws of the simulation are worth: experiments whose outcome is known, with plots. Takes some minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import track

import scenekit.datasets.experiments_bodies as bodies
import scenekit.datasets.experiments_contact as contact
import scenekit.datasets.experiments_elastic as elastic
import scenekit.datasets.experiments_flow as flow
from scenekit.datasets.experiments import Outcome
from scenekit.errors import InputError
from scenekit.io.atomic import write_text
from scenekit.plots import plot_svg

EXPERIMENTS: dict[str, Callable[[], Outcome]] = {
    "bounce": elastic.bouncing_ball,
    "spin": elastic.spinning_ball,
    "cantilever-small": elastic.small_deflection,
    "cantilever-large": elastic.large_deflection,
    "stiffness-mass": elastic.stiffness_and_mass_counterfactual,
    "dam-break": flow.dam_break,
    "sand-columns": flow.sand_columns,
    "repose": flow.angle_of_repose,
    "heaps": flow.heaps,
    "incline-slides": contact.inclines_slide,
    "incline-holds": contact.inclines_hold,
    "friction": contact.friction_counterfactual,
    "collision": contact.rigid_soft_collision,
    "rolling": bodies.rolling_sphere,
    "restitution": bodies.restitution,
    "stack": bodies.stack_of_boxes,
    "catenary": bodies.catenary,
}
"""Every experiment by a short name, in the order of the page of validation."""


@dataclass(frozen=True)
class Config:
    """Which experiments, and where their plots go."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Some of the experiments; all if none is named."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """A folder for the plots, NAME.svg; none if not given."""


@dataclass(frozen=True)
class Row:
    """An experiment's figure."""

    name: str
    """Short name."""
    what: str
    """What was tried and measured."""
    measured: float
    """The figure."""
    bar: float
    """What it may be at most."""
    holds: bool
    """True if it is."""
    detail: str
    """The numbers behind it."""
    seconds: float
    """How long it took [s]."""


@dataclass(frozen=True)
class Result:
    """All figures."""

    rows: tuple[Row, ...]
    """One per experiment."""

    @property
    def exit_code(self) -> int:
        """0 if all are within their bars."""
        return int(not all(row.holds for row in self.rows))

    def __str__(self) -> str:
        lines = ["| experiment | measured | bar | | numbers | time |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {r.what} | {r.measured:.3g} | {r.bar:g} | {'' if r.holds else '**missed**'} | {r.detail} "
            f"| {r.seconds:.0f} s |"
            for r in self.rows
        ]
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Does the experiments one after the other.

    Raises:
        InputError: If there is no experiment of a name.
    """
    unknown = set(config.names) - set(EXPERIMENTS)
    if unknown:
        raise InputError("experiment", got=", ".join(sorted(unknown)), wanted="some of " + ", ".join(EXPERIMENTS))
    rows = []
    for name in track(config.names or tuple(EXPERIMENTS), "experiments", transient=True):
        start = time.perf_counter()
        outcome = EXPERIMENTS[name]()
        rows.append(_row(name, outcome, time.perf_counter() - start))
        if config.output is not None and outcome.plot:
            x_label, y_label = outcome.axes
            text = plot_svg(outcome.name, outcome.plot, x_label=x_label, y_label=y_label)
            write_text(config.output / f"{name}.svg", text)
    return Result(tuple(rows))


def _row(name: str, outcome: Outcome, seconds: float) -> Row:
    what = f"{outcome.name}: {outcome.figure}"
    return Row(name, what, float(outcome.measured), outcome.bar, outcome.holds, outcome.detail, seconds)
