"""URDF: one file for each asset, with one link for each body.

A joint's frame is that of its child, in URDF and not here, so the frame of a link on a hinge or a ball has its origin
at the anchor: T_link_urdf is the translation by the anchor, see `shift`. All other links have their own frames. What
URDF does not know and common readers do is written in their words: friction and restitution (Bullet), friction
(Gazebo), and how to read the file (MuJoCo).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
import torch
from numpy.typing import ArrayLike

from scenekit.body import Joint, Vector
from scenekit.cameras import Array
from scenekit.errors import InputError
from scenekit.export.assets import Asset, Assets, Link
from scenekit.export.visuals import Visual, shown, write_hulls, write_visual
from scenekit.io.atomic import write_text
from scenekit.meshes import Mesh
from scenekit.poses import Pose
from scenekit.sim.bodies import Piece
from scenekit.sim.shapes import Box, Capsule, Hull, Sphere

WORLD = "world"
"""The link that what does not move freely is joined to."""

EFFORT, SPEED = 1e3, 1e2
"""Limits that URDF demands of a joint and nobody gave [N m or N, rad/s or m/s]."""

FAR = 1e3
"""Limits of a slide without limits [m]."""

LIGHT = 1e-6
"""Part of a body's mass and inertia in each of the two links between the three hinges of a ball joint."""

MUJOCO = {
    "strippath": "false",
    "fusestatic": "false",
    "balanceinertia": "false",
    "inertiafromgeom": "false",
}
"""Keeps MuJoCo from changing what it reads."""

WEIGHTLESS = 1e-12
"""What is seen and has less volume is flat [m³]; MuJoCo takes no less than 1e-15."""

TYPES = {"fixed": "fixed", "hinge": "revolute", "slide": "prismatic"}
"""URDF's joints by our names; a hinge without limits is continuous, a ball is three of them."""


def write(folder: Path, assets: Assets) -> list[Path]:
    """Writes NAME.urdf of each asset, and meshes with their materials and textures; returns all files.

    The root link is the asset's frame and free; what is static, or joined to the world, hangs on a link "world". Balls
    become three hinges without limits. Distance fields and kinematic bodies are unknown: the first become their hull,
    the second bodies like all.

    Raises:
        InputError: If a piece has no counterpart, or a joint's axis is no direction.
    """
    written = []
    for asset in assets.assets:
        robot = Element("robot", name=asset.name)
        SubElement(SubElement(robot, "mujoco"), "compiler", MUJOCO | {"discardvisual": str(_is_flat(asset)).lower()})
        for link in asset.links:
            visual, hulls = write_visual(folder, link, mtl=True), write_hulls(folder, link)
            robot.append(_link(link, visual, {number: str(path) for number, path in hulls.items()}))
            written += [folder / path for path in (*(() if visual is None else visual.files), *hulls.values())]
        robot.extend(list(_joints(asset)))
        indent(robot)
        written.append(folder / f"{asset.name}.urdf")
        write_text(written[-1], '<?xml version="1.0"?>\n' + tostring(robot, "unicode") + "\n")
    return written


def shift(joint: Joint | None) -> Pose:
    """T_link_urdf: from the frame of a link's URDF to that of the link, which has its origin off the joint."""
    return Pose(joint.anchor) if joint is not None and joint.kind in ("hinge", "ball") else Pose()


def _is_flat(asset: Asset) -> bool:
    """Whether MuJoCo, which weighs all meshes of a URDF, would refuse something that is seen and has to skip it."""
    looks = [shown(link) for link in asset.links]
    return any(mesh is not None and _volume(mesh) < WEIGHTLESS for mesh in looks)


def _volume(mesh: Mesh) -> float:
    """Of the tetrahedra of all triangles and the middle, turned inside out or not [m³]."""
    corners = mesh.vertices[mesh.faces].double()
    a, b, c = (corners - corners.mean((0, 1))).unbind(1)
    return float((torch.linalg.cross(a, b) * c).sum(1).abs().sum()) / 6


def _link(link: Link, visual: Visual | None, hulls: dict[int, str]) -> Element:
    body, to_urdf = link.body, shift(link.body.joint).inverse()
    made = Element("link", name=link.name)
    if body.mass > 0 and body.kind != "static":
        made.append(_inertial(body.mass, body.inertia, to_urdf @ Pose(body.centre)))
    if visual is not None:
        part = SubElement(made, "visual", name=f"{link.name}_visual")
        part.append(_origin(to_urdf))
        SubElement(SubElement(part, "geometry"), "mesh", filename=str(visual.mesh))
        material = SubElement(part, "material", name=link.name)
        SubElement(material, "color", rgba=_numbers(visual.rgba))
        if visual.texture is not None:
            SubElement(material, "texture", filename=str(visual.texture))
    for number, piece in enumerate(body.pieces):
        for shape, pose in _shapes(link.name, piece, hulls.get(number, "")):
            part = SubElement(made, "collision", name=f"{link.name}_collision_{len(made.findall('collision'))}")
            part.append(_origin(to_urdf @ pose))
            SubElement(part, "geometry").append(shape)
    if body.pieces:
        contact = SubElement(made, "contact")
        SubElement(contact, "lateral_friction", value=_numbers(body.friction))
        SubElement(contact, "restitution", value=_numbers(body.restitution))
    return made


