"""Splats or a field against the photos that they were not fitted to, by the protocol of docs/evaluation.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from torch import Tensor

from scenekit.cameras import Array, Camera, inverse_pose
from scenekit.capture import load_views, split, split_by_region, undistorted
from scenekit.capture.saved import read_capture
from scenekit.errors import FileError
from scenekit.evaluate import Picture, Scores, drawn, scored
from scenekit.fields.fitted import FittedField
from scenekit.fields.rendering import render_field
from scenekit.io.splat_files import read_splats
from scenekit.opening import SKY, open_scene
from scenekit.render.splats import render
from scenekit.runs import read_json, write_json
from scenekit.scene import SKY_PATH, SceneState
from scenekit.splats import merge


@dataclass(frozen=True)
class Config:
    """Which run is scored, and against which of its photos."""

    run: tyro.conf.Positional[Path]
    """A run folder."""
    splats: Path | None = None
    """A PLY in the same frame; the run's own if not given, or its field if it was made by --method nerf."""
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
    flat = undistorted(capture, config.run / "cache" / "undistorted")
    every = config.every if config.every is not None else options.get("held_out", 8)
    region = config.region if config.region is not None else options.get("region", False)
    _, held_out = split_by_region(flat) if region else split(flat, every=every)
    max_side = config.max_side or options.get("max_side")
    views = load_views(flat, max_side=max_side, names=held_out)
    scores = scored(drawn(picture(config, state, options), views), views)
    if config.output is not None:
        write_json(config.output, scores.as_dict())
    return Result(scores)


def picture(config: Config, state: SceneState, options: dict[str, Any]) -> Picture:
    """What is scored: the field of a run by --method nerf, over what it was fitted over, else splats."""
    placed = next(((path, node.field) for path, node in state.walk() if node.field is not None), None)
    if placed is not None and config.splats is None:
        white = options.get("nerf", {}).get("background") == "white"
        T_node_world = inverse_pose(state.pose(placed[0]).matrix)
        return _picture_of_field(placed[1], T_node_world, torch.ones(3) if white else None)
    splats = state.splats(sky=True) if config.splats is None else read_splats(config.splats)
    if (config.run / SKY).is_file() and (config.splats is not None or SKY_PATH not in state):
        splats = merge([splats, read_splats(config.run / SKY)])

    def drawn_splats(camera: Camera, T_world_cam: Array) -> Tensor:
        return render(splats, camera, T_world_cam, backend=config.backend).rgb

    return drawn_splats


def _picture_of_field(fitted: FittedField, T_node_world: Array, background: Tensor | None) -> Picture:
    def drawn_field(camera: Camera, T_world_cam: Array) -> Tensor:
        return render_field(fitted.field, camera, T_node_world @ T_world_cam, fitted.look, background=background).rgb

    return drawn_field
