"""Regions of space to select by: a ball or a box that people see, move and size. Everybody sees the same one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import viser

from scenekit.poses import Pose
from scenekit.selection import Box, Selection, Sphere
from scenekit.viewer.gizmo import Gizmo, Release

NAME, COLOR = "/region", (30, 110, 255)

Shape = Literal["Sphere", "Box"]
Vector = tuple[float, float, float]


class Region:
    """A ball or a box in the scene, or none.

    Args:
        server: Where it is shown.
        moved: Called with who moved it, after it was.
    """

    def __init__(self, server: viser.ViserServer, moved: Callable[[viser.ClientHandle | None], None]):
        self._api, self._moved = server.scene, moved
        self.shape: Shape | None = None
        self.pose = Pose()
        """Of its middle, in the world."""
        self.sizes: Vector = (1.0, 1.0, 1.0)
        """Sides of the box; the first is the diameter of the ball [m]."""
        self._solid: viser.IcosphereHandle | viser.BoxHandle | None = None
        self.gizmo = Gizmo(server, f"{NAME}/gizmo", follow=self._follow, release=self._release, lost=self._rest)

    @property
    def selection(self) -> Selection | None:
        """What lies in it."""
        if self.shape is None:
            return None
        if self.shape == "Sphere":
            return Sphere(self.pose.position, self.sizes[0] / 2)
        low, high = (np.array(self.pose.position) + sign * np.array(self.sizes) / 2 for sign in (-1, 1))
        return Box(tuple(low.tolist()), tuple(high.tolist()), self.pose.quat)

    def put(self, shape: Shape, pose: Pose, sizes: Vector) -> None:
        """Show a region, in place of the one before."""
        self.clear()
        self.shape, self.pose, self.sizes = shape, pose, sizes
        # Of wire: what is translucent to viser hides the splats behind it.
        look: dict[str, Any] = {"color": COLOR, "wireframe": True, "cast_shadow": False, "receive_shadow": False}
        if shape == "Sphere":
            self._solid = self._api.add_icosphere(f"{NAME}/ball", radius=sizes[0] / 2, **look)
        else:
            self._solid = self._api.add_box(f"{NAME}/box", dimensions=sizes, **look)
        self._rest()

    def clear(self) -> None:
        """Show none."""
        self.shape = None
        if self._solid is not None:
            self._solid.remove()
            self._solid = None
            self.gizmo.place(None)

    def _follow(self, start: Pose, now: Pose) -> None:
        if self._solid is not None:
            self._solid.position, self._solid.wxyz = now.position, now.quat

    def _release(self, release: Release) -> None:
        self.pose = release.end
        self._rest()
        self._moved(release.client)

    def _rest(self) -> None:
        self._follow(self.pose, self.pose)
        self.gizmo.place(None if self.shape is None else self.pose)
