"""Camera path: a film's camera between keyframes, as smooth in its place as in its turn. Letters: k keys, t frames.

path = CameraPath((Key(Pose.from_matrix(T_world_cam), fov), …), seconds=6.0)
write_video("tour.mp4", (picture(key.lens(1280, 720), key.pose.matrix) for key in path.frames(fps=30.0)))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation

from scenekit.cameras import Array, Camera, pinhole
from scenekit.errors import InputError
from scenekit.poses import Pose

MOST_FRAMES = 100_000
"""Of a film."""


@dataclass(frozen=True)
class Key:
    """Where a camera is at one moment."""

    pose: Pose
    """T_world_cam, OpenCV axes."""
    fov: float
    """Vertical field of view [rad]."""

    def lens(self, width: int, height: int) -> Camera:
        """The lens for a picture of width × height [px]."""
        focal = height / 2 / math.tan(self.fov / 2)
        return pinhole(width, height, focal, focal, width / 2, height / 2)


@dataclass(frozen=True)
class CameraPath:
    """A camera that passes through keys at equal intervals of time.

    Places and fields of view follow a Catmull–Rom spline (Catmull & Rom 1974): its velocity at a key is half of the way
    from the key before to the one after, in a key's interval; at the ends of an open path that of the one way there is.
    Rotations follow squad (Shoemake 1987, "Quaternion calculus and fast animation"): between q₀ and q₁

        squad(u) = slerp(slerp(q₀, q₁, u), slerp(s₀, s₁, u), 2u(1−u)),
        sᵢ = qᵢ exp(−(log qᵢ⁻¹qᵢ₊₁ + log qᵢ⁻¹qᵢ₋₁) / 4), and qᵢ at the ends of an open path.

    Raises:
        InputError: If there are no keys, or the length is none.
    """

    keys: tuple[Key, ...]
    """One or more; one is a camera that stands still."""
    seconds: float
    """From the first key to the last, or back to the first [s]."""
    closed: bool = False
    """Whether it returns to the first key."""

    def __post_init__(self) -> None:
        if not self.keys:
            raise InputError("camera path", got="no keyframes", wanted="at least one")
        if not 0 < self.seconds < math.inf:
            raise InputError("camera path: seconds", got=self.seconds, wanted="more than 0")

    def at(self, time: float) -> Key:
        """The camera at a time [s]; before the beginning the first, after the end the last."""
        if self._ways == 0:
            return self.keys[0]
        moment = min(max(time / self.seconds, 0.0), 1.0) * self._ways
        i = min(int(moment), self._ways - 1)
        u = moment - i
        x, y, z, fov = self._spline(moment).tolist()
        q0, q1 = self._turns[i], self._turns[i + 1]
        turn = _slerp(_slerp(q0, q1, u), _slerp(self._between[i], self._between[i + 1], u), 2 * u * (1 - u))
        w, a, b, c = turn.as_quat(scalar_first=True).tolist()
        return Key(Pose((x, y, z), (w, a, b, c)), fov)

    def frames(self, fps: float) -> list[Key]:
        """The camera of each frame of a film, fps of them per second; of a closed path not the first one again.

        Raises:
            InputError: If these are none, or too many.
        """
        count = round(self.seconds * fps) + (not self.closed) if 0 < self.seconds * fps < MOST_FRAMES else 0
        if count < 1:
            got = f"{self.seconds:g} s at {fps:g} frames per second"
            raise InputError("camera path", got=got, wanted=f"1 to {MOST_FRAMES} frames")
        return [self.at(frame / fps) for frame in range(count)]

    @property
    def _ways(self) -> int:
        """Ways from key to key."""
        return len(self.keys) - (not self.closed) if len(self.keys) > 1 else 0

    @cached_property
    def _numbers(self) -> Array:
        """Places and fields of view of the keys along the way, with one more at each end, shape (k + 2, 4)."""
        rows = np.array([[*key.pose.position, key.fov] for key in self.keys])
        return np.concatenate([rows[-1:], rows, rows[:2]]) if self.closed else np.pad(rows, ((1, 1), (0, 0)), "edge")

    @cached_property
    def _spline(self) -> CubicHermiteSpline:
        rows = self._numbers
        velocities = (rows[2:] - rows[:-2]) / 2
        if not self.closed:
            velocities[[0, -1]] *= 2  # one way, not two
        return CubicHermiteSpline(np.arange(len(velocities)), rows[1:-1], velocities)

    @cached_property
    def _turns(self) -> list[Rotation]:
        """Rotations at the ends of the ways."""
        quats = [key.pose.quat for key in self.keys] + ([self.keys[0].pose.quat] if self.closed else [])
        return list(Rotation.from_quat(np.array(quats), scalar_first=True))

    @cached_property
    def _between(self) -> list[Rotation]:
        """Squad's control rotations sᵢ at the ends of the ways."""
        turns = self._turns
        ring = [turns[-2], *turns, turns[1]]  # the last of a closed path is the first again
        between = [
            q * Rotation.from_rotvec(-((q.inv() * before).as_rotvec() + (q.inv() * after).as_rotvec()) / 4)
            for before, q, after in zip(ring[:-2], turns, ring[2:], strict=True)
        ]
        return between if self.closed else [turns[0], *between[1:-1], turns[-1]]


def _slerp(a: Rotation, b: Rotation, u: float) -> Rotation:
    """The rotation at u of the shortest way from a to b, at constant speed."""
    return a * Rotation.from_rotvec(u * (a.inv() * b).as_rotvec())
