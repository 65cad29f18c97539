"""MJCF and URDF as MuJoCo reads them; runs in a process of its own (`io.isolated`)."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from scenekit.cameras import rotation_from_quaternion
from scenekit.export.checks.readings import Reading, packed
from scenekit.io.isolated import Answer


def warm_up() -> None:
    """Keeps MuJoCo from writing its warnings into a file in the current folder."""
    mujoco.set_mju_user_warning(lambda text: None)


def read(path: Path) -> Answer:
    """Readings of all bodies of a file."""
    return packed(readings(mujoco.MjModel.from_xml_path(str(path))))


def readings(model: mujoco.MjModel) -> dict[str, Reading]:
    """Of all bodies but the world, by name."""
    found, data = {}, mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    for number in range(1, model.nbody):
        R, pose = rotation_from_quaternion(model.body_iquat[number]), np.eye(4)
        inertia = R @ np.diag(model.body_inertia[number]) @ R.T
        pose[:3, :3], pose[:3, 3] = data.xmat[number].reshape(3, 3), data.xpos[number]
        mass, centre = float(model.body_mass[number]), model.body_ipos[number].copy()
        found[model.body(number).name] = Reading(mass, centre, inertia, pose)
    return found
