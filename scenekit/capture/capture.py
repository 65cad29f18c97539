"""Capture: photos with cameras and poses, the sparse points seen in them, and what was left out on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array, Camera


@dataclass(frozen=True)
class Photo:
    """One posed photo."""

    name: str
    """Path relative to the capture's image folder, with forward slashes; unique, and the order of the photos."""
    path: Path
    """The image file."""
    camera: Camera
    """Lens and size; photos of one camera share one object."""
    T_world_cam: Array
    """Pose: camera to world, OpenCV axes, shape (4, 4)."""
    mask: Path | None = None
    """Image whose black pixels are to be ignored, of the photo's size."""
    background: int | None = None
    """Grey level 0..255 that shows through transparent pixels; None ignores transparency."""


@dataclass(frozen=True)
class Points:
    """Sparse scene points; n of them."""

    xyz: Array
    """Positions [m], shape (n, 3)."""
    rgb: NDArray[np.uint8]
    """Colours 0..255, shape (n, 3)."""
    error: Array
    """Mean reprojection error of each [px], shape (n,); zeros where unknown."""
    tracks: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    """By the name of a photo, the numbers of the points that it has seen, ascending; empty if nobody knows."""

    def __len__(self) -> int:
        return len(self.xyz)

    def seen_by(self, photo: str) -> Array | None:
        """Positions of the points that the photo of this name has seen [m], shape (k, 3); None if nobody knows."""
        return self.xyz[self.tracks.get(photo, np.zeros(0, np.int32))] if self.tracks else None

    @staticmethod
    def none() -> Points:
        """No points."""
        return Points(np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0))


@dataclass(frozen=True)
class Frame:
    """What is known of the world frame; each of `up` and `scale` is "measured", "given" or "estimated"."""

    up: str = "estimated"
    """How +Z was found to point up."""
    scale: str = "estimated"
    """How the metre was found."""
    note: str = ""
    """One sentence on how."""
    up_spread: float | None = None
    """Standard deviation of the up direction [rad]; None if unknown."""
    scale_spread: float | None = None
    """Relative standard deviation of the scale; None if unknown."""
    T_world_source: Array = field(default_factory=lambda: np.eye(4), compare=False)
    """Similarity (scale·R, t) that took the source's frame to this one, shape (4, 4); its inverse leads back."""


@dataclass(frozen=True)
class Capture:
    """Posed photos of one static scene, sorted by name."""

    photos: list[Photo]
    """At least one."""
    points: Points
    """Sparse points, possibly none."""
    source: str
    """Where it came from: "photos", "video", "colmap", "nerfstudio", "blender"."""
    frame: Frame = field(default_factory=Frame)
    """Provenance of up and scale."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Photos that were left out, by name, and why."""
    summary: dict[str, object] = field(default_factory=dict)
    """What structure from motion reported: registered, total, points, reprojection error [px], seconds."""
    held_out: frozenset[str] | None = None
    """Names that the source itself sets aside for evaluation; None if it says nothing."""

    @property
    def centres(self) -> Array:
        """Camera centres in the world [m], shape (c, 3)."""
        return np.stack([photo.T_world_cam[:3, 3] for photo in self.photos])
