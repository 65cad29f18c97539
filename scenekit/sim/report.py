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

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }} · scenekit simulation</title>
<style>
body { margin: 0; background: #fbfaf8; color: #1b1a18; line-height: 1.55;
  font-family: Inter, ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 3.5rem 2rem; }
h1 { margin: 0; font-size: 2.4rem; letter-spacing: -.025em; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .6rem; font-size: 1.25rem; }
p, li { color: #6b6761; }
video { width: 100%; max-height: 70vh; background: #000; border-radius: 14px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 18px; }
.plots svg { width: 100%; height: auto; background: #fff; border: 1px solid #e7e3dc; border-radius: 14px; }
table { border-collapse: collapse; } td { padding: .35rem 1.2rem .35rem 0; border-bottom: 1px solid #e7e3dc; }
</style>
</head>
<body><main>
<h1>{{ title }}</h1>
<p>{{ frames }} frames, {{ "%.2f" | format(seconds) }} s at {{ fps }} per second.</p>
{% if video %}<video src="{{ video }}" autoplay muted loop playsinline controls></video>{% endif %}
<h2>Balance</h2>
<div class="plots">{% for plot in plots %}{{ plot | safe }}{% endfor %}</div>
<h2>What moves</h2>
<table>{% for row in matter %}<tr><td>{{ row[0] }}</td><td>{{ row[1] }}</td></tr>{% endfor %}</table>
{% if remarks %}<h2>What was assumed or mended</h2><ul>{% for remark in remarks %}<li>{{ remark }}</li>{% endfor %}</ul>
{% endif %}
</main></body>
</html>
"""


def write_simulation_report(folder: Path, clip: Clip, *, title: str, video: bool = True) -> list[Path]:
    """Writes energy.svg, momentum.svg and report.html into a folder, and returns their paths."""
    plots = {"energy.svg": _energy(clip), "momentum.svg": _momentum(clip)}
    for name, svg in plots.items():
        write_text(folder / name, svg)
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    page = environment.from_string(PAGE).render(
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
