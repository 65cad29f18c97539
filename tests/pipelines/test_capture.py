"""The command `scenekit capture`."""

from pathlib import Path

import pytest

from scenekit.cli import main
from scenekit.pipelines import capture
from scenekit.pipelines.capture import Config, MeshFile, Tabletop, run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the generators were asked for."""
    calls: list[tuple] = []

    def made(name: str):
        def make(folder: Path, *subjects: Path, **options: object) -> Path:
            calls.append((name, *subjects, options))
            return folder

        return make

    monkeypatch.setattr(capture, "capture_tabletop", made("tabletop"))
    monkeypatch.setattr(capture, "capture_mesh", made("mesh"))
    return calls


def test_options_reach_the_dataset(tmp_path, asked):
    result = run(Config(Tabletop(photos=5), tmp_path / "cap", size=(64, 48), seed=2))
    assert asked == [("tabletop", {"photos": 5, "width": 64, "height": 48, "seed": 2})]
    assert result.folder == tmp_path / "cap" and result.photos == 5
    run(Config(MeshFile(Path("a.obj"), object_height=0.4, up="z"), tmp_path / "cap"))
    options = {"texture": None, "object_height": 0.4, "up": "z", "photos": 60, "width": 640, "height": 480, "seed": 0}
    assert asked[1] == ("mesh", Path("a.obj"), options)


def test_both_commands_read_naturally(tmp_path, asked):
    assert main(["capture", "tabletop", "-o", str(tmp_path), "--photos", "7", "--size", "64x48"]) == 0
    assert main(["capture", "mesh", "a.obj", "-o", str(tmp_path), "--object-height", "0.1", "--seed", "3"]) == 0
    assert asked[0] == ("tabletop", {"photos": 7, "width": 64, "height": 48, "seed": 0})
    assert asked[1][1] == Path("a.obj") and asked[1][2]["object_height"] == 0.1 and asked[1][2]["seed"] == 3


def test_an_unknown_dataset_is_answered_with_those_that_exist(tmp_path, capsys):
    assert main(["capture", "kitchen", "-o", str(tmp_path)]) == 2
    assert "tabletop, mesh" in capsys.readouterr().err
