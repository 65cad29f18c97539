"""What is physically or technically wrong with a scene, gravest first, and what mends it.

The exit code is 0 if nothing as grave as --fail-on was found, else 6, so that a script can stop. docs/scene.md lists
every code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from io import StringIO
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import Literal

import tyro
from rich.console import Console
from rich.table import Table

from scenekit.jepa.jepa import Jepa
from scenekit.opening import open_scene
from scenekit.validation import CODES, SEVERITIES, Finding

FOUND = 6
"""Exit code if something as grave as asked for was found."""

MANY = 3
"""So many findings of one code and severity share a row of the table."""

SHOWN = 4
"""So many of their nodes are named."""

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
"""How each severity is printed."""


@dataclass(frozen=True)
class Config:
    """What to look at, and what to answer."""

    scene: tyro.conf.Positional[Path]
    """A scene folder, a run folder, or a file of splats or of a mesh."""
    json: bool = False
    """Print JSON instead of a table."""
    fail_on: Literal["error", "warning", "never"] = "error"
    """From which severity on the exit code is 6."""
    odd: bool = False
    """Also say what the 3D-JEPA finds odd."""


@dataclass(frozen=True)
class Result:
    """The findings."""

    findings: list[Finding]
    """Gravest first."""
    as_json: bool = False
    """How to print them."""
    exit_code: int = 0
    """What the command ends with."""

    def __str__(self) -> str:
        return json.dumps(self.as_dict(), indent=2) if self.as_json else self._table()

    def as_dict(self) -> dict[str, object]:
        """Counts by severity and the findings, ready for JSON: what is not finite becomes null."""
        rows = []
        for found in self.findings:
            figures = {name: value if isfinite(value) else None for name, value in found.figures.items()}
            rows.append(asdict(found) | {"figures": figures})
        return {"counts": self.counts(), "findings": rows}

    def counts(self) -> dict[str, int]:
        """How many findings of each severity."""
        return {severity: sum(f.severity == severity for f in self.findings) for severity in SEVERITIES}

    def _table(self) -> str:
        if not self.findings:
            return "Nothing found."
        table = Table(show_lines=True, expand=True)
        for title, ratio in (("finding", None), ("place", 2), ("what", 4), ("remedy", 3)):
            table.add_column(title, ratio=ratio, overflow="fold")
        for alike in grouped(self.findings):
            colour = COLOURS[alike[0].severity]
            table.add_row(f"[{colour}]{alike[0].severity}[/]\n{alike[0].code}", *map(_plain, _cells(alike)))
        summary = ", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in self.counts().items())
        terminal = Console()
        page = Console(
            file=StringIO(), width=max(terminal.width, 100), force_terminal=terminal.is_terminal, legacy_windows=False
        )
        page.print(table)
        assert isinstance(page.file, StringIO)
        return page.file.getvalue() + summary + "."


def run(config: Config) -> Result:
    """Opens the scene and looks at everything.

    Raises:
        FileError: If it cannot be opened, or the weights of the 3D-JEPA are missing.
    """
    found = open_scene(config.scene).validate(Jepa.load() if config.odd else None)
    found = [replace(f, remedy=f.remedy.replace("SCENE", quote(str(config.scene)))) for f in found]
    worst = min((SEVERITIES.index(f.severity) for f in found), default=len(SEVERITIES))
    fails = config.fail_on != "never" and worst <= SEVERITIES.index(config.fail_on)
    return Result(found, config.json, FOUND if fails else 0)


def grouped(findings: list[Finding]) -> list[list[Finding]]:
    """The findings in order, those of one code and severity together if they are `MANY`."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for found in findings:
        kinds.setdefault((found.severity, found.code), []).append(found)
    return [group for kind in kinds.values() for group in ([kind] if len(kind) >= MANY else [[one] for one in kind])]


def _cells(alike: list[Finding]) -> tuple[str, str, str]:
    """Place, what and remedy of findings that share a row; what is said of the first stands for the others."""
    first = alike[0]
    if len(alike) == 1:
        return first.path + (f"\n{first.where}" if first.where else ""), first.what, first.remedy
    paths = list(dict.fromkeys(found.path for found in alike))
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    place = f"{len(alike)} times, in {', '.join(paths[:SHOWN])}{more}"
    what = f"{CODES[first.code][0]} In {first.path}: {first.what}"
    same = all(found.remedy == first.remedy for found in alike)
    return place, what, first.remedy + ("" if same else " So for each; --json names them all.")


def _plain(text: str) -> str:
    """Text that rich does not take for its own marks."""
    return text.replace("[", r"\[")
