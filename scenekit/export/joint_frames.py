"""The two frames of a joint, for formats whose joints turn about an axis of their own frame."""

from __future__ import annotations

import numpy as np

from scenekit.body import Joint
from scenekit.cameras import quaternion_from_rotation
from scenekit.errors import InputError
from scenekit.export.assets import Asset, Link
from scenekit.poses import Pose


def joint_frames(asset: Asset, link: Link) -> tuple[Pose, Pose]:
    """A joint's frame in what holds it and in the link; X is the axis, the origin the anchor, and at 0 they are one.

    What holds a link is its parent, or the place where the asset stands, which has the frame of the root.

    Raises:
        InputError: If the axis is no direction; names the link.
    """
    body, joint = link.body, link.body.joint
    assert joint is not None
    holder = asset.links[max(body.parent, 0)].body.pose
    frame = Pose(joint.anchor, _turn(link, joint))
    return holder.inverse() @ body.pose @ frame, frame


def _turn(link: Link, joint: Joint) -> tuple[float, float, float, float]:
    """The rotation that brings X to the axis."""
    axis = np.array(joint.axis if joint.kind in ("hinge", "slide") else (1.0, 0.0, 0.0), np.float64)
    if not np.isfinite(axis).all() or not np.linalg.norm(axis) > 0:
        raise InputError(f"{link.path}: joint axis", got=joint.axis, wanted="a direction")
    x = axis / np.linalg.norm(axis)
    y = np.cross(np.eye(3)[np.abs(x).argmin()], x)
    y /= np.linalg.norm(y)
    w, i, j, k = quaternion_from_rotation(np.column_stack([x, y, np.cross(x, y)])).tolist()
    return w, i, j, k
