"""A scene → assets for simulators: MJCF, URDF, USD and GLB that agree, with what is known of each number."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from scenekit.errors import InputError
from scenekit.export import splat_files
from scenekit.export.assets import Assets, ExportConfig, Format
from scenekit.export.building import assets_of
from scenekit.export.checks import check as checks
from scenekit.export.checks.report import CheckReport
from scenekit.export.folder import PHYSICS, made_anew
from scenekit.export.physics_json import facts
from scenekit.export.robot import Robot
from scenekit.meshes import Mesh
from scenekit.runs import write_json
from scenekit.scene import Node, Scene, SceneState

FORMATS: tuple[Format, ...] = get_args(Format)
"""All that can be written."""


@dataclass(frozen=True)
class Exported:
    """An export."""

    folder: Path
    """Where it is."""
    assets: Assets
    """What was written."""
    files: list[Path]
    """The files to open, format by format."""
    report: CheckReport | None
    """The proof that they load and agree, if it was asked for."""
    seconds: float
    """Time in all, without the proof [s]."""


def export(
    scene: Scene | SceneState | Mesh,
    folder: str | Path,
    *,
    formats: Sequence[Format] = FORMATS,
    check: bool = False,
    robot: Robot | None = None,
    config: ExportConfig = ExportConfig(),
    fresh: bool = False,
    progress: bool = False,
) -> Exported:
    """Writes what is in a scene as assets for simulators.

    The folder appears whole or not at all. docs/export.md says what is in it.

    Args:
        scene: Or a bare mesh, which becomes one movable thing.
        folder: Missing, empty, or with `fresh` an earlier export.
        formats: Which; see `Format`.
        check: Also proves that all files load, agree, and settle when dropped; see `scenekit.export.checks.check`.
        robot: A robot that stands in the MuJoCo scene.
        config: How things become bodies.
        fresh: Whether an earlier export may be replaced.
        progress: Shows progress bars.

    Raises:
        InputError: If a format is unknown, there is nothing to export, or a thing cannot be a body; names the node.
        FileError: If the folder holds other things, or the robot's files cannot be used.
    """
    start = time.perf_counter()
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise InputError("formats", got=", ".join(unknown) or "none", wanted="some of " + ", ".join(FORMATS))
    state, target = _state(scene), Path(folder)
    assets = assets_of(state, config, name=target.name, progress=progress)
    with made_anew(target, fresh=fresh) as new:
        files = [file for name in dict.fromkeys(formats) for file in _written(new / name, name, assets, config, robot)]
        splat_files.write(new / "splats", assets, state)
        write_json(new / PHYSICS, facts(assets))
        files = [target / file.relative_to(new) for file in files]
    seconds = time.perf_counter() - start
    return Exported(target, assets, files, checks.check(target, progress=progress) if check else None, seconds)


def _state(scene: Scene | SceneState | Mesh) -> SceneState:
    if isinstance(scene, Mesh):
        return SceneState(Node("", children=(Node("mesh", mesh=scene),)), source="a mesh")
    return scene.state if isinstance(scene, Scene) else scene


def _written(folder: Path, name: Format, assets: Assets, config: ExportConfig, robot: Robot | None) -> list[Path]:
    """Writes one format; the writers are imported here, as USD's library is not small."""
    if name == "mjcf":
        from scenekit.export import mjcf

        return mjcf.write(folder, assets, robot=robot)
    if name == "urdf":
        from scenekit.export import urdf

        return urdf.write(folder, assets)
    if name == "usd":
        from scenekit.export import usd

        return usd.write(folder, assets)
    from scenekit.export import glb

    return glb.write(folder, assets, physics=config.gltf_physics)
