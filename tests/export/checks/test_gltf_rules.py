"""The Khronos Group's validator on what is written, where it is installed; and what is made of its words."""

from pathlib import Path

import pytest

from scenekit.export import glb
from scenekit.export.assets import Assets
from scenekit.export.checks import gltf_rules

UNKNOWN = {"code": "UNSUPPORTED_EXTENSION", "severity": 2, "message": "Cannot validate: 'KHR_gaussian_splatting'."}


def found(path: Path) -> list[str]:
    findings = gltf_rules.findings(path)
    if findings is None:
        pytest.skip("gltf-validator is not installed")
    return findings


@pytest.mark.parametrize("physics", [False, True])
def test_what_is_written_breaks_no_rule(physics: bool, assets: Assets, tmp_path: Path) -> None:
    for file in glb.write(tmp_path, assets, physics=physics):
        assert found(file) == []


def test_a_file_that_is_cut_off_is_found(assets: Assets, tmp_path: Path) -> None:
    file = glb.write(tmp_path, assets)[0]
    file.write_bytes(file.read_bytes()[:-100])
    assert found(file)


def test_attributes_of_an_extension_that_it_does_not_know_are_not_called_wrong() -> None:
    invalid = {"code": "MESH_PRIMITIVE_INVALID_ATTRIBUTE", "severity": 0, "message": "Invalid attribute name."}
    where = "/meshes/0/primitives/0/attributes/"
    messages = [invalid | {"pointer": f"{where}{name}"} for name in ("KHR_gaussian_splatting:SCALE", "OTHER:SCALE")]
    wrong = f"MESH_PRIMITIVE_INVALID_ATTRIBUTE: Invalid attribute name. {where}"
    assert gltf_rules._errors([UNKNOWN, *messages]) == [f"{wrong}OTHER:SCALE"]
    assert len(gltf_rules._errors(messages)) == 2


def test_hints_and_warnings_are_no_findings() -> None:
    messages = [{"code": "UNUSED_OBJECT", "severity": severity, "message": "Unused."} for severity in (1, 2, 3)]
    assert gltf_rules._errors(messages) == []


def test_without_node_there_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gltf_rules.findings(tmp_path / "a.glb") is None
