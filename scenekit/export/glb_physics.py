"""Rigid bodies in GLB by KHR_physics_rigid_bodies and KHR_implicit_shapes, drafts of the Khronos Group (2025).

A link that moves has `motion`. Its pieces are nodes of their own below it, LINK.collider_N, as shapes or as the hull of
a mesh; the nodes of such meshes are in no scene, as the draft allows. A joint is on a node of what holds the link,
LINK.holder, and connects to a node of the link, LINK.held, which lie on each other at 0; X is the axis. Friction is the
larger one of two bodies, restitution the smaller one.

https://github.com/KhronosGroup/glTF/pull/2424 and 2370; quaternions xyzw, angles in radians. A draft of 2026 may name
the mesh rather than its node (https://github.com/spnda/fastgltf/issues/142).
"""

from __future__ import annotations

import math
from typing import Any

from scenekit.body import Joint
from scenekit.cameras import quaternion_from_rotation
from scenekit.errors import InputError
from scenekit.export.assets import Asset, Link
from scenekit.export.joint_frames import joint_frames
from scenekit.io.gltf_writer import GltfWriter
from scenekit.io.mesh_gltf import add_mesh
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece, RigidBody, principal_inertia
from scenekit.sim.rigid_bodies import BOUNCE, FRICTION
from scenekit.sim.shapes import Box, Capsule, Hull, Sphere

BODIES, SHAPES = "KHR_physics_rigid_bodies", "KHR_implicit_shapes"

Y_TO_Z = Pose(quat=(math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0))
"""Brings Y, the axis of glTF's capsules and planes, to Z, that of ours."""

AXES = [0, 1, 2]


class GlbPhysics:
    """Adds bodies, colliders and joints to nodes of a document."""

    def __init__(self, gltf: GltfWriter) -> None:
        self.gltf = gltf

    def add_body(self, node: int, link: Link) -> None:
        """Motion and colliders of a link, whose node there is.

        Raises:
            InputError: If a piece has a shape that the draft has not.
        """
        if link.body.kind != "static":
            self._extend(node, {"motion": _motion(link.body)})
        material = self._material(link.body.friction, link.body.restitution)
        if link.sdf and link.solid is not None:
            geometry = self._mesh(f"{link.name}.solid", link.solid, hull=False)
            self._collide(f"{link.name}.collider_0", node, Pose(), geometry, material)
            return
        for i, piece in enumerate(link.body.pieces):
            geometry, turn = self._geometry(f"{link.name}.hull_{i}", link, piece)
            self._collide(f"{link.name}.collider_{i}", node, piece.pose @ turn, geometry, material)

    def add_joint(self, holder: int, node: int, asset: Asset, link: Link) -> None:
        """The joint of a link, whose node there is, with what holds it.

        Raises:
            InputError: If its axis is no direction.
        """
        assert link.body.joint is not None
        held_in, frame = joint_frames(asset, link)
        held = self.gltf.add_node(f"{link.name}.held", node, frame)
        number = self._listed(BODIES, "physicsJoints", _joint(link.body.joint))
        here = self.gltf.add_node(f"{link.name}.holder", holder, held_in)
        self._extend(here, {"joint": {"connectedNode": held, "joint": number, "enableCollision": False}})

    def add_floor(self, parent: int, height: float) -> None:
        """A plane without end that stays."""
        number = self._listed(SHAPES, "shapes", {"type": "plane", "plane": {}})
        material = self._material(FRICTION, BOUNCE["static"])
        self._collide("floor.collider", parent, Pose((0.0, 0.0, height)) @ Y_TO_Z, {"shape": number}, material)

    def _geometry(self, name: str, link: Link, piece: Piece) -> tuple[dict[str, Any], Pose]:
        """What a piece looks like, and how it is turned there."""
        shape = piece.shape
        if isinstance(shape, Hull):
            return self._mesh(name, shape.mesh, hull=True), Pose()
        if isinstance(shape, Box):
            return self._shape("box", {"size": [2 * half for half in shape.half]}), Pose()
        if isinstance(shape, Sphere):
            return self._shape("sphere", {"radius": shape.radius}), Pose()
        if isinstance(shape, Capsule):
            ends = {"radiusTop": shape.radius, "radiusBottom": shape.radius}
            return self._shape("capsule", {"height": 2 * shape.half_length, **ends}), Y_TO_Z
        got, wanted = type(shape).__name__, "a box, sphere, capsule or hull"
        raise InputError(f"{link.path}: shape", got=got, wanted=wanted)

    def _mesh(self, name: str, mesh: Mesh, *, hull: bool) -> dict[str, Any]:
        node = self.gltf.add_node(name, None, mesh=add_mesh(self.gltf, Mesh(mesh.vertices, mesh.faces)))
        return {"node": node, "convexHull": hull}

    def _shape(self, kind: str, sizes: dict[str, Any]) -> dict[str, Any]:
        return {"shape": self._listed(SHAPES, "shapes", {"type": kind, kind: sizes})}

    def _collide(self, name: str, parent: int, pose: Pose, geometry: dict[str, Any], material: int) -> None:
        node = self.gltf.add_node(name, parent, pose)
        self._extend(node, {"collider": {"geometry": geometry, "physicsMaterial": material}})

    def _material(self, friction: float, restitution: float) -> int:
        combined = {"frictionCombine": "maximum", "restitutionCombine": "minimum"}
        contact = {"staticFriction": friction, "dynamicFriction": friction, "restitution": restitution}
        return self._listed(BODIES, "physicsMaterials", contact | combined)

    def _listed(self, extension: str, kind: str, item: dict[str, Any]) -> int:
        """Number of an item in a list of an extension, which has it once."""
        self.gltf.use(extension)
        items = self.gltf.json.setdefault("extensions", {}).setdefault(extension, {}).setdefault(kind, [])
        if item not in items:
            items.append(item)
        return items.index(item)

    def _extend(self, node: int, properties: dict[str, Any]) -> None:
        self.gltf.use(BODIES)
        extensions = self.gltf.json["nodes"][node].setdefault("extensions", {})
        extensions.setdefault(BODIES, {}).update(properties)


