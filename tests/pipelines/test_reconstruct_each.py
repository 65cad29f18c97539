"""Many captures with one command, and one capture with many processes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scenekit import tasks
from scenekit.fit import FitConfig
from scenekit.io.splat_files import read_splats
from scenekit.pipelines import reconstruct
from scenekit.pipelines.reconstruct_each import Results


@pytest.fixture
def captures(photos: Path, tmp_path: Path) -> Path:
    """A sound capture and a broken one."""
    folder = tmp_path / "captures"
    (folder / "room" / "table" / "sparse").mkdir(parents=True)
    (folder / "room" / "table" / "sparse" / "0").symlink_to(photos / "truth" / "colmap")
    (folder / "room" / "table" / "images").symlink_to(photos / "images")
    (folder / "broken" / "images").mkdir(parents=True)
    (folder / "broken" / "images" / "a.jpg").write_text("no photo")
    return folder


def test_a_capture_that_fails_does_not_stop_the_others_and_what_is_done_is_not_done_again(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks.importlib.util, "find_spec", lambda name: None)
    output = tmp_path / "runs"
    config = reconstruct.Config(captures, output, each=True, video_frames=0, fit=FitConfig(steps=10))
    results = reconstruct.run(config)
    assert isinstance(results, Results)
    broken, table = results.rows
    assert (broken.capture, table.capture) == ("broken", "room/table")
    assert "photo" in broken.error and broken.psnr is None
    assert table.error == "" and table.photos == 9 and table.psnr is not None
    assert results.exit_code == 3
    assert "1 of 2 captures reconstructed" in str(results)
    assert "[2/2]" in capfd.readouterr().err
    assert [row["capture"] for row in json.loads((output / "captures.json").read_text())] == ["broken", "room/table"]
    assert len(read_splats(output / "room" / "table" / "splats.ply")) == table.gaussians
    before = (output / "room" / "table" / "report.html").stat().st_mtime_ns
    assert reconstruct.run(replace(config, workers=2)) == results
    assert (output / "room" / "table" / "report.html").stat().st_mtime_ns == before


@pytest.mark.slow
def test_two_processes_reconstruct_as_one_does_and_one_of_them_says_so(photos: Path, tmp_path: Path) -> None:
    words = [str(photos / "truth" / "colmap"), "--capture.images", str(photos / "images"), "--video-frames", "0"]
    words += ["--fit.steps", "40", "--fit.batch", "2", "-o"]
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    said = {}
    for name, start in (("one", []), ("two", several)):
        command = [sys.executable, *start, "-m", "scenekit", "reconstruct", *words, str(tmp_path / name)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        said[name] = done.stdout
    assert said["two"].count("Gaussians in") == 1
    psnrs = [json.loads((tmp_path / n / "metrics.json").read_text())["held_out"]["psnr"] for n in said]
    assert psnrs[1] == pytest.approx(psnrs[0], abs=0.05)
