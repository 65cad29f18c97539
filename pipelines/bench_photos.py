"""Photos as people take them: what is lost to uneven exposures and wrong poses, and how much of it a fit wins back."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import torch
import tyro
from scipy.spatial.transform import Rotation
from torch import Tensor

from scenekit.cameras import Array, inverse_pose
from scenekit.capture import open_capture
from scenekit.capture.capture import Capture
from scenekit.capture.undistort import undistorted
from scenekit.capture.views import View, load_views, split
from scenekit.colors import encoded_srgb, linear_srgb
from scenekit.evaluate import matched_halves, photo, pose_errors
from scenekit.fit import FitConfig, FitResult, fit, initial_splats, schedules
from scenekit.fit.held_out import aligned, drawn_at, mean_psnr
from scenekit.io.atomic import write_text
from scenekit.io.images import write_image
from scenekit.splats import merge


@dataclass(frozen=True)
class Config:
    """What is measured, and on what."""

    photos: tyro.conf.Positional[Path]
    """A folder of photos, a COLMAP model or transforms.json; its cameras and points are taken as the truth."""
    workspace: Path | None = None
    """Where cameras and undistorted photos are kept for the next run; a temporary folder if None."""
    downscale: float = 4.0
    """Divides both sides of the photos."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of exposures and disturbances; all is measured with each."""
    stops: float = 1.0
    """Exposures differ by ± this, evenly spread [EV]."""
    degrees: float = 0.5
    """Each camera is turned by this, about an axis of its own [°]."""
    share: float = 0.01
    """Each camera is shifted by this fraction of the scene's radius, in a direction of its own."""
    parts: tuple[Literal["exposures", "poses", "sky"], ...] = ("exposures", "poses")
    """What is measured; the photos' own sky needs photos taken outdoors."""
    pictures: Path | None = None
    """A folder for one photo held out beside what fits make of it, NAME.jpg for each part."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=1000))
    """Every fit, but for its exposure and poses."""
    output: Path | None = None
    """JSON file for the figures."""


@dataclass(frozen=True)
class Row:
    """One fit, judged on photos that it was not fitted to."""

    seed: int
    """Of the exposures or the disturbance."""
    photos: str
    """"uneven" exposures, poses "true" or "disturbed", or "outdoors"."""
    learned: str
    """What was learned beside the splats."""
    seconds: float
    """Wall time of all steps [s]."""
    plain: float
    """PSNR as drawn: photos held out as they are, from where the truth says [dB]."""
    judged: float
    """PSNR that counts [dB]: of `matched_halves`, or of poses, from where photos fit the frozen splats best."""
    rotation: float = math.nan
    """Median error of the fitted photos' poses, after alignment [°]."""
    position: float = math.nan
    """The same of their centres, as a fraction of the scene's radius."""


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
        lines += ["| seed | photos | learned | [s] | as drawn [dB] | judged [dB] | rotation [°] | position |"]
        lines += ["|---" * 8 + "|"]
        for r in self.rows:
            errors = "– | –" if math.isnan(r.rotation) else f"{r.rotation:.3f} | {r.position:.4f}"
            lines.append(
                f"| {r.seed} | {r.photos} | {r.learned} | {r.seconds:.0f} | {r.plain:.2f} | {r.judged:.2f} | {errors} |"
            )
        return "\n".join([*lines, "", *self.summary()])

    def summary(self) -> list[str]:
        """What the rows come to, as means over seeds."""
        lines = []
        for kind in ("affine", "grid"):
            gains = [self._of(s, "uneven", kind) - self._of(s, "uneven", "none") for s in self._seeds("uneven", kind)]
            if gains:
                lines.append(f"gain from exposure {kind}: {_spread(gains, 'dB', 2)}")
        shares = []
        for seed in self._seeds("disturbed", "poses"):
            right = next(row.judged for row in self.rows if row.photos == "true")
            wrong, refined = (self._of(seed, "disturbed", learned) for learned in ("none", "poses"))
            shares.append(100 * (refined - wrong) / (right - wrong))
        return lines + ([f"of what wrong poses lose, recovered: {_spread(shares, '%', 0)}"] if shares else [])

    def _seeds(self, photos: str, learned: str) -> list[int]:
        return [row.seed for row in self.rows if (row.photos, row.learned) == (photos, learned)]

    def _of(self, seed: int, photos: str, learned: str) -> float:
        return next(r.judged for r in self.rows if (r.seed, r.photos, r.learned) == (seed, photos, learned))


def _spread(values: Sequence[float], unit: str, digits: int) -> str:
    low, mean, high = (f"{value:.{digits}f}" for value in (min(values), fmean(values), max(values)))
    return f"{mean} {unit} ({low} to {high} over {len(values)} seeds)"


