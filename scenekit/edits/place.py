"""Edits of where things are and how large: move, rotate, scale, mirror, arrange."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from scenekit.body import Body
from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.capture.capture import Capture
from scenekit.capture.level import moved_pose
from scenekit.errors import InputError
from scenekit.poses import Pose
from scenekit.quantities import Quantity
from scenekit.scene import Node, SceneState, split_path
from scenekit.selection.base import in_world, positions
from scenekit.splats import similarity_parts

if TYPE_CHECKING:
    from scenekit.fields.fitted import FittedField

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Move:
    """Moves a node and all below it."""

    path: str
    """The node; "/" moves all there is."""
    by: Vector
    """How far, along the axes of the world [m]."""

    def __str__(self) -> str:
        return f"move {self.path} by {_shown(self.by)} m"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the node's pose changed; its parts stay untouched."""
        T = np.eye(4)
        T[:3, 3] = self.by
        return transformed(state, self.path, T)


@dataclass(frozen=True)
class Rotate:
    """Turns a node and all below it, about an axis or by a quaternion."""

    path: str
    """The node; "/" turns all there is."""
    angle: float = 0.0
    """How far, counter-clockwise seen against the axis [degrees]."""
    axis: Vector = (0.0, 0.0, 1.0)
    """Axis in the world, of any length but zero."""
    quat: tuple[float, float, float, float] | None = None
    """The rotation as a quaternion wxyz, instead of an axis and angle."""
    about: Vector | None = None
    """What stays in place [m]; the middle of the node if None."""

    def __str__(self) -> str:
        by = f"quaternion {_shown(self.quat)}" if self.quat else f"{self.angle:g}° about {_shown(self.axis)}"
        return f"rotate {self.path} by {by}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with the node's pose changed; its parts stay untouched."""
        quat = np.array(self.quat) if self.quat else axis_angle(self.axis, math.radians(self.angle))
        if not np.isfinite(quat).all() or not np.linalg.norm(quat) > 0:
            raise InputError("Rotate.quat", got=self.quat, wanted="a quaternion that is not zero")
        about = middle(state, self.path) if self.about is None else self.about
        return transformed(state, self.path, fixing(rotation_from_quaternion(quat), about))


@dataclass(frozen=True)
class Scale:
    """Makes a node and all below it larger or smaller: splats, meshes, cameras, and masses by the cube."""

    path: str
    """The node; "/" scales all there is."""
    by: float
    """Factor, more than 0."""
    about: Vector | None = None
    """What stays in place [m]; the middle of the node if None."""

    def __str__(self) -> str:
        return f"scale {self.path} by {self.by:g}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with parts made larger in their frames, and the poses below with them."""
        if not 0 < self.by < math.inf:
            raise InputError("Scale.by", got=self.by, wanted="more than 0")
        about = middle(state, self.path) if self.about is None else self.about
        return transformed(state, self.path, fixing(self.by * np.eye(3), about))


@dataclass(frozen=True)
class Mirror:
    """Mirrors a node and all below it in a plane. Harmonics follow exactly, and faces turn so that outside stays."""

    path: str
    """The node; "/" mirrors all there is."""
    normal: Vector = (1.0, 0.0, 0.0)
    """Normal of the plane, of any length but zero."""
    about: Vector | None = None
    """A point of the plane [m]; the middle of the node if None."""
    drop_cameras: bool = False
    """Photos do not show a mirrored world: True takes them away, False refuses."""

    def __str__(self) -> str:
        return f"mirror {self.path} along {_shown(self.normal)}"

    def apply(self, state: SceneState) -> SceneState:
        """The state with parts mirrored in an axis of their own frames, and poses such that the whole is mirrored."""
        length = np.linalg.norm(self.normal)
        if not 0 < length < math.inf:
            raise InputError("Mirror.normal", got=self.normal, wanted="a vector that is not zero")
        having = [where for where, node in state.walk(self.path) if node.cameras is not None]
        if having and not self.drop_cameras:
            hint = "Photos do not show a mirrored world; drop_cameras takes them away."
            raise InputError("Mirror", got=f"cameras at {having[0]}", wanted="nodes without cameras", hint=hint)
        for where in having:
            state = state.with_node(where, lambda node: replace(node, cameras=None))
        normal = np.array(self.normal) / length
        about = middle(state, self.path) if self.about is None else self.about
        return transformed(state, self.path, fixing(np.eye(3) - 2 * np.outer(normal, normal), about))


