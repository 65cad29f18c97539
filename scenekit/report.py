"""The report of a run: one HTML file that needs nothing else. Letters: h w image."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from scenekit.capture.capture import Capture
from scenekit.capture.views import View
from scenekit.charts import Curve, chart, plan
from scenekit.evaluate import Picture, Scores, drawn
from scenekit.io.atomic import write_text

MAX_ERROR = 0.25
"""Mean absolute colour error at which the error map saturates; colours in 0..1."""

INFERNO = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
"""Stops of the error map's colours, evenly spaced: the perceptually uniform map `inferno`, thinned out."""

MAX_INLINE_VIDEO = 12_000_000
"""A larger video [bytes] is left out of the page, which should stay quick to open."""


@dataclass(frozen=True)
class Comparison:
    """A held-out photo beside its render."""

    name: str
    """Name of the photo."""
    photo: NDArray[np.uint8]
    """The photo, shape (h, w, 3)."""
    render: NDArray[np.uint8]
    """What splats or field look like from there, shape (h, w, 3)."""
    psnr: float
    """Peak signal-to-noise ratio [dB]."""
    ssim: float
    """Structural similarity."""
    mesh: NDArray[np.uint8] | None = None
    """What the meshes look like from there, shape (h, w, 3)."""


@dataclass(frozen=True)
class Report:
    """Everything the page shows."""

    title: str
    """Name of the scene."""
    capture: Capture
    """The posed photos."""
    scores: Scores | None
    """Held-out metrics, None if no photo was held out."""
    gaussians: int
    """Number of Gaussians."""
    sh_degree: int
    """Degree of the spherical harmonics."""
    seconds: dict[str, float]
    """Wall time per stage [s], in order."""
    comparisons: list[Comparison] = field(default_factory=list)
    """Held-out views to show."""
    curves: list[Curve] = field(default_factory=list)
    """Charts of the fit."""
    facts: dict[str, str] = field(default_factory=dict)
    """More rows for the table of the fit."""
    command: str = ""
    """How to make it again."""
    versions: dict[str, str] = field(default_factory=dict)
    """What made it."""
    meshes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What meshes.json says of each node; empty if there are no meshes."""
    video: Path | None = None
    """A turntable to show at the top."""
    shown: Literal["splats", "field"] = "splats"
    """What was rendered; the Gaussians of a field lie on its surface."""


def write_report(path: str | Path, report: Report) -> None:
    """Writes `report` as one HTML file, atomically: images, charts and video are inside, nothing is fetched."""
    write_page(
        path,
        "report.html.jinja",
        report=report,
        capture=report.capture,
        errors=[error_map(pair.photo, pair.render) for pair in report.comparisons],
        max_error=MAX_ERROR,
        plan=plan(report.capture.centres, report.capture.points.xyz),
    )


def write_page(path: str | Path, template: str, *, report: Any, **shown: Any) -> None:
    """Writes a page, atomically.

    Args:
        path: The HTML file.
        template: Path below `scenekit` of what extends page.html.jinja.
        report: Has at least title, seconds, curves, video, command and versions, as `Report` has them.
        shown: What else the template names.
    """
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"jpeg": jpeg_uri, "duration": duration, "thousands": thousands, "plainly": plainly}
    html = environment.get_template(template).render(
        report=report,
        total_seconds=sum(report.seconds.values()),
        charts=[chart(curve) for curve in report.curves if curve.is_drawable],
        video=_video_uri(report.video),
        **shown,
    )
    write_text(path, html.encode("utf-8", "backslashreplace").decode())  # a file name need not be Unicode


def comparisons(picture: Picture, views: Sequence[View], scores: Scores, *, limit: int = 8) -> list[Comparison]:
    """Photo and render of at most `limit` views, evenly chosen from those scored."""
    chosen = [round(i) for i in np.linspace(0, len(views) - 1, min(limit, len(views)))]
    rows = [scores.views[i] for i in chosen]
    pictures = drawn(picture, [views[i] for i in chosen])
    return [
        Comparison(
            name=row.name,
            photo=views[i].image.numpy(),
            render=(picture * 255).round().to(torch.uint8).cpu().numpy(),
            psnr=row.psnr,
            ssim=row.ssim,
        )
        for i, row, picture in zip(chosen, rows, pictures, strict=True)
    ]


def error_map(photo: NDArray[np.uint8], render: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mean absolute difference of the channels as colours, black for none to pale yellow for `MAX_ERROR`, (h, w, 3)."""
    error = np.abs(photo.astype(np.float32) - render).mean(2) / 255 / MAX_ERROR
    position = error.clip(0, 1) * (len(INFERNO) - 1)
    stops = np.array(INFERNO, np.float32)
    channels = [np.interp(position, np.arange(len(stops)), stops[:, i]) for i in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def jpeg_uri(image: NDArray[np.uint8], max_width: int = 640) -> str:
    """A JPEG as a data URI, at most `max_width` wide [px]."""
    picture = Image.fromarray(image)
    if picture.width > max_width:
        picture = picture.resize(
            (max_width, round(picture.height * max_width / picture.width)), Image.Resampling.LANCZOS
        )
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=86)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _video_uri(path: Path | None) -> str | None:
    if path is None or not path.is_file() or path.stat().st_size > MAX_INLINE_VIDEO:
        return None
    return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()


def duration(seconds: float) -> str:
    """Seconds for people: 0.42 s, 8.1 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def plainly(value: object) -> str:
    """A value of a summary as text: numbers rounded, groups as a list."""
    if isinstance(value, dict):
        return ", ".join(f"{str(name).replace('_', ' ')} {plainly(part)}" for name, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def thousands(number: float) -> str:
    """An integer with narrow spaces between thousands."""
    return f"{round(number):,}".replace(",", "\u202f")