def _inertial(mass: float, inertia: Array, pose: Pose) -> Element:
    made = Element("inertial")
    made.append(_origin(pose))
    SubElement(made, "mass", value=_numbers(mass))
    entries = {f"i{'xyz'[i]}{'xyz'[j]}": _numbers(inertia[i, j]) for i in range(3) for j in range(i, 3)}
    SubElement(made, "inertia", entries)
    return made


def _shapes(name: str, piece: Piece, hull: str) -> Iterator[tuple[Element, Pose]]:
    """A piece as URDF's shapes, each with its pose; a capsule is a cylinder and two balls."""
    shape, pose = piece.shape, piece.pose
    if isinstance(shape, Box):
        yield Element("box", size=_numbers(2 * np.array(shape.half))), pose
    elif isinstance(shape, Sphere):
        yield Element("sphere", radius=_numbers(shape.radius)), pose
    elif isinstance(shape, Capsule):
        radius, half = _numbers(shape.radius), shape.half_length
        yield Element("cylinder", radius=radius, length=_numbers(2 * half)), pose
        for z in (-half, half):
            yield Element("sphere", radius=radius), pose @ Pose((0, 0, z))
    elif isinstance(shape, Hull):
        yield Element("mesh", filename=hull), pose
    else:
        raise InputError(f"{name}: shape", got=type(shape).__name__, wanted="a box, sphere, capsule or hull")


def _joints(asset: Asset) -> Iterator[Element]:
    """Links and joints that hold the links together, and some of them to the world."""
    links = asset.links
    held = [link.body.kind == "static" or link.body.joint is not None for link in links]
    if any(hold and link.body.parent < 0 for hold, link in zip(held, links, strict=True)):
        yield Element("link", name=WORLD)
    to_root = links[0].body.pose.inverse()
    for link, hold in zip(links, held, strict=True):
        parent = links[link.body.parent] if link.body.parent >= 0 else None
        pose = link.body.pose if parent else to_root @ link.body.pose
        if parent is not None:
            pose = shift(parent.body.joint).inverse() @ parent.body.pose.inverse() @ pose
        if hold:
            yield from _joint(link, WORLD if parent is None else parent.name, pose @ shift(link.body.joint))


def _joint(link: Link, parent: str, pose: Pose) -> Iterator[Element]:
    """The joint of a link, whose URDF frame has this pose in that of its parent."""
    joint = link.body.joint or Joint("fixed")
    if joint.kind == "ball":
        yield from _ball(link, joint, parent, pose)
        return
    limits = joint.limits or ((-FAR, FAR) if joint.kind == "slide" else None)
    kind = "continuous" if joint.kind == "hinge" and limits is None else TYPES[joint.kind]
    yield _element(link.name, kind, parent, link.name, pose, joint, limits)


def _ball(link: Link, joint: Joint, parent: str, pose: Pose) -> Iterator[Element]:
    """Three hinges about x, y and z, with light links between them, as no common reader knows balls."""
    light = LIGHT * float(np.trace(link.body.inertia)) / 3 * np.eye(3)
    axes: tuple[Vector, ...] = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    for axis, name in zip(axes, (f"{link.name}.x", f"{link.name}.y", link.name), strict=True):
        if name != link.name:
            made = Element("link", name=name)
            made.append(_inertial(LIGHT * link.body.mass, light, Pose()))
            yield made
        yield _element(name, "continuous", parent, name, pose, replace(joint, axis=axis), None)
        parent, pose = name, Pose()


def _element(
    name: str, kind: str, parent: str, child: str, pose: Pose, joint: Joint, limits: tuple[float, float] | None
) -> Element:
    made = Element("joint", name=f"{name}_joint", type=kind)
    made.append(_origin(pose))
    SubElement(made, "parent", link=parent)
    SubElement(made, "child", link=child)
    if kind == "fixed":
        return made
    axis, length = np.array(joint.axis, np.float64), float(np.linalg.norm(joint.axis))
    if not 0 < length < np.inf:
        raise InputError(f"{name}: joint axis", got=joint.axis, wanted="a direction")
    SubElement(made, "axis", xyz=_numbers(axis / length))
    bounds = {} if limits is None else {"lower": _numbers(limits[0]), "upper": _numbers(limits[1])}
    SubElement(made, "limit", bounds | {"effort": _numbers(EFFORT), "velocity": _numbers(SPEED)})
    SubElement(made, "dynamics", damping=_numbers(joint.damping), friction="0")
    return made


def _origin(pose: Pose) -> Element:
    return Element("origin", xyz=_numbers(pose.position), rpy=_numbers(_roll_pitch_yaw(pose.matrix[:3, :3])))


def _roll_pitch_yaw(R: Array) -> tuple[float, float, float]:
    """Angles about fixed x, y, z, R = Rz(yaw) Ry(pitch) Rx(roll) [rad]; straight up or down, roll is 0."""
    level = math.hypot(R[0, 0], R[1, 0])
    pitch = math.atan2(-R[2, 0], level)
    if level < 1e-9:
        return 0.0, pitch, math.atan2(-R[0, 1], R[1, 1])
    return math.atan2(R[2, 1], R[2, 2]), pitch, math.atan2(R[1, 0], R[0, 0])


def _numbers(values: ArrayLike) -> str:
    """Numbers with all their digits."""
    flat: Iterable[float] = np.atleast_1d(np.asarray(values, np.float64)).tolist()
    return " ".join(repr(value + 0.0) for value in flat)
