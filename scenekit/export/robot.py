"""Robot: a given MJCF model beside the assets of a scene.

    its XML ─► compiled alone ─► written out by MuJoCo, so no settings of its own are left ─► attached, with a prefix
    its meshes and textures ─► robot/, as they are

Nothing outside of the folder of the robot's file is read into the export.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import fromstring, tostring

import numpy as np

from scenekit._libraries import mujoco
from scenekit.body import Vector
from scenekit.cameras import Array
from scenekit.errors import FileError, InputError

PREFIX = "robot_"
"""Before all names of the robot."""

FOLDER = "robot"
"""Where its meshes and textures go, in the folder of the scene."""

LARGEST = 1 << 28
"""Most bytes of its XML."""

MOST = 1 << 30
"""Most bytes of all its meshes and textures."""

GLOBAL = ("option", "size", "visual", "statistic")
"""What of a robot is that of the scene, once it is agreed on."""

COMPILED = (
    "inertiafromgeom",
    "inertiagrouprange",
    "balanceinertia",
    "boundmass",
    "boundinertia",
    "settotalmass",
    "fusestatic",
    "discardvisual",
    "alignfree",
    "savecompiled",
)
"""Settings of the compiler that are to be those of the scene, once the robot has been compiled with its own."""

SETTINGS = ("gravity", "integrator", "cone", "impratio", "noslip_iterations", "wind", "density", "viscosity")
"""Options of a robot that make way for those of the scene, with a remark."""


@dataclass(frozen=True)
class Robot:
    """A robot that stands in a scene.

    Raises:
        InputError: If the place is not finite.
    """

    file: Path
    """MJCF; its meshes and textures are in its folder or below."""
    position: Vector = (0.0, 0.0, 0.0)
    """Of its world's origin in that of the scene [m]."""
    yaw: float = 0.0
    """How far it is turned about the vertical [degrees]."""

    def __post_init__(self) -> None:
        if not np.isfinite((*self.position, self.yaw)).all():
            raise InputError("robot place", got=(self.position, self.yaw), wanted="finite numbers")


def add_robot(made: mujoco.MjSpec, robot: Robot, folder: Path) -> tuple[list[Path], list[str]]:
    """Attaches a robot to a scene that will be saved in `folder`; returns the files written, and remarks.

    All names of the robot get the prefix "robot_". Of two timesteps the smaller one is taken; other options are those
    of the scene, and so are floor, sky and lights.

    Raises:
        FileError: If the file is missing or no robot, or names files that are missing, too large, or elsewhere.
    """
    try:
        alone = _opened(robot.file)
        remarks = [f"The robot is {robot.file.name}.", *_without_stage(alone), *_settled(made, alone)]
        _one_key(alone)
        copies = _Copies(robot.file.resolve(), folder)
        _rename(alone, copies)
        half = math.radians(robot.yaw) / 2
        frame = made.worldbody.add_frame(pos=robot.position, quat=[math.cos(half), 0, 0, math.sin(half)])
        made.attach(_canonical(made, alone, folder), prefix=PREFIX, frame=frame)
    except (ValueError, mujoco.FatalError) as error:
        raise FileError(robot.file, got=str(error), wanted="a robot in MJCF") from None
    return list(copies.made.values()), remarks


class _Copies:
    """Files of a robot, copied below a folder as they lie in its own; each once."""

    def __init__(self, file: Path, folder: Path):
        self._file, self._folder, self._bytes = file, folder, 0
        self.made: dict[Path, Path] = {}

    def copy(self, directory: str, name: str) -> str:
        """Copies a file that the robot names, and returns what it is to be called instead."""
        base = self._file.parent
        path = (base / directory / name.replace("\\", "/")).resolve()
        if not path.is_relative_to(base):
            wanted = "files in its folder or below; copy its meshes and textures there"
            raise FileError(self._file, got=f"{directory}/{name}, which is elsewhere", wanted=wanted)
        if not path.is_file():
            raise FileError(path, got="no file", wanted=f"what {self._file.name} names")
        own = PurePosixPath(FOLDER) / path.relative_to(base).as_posix()
        if path not in self.made:
            self._bytes += path.stat().st_size
            if self._bytes > MOST:
                raise FileError(self._file, got="more bytes of meshes and textures", wanted=f"at most {MOST}")
            self.made[path] = self._folder / own
            self.made[path].parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.made[path])
        return str(own)


