"""Fixtures of all tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures and meshes beside the checkout; the test is skipped where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "captures").is_dir():
        pytest.skip("the shared captures are not here")
    return folder
