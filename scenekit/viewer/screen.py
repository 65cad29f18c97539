"""What is drawn on the screen of a browser, as a selection of the scene. Letters: n corners."""

from __future__ import annotations

from collections.abc import Sequence

from scenekit.cameras import Array, Camera
from scenekit.poses import Pose
from scenekit.selection import Polygon

Corner = tuple[float, float]
"""On the screen, from (0, 0) at the upper left to (1, 1) at the lower right."""


def outlined(corners: Sequence[Corner], camera: Camera, T_world_cam: Array) -> Polygon:
    """All that a camera sees in an outline on its screen, in front and behind.

    Args:
        corners: n corners, three or more, in order.
        camera: The camera.
        T_world_cam: Its pose, shape (4, 4).

    Raises:
        InputError: If there are fewer than three corners.
    """
    on_image = tuple((x * camera.width, y * camera.height) for x, y in corners)
    return Polygon(on_image, camera=camera, pose=Pose.from_matrix(T_world_cam))


def rectangle(low: Corner, high: Corner) -> tuple[Corner, Corner, Corner, Corner]:
    """The corners of a rectangle, in order."""
    return low, (high[0], low[1]), high, (low[0], high[1])
