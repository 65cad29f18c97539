"""Joints of links as prims of USD.

Axes of USD's joints are X, Y or Z of the joint's own frame; so that frame is turned, its X along the axis. A hinge is a
RevoluteJoint in degrees, a slide a PrismaticJoint, a ball a SphericalJoint whose limit is a cone of the largest angle
(USD does not limit its twist), fixed a FixedJoint. Damping and servos are drives: torque = stiffness (target − q) +
damping (target speed − speed), per degree where it turns. A motor is a drive without either; its gain is in customData,
as is the damping of a ball, which has no drive.
"""

from __future__ import annotations

import math

from pxr import Gf, Usd, UsdPhysics

from scenekit.body import Joint
from scenekit.export.assets import Asset, Link
from scenekit.export.joint_frames import joint_frames
from scenekit.poses import Pose

KINDS = {
    "fixed": UsdPhysics.FixedJoint,
    "hinge": UsdPhysics.RevoluteJoint,
    "slide": UsdPhysics.PrismaticJoint,
    "ball": UsdPhysics.SphericalJoint,
}
"""USD's joints by our names."""


def define_joint(stage: Usd.Stage, asset: Asset, link: Link) -> None:
    """The joint of a link with its parent, or with the place where the asset is, as /ASSET/LINK/joint.

    Raises:
        InputError: If its axis is no direction.
    """
    joint = link.body.joint
    assert joint is not None
    top = f"/{asset.name}"
    prim = KINDS[joint.kind].Define(stage, f"{top}/{link.name}/joint")
    holder = f"{top}/{asset.links[link.body.parent].name}" if link.body.parent >= 0 else top
    prim.CreateBody0Rel().SetTargets([holder])
    prim.CreateBody1Rel().SetTargets([f"{top}/{link.name}"])
    held, frame = joint_frames(asset, link)
    prim.CreateLocalPos0Attr(Gf.Vec3f(*held.position))
    prim.CreateLocalRot0Attr(_quat(held))
    prim.CreateLocalPos1Attr(Gf.Vec3f(*frame.position))
    prim.CreateLocalRot1Attr(_quat(frame))
    if joint.kind == "ball":
        _limit_ball(prim, joint)
    elif joint.kind != "fixed":
        _limit_and_drive(prim, joint)


def _quat(pose: Pose) -> Gf.Quatf:
    w, x, y, z = pose.quat
    return Gf.Quatf(w, x, y, z)


def _limit_ball(prim: UsdPhysics.SphericalJoint, joint: Joint) -> None:
    prim.CreateAxisAttr(UsdPhysics.Tokens.x)
    if joint.limits is not None:
        prim.CreateConeAngle0LimitAttr(math.degrees(joint.limits[1]))
        prim.CreateConeAngle1LimitAttr(math.degrees(joint.limits[1]))
    prim.GetPrim().SetCustomDataByKey("scenekit:damping", joint.damping)


def _limit_and_drive(prim: UsdPhysics.RevoluteJoint | UsdPhysics.PrismaticJoint, joint: Joint) -> None:
    degrees = math.degrees(1.0) if joint.kind == "hinge" else 1.0
    prim.CreateAxisAttr(UsdPhysics.Tokens.x)
    if joint.limits is not None:
        prim.CreateLowerLimitAttr(degrees * joint.limits[0])
        prim.CreateUpperLimitAttr(degrees * joint.limits[1])
    if joint.actuator == "none" and not joint.damping:
        return
    drive = UsdPhysics.DriveAPI.Apply(prim.GetPrim(), "angular" if joint.kind == "hinge" else "linear")
    drive.CreateTypeAttr(UsdPhysics.Tokens.force)
    drive.CreateStiffnessAttr((joint.gain if joint.actuator == "position" else 0.0) / degrees)
    drive.CreateDampingAttr((joint.damping + (joint.gain if joint.actuator == "velocity" else 0.0)) / degrees)
    if joint.actuator == "motor":
        prim.GetPrim().SetCustomDataByKey("scenekit:gain", joint.gain)
