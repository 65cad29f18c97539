"""How a fit goes: figures, curves, and a button that ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import viser
from viser import uplot

from scenekit.cameras import Array
from scenekit.fit.metrics import History
from scenekit.report import duration, thousands
from scenekit.viewer.panels.controls import button, set_value

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

RECENT = 10
"""Records that the speed is taken over."""

POINTS = 500
"""Most points of a curve."""

COLOR = "#3b82f6"
"""Of a curve."""


class Progress:
    """Figures of a fit, above the tabs.

    Args:
        viewer: Where.
        steps: Length of the fit.
    """

    def __init__(self, viewer: Viewer, steps: int):
        self.steps, self.stopped = steps, False
        gui = viewer.server.gui
        self._folder = gui.add_folder("Training", order=-1)
        with self._folder:
            self.bar = gui.add_progress_bar(0.0, animated=True)
            self.figures = gui.add_markdown("Photos and points are ready; the fit begins.")
            self.fitted = _curve(gui, "PSNR of the photos that are fitted [dB]")
            self.held_out = _curve(gui, "PSNR of the photos held out [dB]")
            self.stop = button(
                gui, "Stop and keep", self._end, hint="As Ctrl-C does: a checkpoint stays, to go on from."
            )

    def show(self, history: History) -> None:
        """Show what there is of a history."""
        records, held_out = history.records, history.held_out
        set_value(self.bar, 100 * records[-1].step / self.steps)
        self.figures.content = figures(history, self.steps)
        for curve, rows in ((self.fitted, records), (self.held_out, held_out)):
            if len(rows) > 1:
                curve.data, curve.visible = thinned([(row.step, row.psnr) for row in rows]), True

    def remove(self) -> None:
        """Take the figures away."""
        self._folder.remove()

    def _end(self, event: Any) -> None:
        self.stopped = self.stop.disabled = True


def figures(history: History, steps: int) -> str:
    """A table of where a fit is, in Markdown."""
    last, before = history.records[-1], history.records[-RECENT:][0]
    rate = (last.step - before.step) / (last.seconds - before.seconds) if last.seconds > before.seconds else 0.0
    left = f", about {duration((steps - last.step) / rate)} left" if rate else ""
    rows = {
        "Step": f"{thousands(last.step)} of {thousands(steps)}",
        "Speed": f"{rate:.1f} steps/s{left}",
        "Loss": f"{last.loss:.4f}",
        "PSNR, fitted": f"{last.psnr:.2f} dB",
        "PSNR, held out": f"{history.held_out[-1].psnr:.2f} dB" if history.held_out else "not yet",
        "Gaussians": thousands(last.gaussians),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def thinned(points: list[tuple[int, float]]) -> tuple[Array, ...]:
    """At most `POINTS` of the points, the last one among them, as x and y."""
    every = -(-len(points) // POINTS)
    x, y = np.array(points[::-every][::-1], dtype=np.float64).T
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _curve(gui: viser.GuiApi, title: str) -> viser.GuiUplotHandle:
    """A curve that is not seen yet."""
    nothing = np.zeros(2)
    series = (uplot.Series(label="step"), uplot.Series(label="dB", stroke=COLOR, width=2))
    scales = {"x": uplot.Scale(time=False)}
    return gui.add_uplot((nothing, nothing), series, title=title, scales=scales, aspect=1.8, visible=False)
