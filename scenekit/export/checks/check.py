"""The proof that an export can be used: every file loads, all files agree, and things settle when they are dropped.

physics.json ─► every file, opened by independent programs ─► masses, centres, inertias, places compared
             ─► rules of formats ─► each thing dropped in MuJoCo and in Newton ─► report with a picture
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rich.progress import track

from scenekit.errors import FileError
from scenekit.export.checks.drops import (
    SCENE,
    Drop,
    Stand,
    droppable,
    dropped_in_mujoco,
    dropped_in_newton,
    format_for,
    left_standing,
)
from scenekit.export.checks.files import asset_file, expected_files
from scenekit.export.checks.openings import Opening, opened
from scenekit.export.checks.report import CheckReport, Finding, write_check_report
from scenekit.export.checks.rules import Ruling, rulings
from scenekit.export.physics_json import Physics, read_physics

T = TypeVar("T")


def check(folder: str | Path, *, drop: bool = True, progress: bool = False) -> CheckReport:
    """Proves that an export can be used, and writes check.html, check.json and check.png into it.

    Files are read in processes of their own: one that crashes a program, or hangs it, has failed.

    Args:
        folder: What `scenekit export` wrote.
        drop: Also drops each thing in MuJoCo and in Newton, and leaves the scene to itself.
        progress: Shows progress bars.

    Raises:
        FileError: If physics.json is missing or not what it should be, no format is there, or the report cannot be
            written.
    """
    start, folder = time.perf_counter(), Path(folder)
    physics = read_physics(folder)
    files = expected_files(folder, physics)
    if not files:
        raise FileError(folder, got="no mjcf, urdf, usd or glb", wanted="the folder of an export")
    openings = [opening for file in _tracked(files, "opening", progress) for opening in opened(file)]
    broken = {opening.file for opening in openings if not opening.loads}
    loading = [file for file in files if file.name not in broken]
    rules = [ruling for file in _tracked(loading, "rules", progress) for ruling in rulings(file)]
    sound = {file.name for file in loading}
    drops, stands, failed = _dropped(folder, physics, sound, progress) if drop else ([], [], [])
    report = CheckReport(
        physics, tuple(openings), tuple(rules), tuple(drops), tuple(stands),
        (*_findings(openings, rules, drops, stands), *failed), tuple(_notes(folder, physics, rules, drop)),
        time.perf_counter() - start,
    )  # fmt: skip
    write_check_report(folder, report)
    return report


def _dropped(
    folder: Path, physics: Physics, sound: set[str], progress: bool
) -> tuple[list[Drop], list[Stand], list[Finding]]:
    """Each thing that can fall, in both engines, if its file loads; and the scene."""
    fall = droppable(physics)
    drops: list[Drop] = []
    for engine, dropped in (("MuJoCo", dropped_in_mujoco), ("Newton", dropped_in_newton)):
        format = format_for(engine, folder)
        ready = [asset for asset in fall if format and asset_file(format, asset.name) in sound]
        drops += _tracked(dropped(folder, physics, ready), f"dropping in {engine}", progress, total=len(ready))
    stands = left_standing(folder, physics) if SCENE in sound else []
    if isinstance(stands, str):
        return drops, [], [Finding(SCENE, "MuJoCo", stands)]
    return drops, stands, []


def _findings(
    openings: Sequence[Opening], rules: Sequence[Ruling], drops: Sequence[Drop], stands: Sequence[Stand]
) -> Iterator[Finding]:
    """Everything that is wrong, in the order in which it was looked at."""
    for opening in openings:
        yield from (Finding(opening.file, opening.program, problem) for problem in opening.problems)
    for ruling in rules:
        yield from (Finding(ruling.file, ruling.validator, problem) for problem in ruling.problems or ())
    for drop in drops:
        yield from (Finding(drop.asset, f"{drop.engine}, dropped", problem) for problem in drop.problems)
    for stand in stands:
        yield from (Finding(stand.link, "MuJoCo, the scene", problem) for problem in stand.problems)


def _notes(folder: Path, physics: Physics, rules: Sequence[Ruling], drop: bool) -> Iterator[str]:
    """What was not looked at."""
    for validator in dict.fromkeys(ruling.validator for ruling in rules if ruling.problems is None):
        yield f"{validator} is not installed: its rules were not checked."
    for engine in ("MuJoCo", "Newton") if drop else ():
        if format_for(engine, folder) is None:
            yield f"Nothing was dropped in {engine}: no format that it reads was written."
    if not drop:
        yield "Nothing was dropped, as told."
    still = [asset.name for asset in physics.assets if asset not in droppable(physics)]
    if still and drop:
        yield f"Loaded but not dropped, as it stays or hangs on the world: {', '.join(still)}."


def _tracked(items: Iterable[T], what: str, progress: bool, *, total: int | None = None) -> Iterable[T]:
    return track(items, what, total=total, transient=True) if progress else items
