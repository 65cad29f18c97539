"""What NVIDIA's SimReady validator finds in a prop, by the profile Robotics-Prop.

It is two packages, `pip install simready-validate simready-foundation-tier-core`; there are no findings without them.
Profile 3.1.0 is the last one that can be met without saying what a thing is: from 3.2.0 on a prop has a Wikidata
number, semantic labels, an author, a licence and a thumbnail, which nobody knows of a scan.
https://nvidia.github.io/simready-foundation
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from scenekit.export.checks.usd_rules import is_prop

PROFILE, VERSION = "Robotics-Prop", "3.1.0"

MAIN = "from simready.validate._cli import main; main()"
"""The program, where it is installed beside us but is not on the path."""

SECONDS = 300.0
"""Time for a file [s]."""


def findings(path: Path) -> list[str] | None:
    """The requirements of the profile that a prop misses, one sentence each; None where there is no validator.

    A scene and what stays in it are no props, and so there is nothing that they miss.
    """
    command = _command()
    if command is None:
        return None
    if not is_prop(path):
        return []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        asked = ["--profile", PROFILE, "--version", VERSION, "--output", str(report), str(path.resolve())]
        try:
            run = subprocess.run([*command, *asked], capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return [f"The validator did not end within {SECONDS:g} s."]
        answers = [*json.loads(report.read_text()).values()] if report.exists() else []
    if not answers:
        return [f"The validator failed: {(run.stderr.strip().splitlines() or ['no reason given'])[-1][:300]}"]
    return _missed(answers[0]["features_summary"])


def _command() -> list[str] | None:
    program = shutil.which("simready-validate")
    if program is not None:
        return [program]
    try:
        return [sys.executable, "-c", MAIN] if find_spec("simready.validate") else None
    except ModuleNotFoundError:
        return None


def _missed(features: dict[str, dict[str, str | bool]]) -> list[str]:
    """Of the features that the profile asks for; the others are choices."""
    found = dict[str, None]()
    for name, feature in features.items():
        if feature.get("blocking_failure"):
            messages = json.loads(str(feature.get("requirement_messages", "{}")))
            for requirement in messages or [name]:
                for message in messages.get(requirement, ["not met"]):
                    found[f"{requirement.rpartition('simready.')[2]}: {message}"] = None
    return list(found)
