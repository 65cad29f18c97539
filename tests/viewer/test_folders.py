"""Tests of scenekit.viewer.folders."""

from pathlib import Path

import pytest

from scenekit.errors import InputError
from scenekit.viewer.folders import beside


def test_a_name_is_a_folder_beside_the_scenes(tmp_path: Path) -> None:
    assert beside(tmp_path / "kitchen", "kitchen_2") == tmp_path / "kitchen_2"


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "a/b", "/etc/x", "a\\b", "a\0b", "~/x", ".ssh", "C:x", "x\n", "a" * 65, "-x"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="folder"):
        beside(tmp_path / "kitchen", name)


def test_what_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "link").symlink_to("/nowhere")
    for name in ("taken", "link"):
        with pytest.raises(InputError, match="there already"):
            beside(tmp_path / "kitchen", name)
