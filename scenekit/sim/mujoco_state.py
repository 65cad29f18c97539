"""Between a state's arrays and MuJoCo's coordinates. Letters: b bodies, k some of them.

A state has origins and rotations of nodes, and velocities of centres of mass in world axes. MuJoCo has joint
coordinates; a free body's are those of a frame that it may have put into the centre of mass along the principal axes,
with the velocity of that frame's origin in world axes and the angular velocity in its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekit._libraries import mujoco
from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.poses import Pose
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.state import State
from scenekit.splats import quaternion_product

Ints = NDArray[np.int64]


class MujocoState:
    """Reads states into MuJoCo's data and writes them from it.

    Args:
        model: Its bodies.
        compiled: What MuJoCo compiled of `spec(model)`.
    """

    def __init__(self, model: Model, compiled: Any):
        bodies = model.bodies
        self._compiled = compiled
        self.ids: Ints = np.array([compiled.body(body.name).id for body in bodies], np.int64)
        """MuJoCo's number of each body, shape (b,)."""
        self._dynamic = _where(body.kind == "dynamic" for body in bodies)
        self._free = _where(body.kind == "dynamic" and body.joint is None for body in bodies)
        self._driven = _where(body.kind == "kinematic" for body in bodies)
        self._centre = np.array([body.centre for body in bodies], np.float64).reshape(-1, 3)
        self._joints = np.array([compiled.body_jntadr[i] for i in self.ids], np.int64)
        jointed = [int(self._joints[i]) for i in self._dynamic if bodies[i].joint is not None]
        self._q, self._v = _coordinates(compiled, [j for j in jointed if j >= 0])
        childless = np.bincount(compiled.body_parentid, minlength=compiled.nbody)[self.ids] == 0
        self._whole = self._free[childless[self._free]]
        self._whole_q = compiled.jnt_qposadr[self._joints[self._whole]][:, None] + np.arange(7)
        self._whole_v = compiled.jnt_dofadr[self._joints[self._whole]][:, None] + np.arange(6)
        frames = [_frame(body.pose, compiled, i) for body, i in zip(bodies, self.ids, strict=True)]
        moved = {*self._free.tolist(), *self._driven.tolist()}
        frames = [frame if i in moved else Pose() for i, frame in enumerate(frames)]
        self._offset = np.array([frame.position for frame in frames]).reshape(-1, 3)
        self._turn = torch.tensor([frame.quat for frame in frames], dtype=torch.float64).reshape(-1, 4)

    def read(self, state: State, control: Control, data: Any) -> None:
        """Puts MuJoCo's data into a state, under the commands of a control."""
        mujoco.mj_resetData(self._compiled, data)
        k = self._free
        self._place(data, k, *(t.numpy()[k] for t in (state.body_x, state.body_quat, state.body_v, state.body_w)))
        data.qpos[self._q], data.qvel[self._v] = state.joint_q.numpy(), state.joint_v.numpy()
        data.ctrl[:] = control.actuator.numpy()
        pushed = self.ids[self._dynamic]
        data.xfrc_applied[pushed, :3] = control.body_force.numpy()[self._dynamic]
        data.xfrc_applied[pushed, 3:] = control.body_torque.numpy()[self._dynamic]

    def drive(self, state: State, control: Control, time: float, data: Any) -> None:
        """Puts kinematic bodies where they are `time` [s] after a state, moving as commanded."""
        if len(self._driven):
            self._place(data, self._driven, *self._commanded(state, control, time))

    def write(self, begin: State, control: Control, time: float, data: Any, nxt: State) -> None:
        """Writes where MuJoCo has brought the bodies `time` [s] after `begin`; `nxt` may be `begin`."""
        k = self._driven
        if len(k):
            for name, values in zip(BODY, self._commanded(begin, control, time), strict=True):
                getattr(nxt, name)[k] = torch.from_numpy(values)
        compiled, k, ids = self._compiled, self._dynamic, self.ids[self._dynamic]
        nxt.joint_q.copy_(torch.from_numpy(data.qpos[self._q]))
        nxt.joint_v.copy_(torch.from_numpy(data.qvel[self._v]))
        mujoco.mj_kinematics(compiled, data)
        mujoco.mj_comPos(compiled, data)
        mujoco.mj_comVel(compiled, data)
        inverse = self._turn[k] * torch.tensor([1.0, -1.0, -1.0, -1.0], dtype=torch.float64)
        quat = quaternion_product(torch.from_numpy(data.xquat[ids]), inverse)
        R, w = rotation_from_quaternion(quat.numpy()), data.cvel[ids, :3]
        arm = data.xipos[ids] - data.subtree_com[compiled.body_rootid[ids]]
        nxt.body_x[k] = torch.from_numpy(data.xpos[ids] - _turned(R, self._offset[k]))
        nxt.body_quat[k] = quat / quat.norm(dim=1, keepdim=True)
        nxt.body_v[k] = torch.from_numpy(data.cvel[ids, 3:] + np.cross(w, arm))
        nxt.body_w[k] = torch.from_numpy(w)

    def integrate(self, data: Any) -> None:
        """Moves on by a step under the accelerations found, by MuJoCo but for what it does not conserve.

        Of a free body, x becomes x + h (v + v')/2, which is a parabola where nothing touches it, while MuJoCo takes v';
        and its angular momentum changes by h times the torque and by nothing else, also if it tumbles.
        """
        compiled, ids, q, d = self._compiled, self.ids[self._whole], self._whole_q, self._whole_v
        h, inertia, R = compiled.opt.timestep, compiled.body_inertia[ids], data.xmat[ids].reshape(-1, 3, 3)
        torque = (data.qfrc_smooth + data.qfrc_bias + data.qfrc_constraint)[d[:, 3:]]
        momentum = _turned(R, inertia * data.qvel[d[:, 3:]] + h * torque)
        spin, quat = data.qvel[d[:, 3:]], data.qpos[q[:, 3:]]
        mujoco.mj_implicit(compiled, data)
        flying = ~data.qfrc_constraint[d].any(1)
        if flying.any():
            data.qpos[q[flying, :3]] -= 0.5 * h**2 * data.qacc[d[flying, :3]]
            turn = Rotation.from_rotvec(0.5 * h * (spin + data.qvel[d[:, 3:]])[flying])
            before = Rotation.from_quat(quat[flying], scalar_first=True)
            data.qpos[q[flying, 3:]] = (before * turn).as_quat(scalar_first=True)
        R = rotation_from_quaternion(data.qpos[q[:, 3:]])
        data.qvel[d[:, 3:]] = _turned(R.swapaxes(1, 2), momentum) / inertia

    def _commanded(self, state: State, control: Control, time: float) -> tuple[Array, Array, Array, Array]:
        """Origins, rotations, velocities and spins of kinematic bodies, `time` after a state."""
        k = self._driven
        v, w = control.body_v.numpy()[k], control.body_w.numpy()[k]
        before = Rotation.from_quat(state.body_quat.numpy()[k], scalar_first=True)
        after = Rotation.from_rotvec(time * w) * before
        centre = state.body_x.numpy()[k] + before.apply(self._centre[k]) + time * v
        return centre - after.apply(self._centre[k]), after.as_quat(scalar_first=True), v, w

    def _place(self, data: Any, k: Ints, x: Array, quat: Array, v: Array, w: Array) -> None:
        """Sets coordinates and speeds of free bodies from their nodes' poses and their centres' velocities."""
        turned = quaternion_product(torch.from_numpy(quat), self._turn[k]).numpy()
        R = rotation_from_quaternion(turned)
        arm = _turned(R, self._compiled.body_ipos[self.ids[k]])
        q, d = (adr[self._joints[k]][:, None] for adr in (self._compiled.jnt_qposadr, self._compiled.jnt_dofadr))
        data.qpos[q + np.arange(3)] = x + _turned(rotation_from_quaternion(quat), self._offset[k])
        data.qpos[q + np.arange(3, 7)] = turned
        data.qvel[d + np.arange(3)] = v - np.cross(w, arm)
        data.qvel[d + np.arange(3, 6)] = _turned(R.swapaxes(1, 2), w)


BODY = ("body_x", "body_quat", "body_v", "body_w")
"""A state's arrays of bodies."""


def _where(flags: Any) -> Ints:
    return np.flatnonzero(list(flags)).astype(np.int64)


def _coordinates(compiled: Any, joints: list[int]) -> tuple[Ints, Ints]:
    """Places in qpos and qvel of some joints' coordinates and speeds, in order."""
    starts = [*compiled.jnt_qposadr, compiled.nq], [*compiled.jnt_dofadr, compiled.nv]
    spans = [[range(a, b) for a, b in pairwise(map(int, start))] for start in starts]
    q, v = (np.array([i for joint in joints for i in span[joint]], np.int64) for span in spans)
    return q, v


def _frame(pose: Pose, compiled: Any, i: int) -> Pose:
    """T_node_mujoco of a free body: where MuJoCo has put its frame."""
    return pose.inverse() @ Pose(tuple(compiled.body_pos[i]), tuple(compiled.body_quat[i]))


def _turned(R: Array, x: Array) -> Array:
    return (R @ x[:, :, None])[:, :, 0]
