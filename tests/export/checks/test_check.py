"""The whole check: what is sound passes, what is not fails with exit code 8, and the report says why."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from scenekit.errors import FileError
from scenekit.export.checks.check import check


def test_a_sound_export_passes_and_has_a_report(copy: Path) -> None:
    report = check(copy, drop=False)
    assert report.passed and report.exit_code == 0, str(report)
    assert json.loads((copy / "check.json").read_text())["passed"] is True
    assert "Passed: 16 files load and agree" in str(report)
    page = (copy / "check.html").read_text()
    assert "mjcf/cup.xml" in page and "What does not hold" not in page


def test_a_spoilt_export_fails_and_says_where(copy: Path) -> None:
    shutil.rmtree(copy / "usd")
    shutil.rmtree(copy / "urdf")
    (copy / "glb/cup.glb").write_bytes(b"glTF")
    report = check(copy, drop=False)
    assert report.exit_code == 8
    assert [(finding.place, finding.program) for finding in report.findings] == [("glb/cup.glb", "trimesh")]
    assert "✗ glb/cup.glb · trimesh: does not load" in str(report)
    assert "What does not hold" in (copy / "check.html").read_text()


def test_check_json_has_no_nan_even_if_nothing_agrees(copy: Path) -> None:
    shutil.rmtree(copy / "usd")
    shutil.rmtree(copy / "urdf")
    path = copy / "mjcf/cup.xml"
    path.write_text(path.read_text().replace("<inertial", '<inertial gravcomp="oops"', 1))
    check(copy, drop=False)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads((copy / "check.json").read_text(), parse_constant=refuse)


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"schema": 1}', '{"schema": 99}'])
def test_a_folder_that_is_no_export_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "physics.json").write_text(text)
    with pytest.raises(FileError):
        check(tmp_path)


def test_an_export_without_any_format_is_refused(copy: Path) -> None:
    for name in ("mjcf", "urdf", "usd", "glb"):
        shutil.rmtree(copy / name)
    with pytest.raises(FileError, match="no mjcf, urdf, usd or glb"):
        check(copy)


@pytest.mark.slow
def test_a_sound_export_settles_in_both_engines_and_has_a_picture(copy: Path) -> None:
    report = check(copy)
    assert report.passed, str(report)
    assert {(drop.asset, drop.engine) for drop in report.drops} == {
        (asset, engine) for asset in ("cup", "cabinet") for engine in ("MuJoCo", "Newton")
    }
    with Image.open(copy / "check.png") as picture:
        assert picture.width > 1000
