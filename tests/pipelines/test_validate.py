"""`scenekit validate`: a table for people, JSON for programs, an exit code for scripts."""

import json
from pathlib import Path

import pytest
import trimesh

from scenekit.cli import main


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    file = tmp_path / "my ball.stl"
    trimesh.creation.icosphere(2, 0.1).export(file)
    return file


@pytest.fixture
def turned(tmp_path: Path) -> Path:
    solid = trimesh.creation.icosphere(2, 0.1)
    solid.invert()
    solid.export(tmp_path / "turned.stl")
    return tmp_path / "turned.stl"


def test_a_sound_file_ends_with_0_and_an_error_with_6(sound: Path, turned: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["validate", str(sound)]) == 0
    assert main(["validate", str(turned)]) == 6
    out = capsys.readouterr().out
    assert "mesh-inside-out" in out
    assert "1 error, 0 warnings" in out


def test_fail_on_says_how_grave_it_must_be(turned: Path, sound: Path, tmp_path: Path) -> None:
    assert main(["validate", str(turned), "--fail-on", "never"]) == 0
    assert main(["validate", str(turned), "--fail-on", "warning"]) == 6
    half = trimesh.creation.icosphere(2, 0.1)
    half.update_faces([True] * 100 + [False] * (len(half.faces) - 100))
    half.export(tmp_path / "half.stl")
    assert main(["validate", str(tmp_path / "half.stl")]) == 0
    assert main(["validate", str(tmp_path / "half.stl"), "--fail-on", "warning"]) == 6
    assert main(["validate", str(sound), "--fail-on", "warning"]) == 0  # notes are no reason


def test_json_holds_all_fields_and_the_remedy_names_the_scene(turned: Path, capsys: pytest.CaptureFixture) -> None:
    main(["validate", str(turned), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["counts"]["error"] == 1
    first = answer["findings"][0]
    assert (first["severity"], first["code"], first["path"]) == ("error", "mesh-inside-out", "/turned")
    assert first["figures"]["volume"] == pytest.approx(-0.004, abs=2e-4)
    assert f"scenekit edit {turned} mend /turned" in first["remedy"]


def test_a_path_with_a_blank_is_quoted_in_the_remedy(sound: Path, capsys: pytest.CaptureFixture) -> None:
    main(["validate", str(sound), "--json"])
    remedies = [finding["remedy"] for finding in json.loads(capsys.readouterr().out)["findings"]]
    assert any(f"scenekit edit '{sound}' metric-size" in remedy for remedy in remedies)


def test_what_cannot_be_opened_is_exit_code_2(tmp_path: Path) -> None:
    assert main(["validate", str(tmp_path / "nothing")]) == 2