@dataclass(frozen=True)
class Arrange:
    """Puts nodes where they are told, all in one step: what a moment of a simulation is kept by."""

    poses: tuple[tuple[str, Pose], ...]
    """Path and T_parent_node of each."""

    def __str__(self) -> str:
        return "arrange " + ", ".join(path for path, _ in self.poses)

    def apply(self, state: SceneState) -> SceneState:
        """The state with the poses changed; parts stay untouched.

        Raises:
            InputError: If there are none, or one is of no node or of the root.
        """
        if not self.poses:
            raise InputError("Arrange.poses", got="none", wanted="at least one that is to change")
        for path, pose in self.poses:
            below_root(path)
            state = state.with_node(path, lambda node, pose=pose: replace(node, pose=pose))  # type: ignore[misc]
        return state


def transformed(state: SceneState, path: str, T: Array) -> SceneState:
    """The state with the node at `path` and all below it under a similarity x ↦ s Q x + t of the world.

    Poses are rigid, so a scale s or a mirror goes into the parts: with B = s L, L = 1 or a mirror in one of the node's
    axes, T P = P' B for a rigid P'. What is below has pose C and takes P' B C = P' C' B with C' = B C B⁻¹.

    Args:
        state: The scene.
        path: The node; "/" means each of the root's children, for the root is the world.
        T: Shape (4, 4).

    Raises:
        InputError: If T is not a finite similarity, or mirrors cameras.
    """
    scale, turn = similarity_parts(torch.from_numpy(np.asarray(T, dtype=np.float64)))
    Q = turn.numpy()
    for top in [f"/{child.name}" for child in state.root.children] if path == "/" else [path]:
        pose = state.pose(top)
        R, L = pose.matrix[:3, :3], np.eye(3)
        if np.linalg.det(Q) < 0:
            axis = int(np.diag(R.T @ Q @ R).argmin())  # the one nearest to the normal of the plane
            L[axis, axis] = -1.0
        new = Pose(quat=pose.quat) if np.array_equal(Q, np.eye(3)) else _rigid(Q @ R @ L)
        position = T[:3, :3] @ np.array(pose.position) + T[:3, 3]
        state = placed(state, top, Pose(tuple(position), new.quat))
        if scale != 1 or L[0, 0] * L[1, 1] * L[2, 2] < 0:
            state = state.with_node(top, lambda node, B=scale * L: baked(node, B))  # type: ignore[misc]
    return state


def baked(node: Node, B: Array) -> Node:
    """The node with its parts under a similarity x ↦ B x of its frame, and its children so too; its pose stays."""
    T = np.eye(4)
    T[:3, :3] = B
    matrix = torch.from_numpy(T)
    scale, turn = similarity_parts(matrix)
    L = turn.numpy()
    children = []
    for child in node.children:
        C = child.pose.matrix
        pose = child.pose if np.array_equal(L, np.eye(3)) else _rigid(L @ C[:3, :3] @ L.T)
        children.append(replace(baked(child, B), pose=Pose(tuple(B @ C[:3, 3]), pose.quat)))
    return replace(
        node,
        splats=node.splats and node.splats.transform(matrix),
        mesh=node.mesh and node.mesh.transform(matrix),
        field=_scaled_field(node, scale, mirrors=bool(np.linalg.det(L) < 0)),
        body=node.body and transformed_body(node.body, scale, L),
        cameras=node.cameras and transformed_capture(node.cameras, T),
        children=tuple(children),
    )


def _scaled_field(node: Node, scale: float, *, mirrors: bool) -> FittedField | None:
    if node.field is not None and mirrors:
        hint = "Make splats of it (`extract`), and take it away."
        raise InputError(f"field of {node.name}", got="a mirror", wanted="a motion or a scale", hint=hint)
    return node.field if scale == 1 else node.field and node.field.scaled(scale)


