"""MJCF: assets as MuJoCo's own format, made by MuJoCo.

    Assets ─► bodies ─► MjSpec, as the solver has it ─► its look, and files for its meshes ─► NAME.xml, scene.xml

All paths in the files are relative: the folder can be moved. Physics is that of `scenekit.sim.mujoco_model`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from scenekit._libraries import mujoco
from scenekit.errors import InputError
from scenekit.export.assets import Asset, Assets, Link
from scenekit.export.robot import Robot, add_robot, home
from scenekit.export.stage import set_stage
from scenekit.export.visuals import Visual, write_hulls, write_mesh, write_visual
from scenekit.io.atomic import write_text
from scenekit.poses import Pose
from scenekit.sim.bodies import RigidBody
from scenekit.sim.model import Model
from scenekit.sim.mujoco_model import spec
from scenekit.sim.shapes import Hull

SCENE = "scene"
"""Name of the file with all assets."""

HOME = "home"
"""Name of its keyframe."""

VISUAL, COLLISION = "visual", "collision"
"""Default classes, as in MuJoCo Menagerie: what is seen is in group 2, what collides in group 3."""

SHARED = ("contype", "conaffinity", "friction")
"""What geoms that collide leave to their class where most agree."""

CONTACT = {"solref": (0.005, 2.0), "solimp": (0.95, 0.99, 0.001, 0.5, 2.0), "condim": 6, "density": 0}
"""Of geoms: time constant [s] and damping ratio of contacts, how much of it they get, resistance to rolling; no weight.

