"""The screen of a browser: its camera, and what is drawn on it as a selection of the scene. Letters: n corners."""

from __future__ import annotations

import math
from collections.abc import Sequence

import viser

from scenekit.cameras import Camera, pinhole
from scenekit.poses import Pose
from scenekit.selection import Polygon

Corner = tuple[float, float]
"""On the screen, from (0, 0) at the upper left to (1, 1) at the lower right."""


def screen_camera(client: viser.ClientHandle) -> tuple[Camera, Pose]:
    """The camera of a browser as it looks now, and where it is in the world (T_world_cam, OpenCV axes)."""
    view = client.camera
    width, height = max(view.image_width, 1), max(view.image_height, 1)
    focal = height / 2 / math.tan(view.fov / 2)
    w, x, y, z = (float(value) for value in view.wxyz)
    length = math.sqrt(w * w + x * x + y * y + z * z)
    pose = Pose(tuple(view.position), (w / length, x / length, y / length, z / length))
    return pinhole(width, height, focal, focal, width / 2, height / 2), pose


def outlined(corners: Sequence[Corner], camera: Camera, pose: Pose) -> Polygon:
    """All that lies, seen by a camera, in an outline on its screen, in front and behind.

    Args:
        corners: n corners, three or more, in order.
        camera: The camera.
        pose: T_world_cam.

    Raises:
        InputError: If there are fewer than three corners.
    """
    on_image = tuple((x * camera.width, y * camera.height) for x, y in corners)
    return Polygon(on_image, camera=camera, pose=pose)


def rectangle(low: Corner, high: Corner) -> tuple[Corner, Corner, Corner, Corner]:
    """The corners of a rectangle, in order."""
    return low, (high[0], low[1]), high, (low[0], high[1])