def transformed_body(body: Body, scale: float, Q: Array) -> Body:
    """The body of the same density under x ↦ s Q x: mass s³ m, centre s Q c, inertia s⁵ Q I Qᵀ."""
    mass = body.mass
    if mass is not None and scale != 1:
        spread = None if mass.spread is None else mass.spread * scale**3
        note = f"{mass.note}; scaled by {scale:g}³".removeprefix("; ")
        mass = Quantity(mass.value * scale**3, mass.provenance, spread, note)
    centre = body.centre and tuple((scale * Q @ body.centre).tolist())
    inertia = body.inertia and tuple(map(tuple, (scale**5 * Q @ np.array(body.inertia) @ Q.T).tolist()))
    return replace(body, mass=mass, centre=centre, inertia=inertia)  # type: ignore[arg-type]


def transformed_capture(capture: Capture, T: Array) -> Capture:
    """The photos, sparse points and frame of a capture under a similarity T, shape (4, 4).

    Raises:
        InputError: If T mirrors: photos do not show a mirrored world.
    """
    if np.linalg.det(T[:3, :3]) < 0:
        raise InputError("cameras", got="a mirror", wanted="no photos", hint="Take the cameras away first.")
    photos = [replace(photo, T_world_cam=moved_pose(T, photo.T_world_cam)) for photo in capture.photos]
    points = replace(capture.points, xyz=capture.points.xyz @ T[:3, :3].T + T[:3, 3])
    frame = replace(capture.frame, T_world_source=T @ capture.frame.T_world_source)
    return replace(capture, photos=photos, points=points, frame=frame)


def placed(state: SceneState, path: str, pose: Pose) -> SceneState:
    """The state with the node at `path` at `pose` in the world.

    Raises:
        InputError: If it is the root, which is the world.
    """
    below_root(path)
    parent = state.pose(parent_path(path))
    return state.with_node(path, lambda node: replace(node, pose=parent.inverse() @ pose))


def parent_path(path: str) -> str:
    """The path of the node above: "/table/mug" → "/table", "/table" → "/"."""
    return path.rstrip("/").rsplit("/", 1)[0] or "/"


def added(state: SceneState, path: str, node: Node) -> SceneState:
    """The state with `node`, named as the path says, as last child of the node above `path`.

    Raises:
        InputError: If there is no node above, or a node there already.
    """
    if path in state:
        raise InputError("path", got=repr(path), wanted="a path where there is no node yet")
    node = replace(node, name=node_name(path))
    return state.with_node(parent_path(path), lambda parent: replace(parent, children=(*parent.children, node)))


def node_name(path: str) -> str:
    """Last name of a path; raises InputError for the root."""
    below_root(path)
    return split_path(path)[-1]


def below_root(path: str) -> None:
    """Raises InputError if the path is that of the root."""
    if not split_path(path):
        raise InputError("path", got=repr(path), wanted="a node below the root")


def middle(state: SceneState, path: str) -> Vector:
    """Middle of the box of what is at and below `path` but for the outermost hundredth; its origin if empty [m]."""
    points = [in_world(own, state, where) for where, node in state.walk(path) for own in positions(node)]
    if not points:
        return state.pose(path).position
    x, y, z = np.quantile(torch.cat(points).numpy(), [0.01, 0.99], axis=0).mean(0).tolist()
    return x, y, z


def fixing(A: Array, about: Vector) -> Array:
    """The map x ↦ A (x − about) + about, shape (4, 4)."""
    T = np.eye(4)
    T[:3, :3] = A
    T[:3, 3] = np.array(about) - A @ np.array(about)
    return T


def axis_angle(axis: Vector, angle: float) -> Array:
    """Unit quaternion wxyz of a turn about an axis of any length by an angle [rad], shape (4,)."""
    length = np.linalg.norm(axis)
    if not 0 < length < math.inf:
        raise InputError("axis", got=axis, wanted="a vector that is not zero")
    result: Array = np.array([math.cos(angle / 2), *(math.sin(angle / 2) * np.array(axis) / length)])
    return result


def _rigid(R: Array) -> Pose:
    T = np.eye(4)
    T[:3, :3] = R
    return Pose.from_matrix(T)


def _shown(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
