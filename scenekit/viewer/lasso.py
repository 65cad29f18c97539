"""The lasso: an outline that a person clicks on the screen, corner by corner, and sees as it grows."""

from __future__ import annotations

import numpy as np
import viser

from scenekit.selection import Polygon
from scenekit.viewer.cameras import camera_of
from scenekit.viewer.screen import Corner, outlined

CLOSE = 0.02
"""A click this near to the first corner closes the outline, in heights of the screen."""

COLOR = (255, 200, 0)


class Lasso:
    """What one person has clicked so far. Only this person sees it.

    Args:
        client: Who. The outline is that of the camera's picture now.
    """

    def __init__(self, client: viser.ClientHandle):
        self._client = client
        self.camera, self.T_world_cam = camera_of(client)
        self.corners: list[Corner] = []
        self._ends: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        self._line: viser.LineSegmentsHandle | None = None

    @property
    def stands(self) -> bool:
        """False if the person has looked elsewhere since: the outline means nothing any more."""
        camera, T_world_cam = camera_of(self._client)
        return camera == self.camera and np.allclose(T_world_cam, self.T_world_cam, rtol=1e-3, atol=1e-3)

    def add(self, event: viser.SceneClickEvent) -> bool:
        """Add a corner; True if the click closes the outline instead."""
        if len(self.corners) >= 3:
            by = np.subtract(event.screen_pos, self.corners[0]) * [self.camera.width / self.camera.height, 1]
            if np.linalg.norm(by) < CLOSE:
                return True
        self.corners.append(event.screen_pos)
        near = max(0.05 * float(np.linalg.norm(self._client.camera.look_at - self._client.camera.position)), 0.05)
        self._ends.append(np.add(event.ray_origin, np.multiply(near, event.ray_direction)))
        self._draw()
        return False

    def selection(self) -> Polygon:
        """All that is seen in the outline.

        Raises:
            InputError: If it has fewer than three corners.
        """
        return outlined(self.corners, self.camera, self.T_world_cam)

    def remove(self) -> None:
        """Take the outline off the screen."""
        if self._line is not None:
            self._line.remove()
            self._line = None

    def _draw(self) -> None:
        self.remove()
        ends = [*self._ends, self._ends[0]]
        lines = np.stack([ends[:-1], ends[1:]], axis=1)
        self._line = self._client.scene.add_line_segments(
            "/lasso", lines, COLOR, thickness=3.0, thickness_units="screen"
        )
