"""A scene, a mesh or splats → assets for simulators, MJCF, URDF, USD and GLB that agree, and the proof that they load.

The exit code is 8 if --check finds that something does not hold. docs/export.md says what is in the folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from scenekit.body import Vector
from scenekit.export.assets import ExportConfig, Format, Link
from scenekit.export.export import FORMATS, Exported, export
from scenekit.export.robot import Robot
from scenekit.io.up import Up
from scenekit.node_values import node_values, numbers
from scenekit.opening import open_scene
from scenekit.tables import aligned

SHOWN = 12
"""Most remarks that are printed; all are in physics.json."""


def parse_formats(words: list[str]) -> tuple[Format, ...]:
    """["mjcf,usd"] → ("mjcf", "usd").

    Raises:
        ValueError: If one is unknown.
    """
    found = {name: name for name in FORMATS}
    names = [name.strip().lower() for name in words[0].split(",") if name.strip()]
    unknown = [name for name in names if name not in found]
    if unknown or not names:
        raise ValueError(f"--to: got {words[0]!r}; wanted some of {','.join(FORMATS)}, with commas between")
    return tuple(found[name] for name in FORMATS if name in names)


Formats = Annotated[
    tuple[Format, ...],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="FORMAT,…",
        instance_from_str=parse_formats,
        is_instance=lambda formats: isinstance(formats, tuple),
        str_from_instance=lambda formats: [",".join(formats)],
    ),
]
"""Names of formats, one word on the command line."""


@dataclass(frozen=True)
class Config:
    """Options of `scenekit export`."""

    scene: tyro.conf.Positional[Path]
    """A scene, a run, or a file of splats or of a mesh, which is one movable thing."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")] = Path("assets")
    """Folder to write to, missing or empty."""
    to: Formats = FORMATS
    """What to write, such as mjcf,usd."""
    check: bool = False
    """Prove it: open every file with other programs, compare them, drop everything in MuJoCo and in Newton."""
    mass: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NODE=KG")] = ()
    """What a thing weighs [kg], such as /table/mug=0.31; the others weigh what their volume and material say."""
    up: Up | None = None
    """Up axis of a mesh or splat file that does not say."""
    with_robot: Path | None = None
    """A robot in MJCF, put into the MuJoCo scene."""
    robot_at: Vector = (0.0, 0.0, 0.0)
    """Where the robot's origin is [m]."""
    robot_yaw: float = 0.0
    """How far the robot is turned about the vertical [degrees]."""
    fresh: bool = False
    """Replace an earlier export in the folder."""
    export: Annotated[ExportConfig, tyro.conf.arg(name="")] = field(default_factory=ExportConfig)
    """How things become bodies."""


@dataclass(frozen=True)
class Result:
    """What was written."""

    exported: Exported
    """Folder, assets, files, proof."""

    @property
    def exit_code(self) -> int:
        """0, or 8 if the proof failed."""
        report = self.exported.report
        return 0 if report is None else report.exit_code

    def __str__(self) -> str:
        made = self.exported
        remarks = [*made.assets.remarks, *(remark for link in made.assets.links for remark in link.remarks)]
        shown = [f"  {remark}" for remark in remarks[:SHOWN]]
        if len(remarks) > SHOWN:
            shown.append(f"  and {len(remarks) - SHOWN} more remarks in {made.folder / 'physics.json'}")
        movable = sum(not asset.is_static for asset in made.assets.assets)
        return "\n".join(
            [
                f"{movable} movable and {len(made.assets.assets) - movable} fixed assets in {made.seconds:.1f} s",
                *table(made.assets.links),
                *shown,
                *(f"  {file.parent.name:<6} {file}" for file in made.files if file.stem == "scene"),
                *([] if made.report is None else [str(made.report)]),
            ]
        )


def run(config: Config) -> Result:
    """Opens a scene, writes its assets, and proves them if asked to.

    Raises:
        ScenekitError: If the scene or the robot cannot be read, a thing cannot be a body, or the folder not be written.
    """
    said = node_values("--mass", config.mass, value="KG")
    masses = tuple((node, numbers("--mass", text, "KG")[0]) for node, text in said.items())
    robot = Robot(config.with_robot, config.robot_at, config.robot_yaw) if config.with_robot else None
    exported = export(
        open_scene(config.scene, up=config.up),
        config.output,
        formats=config.to,
        check=config.check,
        robot=robot,
        config=replace(config.export, mass=config.export.mass + masses),
        fresh=config.fresh,
        progress=True,
    )
    return Result(exported)


def table(links: tuple[Link, ...]) -> list[str]:
    """A line for each body."""
    rows = [("body", "mass [kg]", "collides as", "off by [mm]")]
    for link in links:
        found, mass = link.approximation, "–" if link.mass is None else f"{link.mass.value:.4g}"
        rows.append((link.name, mass, "nothing", "–") if found is None else (
            link.name, mass, found.method if found.count == 1 else f"{found.count} pieces",
            f"{1e3 * found.distance:.2g}",
        ))  # fmt: skip
    return aligned(rows)
