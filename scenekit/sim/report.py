"""The report of a simulation: its video, its balance over time and what was assumed, as one HTML file and two plots."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from scenekit.io.atomic import write_text
from scenekit.plots import Series, plot_svg
from scenekit.sim.rollout import Clip

MAX_INLINE_VIDEO = 12_000_000
"""A larger video is left out of the page [bytes]."""


def write_simulation_report(folder: Path, clip: Clip, *, title: str, video: bool = True) -> list[Path]:
    """Writes energy.svg, momentum.svg and report.html into a folder, and returns their paths."""
    plots = {"energy.svg": _energy(clip), "momentum.svg": _momentum(clip)}
    for name, svg in plots.items():
        write_text(folder / name, svg)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = environment.from_string(Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8"))
    page = template.render(
        title=title,
        frames=len(clip),
        seconds=clip.times[-1],
        fps=f"{clip.fps:g}",
        video=_video(folder / "video.mp4") if video else None,
        plots=list(plots.values()),
        matter=_matter(clip),
        remarks=clip.model.remarks,
    )
    write_text(folder / "report.html", page)
    return [*(folder / name for name in plots), folder / "report.html"]


def _energy(clip: Clip) -> str:
    names = ("kinetic", "elastic", "potential", "energy")
    series = [
        Series("total" if n == "energy" else n, clip.times, [getattr(b, n) for b in clip.balances]) for n in names
    ]
    return plot_svg("Energy", series, x_label="time [s]", y_label="energy [J]")


def _momentum(clip: Clip) -> str:
    series = [Series(axis, clip.times, [b.momentum[i] for b in clip.balances]) for i, axis in enumerate("xyz")]
    return plot_svg("Linear momentum", series, x_label="time [s]", y_label="momentum [kg m/s]")


def _matter(clip: Clip) -> list[tuple[str, str]]:
    """A line for each node: what became of it."""
    rows, model = [], clip.model
    for matter in model.matter:
        if matter.body >= 0:
            body = model.bodies[matter.body]
            mass = f", {body.mass:.3g} kg" if body.kind == "dynamic" else ""
            rows.append((matter.path, f"{body.kind} body{mass}"))
        elif model.particles is not None and matter.particles[1]:
            first, last = matter.particles
            material = model.particles.materials[int(model.particles.material[first])]
            mass = f"{float(model.particles.mass[first:last].double().sum()):.3g} kg"
            rows.append((matter.path, f"{last - first:,} particles of {material.name}, {mass}"))
        else:
            rows.append((matter.path, f"{matter.vertices[1] - matter.vertices[0]:,} vertices"))
    return rows


def _video(path: Path) -> str | None:
    if not path.is_file() or path.stat().st_size > MAX_INLINE_VIDEO:
        return None
    return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
