"""Proves that exported assets load, agree, and settle when dropped: in MuJoCo, Newton, OpenUSD and glTF's readers.

The exit code is 0 only if all hold, else 8. What was found is in check.html, check.json and check.png in the folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from scenekit.export.checks import check as checks
from scenekit.export.checks.report import CheckReport


@dataclass(frozen=True)
class Config:
    """Options of `scenekit check`."""

    folder: tyro.conf.Positional[Path]
    """What `scenekit export` wrote."""
    drop: bool = True
    """Also drop each thing in MuJoCo and in Newton."""


def run(config: Config) -> CheckReport:
    """Checks a folder and writes the report into it.

    Raises:
        FileError: If it is no export, or the report cannot be written.
    """
    return checks.check(config.folder, drop=config.drop, progress=True)
