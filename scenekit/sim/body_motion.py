"""Bodies during the substeps of soft matter: they drift, and answer to what it pushes. Letters: b bodies."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

from scenekit.cameras import Array, quaternion_from_rotation, rotation_from_quaternion
from scenekit.sim.bodies import RigidBody
from scenekit.sim.colliders import ColliderArrays
from scenekit.sim.control import Control
from scenekit.sim.model import Model
from scenekit.sim.state import State


class BodyMotion:
    """Where the bodies of a model are between two steps of the rigid solver.

    A dynamic body keeps its velocity but for what soft matter gives it: v ← v + J/m, ω ← ω + I⁻¹ L. Static and
    kinematic ones, and those that a joint fixes to the world, do not answer. Gravity, contacts among bodies and joints
    are the rigid solver's, which gets the sum of all that was given.

    Args:
        model: Its bodies and colliders.
        device: Where the kernels that look at the colliders run.
    """

    def __init__(self, model: Model, *, device: str = "cpu"):
        self.model = model
        self.collider_arrays = ColliderArrays(model.colliders, device=device)
        self.impulses: Tensor = torch.zeros(len(model.bodies), 6, dtype=torch.float64)
        bodies = model.bodies
        self._kinematic = np.array([body.kind == "kinematic" for body in bodies], np.bool_)
        self._centre = np.array([body.centre for body in bodies], np.float64).reshape(-1, 3)
        self._inverse_mass = np.array([1 / body.mass if _answers(body) else 0.0 for body in bodies])
        inverse = [np.linalg.inv(body.inertia) if _answers(body) else np.zeros((3, 3)) for body in bodies]
        self._inverse_inertia = np.array(inverse).reshape(-1, 3, 3)

    def begin(self, state: State, control: Control) -> None:
        """Takes over the bodies of a state, and the velocities commanded to kinematic ones."""
        self.impulses.zero_()
        if not self.model.bodies:
            self._upload()
            return
        self._R = rotation_from_quaternion(state.body_quat.numpy())
        self._c = state.body_x.numpy() + self._turned(self._centre)
        told = self._kinematic[:, None]
        self._v = np.where(told, control.body_v.numpy(), state.body_v.numpy())
        self._w = np.where(told, control.body_w.numpy(), state.body_w.numpy())
        self._upload()

    @property
    def is_moving(self) -> bool:
        """True if any body moves or might, so that colliders must be looked up at every substep."""
        return bool(self.model.bodies) and bool(self._v.any() or self._w.any() or self._inverse_mass.any())

    def advance(self, dt: float) -> None:
        """Moves the bodies on by `dt` [s] at their velocities, and their colliders with them."""
        if self.is_moving:
            self._c = self._c + dt * self._v
            self._R = Rotation.from_rotvec(dt * self._w).as_matrix() @ self._R
            self._upload()

    @property
    def centres(self) -> Array:
        """Centres of mass in the world [m], shape (b, 3)."""
        return self._c

    def fastest(self, extents: Array) -> float:
        """Speed of the fastest point of all bodies, which reach so far from their centres (b,) [m/s], 0 if none is."""
        if not self.model.bodies:
            return 0.0
        v, w = (np.linalg.norm(a, axis=1) for a in (self._v, self._w))
        return float((v + w * extents).max())

    def points(self, bodies: NDArray[np.integer], local: Array) -> Array:
        """Where points of bodies (k,), given in their frames (k, 3), are in the world [m], shape (k, 3)."""
        return self._c[bodies] + (self._R[bodies] @ (local - self._centre[bodies])[:, :, None])[:, :, 0]

    def push(self, impulses: NDArray[np.floating]) -> None:
        """Gives each body an impulse [N s] and an angular impulse about its centre of mass [N m s], shape (b, 6)."""
        self.impulses += torch.from_numpy(np.asarray(impulses, np.float64))
        self._v = self._v + self._inverse_mass[:, None] * impulses[:, :3]
        inverse = self._R @ self._inverse_inertia @ self._R.swapaxes(1, 2)
        self._w = self._w + (inverse @ impulses[:, 3:, None])[:, :, 0]

    def end(self, nxt: State, control: Control) -> None:
        """Writes where kinematic bodies have come to, and how fast they are; the others stay the rigid solver's."""
        for i in np.flatnonzero(self._kinematic):
            nxt.body_x[i] = torch.from_numpy(self._c[i] - self._R[i] @ self._centre[i])
            nxt.body_quat[i] = torch.from_numpy(quaternion_from_rotation(self._R[i]))
            nxt.body_v[i], nxt.body_w[i] = control.body_v[i], control.body_w[i]

    def _turned(self, local: Array) -> Array:
        return (self._R @ local[:, :, None])[:, :, 0]

    def _upload(self) -> None:
        if not self.model.bodies:
            none = torch.zeros(0, 3, dtype=torch.float64)
            self.collider_arrays.move(none, torch.zeros(0, 3, 3, dtype=torch.float64), none, none, none)
            return
        x = self._c - self._turned(self._centre)
        self.collider_arrays.move(*(torch.from_numpy(a) for a in (x, self._R, self._v, self._w, self._c)))


def _answers(body: RigidBody) -> bool:
    """True if a push changes how the body moves."""
    return body.kind == "dynamic" and not (body.joint is not None and body.joint.kind == "fixed" and body.parent < 0)
