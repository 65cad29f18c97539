"""Run folders: what goes on, what starts over, what is refused."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scenekit.errors import FileError, InputError
from scenekit.runs import as_json, command, open_run, read_json, write_json


@dataclass(frozen=True)
class Inner:
    steps: int = 10


@dataclass(frozen=True)
class Options:
    output: Path = Path("x")
    fresh: bool = False
    seed: int = 0
    fit: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("started", "told"),
    [("/usr/bin/scenekit", "scenekit"), ("/somewhere/scenekit/__main__.py", "python -m scenekit"), ("my.py", "my.py")],
)
def test_the_command_is_one_that_a_shell_takes(started: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [started, "generate", "a red mug"])
    assert command() == f"{told} generate 'a red mug'"


def test_a_finished_stage_is_remembered_with_its_time(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", Options())
    with run.stage("cameras"):
        pass
    again = open_run(tmp_path / "run", Options())
    assert again.done == {"cameras"}
    assert again.seconds.keys() == {"cameras"}
    assert again.started == run.started


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_an_interrupted_stage_is_timed_but_not_done(tmp_path: Path, error: BaseException) -> None:
    run = open_run(tmp_path / "run", Options())
    with pytest.raises(type(error)), run.stage("fit"):
        raise error
    again = open_run(tmp_path / "run", Options())
    assert again.done == set()
    assert "fit" in again.seconds


def test_times_of_several_sittings_add_up(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", Options())
    run.seconds["fit"] = 100.0
    with run.stage("fit"):
        pass
    assert open_run(tmp_path / "run", Options()).seconds["fit"] >= 100.0


def test_other_options_are_named_and_refused(tmp_path: Path) -> None:
    open_run(tmp_path / "run", Options())
    with pytest.raises(InputError, match=r"fit\.steps was 10, now 20; seed was 0, now 3") as error:
        open_run(tmp_path / "run", Options(seed=3, fit=Inner(20)))
    assert "--fresh" in str(error.value)


def test_an_option_of_a_later_version_had_its_default_in_an_earlier_run(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", Options())
    for before in ({"output": "x", "fresh": False, "seed": 0}, {"seed": 0, "fit": {}}):
        write_json(run.folder / "config.json", before)
        assert open_run(tmp_path / "run", Options()).started == run.started
        write_json(run.folder / "config.json", before)
        with pytest.raises(InputError, match=r"\(fit\.steps was 10, now 20\)"):
            open_run(tmp_path / "run", Options(fit=Inner(20)))


def test_where_the_output_is_and_whether_it_is_fresh_are_no_other_options(tmp_path: Path) -> None:
    open_run(tmp_path / "run", Options(output=Path("a")))
    run = open_run(tmp_path / "run", Options(output=Path("b"), fresh=True))
    assert run.folder == tmp_path / "run"


def test_a_fresh_start_forgets_stages_cache_and_checkpoint(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run", Options())
    with run.stage("cameras"):
        (run.folder / "checkpoint").mkdir()
        (run.folder / "splats.ply").write_text("result")
    again = open_run(tmp_path / "run", Options(seed=1), fresh=True)
    assert again.done == set()
    assert not (again.folder / "checkpoint").exists()
    assert (again.folder / "splats.ply").exists()
    assert read_json(again.folder / "config.json")["seed"] == 1


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    for fresh in (False, True):
        with pytest.raises(FileError, match="other things"):
            open_run(tmp_path, Options(), fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(FileError, match="got a file"):
        open_run(tmp_path / "a", Options())


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\xff\xfe", "[" * 100_000])
def test_damaged_state_is_named(tmp_path: Path, text: str) -> None:
    open_run(tmp_path / "run", Options())
    (tmp_path / "run" / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=r"run\.json"):
        open_run(tmp_path / "run", Options())


def test_options_become_plain_json() -> None:
    assert json.dumps(as_json(Options())).count("null") == 0
    assert as_json({"a": (1, None, Inner())}) == {"a": [1, None, {"steps": 10}]}


def test_numbers_that_json_does_not_have_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"psnr": float("nan")})
    assert not list(tmp_path.iterdir())
