"""Tests of the command `scenekit view`."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import scenekit
from scenekit.cli import main
from scenekit.edits import Move
from scenekit.io.splat_files import write_splats
from scenekit.pipelines import view
from scenekit.splats import random_splats
from scenekit.viewer import Viewer, ViewerConfig


def test_it_prints_its_address_answers_there_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    write_splats(tmp_path / "a.ply", random_splats(10, degree=0))
    words = [sys.executable, "-m", "scenekit", "view", str(tmp_path / "a.ply"), "--no-open", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stderr is not None
        url = re.findall(r"http://127.0.0.1:\d+/[\w-]+/$", server.stdout.readline())[0]
        with urllib.request.urlopen(url, timeout=60) as page:
            assert page.status == 200
        assert server.stdout.readline() == "Ctrl-C ends it.\n"
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) == 0
        assert server.stdout.read().strip() == "" and server.stderr.read() == ""


def test_whoever_ends_it_hears_of_edits_that_were_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def edited(viewer: Viewer) -> None:
        viewer.session.apply(Move("/a", by=(0.0, 0.0, 1.0)))

    write_splats(tmp_path / "a.ply", random_splats(10, degree=0))
    monkeypatch.setattr(view, "wait", edited)
    assert main(["view", str(tmp_path / "a.ply"), "--no-open", "--port", "0"]) == 0
    assert capsys.readouterr().out.endswith("Edits that were not saved: 1.\n")


def test_what_cannot_be_opened_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_splats(tmp_path / "a.ply", random_splats(10, degree=0))
    assert main(["view", str(tmp_path / "none")]) == 2
    assert main(["view", str(tmp_path / "a.ply"), "--no-open", "--token", "short"]) == 2
    assert "token" in capsys.readouterr().err


def test_a_notebook_shows_the_viewer_below_the_cell() -> None:
    with scenekit.view(scenekit.Scene(), ViewerConfig(port=0, open=False)) as viewer:
        assert f'<iframe src="{viewer.url}"' in viewer._repr_html_()
