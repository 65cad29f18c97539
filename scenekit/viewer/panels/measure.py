"""The panel that measures: up by points of the floor, distances, and the scale by one that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import viser

from scenekit.cameras import Array
from scenekit.edits import Level, MetricDistance
from scenekit.viewer.jobs import notify
from scenekit.viewer.panels.controls import button
from scenekit.viewer.pointer import Tool, surface_clicked
from scenekit.viewer.session import Shown

if TYPE_CHECKING:
    from scenekit.viewer.viewer import Viewer

FLOOR, ENDS = "Point at the floor", "Measure a distance"

COLOR = (255, 140, 0)


class MeasurePanel:
    """Points that people click on, which everybody sees, and what follows from them.

    Args:
        viewer: Whose tab is open now.
    """

    def __init__(self, viewer: Viewer):
        self._viewer, self._session, self._api = viewer, viewer.session, viewer.server.scene
        self.points: dict[str, list[Array]] = {FLOOR: [], ENDS: []}
        """What was clicked on, in the world as it is now, each (3,) [m]."""
        self._above: Array | None = None
        self._drawn: list[viser.SceneNodeHandle] = []
        gui = viewer.server.gui
        with gui.add_folder("Measure", expand_by_default=False):
            self.floor = button(
                gui, FLOOR, lambda event: self._take(event, FLOOR, "Click on three or more places of it.")
            )
            self.level = button(gui, "Make it level", lambda event: self._level())
            self.ends = button(gui, ENDS, lambda event: self._take(event, ENDS, "Click on two places."))
            self.distance = gui.add_markdown("")
            self.metres = gui.add_number("In truth [m]", 1.0, min=0.0, step=0.001)
            self.scale = button(gui, "Set the scale", lambda event: self._scale())
            self.forget = button(gui, "Forget the points", lambda event: self._forget(FLOOR, ENDS))
        self._session.on_change(self._follow)
        self._show()

    @property
    def apart(self) -> float | None:
        """Distance of the two points [m]."""
        ends = self.points[ENDS]
        return float(np.linalg.norm(ends[1] - ends[0])) if len(ends) == 2 else None

    def _take(self, event: viser.GuiEvent[Any], what: str, hint: str) -> None:
        self._viewer.pointer.take(event.client, Tool(what, hint, click=lambda click: self._add(what, click)))

    def _add(self, what: str, event: viser.SceneClickEvent) -> None:
        found = surface_clicked(self._session.shown, event)
        if found is None:
            notify(event.client, "Nothing there", "Click on something.")
            return
        with self._session.lock:
            if what == ENDS and len(self.points[ENDS]) == 2:
                self.points[ENDS] = []
            self.points[what].append(np.array(found[0], dtype=np.float64))
            self._above = np.array(event.ray_origin) if what == FLOOR else self._above
            self._show()

    def _level(self) -> None:
        points = tuple(tuple(point.tolist()) for point in self.points[FLOOR])
        above = None if self._above is None else tuple(self._above.tolist())
        self._session.apply(Level("points", points=points, above=above))
        self._forget(FLOOR)

    def _scale(self) -> None:
        a, b = (tuple(point.tolist()) for point in self.points[ENDS])
        self._session.apply(MetricDistance(a, b, self.metres.value))

    def _forget(self, *which: str) -> None:
        with self._session.lock:
            self.points |= {what: [] for what in which}
            self._show()

    def _follow(self, before: Shown, now: Shown) -> None:
        """Points are where they were in the source, however the world turns and grows."""
        old, new = before.state.frame.T_world_source, now.state.frame.T_world_source
        if old is new or np.array_equal(old, new):
            return
        T = new @ np.linalg.inv(old)
        self.points = {what: [T[:3, :3] @ p + T[:3, 3] for p in points] for what, points in self.points.items()}
        self._show()

    def _show(self) -> None:
        for handle in self._drawn:
            handle.remove()
        self._drawn = []
        for what, points in self.points.items():
            for number, point in enumerate(points, 1):
                name = f"/measure/{'floor' if what == FLOOR else 'end'}_{number}"
                self._drawn.append(self._api.add_label(name, f"{number}", position=point))
        apart = self.apart
        self.distance.content = "" if apart is None else f"**{apart:.4g} m** apart"
        if apart is not None:
            a, b = self.points[ENDS]
            line = self._api.add_line_segments(
                "/measure/line", np.stack([[a, b]]), COLOR, thickness=3.0, thickness_units="screen"
            )
            self._drawn += [line, self._api.add_label("/measure/label", f"{apart:.4g} m", position=(a + b) / 2)]
        self.level.disabled, self.scale.disabled = len(self.points[FLOOR]) < 3, apart is None
        self.forget.disabled = not any(self.points.values())
