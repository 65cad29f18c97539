"""A model as MuJoCo sees it: the same for the solver and for what is exported. Letters: b bodies."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from scenekit._libraries import mujoco
from scenekit.body import Joint
from scenekit.cameras import Array, quaternion_from_rotation
from scenekit.errors import InputError
from scenekit.sim.bodies import Piece, RigidBody, principal_inertia
from scenekit.sim.model import Model
from scenekit.sim.shapes import Box, Capsule, Hull, Plane, Sphere

TIMESTEP = 1e-3
"""Step of the solver if not told otherwise [s]."""

IMPEDANCE = (0.9999, 0.9999, 0.001, 0.5, 2.0)
"""MuJoCo's d: how much of what a contact wants it gets. The largest that it takes, so things do not creep or sink."""

FREQUENCY = 100.0
"""√k of contacts in MuJoCo's own terms [rad/s]."""

PHASES = 16
"""Phases over which the restitution of a spring is averaged."""

SLIP = 10.0
"""How much harder friction is than the normal direction, MuJoCo's impratio."""

DRIVEN = 1e6
"""A kinematic body is this much heavier than all dynamic ones together, so that contacts do not turn it aside."""

TORSION = (0.005, 1e-4)
"""Torsional and rolling friction [m], MuJoCo's defaults; contacts of three dimensions do not use them."""

KINDS = {
    "hinge": mujoco.mjtJoint.mjJNT_HINGE,
    "slide": mujoco.mjtJoint.mjJNT_SLIDE,
    "ball": mujoco.mjtJoint.mjJNT_BALL,
}
"""MuJoCo's joints by our names; a fixed one is none."""


def spec(model: Model, *, timestep: float = TIMESTEP, mocap: bool = False) -> mujoco.MjSpec:
    """The bodies, joints and actuators of a model as an `mujoco.MjSpec`, in their order and named by their paths.

    Inertia is explicit and comes from nothing but the bodies. Friction cones are elliptic; bounces come from springs
    and dampers, see `contact_reference`. As MuJoCo combines them, of two bodies the smaller restitution and the larger
    friction count.

    Args:
        model: Its bodies and gravity; matter that is not rigid is left out.
        timestep: Step h [s].
        mocap: Makes kinematic bodies mocap ones, which other programs move by their poses; contacts then do not feel
            their velocities. Else they are free, very heavy and weightless, and get their velocities each step.

    Raises:
        InputError: If names repeat, a parent comes after its child, or a shape or joint has no counterpart; names the
            body.
    """
    _check(model.bodies)
    made = mujoco.MjSpec()
    made.modelname = "scenekit"
    made.compiler.degree = False
    made.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_FALSE
    _options(made, model, timestep)
    nodes: list[mujoco.MjsBody] = []
    for body in model.bodies:
        held = body.joint is not None and body.parent >= 0
        parent = nodes[body.parent] if held else made.worldbody
        pose = model.bodies[body.parent].pose.inverse() @ body.pose if held else body.pose
        node = parent.add_body(name=body.name, pos=pose.position, quat=pose.quat)
        nodes.append(node)
        _inertial(node, body, _weight(model))
        _joint(made, node, body, timestep, mocap)
        for number, piece in enumerate(body.pieces):
            _geom(made, node, body, f"{body.name}/{number}", piece, timestep)
        if held:
            made.add_exclude(bodyname1=model.bodies[body.parent].name, bodyname2=body.name)
    return made


def contact_reference(restitution: float, timestep: float = TIMESTEP) -> tuple[float, float]:
    """MuJoCo's solref of a contact in its direct form, (−k, −b) [1/s², 1/s].

    MuJoCo has no restitution, but contacts accelerate by −b v − k r, a damped spring that does not pull. With k given,
    b is such that of the speed e is returned, in steps of h as MuJoCo takes them; in the limit of small ones this is
    the formula of Schwager and Pöschel 2007 (Coefficient of restitution and linear-dashpot model revisited).
    """
    rate = FREQUENCY * timestep
    least = _returned(1.0, rate)  # of a spring that is damped critically
    damping = brentq(lambda zeta: _returned(zeta, rate) - restitution, 0.0, 1.0) if least < restitution < 1 else 0.0
    damping = 1.0 if restitution <= least else damping
    return -(FREQUENCY**2), -2 * damping * FREQUENCY


def _returned(damping: float, rate: float) -> float:
    """Restitution of a spring of damping ratio ζ, the mean over the phases at which a step may find it touched.

    Args:
        damping: ζ.
        rate: Frequency times timestep; time is counted in steps.
    """
    x, v = -(np.arange(PHASES) + 0.5) / PHASES, -np.ones(PHASES)
    while ((pushed := -(rate**2) * x - 2 * damping * rate * v) > 0).any() and (x < 0).any():
        v = v + np.where(x < 0, np.maximum(pushed, 0), 0)
        x = x + v
    return float(v.mean())


def _check(bodies: tuple[RigidBody, ...]) -> None:
    names = [body.name for body in bodies]
    for i, body in enumerate(bodies):
        if names.index(body.name) < i or not body.name:
            raise InputError("body name", got=repr(body.name), wanted="names that differ")
        if not -1 <= body.parent < i:
            raise InputError(f"{body.name}: parent", got=body.parent, wanted="a body before it, or −1 for the world")


