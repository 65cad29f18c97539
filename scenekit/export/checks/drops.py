"""Drops: each asset alone onto a floor, in MuJoCo and in Newton, and the whole scene left to itself in MuJoCo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenekit.cameras import Array, rotation_from_quaternion
from scenekit.errors import BackendError, FileError
from scenekit.export.assets import Format
from scenekit.export.checks.files import asset_file, formats_in
from scenekit.export.checks.limits import EXPLOSION, broken
from scenekit.export.checks.openings import HERE, MEMORY, size_of
from scenekit.export.checks.recording import Motion, Recording, measured
from scenekit.export.folder import PHYSICS
from scenekit.export.physics_json import AssetFacts, Physics
from scenekit.io.isolated import Answer, read_isolated

SECONDS = 120.0
"""Most that MuJoCo may take for a thing [s]; honest ones take less than one."""

NEWTON_SECONDS = 900.0
"""Most that Newton may take for all things [s]; compiling its kernels, the first time, takes two minutes of it."""

DROPPED: dict[str, tuple[Format, ...]] = {"MuJoCo": ("mjcf", "urdf"), "Newton": ("usd", "mjcf", "urdf")}
"""Formats that each engine drops things from, its own first."""

SCENE = "mjcf/scene.xml"
"""What is left to itself."""

EARTH = 9.81
"""[m/s²]."""


@dataclass(frozen=True)
class Drop:
    """What became of an asset in an engine."""

    asset: str
    """Its name."""
    engine: str
    """MuJoCo or Newton."""
    motion: Motion | None
    """What was measured; None if it could not be dropped."""
    problems: tuple[str, ...]
    """What is wrong."""
    recording: Recording | None = None
    """All of it."""

    def poses(self, centres: Sequence[Array]) -> list[Array]:
        """T_world_link of each link in the end, given the centres of mass in the links' frames."""
        assert self.recording is not None
        found = []
        for centre, quat, at in zip(centres, self.recording.quats[-1], self.recording.centres[-1], strict=True):
            T = np.eye(4)
            T[:3, :3] = rotation_from_quaternion(quat)
            T[:3, 3] = at - T[:3, :3] @ centre
            found.append(T)
        return found


@dataclass(frozen=True)
class Stand:
    """What became of a link when the scene was left to itself."""

    link: str
    """Its name."""
    travel: float
    """How far it got [m]."""
    speed: float
    """How fast it was beyond what its fall gave [m/s]."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Whether it was pushed away."""
        if self.speed <= EXPLOSION:
            return ()
        return (f"is pushed away at {self.speed:.3g} m/s, more than {EXPLOSION:g} m/s",)


def droppable(physics: Physics) -> list[AssetFacts]:
    """Assets that can fall: what stays, is led, or hangs on the world cannot."""
    return [asset for asset in physics.assets if asset.root.kind == "dynamic" and asset.root.joint is None]


def dropped_in_mujoco(folder: Path, physics: Physics, assets: Sequence[AssetFacts]) -> Iterator[Drop]:
    """Each asset from its MJCF, or its URDF where there is none."""
    format = format_for("MuJoCo", folder)
    if format is None:
        return
    for asset in assets:
        path = folder / asset_file(format, asset.name)
        arguments = {"links": _names(asset), "quat": list(asset.root.pose.quat), "gravity": _gravity(physics)}
        yield _judged(asset, "MuJoCo", _asked("drop_mujoco", "drop", path, arguments, SECONDS), "")


def dropped_in_newton(folder: Path, physics: Physics, assets: Sequence[AssetFacts]) -> Iterator[Drop]:
    """All assets at once, from their USD, or MJCF or URDF where there is none; one by one if that fails."""
    format = format_for("Newton", folder)
    if not assets or format is None:
        return
    arguments = {
        "files": [asset_file(format, asset.name) for asset in assets],
        "links": [_names(asset) for asset in assets],
        "quats": [list(asset.root.pose.quat) for asset in assets],
        "gravity": _gravity(physics),
    }
    answer = _asked("drop_newton", "drop", folder / PHYSICS, arguments, NEWTON_SECONDS)
    if isinstance(answer, str) and len(assets) > 1:
        for asset in assets:
            yield from dropped_in_newton(folder, physics, [asset])
        return
    for number, asset in enumerate(assets):
        yield _judged(asset, "Newton", answer, f"{number}/")


def left_standing(folder: Path, physics: Physics) -> list[Stand] | str:
    """The links of the scene after a second in MuJoCo; empty if there is no MJCF; what went wrong if it fails."""
    if "mjcf" not in formats_in(folder):
        return []
    links = [link.name for link in physics.links if link.kind == "dynamic"]
    answer = _asked("drop_mujoco", "stand", folder / SCENE, {"links": links}, SECONDS)
    if isinstance(answer, str):
        return answer
    rows = zip(links, answer.arrays["travel"].tolist(), answer.arrays["speed"].tolist(), strict=True)
    return [Stand(*row) for row in rows]


def format_for(engine: str, folder: Path) -> Format | None:
    """The format that an engine drops things from, the first that was written; None if there is none."""
    return next((name for name in DROPPED[engine] if name in formats_in(folder)), None)


def _names(asset: AssetFacts) -> list[str]:
    return [link.name for link in asset.links]


def _gravity(physics: Physics) -> float:
    """The pull of the scene, downwards [m/s²]; where it has none, that of the earth."""
    return float(np.linalg.norm(physics.gravity)) or EARTH


def _asked(module: str, function: str, path: Path, arguments: dict[str, Any], time: float) -> Answer | str:
    """The answer of a process of its own, or what went wrong there."""
    try:
        return read_isolated(f"{HERE}.{module}", function, path, arguments=arguments, time=time, memory=MEMORY)
    except BackendError as error:
        return f"the engine is not installed: {error.got}"
    except FileError as error:
        return f"{error.got}; wanted {error.wanted}"


def _judged(asset: AssetFacts, engine: str, answer: Answer | str, prefix: str) -> Drop:
    if isinstance(answer, str):
        return Drop(asset.name, engine, None, (f"cannot be dropped: {answer}",))
    recording = Recording.unpacked(answer.arrays, prefix)
    if not all(np.isfinite(array).all() for array in vars(recording).values()):
        return Drop(asset.name, engine, None, ("gets to places that are not finite",))
    motion = measured(recording)
    return Drop(asset.name, engine, motion, tuple(broken(motion, max(map(size_of, asset.links)))), recording)
