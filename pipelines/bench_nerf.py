"""How well a radiance field does in a given time: held-out photos, depth against the truth, and splats beside it.

scenekit reconstruct captures/fox/images -o fox            # for its cameras
scenekit bench nerf fox --max-side 480
scenekit capture tabletop -o photos
scenekit bench nerf photos/truth/colmap --images photos/images --truth photos/truth --max-side 320
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor

import scenekit._kernels.launch as launch
from scenekit.cameras import Array, Camera
from scenekit.capture import Capture, CaptureConfig, View, load_views, open_capture, split, undistorted
from scenekit.capture.saved import read_capture
from scenekit.evaluate import Scores, drawn, scored
from scenekit.fields.contraction import region_of
from scenekit.fields.fitted import FittedField
from scenekit.fields.rendering import render_field
from scenekit.fields.train import FieldConfig, FieldTrainer, fit_field
from scenekit.fit import FitConfig, fit, initial_splats

WARM, MEASURED, EVALUATIONS = 10, 40, 6
"""Steps that are not counted, steps whose speed is measured, and how often the held-out PSNR is taken."""


@dataclass(frozen=True)
class Config:
    """What is measured."""

    capture: tyro.conf.Positional[Path]
    """A run folder, whose cameras are taken, or anything that `scenekit reconstruct` takes."""
    images: Path | None = None
    """Where the photos of a COLMAP model are."""
    truth: Path | None = None
    """The truth/ of an embedded capture, in whose world the cameras are: depth is compared as well."""
    max_side: int = 480
    """Longest side that the photos are reduced to [px]."""
    minutes: float = 20.0
    """Time of the fit, by the speed of its first steps."""
    splats: bool = True
    """Fit splats too, by `FitConfig.quick()`."""
    nerf: FieldConfig = field(default_factory=FieldConfig)
    """How to fit, but for the number of steps."""


@dataclass(frozen=True)
class Result:
    """What came of it."""

    threads: int
    """Of Warp and of torch."""
    steps: int
    """Of the fit."""
    seconds: float
    """It took [s]; evaluations are not counted."""
    scores: Scores
    """Of held-out photos."""
    history: list[tuple[int, float, float]]
    """Step, seconds and held-out PSNR [dB] on the way."""
    occupied: float
    """Share of the grid's cells, of those that space is contracted into."""
    samples_per_ray: float
    """Shaded in the last steps: how much haze is left for rays to pass."""
    splat_seconds: float | None
    """What splats took to the same PSNR; None if they were not fitted or did not reach it."""
    depth_error: float | None
    """Median over the pixels of all held-out photos of |depth − truth| / truth."""
    no_depth: float | None
    """Share of those pixels without a median depth, which are not in the error."""

    def __str__(self) -> str:
        lines = [
            f"{self.threads} threads, {self.steps} steps, {self.seconds:.1f} s, {self.occupied:.0%} of cells occupied, "
            f"{self.samples_per_ray:.0f} samples per ray",
            f"held out {self.scores.psnr:.2f} dB, SSIM {self.scores.ssim:.3f} over {len(self.scores.views)} photos",
            *(f"  after {row[1]:7.1f} s  {row[2]:.2f} dB" for row in self.history),
        ]
        if self.splat_seconds is not None:
            lines.append(f"splats reach that in {self.splat_seconds:.2f} s")
        if self.depth_error is not None:
            lines.append(f"depth: median error {self.depth_error:.2%} of depth; {self.no_depth:.2%} of pixels without")
        return "\n".join(lines)


def run(config: Config) -> Result:
    """Measure; see the module."""
    torch.set_num_threads(launch.threads())
    with tempfile.TemporaryDirectory(prefix="scenekit-") as folder:
        capture = _capture(config, Path(folder))
        flat = undistorted(capture, Path(folder) / "flat")
        train, held_out = (load_views(flat, max_side=config.max_side, names=names) for names in split(flat))
    steps = _steps(train, capture, config)
    nerf = replace(config.nerf, steps=steps, evaluate_every=max(1, steps // EVALUATIONS))
    result = fit_field(train, region_of(capture), nerf, held_out=held_out)
    fitted = FittedField(result.field, result.look)

    def picture(camera: Camera, T_world_cam: Array) -> Tensor:
        return render_field(fitted.field, camera, T_world_cam, fitted.look, background=nerf.behind).rgb

    scores = scored(drawn(picture, held_out), held_out)
    errors = None if config.truth is None else _depth_errors(fitted, capture, [view.name for view in held_out], config)
    grid = fitted.look.grid
    return Result(
        launch.threads(),
        steps,
        result.records[-1].seconds,
        scores,
        [(row.step, row.seconds, row.psnr) for row in result.held_out],
        1.0 if grid is None else float(grid.occupied[grid.reachable].float().mean()),
        result.records[-1].samples / result.records[-1].rays,
        _splat_seconds(capture, train, held_out, scores.psnr) if config.splats else None,
        None if errors is None else float(np.nanmedian(errors)),
        None if errors is None else float(np.isnan(errors).mean()),
    )


def _capture(config: Config, workspace: Path) -> Capture:
    if (config.capture / "capture.json").is_file():
        return read_capture(config.capture)
    return open_capture(config.capture, workspace=workspace, config=CaptureConfig(images=config.images))


def _steps(train: Sequence[View], capture: Capture, config: Config) -> int:
    """So many steps that the fit takes the minutes, if all go as fast as the first after compilation."""
    trainer = FieldTrainer(train, region_of(capture), config.nerf)
    for _ in range(WARM):
        trainer.advance()
    before = trainer.watch.seconds
    for _ in range(MEASURED):
        trainer.advance()
    return max(1, int(60 * config.minutes * MEASURED / (trainer.watch.seconds - before)))


def _depth_errors(fitted: FittedField, capture: Capture, names: Sequence[str], config: Config) -> NDArray[np.float32]:
    """|depth − truth| / truth of the pixels of those photos in their own lenses; NaN where the field has no depth.

    A pixel of the smaller picture is compared with that of the photo in its middle.
    """
    assert config.truth is not None
    errors, photos = [], {photo.name: photo for photo in capture.photos}
    for name in names:
        photo = photos[name]
        truth = np.load(config.truth / "depth" / f"{Path(name).stem}.npz")["depth"]
        shrink = max(1, round(max(truth.shape) / config.max_side))
        truth = truth[shrink // 2 :: shrink, shrink // 2 :: shrink]
        camera = photo.camera.resized(truth.shape[1], truth.shape[0])
        depth = render_field(fitted.field, camera, photo.T_world_cam, fitted.look).depth.numpy()
        there = np.isfinite(truth) & (truth > 0)
        errors.append(np.where(depth > 0, np.abs(depth - truth) / truth, np.nan)[there])
    return np.concatenate(errors)


def _splat_seconds(capture: Capture, train: Sequence[View], held_out: Sequence[View], psnr: float) -> float | None:
    """Time in which splats reach that PSNR on the held-out photos, their initialisation included."""
    start = time.perf_counter()
    first = initial_splats(capture.points, views=train, seed=0)
    begun = time.perf_counter() - start
    history = fit(train, first, FitConfig.quick(evaluate_every=20), held_out=held_out).history
    reached = history.seconds_to(psnr)
    return None if reached is None else begun + reached
