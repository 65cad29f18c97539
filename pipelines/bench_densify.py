"""Densification: held-out quality, Gaussians and time of one capture by strategy, length of the fit and seed."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

import tyro

from scenekit.capture import open_capture
from scenekit.capture.undistort import undistorted
from scenekit.capture.views import View, load_views, split
from scenekit.fit import ADC, MCMC, ErrorScore, FitConfig, fit, initial_splats
from scenekit.io.atomic import write_text
from scenekit.splats import Splats

Name = Literal["adc", "score", "mcmc"]
"""ADC; ADC with a score of errors in several photos; MCMC with as many Gaussians as adc had before it, or adc.cap."""


@dataclass(frozen=True)
class Config:
    """What is fitted, and how often."""

    photos: tyro.conf.Positional[Path]
    """A folder of photos, a COLMAP model or transforms.json."""
    workspace: Path | None = None
    """Where cameras and undistorted photos are kept for the next run; a temporary folder if None."""
    downscale: float = 4.0
    """Divides both sides of the photos."""
    strategies: tuple[Name, ...] = ("adc", "score", "mcmc")
    """What is compared, in this order."""
    steps: tuple[int, ...] = (2000,)
    """Lengths of fits."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """All is fitted with each."""
    adc: ADC = field(default_factory=ADC)
    """adc, and score but for its score."""
    score: ErrorScore = field(default_factory=lambda: ErrorScore(views=10))
    """Of score."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(evaluate_every=500))
    """Every fit, but for its steps, seed and strategy."""
    output: Path | None = None
    """JSON file for the figures, written anew after each fit."""


@dataclass(frozen=True)
class Row:
    """One fit."""

    strategy: Name
    """Which."""
    steps: int
    """Its length."""
    seed: int
    """Of the order of photos and of densification."""
    seconds: float
    """Wall time of all steps [s]."""
    processor: float
    """Time of all cores, with evaluations [s]; that is what can be compared on a machine that others use."""
    gaussians: int
    """Gaussians at the end."""
    psnr: float
    """Mean PSNR of photos held out, at the end [dB]."""
    fitted: float
    """PSNR of photos that are fitted, over the last steps [dB]."""
    curve: list[tuple[int, float, float]]
    """Steps, wall time [s] and PSNR held out [dB] at each evaluation."""


@dataclass(frozen=True)
class Result:
    """All rows."""

    size: tuple[int, int]
    """Width and height of the photos [px]."""
    views: tuple[int, int]
    """Photos fitted and held out."""
    rows: list[Row]
    """One for each fit."""

    def __str__(self) -> str:
        lines = [f"{self.size[0]}x{self.size[1]} px, {self.views[0]} photos fitted, {self.views[1]} held out", ""]
        lines += ["| strategy | steps | held out [dB] | fitted [dB] | Gaussians | [s] | processor [s] |"]
        lines += ["|---" * 7 + "|"]
        for strategy, steps in dict.fromkeys((row.strategy, row.steps) for row in self.rows):
            same = [row for row in self.rows if (row.strategy, row.steps) == (strategy, steps)]
            psnrs = ", ".join(f"{row.psnr:.2f}" for row in same)
            fitted, gaussians, seconds, processor = (
                fmean(getattr(row, name) for row in same) for name in ("fitted", "gaussians", "seconds", "processor")
            )
            lines.append(
                f"| {strategy} | {steps} | {psnrs}; mean {fmean(row.psnr for row in same):.2f} "
                f"| {fitted:.2f} | {gaussians:.0f} | {seconds:.0f} | {processor:.0f} |"
            )
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Fit with every strategy, length and seed, one after the other."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = config.workspace or Path(temporary)
        capture = undistorted(open_capture(config.photos, workspace=workspace), workspace / "flat")
        train, held_out = (load_views(capture, downscale=config.downscale, names=names) for names in split(capture))
    start = initial_splats(capture.points, views=train)
    result = Result((train[0].width, train[0].height), (len(train), len(held_out)), [])
    for row in rows(config, train, held_out, start):
        result.rows.append(row)
        if config.output is not None:
            write_text(config.output, json.dumps(asdict(result), indent=2))
    return result


def rows(config: Config, train: list[View], held_out: list[View], start: Splats) -> Iterator[Row]:
    """A row for each fit."""
    for steps in config.steps:
        for seed in config.seeds:
            budget = config.adc.cap
            for name in config.strategies:
                how = replace(config.fit, steps=steps, seed=seed, strategy=strategy_of(config, name, budget))
                row = fitted(name, how, train, held_out, start)
                budget = max(row.gaussians, len(start)) if name == "adc" else budget
                yield row


def strategy_of(config: Config, name: Name, budget: int) -> ADC | MCMC:
    """The strategy of this name; `budget` is MCMC's cap."""
    if name == "mcmc":
        return MCMC(cap=budget)
    return config.adc if name == "adc" else replace(config.adc, score=config.score)


def fitted(name: Name, config: FitConfig, train: list[View], held_out: list[View], start: Splats) -> Row:
    """One fit."""
    begun = time.process_time()
    history = (result := fit(train, start, config, held_out=held_out)).history
    processor, last = time.process_time() - begun, history.records[-1]
    return Row(
        strategy=name,
        steps=config.steps,
        seed=config.seed,
        seconds=last.seconds,
        processor=processor,
        gaussians=len(result.splats),
        psnr=history.held_out[-1].psnr,
        fitted=fmean(record.psnr for record in history.records[-10:]),
        curve=[(row.step, row.seconds, row.psnr) for row in history.held_out],
    )
