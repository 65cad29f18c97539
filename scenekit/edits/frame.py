"""Edits of the world frame: level it, scale it to metres. All there is turns and grows together; the frame says how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from scenekit.body import Body
from scenekit.capture.level import rotation_between
from scenekit.edits.place import transformed
from scenekit.errors import InputError
from scenekit.frame import MetricScale, Up, scale_by_distance, scale_by_size, up_by_cameras, up_by_points, up_by_support
from scenekit.quantities import Quantity
from scenekit.scene import Node, SceneState

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Level:
    """Turns the world so that up is +Z."""

    by: Literal["support", "cameras", "points"] = "support"
    """The plane that things stand on, how the photographer held the camera, or points of the floor."""
    tilt: float = 45.0
    """Largest angle of the support to the level as it is now [degrees]."""
    points: tuple[Vector, ...] = ()
    """Three or more points of the floor, for `points` [m]."""
    above: Vector | None = None
    """A point above that floor; if None, up is nearer to +Z than down is [m]."""

    def __str__(self) -> str:
        return f"level by {self.by}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with poses turned; parts stay untouched.

        Raises:
            InputError: If up cannot be told so, or points are given that another way would not look at.
        """
        if self.points and self.by != "points":
            raise InputError("Level.points", got=f"{len(self.points)} points and by {self.by}", wanted="by points")
        if self.by == "points":
            above = None if self.above is None else np.array(self.above)
            return levelled(state, up_by_points(np.array(self.points), above=above))
        return levelled(state, up_by_support(state, tilt=self.tilt) if self.by == "support" else up_by_cameras(state))


@dataclass(frozen=True)
class MetricDistance:
    """Scales the world to metres by the known distance of two points."""

    a: Vector
    """A point in the world as it is."""
    b: Vector
    """Another."""
    metres: float
    """How far apart they are in truth [m]."""
    spread: float | None = None
    """Standard deviation of that [m]."""

    def __str__(self) -> str:
        return f"scale to metres by {self.metres:g} m between two points"

    def apply(self, state: SceneState) -> SceneState:
        """The state in metres."""
        return in_metres(state, scale_by_distance(np.array(self.a), np.array(self.b), self.metres, spread=self.spread))


@dataclass(frozen=True)
class MetricSize:
    """Scales the world to metres by the known size of a thing."""

    path: str
    """The node."""
    metres: float
    """Its size in truth [m]."""
    axis: Literal["x", "y", "z", "longest"] = "longest"
    """Which side of its box in the world."""

    def __str__(self) -> str:
        return f"scale to metres by {self.metres:g} m of {self.path}"

    def apply(self, state: SceneState) -> SceneState:
        """The state in metres."""
        axis = None if self.axis == "longest" else "xyz".index(self.axis)
        return in_metres(state, scale_by_size(state, self.path, self.metres, axis=axis))


@dataclass(frozen=True)
class MetricMarker:
    """Scales the world to metres by printed AprilTag or ArUco markers that the photos show."""

    edge: float
    """Length of the black square's edge [m]."""
    family: str = "tag36h11"
    """tag36h11, tag25h9, tag16h5, aruco4x4, aruco5x5, aruco6x6 or aruco."""
    number: int | None = None
    """Only this marker; all that are found if None."""

    def __str__(self) -> str:
        return f"scale to metres by {self.family} markers of {self.edge:g} m"

    def apply(self, state: SceneState) -> SceneState:
        """The state in metres."""
        from scenekit.markers import scale_by_markers  # with OpenCV, which no other edit needs

        return in_metres(state, scale_by_markers(state.photos(), self.edge, family=self.family, number=self.number))


@dataclass(frozen=True)
class MetricGps:
    """Scales the world to metres by the satellite positions of its photos, and levels it where they say enough."""

    seed: int = 0
    """Chance of the search for outliers."""

    def __str__(self) -> str:
        return "scale to metres by satellite positions"

    def apply(self, state: SceneState) -> SceneState:
        """The state in metres; level if the positions tell up better than a photographer's hand does."""
        from scenekit.gps import TRUSTED_TILT, located

        fix = located(state.photos(), seed=self.seed)
        state = in_metres(state, fix.scale)
        return levelled(state, fix.up) if fix.up.spread is not None and fix.up.spread < TRUSTED_TILT else state


def levelled(state: SceneState, up: Up) -> SceneState:
    """The state turned about the origin by the smallest rotation that makes `up` +Z; parts stay untouched."""
    T = np.eye(4)
    T[:3, :3] = rotation_between(up.direction, np.array([0.0, 0.0, 1.0]))
    frame = replace(
        state.frame,
        up=up.how,
        up_spread=up.spread,
        note=_noted(state.frame.note, up.note),
        T_world_source=T @ state.frame.T_world_source,
    )
    return replace(transformed(state, "/", T), frame=frame)


def in_metres(state: SceneState, found: MetricScale) -> SceneState:
    """The state made larger or smaller about the origin until its unit is the metre.

    Masses that follow from volume go with the cube; one that was measured or set stays, and so does what it is in kg.
    """
    T = np.diag([found.scale] * 3 + [1.0])
    frame = replace(
        state.frame,
        scale=found.how,
        scale_spread=found.spread,
        note=_noted(state.frame.note, found.note),
        T_world_source=T @ state.frame.T_world_source,
    )
    scaled = transformed(state, "/", T)
    return replace(scaled.with_each("/", lambda path, node: _weighed(node, state.node(path).body)), frame=frame)


def _weighed(node: Node, before: Body | None) -> Node:
    """A mass in kg that somebody measured or set does not change with the unit of length."""
    body = node.body
    if body is None or before is None or before.mass is None or body.mass is None:
        return node
    if before.mass.provenance not in ("measured", "authored") or before.mass == body.mass:
        return node
    inertia = body.inertia and np.array(body.inertia) * (before.mass.value / body.mass.value)
    rows = None if inertia is None else tuple(tuple(row) for row in inertia.tolist())
    mass: Quantity = before.mass
    return replace(node, body=replace(body, mass=mass, inertia=rows))  # type: ignore[arg-type]


def _noted(before: str, note: str) -> str:
    """What is known so far and what is new, without repeating."""
    return note if not before or note in before else f"{before} {note}"[-1000:]
