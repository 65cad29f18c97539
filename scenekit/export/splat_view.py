"""What a camera sees of exported splats, with the links where a simulator has them: state → observation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scenekit.cameras import Array, Camera, quaternion_from_rotation
from scenekit.errors import InputError
from scenekit.export.splat_files import REST, read
from scenekit.harmonics import sh_rotation
from scenekit.render.splats import Frame, render
from scenekit.splats import Splats, merge, quaternion_product


class SplatView:
    """Draws an exported scene at any poses of its links. A frame depends on nothing but what is asked for.

    Links that did not move since the last frame are not touched, and all Gaussians stay in the same tensors.

    Args:
        folder: What `scenekit export` wrote.

    Raises:
        FileError: If it is missing, or its splats cannot be read.
        InputError: If some are antialiased and some are not.
    """

    def __init__(self, folder: str | Path):
        parts = read(Path(folder) / "splats")
        ends = np.cumsum([len(part) for part in parts.values()])
        self.rows = {name: slice(end - len(parts[name]), end) for name, end in zip(parts, ends, strict=True)}
        """Where in `world` the splats of each link are; `REST` stands still."""
        self.local = merge(list(parts.values()))
        """All of them, each in the frame of its link."""
        self.world = self.local.map(Tensor.clone)
        """All of them, where they are now."""
        self._channels = self.local.sh.transpose(1, 2).contiguous()
        self._poses = {name: np.eye(4) for name in parts}

    @torch.no_grad()
    def place(self, poses: Mapping[str, Array]) -> Splats:
        """The splats in the world frame; the next call changes them.

        As `Splats.transform`, but harmonics of all links get their rotations at once, and nothing is allocated anew.

        Args:
            poses: T_world_link, rigid, shape (4, 4), of every link that has splats; others are ignored.

        Raises:
            InputError: If a link's pose is missing.
        """
        missing = [name for name in self.rows if name != REST and name not in poses]
        if missing:
            raise InputError(f"pose of {missing[0]}", got="none", wanted="one for each link that has splats")
        moved = [name for name in self.rows if name != REST and not np.array_equal(poses[name], self._poses[name])]
        if moved:
            rotations = np.stack([poses[name][:3, :3] for name in moved])
            turns = sh_rotation(torch.from_numpy(rotations), self.local.sh_degree).float()
            for name, turn in zip(moved, turns, strict=True):
                self._move(self.rows[name], poses[name], turn)
                self._poses[name] = np.array(poses[name])
        return self.world

    def _move(self, rows: slice, T: Array, turn: Tensor) -> None:
        """Puts some Gaussians at a pose whose rotation turns their coefficients by `turn` (k, k)."""
        R, t = torch.from_numpy(T[:3, :3]).float(), torch.from_numpy(T[:3, 3]).float()
        quat = torch.from_numpy(quaternion_from_rotation(T[:3, :3])).float()
        torch.addmm(t, self.local.means[rows], R.T, out=self.world.means[rows])
        self.world.quats[rows] = quaternion_product(quat, self.local.quats[rows])
        self.world.sh[rows] = (self._channels[rows] @ turn.T).transpose(1, 2)

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
