"""SimReady's validator on what is written, where it is installed; and where it is not."""

import os
import stat
from pathlib import Path

import pytest

from scenekit.export import usd
from scenekit.export.assets import Assets
from scenekit.export.checks import simready

REPORT = """#!/bin/sh
while [ "$1" != --output ]; do shift; done
cat > "$2" << END
{"cup.usda": {"features_summary": {
  "FET_001": {"blocking_failure": true,
              "requirement_messages": "{\\\\"com.nvidia.simready.UN.006\\\\": [\\\\"upAxis is Y\\\\"]}"},
  "FET_002": {"blocking_failure": false, "optional requirements": "['com.nvidia.simready.RV.001']"}}}}
END
"""


@pytest.fixture(scope="module")
def folder(assets: Assets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("usd")
    usd.write(folder, assets)
    return folder


def program(folder: Path, script: str, patch: pytest.MonkeyPatch) -> None:
    """A validator that is on the path."""
    file = folder / "simready-validate"
    file.write_text(script)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    patch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.parametrize("name", ["table", "cup", "cabinet"])
def test_props_meet_the_profile(name: str, folder: Path) -> None:
    found = simready.findings(usd.asset_file(folder, name))
    if found is None:
        pytest.skip("simready-validate is not installed")
    assert found == []


def test_without_the_validator_there_is_no_finding(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(simready, "find_spec", lambda name: None)
    assert simready.findings(usd.asset_file(folder, "cup")) is None


def test_what_the_profile_asks_for_is_a_finding_and_what_it_offers_is_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, REPORT, monkeypatch)
    assert simready.findings(usd.asset_file(folder, "cup")) == ["UN.006: upAxis is Y"]
    assert simready.findings(folder / "scene.usda") == []  # which is no prop


def test_a_validator_that_fails_or_hangs_is_a_finding(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "#!/bin/sh\necho no licence >&2\nexit 1\n", monkeypatch)
    assert simready.findings(usd.asset_file(folder, "cup")) == ["The validator failed: no licence"]
    program(tmp_path, "#!/bin/sh\nexec sleep 60\n", monkeypatch)
    monkeypatch.setattr(simready, "SECONDS", 0.2)
    assert simready.findings(usd.asset_file(folder, "cup")) == ["The validator did not end within 0.2 s."]
