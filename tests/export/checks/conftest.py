"""A whole export of the small assets, to be checked, and copies of it, to be spoilt."""

import shutil
from pathlib import Path

import pytest

from scenekit.export import glb, mjcf, urdf, usd
from scenekit.export.assets import Assets
from scenekit.export.folder import PHYSICS
from scenekit.export.physics_json import facts
from scenekit.runs import write_json


@pytest.fixture(scope="session")
def room(assets: Assets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder; nobody writes into it."""
    folder = tmp_path_factory.mktemp("room")
    for name, writer in (("mjcf", mjcf), ("urdf", urdf), ("usd", usd), ("glb", glb)):
        (folder / name).mkdir()
        writer.write(folder / name, assets)
    write_json(folder / PHYSICS, facts(assets))
    return folder


@pytest.fixture
def copy(room: Path, tmp_path: Path) -> Path:
    """One that may be spoilt."""
    return Path(shutil.copytree(room, tmp_path / "room"))
