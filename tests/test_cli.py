"""The command line: what is said, and with which exit code."""

import json
import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import scenekit
from scenekit.cli import COMMANDS, benchmarks, main, overview
from scenekit.io.splat_files import write_splats
from scenekit.splats import random_splats


@pytest.fixture
def ply(tmp_path: Path) -> Path:
    write_splats(tmp_path / "a.ply", random_splats(60, degree=1))
    return tmp_path / "a.ply"


def failed(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    """Standard error of a command that must fail with this exit code, without a traceback."""
    assert main([str(word) for word in words]) == code
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out = capsys.readouterr().out
    for command, (_, example) in COMMANDS.items():
        assert re.search(rf"^  {command} ", out, re.MULTILINE)
        assert example in out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"scenekit {scenekit.__version__}\n"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "bench"])
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: scenekit {command}" in out
    assert COMMANDS[command][1].split(" ")[1] in out


def test_an_unknown_command_is_answered_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    err = failed(capsys, "recontruct")
    assert "recontruct" in err
    assert all(command in err for command in COMMANDS)


def test_an_unknown_option_is_an_error_of_usage(capsys: pytest.CaptureFixture[str], ply: Path) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["info", str(ply), "--colour"])
    assert exit_.value.code == 2


def test_benchmarks_are_listed_and_unknown_ones_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["bench"])
    assert not exit_.value.code
    out = capsys.readouterr().out
    assert all(name in out for name in benchmarks())
    assert "nonsense" in failed(capsys, "bench", "nonsense")


def test_verbose_adds_the_traceback(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["info", str(tmp_path / "none"), "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["reconstruct", "info", "eval", "render"])
def test_a_missing_path_is_named(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = ["-o", tmp_path / "out"] if command in ("reconstruct", "render") else []
    assert "nowhere" in failed(capsys, command, tmp_path / "nowhere", *output)
    assert not (tmp_path / "out").exists() or command == "reconstruct"


@pytest.mark.parametrize("command", ["reconstruct", "info", "eval"])
def test_an_empty_folder_is_named(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    output = ["-o", tmp_path / "out"] if command == "reconstruct" else []
    assert "photos" in failed(capsys, command, tmp_path / "photos", *output)


def test_an_output_that_is_a_file_is_refused_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "out").write_text("precious")
    assert "got a file" in failed(capsys, "reconstruct", tmp_path / "photos", "-o", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "precious"


def test_info_of_a_ply_as_text_and_json(ply: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(ply)]) == 0
    assert re.search(r"gaussians +60", capsys.readouterr().out)
    assert main(["info", str(ply), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["gaussians"], facts["sh_degree"]) == ("splats", 60, 1)


def test_info_reports_gaussians_that_are_not_finite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splats = random_splats(10)
    splats.means[3] = float("nan")
    write_splats(tmp_path / "a.ply", splats)
    assert main(["info", str(tmp_path / "a.ply")]) == 0
    assert "1 of 10 Gaussians with NaN" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"vertex 60", b"vertex 61", "truncated"),
        (b"vertex 60", b"vertex 6000000000000", "truncated"),
        (b"ply", b"xyz", "splats as one of"),
    ],
)
def test_damaged_plys_are_refused(
    ply: Path, old: bytes, new: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ply.write_bytes(ply.read_bytes().replace(old, new, 1))
    for command in ("info", "render"):
        err = failed(capsys, command, ply)
        assert says in err
        assert "a.ply" in err


def test_splats_with_nan_are_not_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splats = random_splats(10)
    splats.log_scales[3] = float("nan")
    write_splats(tmp_path / "a.ply", splats)
    assert "1 of 10" in failed(capsys, "render", tmp_path / "a.ply", "-o", tmp_path / "a.mp4")
    assert not (tmp_path / "a.mp4").exists()


def test_info_of_photos_counts_them_and_those_that_are_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        Image.effect_noise((64, 48), 50).convert("RGB").save(tmp_path / f"{i}.jpg")
    (tmp_path / "1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:500])
    assert main(["info", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["photos"], facts["sizes"]) == ("photos", 2, ["64x48"])
    assert list(facts["skipped"]) == ["1.jpg"]


def test_a_ply_is_rendered_as_a_turntable(ply: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--size", "32x24", "--frames", "5", "--backend", "torch"]
    assert main(["render", str(ply), "-o", str(tmp_path / "a.mp4"), *words]) == 0
    assert "5 frames" in capsys.readouterr().out
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(24, 32, 3)] * 5
    assert np.std(frames[0]) > 0


def test_a_ply_is_rendered_from_one_place(ply: Path, tmp_path: Path) -> None:
    words = ["--eye", "0", "-4", "1", "--size", "32x24", "--backend", "torch"]
    assert main(["render", str(ply), "-o", str(tmp_path / "a.png"), *words]) == 0
    assert np.std(np.asarray(Image.open(tmp_path / "a.png"))) > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--path", "photos"], "run folder"),
        (["--fov", "0"], "fov"),
        (["--size", "0x10"], "size"),
        (["--frames", "0"], "frame"),
        (["-o", "a.png"], "one picture"),
        (["--eye", "0", "0", "1", "--target", "0", "0", "1", "-o", "a.png"], "look_at"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    words: list[str],
    says: str,
    ply: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in failed(capsys, "render", ply, *words)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ply"]


def test_an_interruption_says_where_the_checkpoint_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenekit.pipelines import reconstruct

    def interrupted(config: reconstruct.Config) -> None:
        (config.output / "checkpoint").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(reconstruct, "run", interrupted)
    err = failed(capsys, "reconstruct", tmp_path, "-o", tmp_path / "run", code=130)
    assert str(tmp_path / "run" / "checkpoint") in err


def test_an_interrupted_training_says_so_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenekit.pipelines import jepa

    def interrupted(config: jepa.Config) -> None:
        (tmp_path / "checkpoint.safetensors").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(jepa, "run", interrupted)
    err = failed(capsys, "jepa", "train", "-o", tmp_path, code=130)
    assert str(tmp_path / "checkpoint.safetensors") in err


def test_the_overview_fits_a_terminal() -> None:
    assert max(map(len, overview().splitlines())) <= 100