def run(config: Config) -> Result:
    """Fits with and without what photos need, once for each seed."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = config.workspace or Path(temporary)
        capture = undistorted(open_capture(config.photos, workspace=workspace), workspace / "flat")
        train, held_out = (load_views(capture, downscale=config.downscale, names=names) for names in split(capture))
    rows: list[Row] = []
    for seed in config.seeds if "exposures" in config.parts else ():
        rows += with_exposures(config, capture, train, held_out, seed)
    if "poses" in config.parts:
        rows += with_poses(config, capture, train, held_out)
    if "sky" in config.parts:
        rows += with_sky(config, capture, train, held_out)
    result = Result((train[0].width, train[0].height), (len(train), len(held_out)), rows)
    if config.output is not None:
        write_text(config.output, json.dumps(asdict(result), indent=2))
    return result


def with_exposures(config: Config, capture: Capture, train: list[View], held_out: list[View], seed: int) -> list[Row]:
    """All photos, held-out ones too, in exposures of their own; fitted without and with compensation."""
    rng = np.random.default_rng([seed, 0])
    uneven = [relit(view, rng.uniform(-config.stops, config.stops)) for view in (*train, *held_out)]
    shown, judged = uneven[: len(train)], uneven[len(train) :]
    rows, drawn = [], []
    for kind in ("none", "affine", "grid"):
        result = fitted(config, capture, shown, exposure=kind)
        drawn.append(matched_halves(drawn_at(result.splats, judged[0]), photo(judged[0])))
        plain, matched = (mean_psnr(result.splats, judged, matched=matched) for matched in (False, True))
        rows.append(Row(seed, "uneven", kind, result.history.records[-1].seconds, plain, matched))
    show(config, "exposures", judged[0], drawn[:2])
    return rows


def with_poses(config: Config, capture: Capture, train: list[View], held_out: list[View]) -> list[Row]:
    """Photos to fit with true poses, and with disturbed ones without and with refinement; the points stay true."""
    radius, drawn = schedules.extent_of(train), []

    def row(seed: int, photos: str, views: list[View], poses: bool) -> Row:
        result = fitted(config, capture, views, poses=poses)
        refined = result.companions.poses
        viewmats = [view.viewmat for view in views] if refined is None else list(refined.viewmats)
        placed = aligned(result.splats, held_out)
        drawn.append(drawn_at(result.splats, placed[0]))
        errors = pose_errors(poses_of(viewmats), poses_of([view.viewmat for view in train]))
        return Row(
            seed,
            photos,
            "poses" if poses else "none",
            result.history.records[-1].seconds,
            mean_psnr(result.splats, held_out),
            mean_psnr(result.splats, placed),
            math.degrees(np.median(errors.rotation)),
            float(np.median(errors.position)) / radius,
        )

    rows = [row(config.seeds[0], "true", train, False)]
    for seed in config.seeds:
        rng = np.random.default_rng([seed, 1])
        wrong = [moved(view, rng, math.radians(config.degrees), config.share * radius) for view in train]
        rows += [row(seed, "disturbed", wrong, poses) for poses in (False, True)]
    show(config, "poses", held_out[0], drawn[1:3])
    return rows


def with_sky(config: Config, capture: Capture, train: list[View], held_out: list[View]) -> list[Row]:
    """The photos as they are, fitted over black and with a sky, in exposures of their own."""
    rows, drawn = [], []
    for background in ("black", "sky"):
        result = fitted(config, capture, train, background=background, exposure="affine")
        splats = result.splats if result.sky is None else merge([result.splats, result.sky])
        plain, matched = (mean_psnr(splats, held_out, matched=matched) for matched in (False, True))
        rows.append(Row(0, "outdoors", background, result.history.records[-1].seconds, plain, matched))
        grey = replace(result.splats, sh=torch.zeros_like(result.splats.sh))  # times two: the opacity
        drawn += [drawn_at(splats, held_out[-1]), 2 * drawn_at(grey, held_out[-1])]
    show(config, "sky", held_out[-1], drawn)
    return rows


def show(config: Config, name: str, view: View, drawn: Sequence[Tensor]) -> None:
    """The photo and pictures of the same place, side by side in NAME.jpg, if pictures are asked for."""
    if config.pictures is not None:
        row = [(255 * picture.detach().clamp(0, 1)).round().to(torch.uint8) for picture in drawn]
        gap = torch.full((view.height, 6, 3), 255, dtype=torch.uint8)
        panels = [panel for picture in (view.image, *row) for panel in (picture, gap)]
        write_image(config.pictures / f"{name}.jpg", torch.cat(panels[:-1], 1).numpy(), quality=80)


def fitted(config: Config, capture: Capture, views: list[View], **learned: Any) -> FitResult:
    """A fit from the capture's points."""
    start = initial_splats(capture.points, views=views)
    return fit(views, start, replace(config.fit, **learned))


def relit(view: View, stops: float) -> View:
    """The photo as if exposed by so many stops more: its light times 2^stops, clipped, in 8 bits of sRGB."""
    encoded = encoded_srgb(linear_srgb(view.image.numpy() / 255) * 2.0**stops).clip(0, 1)
    return replace(view, image=torch.from_numpy(np.rint(255 * encoded).astype(np.uint8)))


def moved(view: View, rng: np.random.Generator, angle: float, distance: float) -> View:
    """The view turned by an angle [rad] about its centre and shifted by a distance [m], in random directions."""
    T = inverse_pose(view.viewmat.double().numpy())
    axis, direction = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    T[:3, :3] = Rotation.from_rotvec(angle * axis).as_matrix() @ T[:3, :3]
    T[:3, 3] += distance * direction
    return replace(view, viewmat=torch.from_numpy(inverse_pose(T)).float())


def poses_of(viewmats: Sequence[Tensor]) -> Array:
    """T_world_cam of world → camera matrices, shape (c, 4, 4)."""
    return np.stack([inverse_pose(viewmat.double().numpy()) for viewmat in viewmats])
