"""OpenUSD's own validators on what is written, and on what is wrong."""

from pathlib import Path

import pytest

from scenekit.export import usd
from scenekit.export.assets import Assets
from scenekit.export.checks import usd_rules


@pytest.fixture(scope="module")
def folder(assets: Assets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usd")
    usd.write(folder, assets)
    return folder


@pytest.mark.parametrize("name", ["scene.usda", "scene.usdz", "cup/simready/cup.usda", "cabinet/simready/cabinet.usda"])
def test_what_is_written_breaks_no_rule(name: str, folder: Path) -> None:
    assert usd_rules.findings(folder / name) == []


def test_a_mesh_without_units_and_with_a_texture_that_is_missing_is_found(tmp_path: Path, folder: Path) -> None:
    text = (folder / "cup/simready/cup.usda").read_text().replace("metersPerUnit = 1", "")
    (tmp_path / "cup.usda").write_text(text)
    found = usd_rules.findings(tmp_path / "cup.usda")
    assert found is not None
    assert any(each.startswith("MissingMetersPerUnitMetadata") for each in found)
    assert any("textures/cup.png" in each for each in found)


def test_a_file_that_is_not_usd_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.usda").write_text("#usda 1.0\n(\n")
    found = usd_rules.findings(tmp_path / "a.usda")
    assert found is not None and found[0].startswith("Cannot be opened")


def test_only_single_things_that_move_are_props(folder: Path) -> None:
    props = {name: usd_rules.is_prop(usd.asset_file(folder, name)) for name in ("table", "cup", "cabinet")}
    assert props == {"table": False, "cup": True, "cabinet": True}
    assert not usd_rules.is_prop(folder / "scene.usdz")
