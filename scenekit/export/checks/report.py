"""The report of a check: as text, as check.json, and as a page with a picture."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scenekit.export.checks.contact_sheet import contact_sheet
from scenekit.export.checks.drops import Drop, Stand
from scenekit.export.checks.openings import Opening
from scenekit.export.checks.rules import Ruling
from scenekit.export.physics_json import Physics
from scenekit.io.atomic import write_bytes, write_text
from scenekit.runs import write_json

FAILED = 8
"""Exit code of a check that found something."""

SCHEMA = 1
"""Version of check.json."""


class Finding(NamedTuple):
    """Something that does not hold."""

    place: str
    """The file, or the thing."""
    program: str
    """Who found it."""
    problem: str
    """What."""


@dataclass(frozen=True)
class CheckReport:
    """What a check found. It passed if nothing is wrong."""

    physics: Physics
    """What physics.json says."""
    openings: tuple[Opening, ...]
    """Every file in every program."""
    rulings: tuple[Ruling, ...]
    """Rules of formats."""
    drops: tuple[Drop, ...]
    """Things that fell."""
    stands: tuple[Stand, ...]
    """Things in the scene, left to itself."""
    findings: tuple[Finding, ...]
    """All that is wrong."""
    notes: tuple[str, ...]
    """What could not be looked at, and why."""
    seconds: float
    """Time that it took [s]."""

    @property
    def passed(self) -> bool:
        """Whether all holds."""
        return not self.findings

    @property
    def exit_code(self) -> int:
        """0 if it passed."""
        return 0 if self.passed else FAILED

    def __str__(self) -> str:
        text = io.StringIO()
        console = Console(file=text, width=110)
        for drawn in (_files_table(self), _drops_table(self) if self.drops else None):
            if drawn is not None:
                console.print(drawn)
        if self.stands:
            far = max(self.stands, key=lambda stand: stand.travel)
            moved = f"The scene, left to itself for a second: {far.link} moves most, {_mm(far.travel)}."
            console.print(moved, markup=False, highlight=False)
        for finding in self.findings:
            console.print(f"✗ {finding.place} · {finding.program}: {finding.problem}", markup=False, highlight=False)
        for note in self.notes:
            console.print(f"· {note}", markup=False, highlight=False)
        console.print(self.verdict, markup=False, highlight=False)
        return text.getvalue().rstrip()

    @property
    def verdict(self) -> str:
        """One sentence."""
        files, things = len({opening.file for opening in self.openings}), len({drop.asset for drop in self.drops})
        engines = " and in ".join(dict.fromkeys(drop.engine for drop in self.drops))
        if not self.passed:
            count = len(self.findings)
            return f"Failed: {count} thing{'s' if count > 1 else ''} to mend, in {self.seconds:.0f} s."
        fell = f", {things} thing{'s' * (things > 1)} settle{'s' * (things == 1)} in {engines}" if things else ""
        return f"Passed: {files} files load and agree{fell}, in {self.seconds:.0f} s."


def write_check_report(folder: Path, report: CheckReport) -> None:
    """Writes check.json, check.png if something fell, and check.html into a folder."""
    write_json(folder / "check.json", _plain(document(report)))
    picture = contact_sheet(folder, report.physics, report.drops) if report.drops else None
    (folder / "check.png").unlink(missing_ok=True)
    if picture is not None:
        data = io.BytesIO()
        picture.save(data, "PNG", optimize=True)
        write_bytes(folder / "check.png", data.getvalue())
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name("report.html.jinja").read_text(encoding="utf-8"))
    encoded = base64.b64encode((folder / "check.png").read_bytes()).decode() if picture is not None else None
    page = template.render(report=report, picture=encoded, rows=list(drop_rows(report)), columns=COLUMNS)
    write_text(folder / "check.html", page)


def document(report: CheckReport) -> dict[str, Any]:
    """What check.json says."""
    return {
        "schema": SCHEMA,
        "name": report.physics.name,
        "generator": report.physics.generator,
        "passed": report.passed,
        "findings": [finding._asdict() for finding in report.findings],
        "notes": list(report.notes),
        "files": [
            {"file": o.file, "program": o.program, "loads": o.loads, "seconds": o.seconds, "problems": list(o.problems),
             "differences": {name: found._asdict() for name, found in o.differences.items()}}
            for o in report.openings
        ],
        "rules": [asdict(ruling) for ruling in report.rulings],
        "drops": [
            {"asset": d.asset, "engine": d.engine, "problems": list(d.problems),
             **(asdict(d.motion) if d.motion is not None else {})}
            for d in report.drops
        ],
        "scene": [asdict(stand) for stand in report.stands],
        "seconds": report.seconds,
    }  # fmt: skip


def drop_rows(report: CheckReport) -> Iterator[tuple[Drop, list[str]]]:
    """Each drop, and its figures as they are shown; what is of one thing is together."""
    order = list(dict.fromkeys(drop.asset for drop in report.drops))
    for drop in sorted(report.drops, key=lambda drop: order.index(drop.asset)):
        motion = drop.motion
        if motion is None:
            yield drop, ["–"] * 7
            continue
        settled = f"{motion.settled:.2f} s" if motion.settled is not None else "no"
        yield drop, [
            settled, _mm(motion.penetration), _mm(-motion.rest), _mm(motion.drift), f"{motion.creep * 1e6:.0f} µm",
            f"{math.degrees(motion.turned):.0f}°", f"{100 * motion.gain:.1g} %",
        ]  # fmt: skip


COLUMNS = ("settles", "deepest", "at rest", "drift", "creep", "turned", "energy")
"""What the figures of a drop are."""


def _mm(metres: float) -> str:
    return f"{metres * 1e3:.2f} mm"


def file_rows(report: CheckReport) -> Iterator[tuple[str, str, str, str, str]]:
    """For each program and format: how many files it opened, how far they are off, and how long it took."""
    for format, program in dict.fromkeys((o.file.split("/")[0], o.program) for o in report.openings):
        mine = [o for o in report.openings if (o.file.split("/")[0], o.program) == (format, program)]
        good = sum(not opening.problems for opening in mine)
        off = f"{max(opening.largest for opening in mine):.0e}" if any(o.differences for o in mine) else "–"
        mark = "✓" if good == len(mine) else "✗"
        seconds = sum(opening.seconds for opening in mine)
        yield format, f"{mark} {program}", f"{good} of {len(mine)}", off, f"{seconds:.1f} s"


def _files_table(report: CheckReport) -> Table:
    """The rows of the files."""
    table = Table("format", "opened by", "files", "off by", "time", title="Files")
    for row in file_rows(report):
        table.add_row(*row)
    return table


def _drops_table(report: CheckReport) -> Table:
    """A row for each thing in each engine."""
    table = Table("thing", "engine", *COLUMNS, title="Dropped from 2 cm")
    for drop, figures in drop_rows(report):
        mark = "✗ " if drop.problems else "✓ "
        table.add_row(mark + escape(drop.asset), drop.engine, *figures)
    return table


def _plain(value: Any) -> Any:
    """JSON knows no infinity and no NaN: these become null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
