"""What a camera sees of exported splats, with the links where a simulator has them: state → observation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import Array, Camera
from scenekit.errors import InputError
from scenekit.export.splat_files import REST, read
from scenekit.render.splats import Frame, render
from scenekit.splats import Splats, merge


class SplatView:
    """Draws an exported scene at any poses of its links. A frame depends on nothing but what is asked for.

    Links that did not move since the last frame are not touched, and all Gaussians stay in the same tensors.

    Args:
        folder: What `scenekit export` wrote.

    Raises:
        FileError: If it holds no splats, or they cannot be read.
        InputError: If some are antialiased and some are not.
    """

    def __init__(self, folder: str | Path):
        self.parts = read(Path(folder) / "splats")
        """Splats of each link, in its frame; `REST` stands still."""
        self.world = merge(list(self.parts.values())).map(Tensor.clone)
        """All of them, where they are now, link by link."""
        ends = np.cumsum([len(part) for part in self.parts.values()])
        self._rows = {name: slice(end - len(self.parts[name]), end) for name, end in zip(self.parts, ends, strict=True)}
        self._poses = {name: np.eye(4) for name in self.parts}

    def place(self, poses: Mapping[str, Array]) -> Splats:
        """The splats in the world frame; the next call changes them.

        Args:
            poses: T_world_link, shape (4, 4), of every link that has splats; others are ignored.

        Raises:
            InputError: If a link's pose is missing or not rigid.
        """
        for name, part in self.parts.items():
            T = np.eye(4) if name == REST else poses.get(name)
            if T is None:
                raise InputError(f"pose of {name}", got="none", wanted="one for each link that has splats")
            if not np.array_equal(T, self._poses[name]):
                self._move(name, part.transform(torch.from_numpy(T)))
                self._poses[name] = np.array(T)
        return self.world

    def _move(self, name: str, moved: Splats) -> None:
        """Copies what a motion changes; coefficients beyond a part's own degree stay 0."""
        rows = self._rows[name]
        self.world.means[rows], self.world.quats[rows] = moved.means, moved.quats
        self.world.sh[rows, : moved.sh.shape[1]] = moved.sh

    @torch.no_grad()
    def frame(self, poses: Mapping[str, Array], camera: Camera, T_world_cam: Array) -> Frame:
        """Colours and depth as a pinhole camera sees them, over black.

        Args:
            poses: As in `place`.
            camera: A pinhole camera.
            T_world_cam: Its pose, OpenCV axes, shape (4, 4).

        Raises:
            InputError: If a pose is missing, or the camera has lens distortion.
        """
        return render(self.place(poses), camera, T_world_cam)