def _opened(file: Path) -> mujoco.MjSpec:
    if not file.is_file():
        raise FileError(file, got="no file", wanted="a robot in MJCF")
    if file.stat().st_size > LARGEST:
        raise FileError(file, got=f"{file.stat().st_size} bytes", wanted=f"at most {LARGEST}")
    alone = mujoco.MjSpec.from_file(str(file))
    if len(alone.bodies) < 2:
        raise FileError(file, got="a model without bodies", wanted="a robot in MJCF")
    return alone


def _without_stage(alone: mujoco.MjSpec) -> Iterator[str]:
    """Takes away the floor, sky and lights that a robot brought along; says so."""
    planes = [geom for geom in alone.worldbody.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]
    skies = [texture for texture in alone.textures if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX]
    stage = (*planes, *skies, *alone.worldbody.lights)
    for element in stage:
        alone.delete(element)
    if stage:
        yield "Its own floor, sky and lights were left out."


def _one_key(alone: mujoco.MjSpec) -> None:
    """Keeps the keyframe "home" of a robot, else its first."""
    kept = next((key for key in alone.keys if key.name == "home"), None) or next(iter(alone.keys), None)
    for key in alone.keys:
        if key is not kept:
            alone.delete(key)
    alone.nkey = 0  # of empty ones
    if kept is not None:
        kept.name = "home"


def _settled(made: mujoco.MjSpec, alone: mujoco.MjSpec) -> Iterator[str]:
    """Agrees on options; says what the robot wanted otherwise."""
    usual = mujoco.MjSpec().option
    if alone.option.timestep < made.option.timestep:
        made.option.timestep = alone.option.timestep
        yield f"The timestep is the robot's, {alone.option.timestep:g} s."
    for name in SETTINGS:
        own, theirs, default = (np.asarray(getattr(option, name)) for option in (made.option, alone.option, usual))
        if (theirs != own).any() and (theirs != default).any():
            yield f"Its {name} of {theirs.tolist()} became that of the scene, {own.tolist()}."


def _rename(alone: mujoco.MjSpec, copies: _Copies) -> None:
    """Lets a robot name the copies of its files, from the folder of the scene."""
    strip = alone.strippath
    for directory, elements in (
        (alone.meshdir, (*alone.meshes, *alone.hfields, *alone.skins)),
        (alone.texturedir, alone.textures),
    ):
        for element in elements:
            if element.file:
                named = PurePosixPath(element.file.replace("\\", "/"))
                element.name = element.name or named.stem
                element.file = copies.copy(directory, named.name if strip else str(named))
    for texture in alone.textures:
        texture.cubefiles = [file and copies.copy(alone.texturedir, file) for file in texture.cubefiles]
    alone.meshdir = alone.texturedir = ""
    alone.strippath = False


def _canonical(made: mujoco.MjSpec, alone: mujoco.MjSpec, folder: Path) -> mujoco.MjSpec:
    """The robot as MuJoCo writes it out: angles, poses and inertias do not depend on its settings any more."""
    alone.modelfiledir = str(folder)
    alone.compiler.savecompiled, alone.compiler.savecanonical, alone.compiler.saveinertial = False, True, True
    alone.compile()
    root = fromstring(alone.to_xml())
    for element in [element for element in root if element.tag in GLOBAL]:
        root.remove(element)
    again = mujoco.MjSpec.from_string(tostring(root, "unicode"))
    again.modelfiledir = str(folder)
    for name in COMPILED:
        setattr(again.compiler, name, getattr(made.compiler, name))
    return again


def home(compiled: mujoco.MjModel) -> tuple[Array, Array]:
    """Coordinates and controls of a scene at its start: a robot as in its keyframe, all else at its place."""
    if not compiled.nkey:
        return compiled.qpos0.copy(), np.zeros(compiled.nu)
    return compiled.key_qpos[0].copy(), compiled.key_ctrl[0].copy()
