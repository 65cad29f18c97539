"""What is done with a finished run: eval, info, render."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenekit.cli import main
from scenekit.io.splat_files import read_splats, write_splats
from scenekit.pipelines import evaluate, info, reconstruct


def test_eval_repeats_the_scores_of_the_run(finished: reconstruct.Result) -> None:
    assert finished.scores is not None
    again = evaluate.run(evaluate.Config(finished.folder)).scores
    assert again.as_dict() == finished.scores.as_dict()


def test_eval_prints_a_row_per_photo_and_the_mean(
    finished: reconstruct.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(finished.folder)]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["photo", "0000.jpg", "0008.jpg", "mean"]
    assert finished.scores is not None
    assert float(lines[-1].split()[1]) == pytest.approx(finished.scores.psnr, abs=0.005)


def test_eval_of_other_splats_gives_other_scores(finished: reconstruct.Result, tmp_path: Path) -> None:
    worse = finished.splats.map(lambda t: t[::2])
    write_splats(tmp_path / "half.ply", worse)
    scores = evaluate.run(
        evaluate.Config(finished.folder, splats=tmp_path / "half.ply", output=tmp_path / "a.json")
    ).scores
    assert finished.scores is not None
    assert scores.psnr != finished.scores.psnr
    assert json.loads((tmp_path / "a.json").read_text())["psnr"] == scores.psnr


def test_eval_of_a_region_scores_neighbours(finished: reconstruct.Result) -> None:
    scores = evaluate.run(evaluate.Config(finished.folder, region=True)).scores
    assert len(scores.views) == 1


def test_info_of_a_run_tells_its_state_scores_and_splats(finished: reconstruct.Result) -> None:
    facts = info.run(info.Config(finished.folder)).facts
    assert facts["kind"] == "run"
    assert facts["finished"]
    assert facts["splats"]["gaussians"] == len(finished.splats)
    assert finished.scores is not None
    assert facts["held_out"]["psnr"] == finished.scores.psnr


@pytest.mark.parametrize(("place", "kind"), [("", "photos"), ("truth/colmap", "colmap")])
def test_info_knows_captures_by_their_content(photos: Path, place: str, kind: str) -> None:
    facts = info.run(info.Config(photos / place)).facts
    assert facts["kind"] == kind
    assert facts.get("photos", facts.get("images")) == 9


def test_a_run_is_rendered_from_where_its_photos_were_taken(
    finished: reconstruct.Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--path", "photos", "--size", "40x30"]
    assert main(["render", str(finished.folder), "-o", str(tmp_path / "out"), *words]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{i:04d}.png" for i in range(9)]
    assert np.asarray(Image.open(tmp_path / "out" / "0000.png")).shape == (30, 40, 3)


def test_splats_on_disk_are_readable_at_full_precision(finished: reconstruct.Result) -> None:
    assert len(read_splats(finished.folder / "splats.ply")) == len(finished.splats)