def _options(made: mujoco.MjSpec, model: Model, timestep: float) -> None:
    option = made.option
    option.timestep, option.gravity = timestep, model.gravity
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, SLIP
    option.tolerance = 1e-10
    option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_WARMSTART) | int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)


def _weight(model: Model) -> float:
    """Mass of kinematic bodies [kg]."""
    return DRIVEN * (sum(body.mass for body in model.bodies if body.kind == "dynamic") or 1.0)


def _inertial(node: mujoco.MjsBody, body: RigidBody, weight: float) -> None:
    node.explicitinertial = True
    node.ipos = body.centre
    if body.kind == "dynamic":
        moments, axes = principal_inertia(body)
        node.mass, node.inertia, node.iquat = body.mass, moments, quaternion_from_rotation(axes)
    elif body.kind == "kinematic":
        node.mass, node.inertia, node.gravcomp = weight, np.full(3, weight), 1.0


def _joint(made: mujoco.MjSpec, node: mujoco.MjsBody, body: RigidBody, timestep: float, mocap: bool) -> None:
    joint = body.joint
    if joint is None:
        if body.kind == "kinematic" and mocap:
            node.mocap = True
        elif body.kind != "static":
            node.add_freejoint(name=body.name).align = mujoco.mjtAlignFree.mjALIGNFREE_TRUE
        return
    drive = joint.actuator != "none"
    if joint.kind not in KINDS or joint.kind == "ball":
        if drive:
            raise InputError(f"{body.name}: actuator", got=f"one on a {joint.kind} joint", wanted="a hinge or a slide")
        if joint.kind == "fixed":
            return
    made_joint = node.add_joint(name=body.name, type=KINDS[joint.kind], pos=joint.anchor, damping=joint.damping)
    if joint.kind != "ball":
        made_joint.axis = _axis(body, joint)
    if joint.limits is not None:
        made_joint.limited, made_joint.range = mujoco.mjtLimited.mjLIMITED_TRUE, _limits(body, joint)
        made_joint.solref_limit, made_joint.solimp_limit = contact_reference(0.0, timestep), IMPEDANCE
    if drive:
        _actuator(made, body, joint)


def _axis(body: RigidBody, joint: Joint) -> Array:
    axis = np.array(joint.axis, np.float64)
    if not np.isfinite(axis).all() or not np.linalg.norm(axis) > 0:
        raise InputError(f"{body.name}: joint axis", got=joint.axis, wanted="a direction")
    return axis / np.linalg.norm(axis)


def _limits(body: RigidBody, joint: Joint) -> tuple[float, float]:
    low, high = joint.limits or (0.0, 0.0)
    good = low == 0 < high if joint.kind == "ball" else low < high
    if not good or not np.isfinite((low, high)).all():
        wanted = "0 and the largest angle" if joint.kind == "ball" else "the lower one first"
        raise InputError(f"{body.name}: joint limits", got=joint.limits, wanted=wanted)
    return low, high


def _actuator(made: mujoco.MjSpec, body: RigidBody, joint: Joint) -> None:
    actuator = made.add_actuator(name=body.name, target=body.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    if joint.actuator == "motor":
        actuator.set_to_motor()
        actuator.gear = [joint.gain, 0, 0, 0, 0, 0]
    elif joint.actuator == "position":
        actuator.set_to_position(kp=joint.gain)
    else:
        actuator.set_to_velocity(kv=joint.gain)


def _geom(made: mujoco.MjSpec, node: mujoco.MjsBody, body: RigidBody, name: str, piece: Piece, timestep: float) -> None:
    geom = node.add_geom(name=name, pos=piece.pose.position, quat=piece.pose.quat)
    geom.friction = [body.friction, *TORSION]
    geom.solref, geom.solimp = contact_reference(body.restitution, timestep), IMPEDANCE
    geom.contype, geom.conaffinity = (
        (1, 3) if body.kind == "dynamic" else (2, 1)
    )  # what does not answer touches no other
    geom.group = 3
    shape = piece.shape
    if isinstance(shape, Plane) and body.kind == "static":
        geom.type, geom.size = mujoco.mjtGeom.mjGEOM_PLANE, [0, 0, 1]
    elif isinstance(shape, Box):
        geom.type, geom.size = mujoco.mjtGeom.mjGEOM_BOX, shape.half
    elif isinstance(shape, Sphere):
        geom.type, geom.size = mujoco.mjtGeom.mjGEOM_SPHERE, [shape.radius, 0, 0]
    elif isinstance(shape, Capsule):
        geom.type, geom.size = mujoco.mjtGeom.mjGEOM_CAPSULE, [shape.radius, shape.half_length, 0]
    elif isinstance(shape, Hull):
        geom.type, geom.meshname = mujoco.mjtGeom.mjGEOM_MESH, name
        vertices, faces = shape.mesh.vertices.double().numpy(), shape.mesh.faces.numpy()
        made.add_mesh(name=name, uservert=vertices.ravel(), userface=faces.ravel().astype(np.int32))
    else:
        got = f"a {type(shape).__name__} on a {body.kind} body"
        hint = "scenekit.sim.pieces makes convex pieces of a mesh."
        raise InputError(f"{body.name}: shape", got=got, wanted="a convex one, or a plane on a static body", hint=hint)
