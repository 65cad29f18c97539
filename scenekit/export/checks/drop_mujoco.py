"""Drops an asset in MuJoCo, and lets a whole scene stand; runs in a process of its own (`io.isolated`)."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from scenekit.cameras import Array
from scenekit.errors import FileError
from scenekit.export.checks import read_mujoco
from scenekit.export.checks.recording import RELEASE, SECONDS, Recording, box_corners, lowest_point
from scenekit.io.isolated import Answer

LOWEST = -10
"""Priority of the floor: of two things that touch MuJoCo asks the one of higher priority for friction and bounce."""

STAND = 1.0
"""Time that a whole scene is left to itself [s]."""

DIVERGED = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)
"""Warnings after which nothing can be trusted."""

PLANE = int(mujoco.mjtGeom.mjGEOM_PLANE)


warm_up = read_mujoco.warm_up


def drop(path: Path, links: list[str], quat: list[float], gravity: float) -> Answer:
    """The recording of an asset that is dropped from `RELEASE` above a floor.

    Args:
        path: Its MJCF, or URDF, whose root is set free.
        links: Names of its links, the root first.
        quat: Rotation of the root when it is released, wxyz.
        gravity: [m/s²], along −z.
    """
    spec = mujoco.MjSpec.from_file(str(path))
    root = spec.body(links[0])
    if path.suffix == ".urdf" and not root.joints:
        root.add_freejoint()
    spec.worldbody.add_geom(type=PLANE, size=[0, 0, 1], priority=LOWEST, contype=-1, conaffinity=-1)
    spec.option.gravity = [0, 0, -gravity]
    model = spec.compile()
    data = mujoco.MjData(model)
    number = model.body(links[0]).id
    joint = model.body_jntadr[number]
    if joint < 0 or model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE:
        raise FileError(path, got=f"{links[0]}, which is not free", wanted="a root with a free joint")
    start = model.jnt_qposadr[joint]
    data.qpos[start : start + 7] = [0, 0, 0, *quat]
    ids = [model.body(name).id for name in links]
    data.qpos[start + 2] = RELEASE - lowest_point(_recorded(model, data, ids, steps=0))
    recording = _recorded(model, data, ids, steps=round(SECONDS / model.opt.timestep))
    _check_stable(path, data)
    return recording.packed()


def stand(path: Path, links: list[str]) -> Answer:
    """How far the links of a scene move when it is left to itself for a second [m], and how fast they get beyond what
    their fall gives, √(v² − 2 g h) [m/s]."""
    model = mujoco.MjModel.from_xml_path(str(path))
    data = mujoco.MjData(model)
    if model.nkey:
        mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    ids = [model.body(name).id for name in links]
    start, travel, speed = data.xpos[ids].copy(), np.zeros(len(ids)), np.zeros(len(ids))
    gravity = np.array(model.opt.gravity)
    for _ in range(round(STAND / model.opt.timestep)):
        mujoco.mj_step(model, data)
        moved, velocities = data.xpos[ids] - start, _row(model, data, ids)[2]
        travel = np.maximum(travel, np.linalg.norm(moved, axis=1))
        beyond = (velocities**2).sum(1) - 2 * np.maximum(moved @ gravity, 0)
        speed = np.maximum(speed, np.sqrt(np.maximum(beyond, 0)))
    _check_stable(path, data)
    return Answer({}, {"travel": travel, "speed": speed})


def _check_stable(path: Path, data: mujoco.MjData) -> None:
    """MuJoCo starts anew when a state is not finite or huge, and only counts that."""
    bad = sum(int(data.warning[int(kind)].number) for kind in DIVERGED)
    if bad:
        raise FileError(path, got="a simulation that diverges", wanted="finite positions, speeds and accelerations")


def _recorded(model: mujoco.MjModel, data: mujoco.MjData, ids: list[int], *, steps: int) -> Recording:
    """The state now and after each step."""
    mujoco.mj_forward(model, data)
    readings = read_mujoco.readings(model)
    rows = [_row(model, data, ids)]
    for _ in range(steps):
        mujoco.mj_step(model, data)
        rows.append(_row(model, data, ids))
    centres, quats, velocities, spins = (np.array(part) for part in zip(*rows, strict=True))
    mine = [readings[model.body(number).name] for number in ids]
    return Recording(
        np.arange(steps + 1) * model.opt.timestep, centres, quats, velocities, spins,
        np.array([reading.mass for reading in mine]), np.array([reading.inertia for reading in mine]),
        *_corners(model, ids), np.array([-model.opt.gravity[2]]),
    )  # fmt: skip


def _row(model: mujoco.MjModel, data: mujoco.MjData, ids: list[int]) -> tuple[Array, ...]:
    """Centres, rotations, velocities and spins; cvel is about the centre of the tree and is carried to the body's."""
    for update in (mujoco.mj_kinematics, mujoco.mj_comPos, mujoco.mj_comVel):  # mj_step leaves those before the step
        update(model, data)
    centres, roots = data.xipos[ids], model.body_rootid[ids]
    spins, velocities = data.cvel[ids, :3], data.cvel[ids, 3:]
    velocities = velocities + np.cross(spins, centres - data.subtree_com[roots])
    return centres.copy(), data.xquat[ids].copy(), velocities, spins.copy()


def _corners(model: mujoco.MjModel, ids: list[int]) -> tuple[Array, Array, NDArray[np.int64]]:
    """Points, radii and owners of what collides; see `Recording`."""
    points, radii, owners = [np.zeros((0, 3))], [np.zeros(0)], [np.zeros(0, np.int64)]
    for geom in range(model.ngeom):
        number = int(model.geom_bodyid[geom])
        if number not in ids or not (model.geom_contype[geom] or model.geom_conaffinity[geom]):
            continue
        local, radius = _shape(model, geom)
        rotation, at = np.zeros(9), model.geom_pos[geom] - model.body_ipos[number]
        mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
        points.append(local @ rotation.reshape(3, 3).T + at)
        radii.append(np.full(len(local), radius))
        owners.append(np.full(len(local), ids.index(number)))
    return np.concatenate(points), np.concatenate(radii), np.concatenate(owners)


def _shape(model: mujoco.MjModel, geom: int) -> tuple[Array, float]:
    """Corners and radius of a geom in its frame."""
    kind, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    if kind in (mujoco.mjtGeom.mjGEOM_MESH, mujoco.mjtGeom.mjGEOM_SDF):
        mesh = model.geom_dataid[geom]
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        return model.mesh_vert[first : first + count].astype(np.float64), 0.0
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        return box_corners(size), 0.0
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return np.zeros((1, 3)), float(size[0])
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return np.array([[0, 0, -size[1]], [0, 0, size[1]]]), float(size[0])
    raise ValueError(f"a geom of type {kind.name} cannot be dropped here")
