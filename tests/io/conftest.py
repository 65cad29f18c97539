"""Fixtures of the tests of files."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def splat_transform() -> Callable[..., str]:
    """PlayCanvas's splat-transform, from $SPLAT_TRANSFORM or the PATH; the test is skipped where it is missing.

    `splat_transform("a.ply", "b.spz")` runs the tool with these words and returns what it printed.
    """
    tool = os.environ.get("SPLAT_TRANSFORM") or shutil.which("splat-transform")
    if not tool:
        pytest.skip("splat-transform is not installed (npm install @playcanvas/splat-transform)")

    def run(*words: str | Path) -> str:
        command = [tool, "--overwrite", *map(str, words)]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout + finished.stderr

    return run