Our solver finds exact contacts, MuJoCo's own are springs. With these everything that was dropped came to rest; springs
with a restitution go on hopping, so files of MuJoCo have none.
"""

TORSION = (0.005, 5e-4)
"""Torsional and rolling friction [m]; the latter is of hard things, and without it round ones roll on for good."""

INERTIA = mujoco.mjtMeshInertia
"""How MuJoCo would weigh a mesh. Nothing is weighed here, but it refuses open or flat ones that are not shells."""


@dataclass(frozen=True)
class Files:
    """What a link has beside the XML, relative to the folder."""

    visual: Visual | None
    """What is seen."""
    hulls: Mapping[int, PurePosixPath]
    """Convex polyhedra, by number of the piece."""
    solid: PurePosixPath | None
    """The surface of a distance field."""

    @property
    def paths(self) -> Iterator[PurePosixPath]:
        """All of them."""
        yield from () if self.visual is None else self.visual.files
        yield from self.hulls.values()
        yield from () if self.solid is None else (self.solid,)


def write(folder: Path, assets: Assets, *, robot: Robot | None = None) -> list[Path]:
    """Writes NAME.xml of each asset, scene.xml, and the meshes and textures that they share; returns all files.

    In NAME.xml the root is at the origin; scene.xml has everything at its place, a floor, light, a camera and the
    keyframe "home".

    Args:
        folder: Of the format.
        assets: What is written.
        robot: A robot for scene.xml; what became of its options is told in the comment there.

    Raises:
        InputError: If MuJoCo cannot make something of a body; names it.
        FileError: If the robot cannot be used.
    """
    files = {link.name: _write_files(folder, link) for link in assets.links}
    made = {asset.name: _dressed(folder, replace(assets, assets=(_alone(asset),)), files) for asset in assets.assets}
    made[SCENE] = _dressed(folder, assets, files)
    set_stage(made[SCENE], assets)
    written = [folder / path for file in files.values() for path in file.paths]
    if robot is not None:
        copies, remarks = add_robot(made[SCENE], robot, folder)
        made[SCENE].comment = " ".join(remarks)
        written += copies
    _add_home(made[SCENE])
    for name, one in made.items():
        one.modelname = assets.name if one is made[SCENE] else name
        written.append(folder / f"{name}.xml")
        write_text(written[-1], _xml(one))
    return written


def bodies_of(assets: Assets) -> tuple[RigidBody, ...]:
    """The bodies of all links, named by their links; parents are numbers of them."""
    found: list[RigidBody] = []
    for asset in assets.assets:
        start = len(found)
        for link in asset.links:
            parent = link.body.parent + start if link.body.parent >= 0 else -1
            found.append(replace(link.body, name=link.name, parent=parent))
    return tuple(found)


def _alone(asset: Asset) -> Asset:
    """The asset in the frame of its root."""
    to_root = asset.links[0].body.pose.inverse()
    poses = [Pose(), *(to_root @ link.body.pose for link in asset.links[1:])]
    links = zip(asset.links, poses, strict=True)
    return Asset(tuple(replace(link, body=replace(link.body, pose=pose)) for link, pose in links))


def _write_files(folder: Path, link: Link) -> Files:
    if link.sdf and link.solid is not None:
        return Files(write_visual(folder, link), {}, write_mesh(folder, f"{link.name}_collision", link.solid))
    return Files(write_visual(folder, link), write_hulls(folder, link), None)


def _dressed(folder: Path, assets: Assets, files: Mapping[str, Files]) -> mujoco.MjSpec:
    """The bodies of assets as the solver has them, with classes, files and looks."""
    made = spec(Model(gravity=assets.gravity, bodies=bodies_of(assets)), mocap=True)
    made.modelfiledir = str(folder)
    made.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_AUTO  # of what others add
    made.compiler.savecompiled = False  # numbers as they are, not as MuJoCo would rather have them
    made.option.disableflags = 0  # the solver's own, so that its steps depend on nothing but the state
    visual = made.add_default(VISUAL, made.default)
    visual.geom.group, visual.geom.contype, visual.geom.conaffinity, visual.geom.density = 2, 0, 0, 0
    collision = made.add_default(COLLISION, made.default)
    collision.geom.group = 3
    for name, value in CONTACT.items():
        setattr(collision.geom, name, value)
    for link in assets.links:
        if link.body.kind == "static":
            made.body(link.name).explicitinertial, made.body(link.name).ipos = False, [np.nan] * 3
        _collide(made, link, files[link.name])
        _show(made, link, files[link.name].visual)
        for joint in made.body(link.name).joints:
            joint.align = mujoco.mjtAlignFree.mjALIGNFREE_FALSE  # the body's frame stays that of the node
            if joint.limited == mujoco.mjtLimited.mjLIMITED_TRUE:
                joint.solref_limit, joint.solimp_limit = CONTACT["solref"], CONTACT["solimp"]
    _share(collision, [geom for geom in made.geoms if geom.classname.name == COLLISION])
    return made


def _collide(made: mujoco.MjSpec, link: Link, files: Files) -> None:
    """Gives what collides its class, legal names and, in place of numbers, files."""
    for number, piece in enumerate(link.body.pieces):
        geom, name = made.geom(f"{link.name}/{number}"), f"{link.name}_collision_{number}"
        geom.classname, geom.name = made.find_default(COLLISION), name
        geom.friction[1:] = TORSION
        for attribute, value in CONTACT.items():
            setattr(geom, attribute, value)
        if isinstance(piece.shape, Hull):
            made.delete(made.mesh(geom.meshname))
            geom.meshname = name
            if number in files.hulls:
                most = max(4, len(piece.shape.mesh.vertices))
                made.add_mesh(name=name, file=str(files.hulls[number]), inertia=INERTIA.mjMESH_INERTIA_CONVEX,
                              maxhullvert=most)  # fmt: skip
    if files.solid is not None:
        _as_field(made, link, files.solid)


def _as_field(made: mujoco.MjSpec, link: Link, solid: PurePosixPath) -> None:
    """Replaces the pieces of a link by the distance field of a mesh, which MuJoCo samples as it compiles."""
    first, *others = made.body(link.name).geoms
    for geom in others:
        made.delete(geom)
    first.type, first.name = mujoco.mjtGeom.mjGEOM_SDF, f"{link.name}_collision"
    first.pos, first.quat, first.meshname = [0, 0, 0], [1, 0, 0, 0], first.name
    made.add_mesh(name=first.name, file=str(solid))


def _show(made: mujoco.MjSpec, link: Link, visual: Visual | None) -> None:
    """Adds what is seen of a link, with a material of its name."""
    if visual is None:
        return
    material = made.add_material(
        name=link.name, rgba=visual.rgba, metallic=visual.metallic, roughness=visual.roughness,
        specular=1 - visual.roughness, shininess=1 - visual.roughness,
    )  # fmt: skip
    if visual.texture is not None:
        made.add_texture(name=link.name, type=mujoco.mjtTexture.mjTEXTURE_2D, file=str(visual.texture))
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = link.name
    name = f"{link.name}_visual"
    made.add_mesh(name=name, file=str(visual.mesh), inertia=INERTIA.mjMESH_INERTIA_SHELL)
    geom = made.body(link.name).add_geom(made.find_default(VISUAL), name=name, type=mujoco.mjtGeom.mjGEOM_MESH)
    geom.meshname, geom.material = name, link.name


def _share(collision: mujoco.MjsDefault, geoms: list[mujoco.MjsGeom]) -> None:
    """Puts into the class what most of its geoms have; what they have otherwise they keep."""
    for name in SHARED if geoms else ():
        values = [getattr(geom, name) for geom in geoms]
        common, _ = Counter(tuple(np.atleast_1d(value).tolist()) for value in values).most_common(1)[0]
        setattr(collision.geom, name, common[0] if np.ndim(values[0]) == 0 else common)


def _add_home(made: mujoco.MjSpec) -> None:
    """Adds the keyframe of everything at its place."""
    try:
        qpos, ctrl = home(made.compile())
    except ValueError as error:
        raise _refused(error) from None
    for key in made.keys:
        made.delete(key)
    made.add_key(name=HOME, qpos=qpos, ctrl=ctrl)


def _xml(made: mujoco.MjSpec) -> str:
    try:
        text: str = made.to_xml()
    except (ValueError, mujoco.FatalError) as error:
        raise _refused(error) from None
    return text


def _refused(error: Exception) -> InputError:
    return InputError("mjcf", got=str(error), wanted="a model that MuJoCo can compile and write")