def _motion(body: RigidBody) -> dict[str, Any]:
    """How a body moves, in the frame of its node."""
    motion: dict[str, Any] = {"isKinematic": body.kind == "kinematic"}
    if body.mass > 0:
        moments, axes = principal_inertia(body)
        w, x, y, z = quaternion_from_rotation(axes).tolist()
        motion |= {"mass": body.mass, "centerOfMass": list(body.centre)}
        motion |= {"inertiaDiagonal": moments.tolist(), "inertiaOrientation": [x, y, z, w]}
    return motion


def _joint(joint: Joint) -> dict[str, Any]:
    """Limits and drives; what is not limited is free."""
    turns = {"fixed": AXES, "hinge": [1, 2], "slide": AXES, "ball": []}[joint.kind]
    slides = [1, 2] if joint.kind == "slide" else AXES
    limits: list[dict[str, Any]] = [{"linearAxes": slides, "min": 0.0, "max": 0.0}]
    if turns:
        limits.append({"angularAxes": turns, "min": 0.0, "max": 0.0})
    if joint.limits is not None and joint.kind != "fixed":
        axes = AXES if joint.kind == "ball" else [0]
        low, high = joint.limits
        limits.append({"linearAxes" if joint.kind == "slide" else "angularAxes": axes, "min": low, "max": high})
    drives = [_drive(joint, axis) for axis in (AXES if joint.kind == "ball" else [0])]
    driven = joint.kind != "fixed" and (joint.damping > 0 or joint.actuator != "none")
    return {"limits": limits} | ({"drives": drives} if driven else {})


def _drive(joint: Joint, axis: int) -> dict[str, Any]:
    """A servo to 0 and its damping; a motor is one without either."""
    stiffness = joint.gain if joint.actuator == "position" else 0.0
    damping = joint.damping + (joint.gain if joint.actuator == "velocity" else 0.0)
    kind = "linear" if joint.kind == "slide" else "angular"
    targets = {"positionTarget": 0.0, "velocityTarget": 0.0}
    return {"type": kind, "mode": "force", "axis": axis, **targets, "stiffness": stiffness, "damping": damping}
