"""Depth supervision from sparse points: how far the depth drawn is from the truth, with and without, from few photos.

scenekit capture tabletop -o photos
scenekit bench depth --truth photos
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import inverse_pose
from scenekit.capture.capture import Capture
from scenekit.capture.config import SfmConfig
from scenekit.capture.opening import read_colmap
from scenekit.capture.triangulate import triangulated
from scenekit.capture.undistort import undistorted, warp_grid
from scenekit.capture.views import View, load_views
from scenekit.errors import FileError, InputError
from scenekit.evaluate import lens
from scenekit.fit import FitConfig, fit, initial_splats
from scenekit.fit.held_out import mean_psnr
from scenekit.io.atomic import write_text
from scenekit.splats import Splats
from scenekit.surface.depth import DepthMode, surface_view

CLOSE = 0.02
"""Share of the true depth within which a depth is close."""


@dataclass(frozen=True)
class Config:
    """What is measured, and on what."""

    truth: Path = Path("runs/demo/photos")
    """An embedded capture, with its truth; its cameras are taken as they are."""
    photos: int = 12
    """Photos that points are triangulated from and splats are fitted to, evenly spread; all others are held out."""
    weights: tuple[float, ...] = (0.0, 0.01, 0.1)
    """Each `surface.depth` that is tried."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of the fits; all is measured with each."""
    downscale: float = 2.0
    """Divides both sides of the photos."""
    depth: DepthMode = "median"
    """Which depth of the splats is judged."""
    workspace: Path | None = None
    """Where features and undistorted photos are kept for the next run; a temporary folder if None."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=400))
    """Every fit, but for its weight and seed."""
    output: Path | None = None
    """JSON file for the figures."""


@dataclass(frozen=True)
class Row:
    """One fit, judged on photos that it was not fitted to."""

    weight: float
    """`surface.depth`."""
    seed: int
    """Of the fit."""
    seconds: float
    """Wall time of all steps [s]."""
    psnr: float
    """Mean PSNR [dB]."""
    median: float
    """Median distance of the depth drawn from the true one, over all pixels [m]."""
    mean: float
    """Mean of the same [m]."""
    close: float
    """Share of pixels where it is below `CLOSE` times the true depth."""


@dataclass(frozen=True)
class Result:
    """All rows."""

    points: int
    """Sparse points."""
    sightings: int
    """How often a photo has seen one."""
    views: tuple[int, int]
    """Photos fitted and held out."""
    rows: list[Row]
    """One for each fit."""

    def __str__(self) -> str:
        fitted, held_out = self.views
        lines = [f"{self.points} points seen {self.sightings} times, {fitted} photos fitted, {held_out} held out", ""]
        lines += ["| depth | seed | [s] | PSNR [dB] | median error [mm] | mean error [mm] | within 2 % |"]
        lines += ["|---" * 7 + "|"]
        lines += [
            f"| {r.weight:g} | {r.seed} | {r.seconds:.0f} | {r.psnr:.2f} | {1e3 * r.median:.1f} | {1e3 * r.mean:.1f} | "
            f"{100 * r.close:.1f} % |"
            for r in self.rows
        ]
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Fits with each weight, once for each seed.

    Raises:
        FileError: If the truth is missing.
        InputError: If there are too few photos.
    """
    with tempfile.TemporaryDirectory() as temporary:
        capture, flat, chosen = prepared(config, config.workspace or Path(temporary))
        others = {photo.name for photo in flat.photos} - chosen
        train, held_out = (load_views(flat, downscale=config.downscale, names=names) for names in (chosen, others))
    true = [true_depth(config.truth, capture, view) for view in held_out]
    rows = []
    for seed in config.seeds:
        start = initial_splats(flat.points, views=train, seed=seed)
        for weight in config.weights:
            surface = replace(config.fit.surface, depth=weight)
            fitted = fit(train, start, replace(config.fit, surface=surface, seed=seed))
            apart, close = depth_errors(fitted.splats, held_out, true, config.depth)
            seconds, psnr = fitted.history.records[-1].seconds, mean_psnr(fitted.splats, held_out)
            rows.append(Row(weight, seed, seconds, psnr, float(apart.median()), float(apart.mean()), close))
    sightings = sum(map(len, flat.points.tracks.values()))
    result = Result(len(flat.points), sightings, (len(train), len(held_out)), rows)
    if config.output is not None:
        write_text(config.output, json.dumps(asdict(result), indent=2))
    return result


def prepared(config: Config, workspace: Path) -> tuple[Capture, Capture, set[str]]:
    """The capture; the same undistorted, with points triangulated from the photos to fit alone; the names of these."""
    if not (config.truth / "truth" / "depth").is_dir():
        wanted, hint = "the truth of an embedded capture", "scenekit capture tabletop -o DIR"
        raise FileError(config.truth / "truth" / "depth", got="nothing", wanted=wanted, hint=hint)
    capture = read_colmap(config.truth / "truth" / "colmap", images=config.truth / "images")
    count = len(capture.photos)
    if not 2 <= config.photos < count:
        raise InputError("photos", got=config.photos, wanted=f"2 to {count - 1}")
    few = [capture.photos[i] for i in np.linspace(0, count - 1, config.photos).round().astype(int)]
    points = triangulated(replace(capture, photos=few), workspace=workspace, config=SfmConfig()).points
    flat = undistorted(replace(capture, points=points), workspace / "flat")
    return capture, flat, {photo.name for photo in few}


def true_depth(folder: Path, capture: Capture, view: View) -> Tensor:
    """Depth of what an undistorted, reduced photo shows [m], shape (h, w): nearest to each pixel's centre."""
    photo = next(photo for photo in capture.photos if photo.name == view.name)
    with np.load(folder / "truth" / "depth" / f"{Path(view.name).stem}.npz") as file:
        depth = torch.from_numpy(file["depth"])
    grid = warp_grid(photo.camera, lens(view))
    found = torch.nn.functional.grid_sample(depth[None, None], grid[None], "nearest", "border", align_corners=False)
    return found[0, 0]


def depth_errors(
    splats: Splats, views: Sequence[View], true: Sequence[Tensor], depth: DepthMode
) -> tuple[Tensor, float]:
    """Distances from the true depth [m] over all pixels of all views, and the share that is close.

    Where the splats have no depth the whole of the true one is wrong.
    """
    apart = []
    for view, z in zip(views, true, strict=True):
        with torch.no_grad():
            pose = inverse_pose(view.viewmat.double().numpy())
            apart.append((surface_view(splats, lens(view), pose, depth=depth).depth - z).abs())
    close = [(distance < CLOSE * z).flatten() for distance, z in zip(apart, true, strict=True)]
    return torch.cat([distance.flatten() for distance in apart]), float(torch.cat(close).float().mean())
