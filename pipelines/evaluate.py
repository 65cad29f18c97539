"""Splats against the photos that they were not fitted to, by the protocol of docs/evaluation.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from scenekit.capture import load_views, split, split_by_region, undistorted
from scenekit.capture.saved import read_capture
from scenekit.errors import FileError
from scenekit.evaluate import Scores, evaluate
from scenekit.io.splat_files import read_splats
from scenekit.opening import open_scene
from scenekit.runs import read_json, write_json


@dataclass(frozen=True)
class Config:
    """Which run is scored, and against which of its photos."""

    run: tyro.conf.Positional[Path]
    """A run folder."""
    splats: Path | None = None
    """Another PLY in the same frame; the run's own if not given."""
    every: int | None = None
    """Every how many-th photo is scored, starting with the first; as in the run if not given. Others than the run's
    held-out photos were fitted to, and their scores say little."""
    region: bool | None = None
    """Score the run's outermost viewpoints instead of every so-many-th; as in the run if not given."""
    max_side: int | None = None
    """Longest side of the photos [px]; as in the run if not given."""
    backend: Literal["warp", "torch", "gsplat"] | None = None
    """Rasteriser back-end; the best that is there if not given."""
    output: Path | None = None
    """Also write the scores to this JSON file."""


@dataclass(frozen=True)
class Result:
    """The scores."""

    scores: Scores
    """Metrics by view."""

    def __str__(self) -> str:
        width = max(len("photo"), *(len(row.name) for row in self.scores.views))
        head = f"{'photo':<{width}}  PSNR [dB]   SSIM" + ("   LPIPS" if self.scores.lpips is not None else "")
        rows = [(row.name, row.psnr, row.ssim, row.lpips) for row in self.scores.views]
        rows.append(("mean", self.scores.psnr, self.scores.ssim, self.scores.lpips))
        lines = [
            f"{name:<{width}}  {psnr:9.2f}  {ssim:.4f}" + ("" if lpips is None else f"  {lpips:.4f}")
            for name, psnr, ssim, lpips in rows
        ]
        return "\n".join([head, *lines])


def run(config: Config) -> Result:
    """Renders the held-out views and compares them with their photos.

    Raises:
        FileError: If the folder is no run, or a file of it is missing or damaged.
        InputError: If no photo is left to score.
    """
    if not (config.run / "run.json").is_file():
        got = "nothing" if not config.run.exists() else "no run.json"
        raise FileError(config.run, got=got, wanted="the folder of a run", hint="`scenekit reconstruct` makes one.")
    options = read_json(config.run / "config.json")
    state = open_scene(config.run).state  # a run that was edited is scored as it is now, from where its photos are now
    capture = replace(read_capture(config.run), photos=state.photos())
    splats = state.splats() if config.splats is None else read_splats(config.splats)
    flat = undistorted(capture, config.run / "cache" / "undistorted")
    every = config.every if config.every is not None else options.get("held_out", 8)
    region = config.region if config.region is not None else options.get("region", False)
    _, held_out = split_by_region(flat) if region else split(flat, every=every)
    max_side = config.max_side or options.get("max_side")
    scores = evaluate(splats, load_views(flat, max_side=max_side, names=held_out), backend=config.backend)
    if config.output is not None:
        write_json(config.output, scores.as_dict())
    return Result(scores)
