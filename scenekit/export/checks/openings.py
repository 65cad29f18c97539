"""Openings: every file opened by every program that reads its format, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scenekit.errors import BackendError, FileError
from scenekit.export.assets import Format
from scenekit.export.checks.files import AssetFile, misled
from scenekit.export.checks.readings import SAME, Difference, Reading, difference, unpacked
from scenekit.export.physics_json import LinkFacts
from scenekit.export.urdf import shift
from scenekit.io.isolated import read_isolated
from scenekit.poses import Pose

READERS: dict[Format, tuple[tuple[str, str], ...]] = {
    "mjcf": (("MuJoCo", "read_mujoco"), ("Newton", "read_newton")),
    "urdf": (("MuJoCo", "read_mujoco"), ("Newton", "read_newton")),
    "usd": (("OpenUSD", "read_usd"), ("Newton", "read_newton")),
    "glb": (("trimesh", "read_gltf"),),
}
"""Programs that open a format, and the modules that ask them."""

HERE = "scenekit.export.checks"
"""Where these modules are."""

SECONDS = 300.0
"""Most that a program may take for a file [s]; Newton compiles its kernels the first time."""

MEMORY = 16 << 30
"""Address space that it may take for it [bytes]; Newton's compiler reserves much and uses little."""


@dataclass(frozen=True)
class Opening:
    """A file, as a program found it."""

    file: str
    """Relative to the folder."""
    program: str
    """Who opened it."""
    seconds: float
    """How long that took [s]."""
    differences: dict[str, Difference]
    """Of each link with a mass from what physics.json says."""
    problems: tuple[str, ...]
    """What is wrong: it does not load, or says something else."""
    loads: bool = True
    """Whether it could be read at all."""

    @property
    def largest(self) -> float:
        """Largest relative difference; 0 if nothing has a mass."""
        return max((found.largest for found in self.differences.values()), default=0.0)


def opened(file: AssetFile) -> Iterator[Opening]:
    """A file in all programs that read it. One that leads astray, or is missing, is not opened."""
    try:
        problems = tuple(misled(file))
    except FileError as error:
        problems = (_said(error),)
    if problems:
        yield Opening(file.name, "scenekit", 0.0, {}, problems, loads=False)
        return
    for program, module in READERS[file.format]:
        start = time.perf_counter()
        try:
            answer = read_isolated(f"{HERE}.{module}", "read", file.path, time=SECONDS, memory=MEMORY)
        except (FileError, BackendError) as error:
            yield Opening(file.name, program, time.perf_counter() - start, {}, (_said(error),), loads=False)
        else:
            found = _compared(file, unpacked(answer))
            yield Opening(file.name, program, time.perf_counter() - start, *found)


def _compared(file: AssetFile, read: dict[str, Reading]) -> tuple[dict[str, Difference], tuple[str, ...]]:
    """How far what a program reads is from what physics.json says, and what is wrong with it."""
    differences, problems = dict[str, Difference](), list[str]()
    for origin, link in ((asset.root.pose, link) for asset in file.assets for link in asset.links):
        if link.kind != "dynamic" or link.mass is None:
            continue
        if link.name not in read:
            problems.append(f"has no body {link.name}")
            continue
        moved = shift(link.joint) if file.format == "urdf" else Pose()
        pose = (link.pose if file.is_scene else origin.inverse() @ link.pose) @ moved
        centre = np.subtract(link.centre.value, moved.position)
        wanted = Reading(link.mass.value, centre, np.array(link.inertia.value), pose.matrix)
        differences[link.name] = found = difference(read[link.name], wanted, size_of(link))
        problems += [
            f"{name} of {link.name} is off by {off:.2g}, more than {SAME:g}"
            for name, off in found._asdict().items()
            if not off <= SAME
        ]
    return differences, tuple(problems)


def size_of(link: LinkFacts) -> float:
    """Longest side of what is seen, or at least what the inertia tells of its size [m]."""
    mass = link.mass.value if link.mass is not None else 0.0
    gyration = np.sqrt(max(np.trace(np.array(link.inertia.value)), 0) / mass) if mass > 0 else 0.0
    return max(*link.size, float(gyration))


def _said(error: FileError | BackendError) -> str:
    """What went wrong, without the name of the file, which stands beside it."""
    if isinstance(error, BackendError):
        return f"is not checked, its reader is not installed: {error.got}"
    return f"does not load: {error.got}" + (f"; wanted {error.wanted}" if error.wanted != "a sound file" else "")
